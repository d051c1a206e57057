import { BranchState, RefusalError } from "@bank/core";
import { ManualPlatform, until, watch } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import type { RemoteJournal } from "./bank-link.ts";
import { Registration } from "./registration.ts";

type Announced = Parameters<RemoteJournal["registerBranch"]>[0];

const addressOf = (branch: number) => `http://127.0.0.1:${branch}`;
const BRANCHES = [1, 2].map((branch) => ({ branch, name: `branch ${branch}`, address: addressOf(branch) }));
const OTHER = addressOf(9);
const FOREVER = new AbortController().signal;

/** A registration whose bank does as the test says. */
function newRegistration() {
  const announced: Announced[] = [];
  const bank: { answer: (branch: Announced) => Promise<void> } = { answer: async () => undefined };
  const link = {
    registerBranch: async (branch: Announced) => {
      announced.push(branch);
      await bank.answer(branch);
      return 1;
    },
  };
  const platform = new ManualPlatform();
  const registration = new Registration(link as unknown as RemoteJournal, platform);
  registration.announce(BRANCHES);
  return { announced, bank, platform, registration };
}

async function reasonOf(promise: Promise<void>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof RefusalError) return `${error.refusal.reason} ${error.refusal.outcome}`;
    throw error;
  }
  return "none";
}

const UNREACHABLE = "BANK_UNREACHABLE OUTCOME_UNKNOWN";

describe("the registration of branches", () => {
  it("tells the bank all of them, once", async () => {
    const { announced, registration } = newRegistration();
    expect(await reasonOf(registration.whenDone(FOREVER))).toBe(UNREACHABLE);
    registration.start();
    registration.start();
    await registration.whenDone(FOREVER);
    expect(announced).toEqual(BRANCHES);
    await registration.whenDone(FOREVER);
    await registration.whenEverDone(FOREVER);
    expect(announced).toHaveLength(2);
  });

  it("is tried again, with all of them, until the bank has taken it", async () => {
    const { announced, bank, platform, registration } = newRegistration();
    let failures = 3;
    bank.answer = async ({ branch }) => {
      if (branch === 2 && failures-- > 0) throw new Error("not now");
    };
    registration.start();
    const done = watch(registration.whenDone(FOREVER));
    await until(() => done.state !== "pending", { platform });
    expect(done.state).toBe("fulfilled");
    expect(announced.map(({ branch }) => branch)).toEqual([1, 2, 1, 2, 1, 2, 1, 2]);
    expect(platform.log.about("not registered yet")).toHaveLength(1);
  });

  it("keeps what is to be booked here waiting, but not beyond its deadline", async () => {
    const { bank, registration } = newRegistration();
    const held = Promise.withResolvers<void>();
    bank.answer = () => held.promise;
    registration.start();
    const early = new AbortController();
    const late = reasonOf(registration.whenDone(early.signal));
    const patient = watch(registration.whenDone(FOREVER));
    early.abort();
    expect(await late).toBe("DEADLINE_EXCEEDED OUTCOME_UNKNOWN");
    expect(await reasonOf(registration.whenDone(early.signal))).toBe("DEADLINE_EXCEEDED OUTCOME_UNKNOWN");
    expect(patient.state).toBe("pending");
    held.resolve();
    await until(() => patient.state === "fulfilled");
  });

  it("fails fast for what is to be booked here when the bank is lost, and waits for its return elsewhere", async () => {
    const { announced, bank, platform, registration } = newRegistration();
    bank.answer = () => new Promise(() => undefined);
    registration.start();
    const write = reasonOf(registration.whenDone(FOREVER));
    const start = watch(registration.whenEverDone(FOREVER));
    registration.lost();
    expect(await write).toBe(UNREACHABLE);
    expect(await reasonOf(registration.whenDone(FOREVER))).toBe(UNREACHABLE);
    bank.answer = async () => undefined;
    registration.start();
    await until(() => start.state === "fulfilled", { platform });
    expect(announced).toHaveLength(3);
  });

  it("is made anew with each connection: the bank may have lost it meanwhile", async () => {
    const { announced, bank, registration } = newRegistration();
    registration.start();
    await registration.whenDone(FOREVER);
    registration.lost();
    expect(await reasonOf(registration.whenDone(FOREVER))).toBe(UNREACHABLE);
    const held = Promise.withResolvers<void>();
    bank.answer = () => held.promise;
    registration.start();
    const write = watch(registration.whenDone(FOREVER));
    const following = watch(registration.whenEverDone(FOREVER));
    await until(() => announced.length === 3);
    expect([write.state, following.state]).toEqual(["pending", "pending"]);
    held.resolve();
    await until(() => write.state === "fulfilled" && following.state === "fulfilled");
    expect(announced).toHaveLength(4);
  });

  it("is not done by an answer that comes when the connection is another", async () => {
    const { bank, registration } = newRegistration();
    const old = Promise.withResolvers<void>();
    bank.answer = () => old.promise;
    registration.start();
    registration.lost();
    old.resolve();
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    expect(await reasonOf(registration.whenDone(FOREVER))).toBe(UNREACHABLE);
  });

  it("is made anew where the journal shows another address, but not because the branch is behind, nor again and again", async () => {
    const { announced, bank, platform, registration } = newRegistration();
    const shown = (position: number, address: string) => {
      const branches = new Map(
        [1, 2].map((n) => [n, { name: "", state: BranchState.ACTIVE, address: n === 1 ? address : addressOf(2) }]),
      );
      return { ledger: { position, branches } };
    };
    registration.check(shown(9, OTHER));
    registration.start();
    await registration.whenDone(FOREVER);
    registration.check(shown(0, OTHER));
    registration.check(shown(9, addressOf(1)));
    expect(announced).toHaveLength(2);
    const refusal = new RefusalError("BRANCH_TAKEN", { branch: "1", address: OTHER });
    let refusals = 3;
    bank.answer = async () => {
      if (refusals-- > 0) throw refusal;
    };
    registration.check(shown(9, OTHER));
    registration.check(shown(9, OTHER));
    // What is to be booked here goes on: the bank knows the branch.
    await registration.whenDone(FOREVER);
    await until(() => announced.length === 7, { platform });
    expect(platform.log.about("registers anew")).toMatchObject([{ level: "error", fields: { branch: 1 } }]);
    expect(platform.log.about("not registered yet")).toMatchObject([
      { level: "error", fields: { problem: expect.stringContaining("Stop that one") } },
    ]);
    registration.check(shown(9, OTHER));
    expect(announced).toHaveLength(7);
    platform.advance(60_000);
    registration.check(shown(9, OTHER));
    await until(() => announced.length === 9, { platform });
  });

  it("ends with its branch", async () => {
    const { bank, registration } = newRegistration();
    bank.answer = () => new Promise(() => undefined);
    registration.start();
    const write = reasonOf(registration.whenDone(FOREVER));
    const start = reasonOf(registration.whenEverDone(FOREVER));
    registration.close();
    expect(await write).toBe("NOT_READY OUTCOME_UNKNOWN");
    expect(await start).toBe("NOT_READY OUTCOME_UNKNOWN");
    registration.start();
    expect(await reasonOf(registration.whenDone(FOREVER))).toBe(UNREACHABLE);
  });
});

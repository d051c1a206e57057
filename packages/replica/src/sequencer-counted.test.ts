import type { Position } from "@bank/core";
import { deposit, openAccount, request, rest, until, watch } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import type { CountedCopies } from "./counted-commit.ts";
import { idOf } from "./members.test-util.ts";
import type { CountedSetting } from "./members.ts";
import {
  appendHeld,
  balanceOf,
  type Fixture,
  reopened,
  short,
  startSequencer,
  submitOne,
} from "./sequencer.test-util.ts";

interface Asked {
  readonly position: Position;
  readonly settings: readonly CountedSetting[];
  readonly isTold: boolean;
  readonly stored: () => void;
}

/** Copies whose disks a test speaks for. */
class Copies implements CountedCopies {
  connected = 3;
  /** What is waited for, oldest first. */
  readonly asked: Asked[] = [];
  /** Whether whatever is asked is there at once. */
  isPrompt = true;

  stored(position: Position, { settings, isTold, signal }: Parameters<CountedCopies["stored"]>[1]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.asked.push({ position, settings, isTold, stored: resolve });
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      if (this.isPrompt) resolve();
    });
  }

  countedConnected({ members }: CountedSetting): number {
    return Math.min(this.connected, members.length);
  }

  /** Those that come last in the setting. */
  countedAway({ members }: CountedSetting): number[] {
    return members.slice(this.connected).map(({ branch }) => branch);
  }
}

const setting = (copies: number, ...branches: number[]) =>
  ({ kind: "setDurability", copies, members: branches.map((branch) => ({ branch, copyId: idOf(branch) })) }) as const;

/** Two of the branches 1 to 3 count; an account is open; what is asked from now on waits for the test. */
async function startCounted(): Promise<Fixture & { readonly copies: Copies }> {
  const copies = new Copies();
  const fixture = await startSequencer({ copies });
  const { sequencer } = fixture;
  const register = [1, 2, 3].map((branch) =>
    request(900_000 + branch, { kind: "registerBranch", branch, name: "", address: `http://b${branch}` } as const),
  );
  await sequencer.submit([...register, request(900_010, openAccount())]);
  await sequencer.submit([request(900_020, setting(2, 1, 2, 3))]);
  copies.asked.length = 0;
  copies.isPrompt = false;
  return { ...fixture, copies };
}

async function asked(copies: Copies): Promise<Asked> {
  await until(() => copies.asked.length > 0, { what: "a batch to wait for copies" });
  return copies.asked.shift() as Asked;
}

describe("a batch where copies count", () => {
  it("is committed once they have it, and nobody is answered before, nor the next one begun", async () => {
    const { sequencer, copies, store, ledger, disk } = await startCounted();
    const before = sequencer.committedPosition;
    store.calls.append = 0;
    const first = watch(submitOne(sequencer, request(1, deposit(1, 5))));
    const { position, settings, isTold, stored } = await asked(copies);
    const read = watch(sequencer.read((state) => balanceOf(state, 1)));
    const second = watch(submitOne(sequencer, request(2, deposit(1, 7))));
    const retry = watch(submitOne(sequencer, request(1, deposit(1, 5))));
    await rest();
    expect({ position, copies: settings.map((one) => one.copies), isTold }).toEqual({
      position: ledger.position,
      copies: [2],
      isTold: false,
    });
    expect(sequencer.committedPosition).toBe(before);
    expect([first, read, second, retry].map(({ state }) => state)).toEqual(Array(4).fill("pending"));
    expect(store.calls.append).toBe(1);
    expect(disk.head()?.position).toBe(position);
    stored();
    await until(() => first.state === "fulfilled" && read.state === "fulfilled");
    expect(read.value).toEqual({ value: 5n, position });
    (await asked(copies)).stored();
    await until(() => second.state === "fulfilled" && retry.state === "fulfilled");
    expect([first, second, retry].map(({ value }) => short(value!))).toEqual(["done", "done", "done, replayed"]);
  });

  it("is never taken back: its callers are told at their deadline that it is on the bank's disk", async () => {
    const { sequencer, copies, ledger, platform } = await startCounted();
    const caller = new AbortController();
    const late = watch(submitOne(sequencer, request(1, deposit(1, 5)), caller.signal));
    const { position, stored } = await asked(copies);
    copies.connected = 1;
    caller.abort();
    await until(() => late.state === "rejected");
    expect(late.reason).toMatchObject({ refusal: { reason: "DEADLINE_EXCEEDED", outcome: "OUTCOME_UNKNOWN" } });
    expect(String(late.reason)).toContain(`position ${position}, which is on the bank's disk`);
    // What is new is refused before anything is done; what was begun attaches to it.
    await expect(submitOne(sequencer, request(2, deposit(1, 7)))).rejects.toMatchObject({
      refusal: {
        reason: "TOO_FEW_BRANCHES",
        outcome: "NOT_APPLIED",
        metadata: { copies: "2", connected: "1", missing: "1", away: "branches 2, 3" },
      },
    });
    const retry = watch(submitOne(sequencer, request(1, deposit(1, 5))));
    await rest();
    expect(retry.state).toBe("pending");
    stored();
    await until(() => retry.state === "fulfilled");
    expect(short(retry.value!)).toBe("done, replayed");
    expect(balanceOf(ledger, 1)).toBe(5n);
    platform.advance(1_000);
    await expect(sequencer.passTime(sequencer.nowMs() - 1)).rejects.toMatchObject({
      refusal: { reason: "TOO_FEW_BRANCHES" },
    });
    copies.connected = 2;
    copies.isPrompt = true;
    expect(short(await submitOne(sequencer, request(2, deposit(1, 7))))).toBe("done");
  });

  it("that the store refused is taken back as ever, and nobody is asked for it", async () => {
    const { sequencer, copies, store, faulty, ledger } = await startCounted();
    store.holds = true;
    faulty.failNextAppend("refused");
    const told = watch(submitOne(sequencer, request(1, deposit(1, 5))));
    await until(() => store.held.length > 0);
    store.holds = false;
    store.passNext();
    await until(() => told.state === "fulfilled");
    expect(short(told.value!)).toBe("STORE_REFUSED NOT_APPLIED");
    expect(copies.asked).toEqual([]);
    expect(balanceOf(ledger, 1)).toBe(0n);
  });

  it("is left to the next start where the bank is told to stop: nobody is answered from it", async () => {
    const { sequencer, copies, disk, fatal, platform } = await startCounted();
    const before = sequencer.committedPosition;
    const told = watch(submitOne(sequencer, request(1, deposit(1, 5))));
    await asked(copies);
    const waiting = watch(submitOne(sequencer, request(2, deposit(1, 5))));
    const read = watch(sequencer.read((state) => balanceOf(state, 1)));
    const drained = watch(sequencer.drain());
    await rest();
    // They may be about to acknowledge it.
    expect([drained, told].map(({ state }) => state)).toEqual(["pending", "pending"]);
    platform.advance(1_000);
    await until(() => drained.state === "fulfilled");
    await until(() => [told, read, waiting].every(({ state }) => state === "rejected"));
    expect(told.reason).toMatchObject({ refusal: { reason: "NOT_READY", outcome: "OUTCOME_UNKNOWN" } });
    expect(waiting.reason).toMatchObject({ refusal: { reason: "NOT_READY", outcome: "NOT_APPLIED" } });
    expect(sequencer.committedPosition).toBe(before);
    expect(sequencer.failed).toBeDefined();
    expect(fatal).toEqual([]);
    expect(balanceOf((await reopened(disk)).replay.ledger, 1)).toBe(5n);
  });
});

it("answers what copies acknowledge while the bank closes", async () => {
  const { sequencer, copies } = await startCounted();
  const told = watch(submitOne(sequencer, request(1, deposit(1, 5))));
  const { stored } = await asked(copies);
  const drained = watch(sequencer.drain());
  await rest();
  stored();
  await until(() => drained.state === "fulfilled" && told.state === "fulfilled");
  expect(short(told.value!)).toBe("done");
  expect(sequencer.failed).toBeUndefined();
});

describe("a batch that says which copies count", () => {
  it("needs those that counted before and those that count from then on, which are told to say so", async () => {
    const { sequencer, copies } = await startCounted();
    const change = watch(submitOne(sequencer, request(1, setting(1, 2, 3))));
    const { settings, isTold, stored } = await asked(copies);
    expect(settings.map((one) => [one.copies, one.members.map(({ branch }) => branch)])).toEqual([
      [2, [1, 2, 3]],
      [1, [2, 3]],
    ]);
    expect(isTold).toBe(true);
    expect(sequencer.durability).toMatchObject({ copies: 2 });
    stored();
    await until(() => change.state === "fulfilled");
    expect(sequencer.durability).toMatchObject({ copies: 1 });
    const next = watch(submitOne(sequencer, request(2, deposit(1, 5))));
    const after = await asked(copies);
    expect(after.settings.map((one) => one.copies)).toEqual([1]);
    after.stored();
    await until(() => next.state === "fulfilled");
  });

  it("needs them also where none count from then on; after that only the bank's disk does", async () => {
    const { sequencer, copies } = await startCounted();
    const change = watch(submitOne(sequencer, request(1, setting(0))));
    const { settings, stored } = await asked(copies);
    expect(settings.map((one) => one.copies)).toEqual([2, 0]);
    await rest();
    expect(change.state).toBe("pending");
    stored();
    await until(() => change.state === "fulfilled");
    copies.connected = 0;
    expect(short(await submitOne(sequencer, request(2, deposit(1, 5))))).toBe("done");
    expect(copies.asked).toEqual([]);
  });

  it("is refused where too few of those are connected that it names", async () => {
    const { sequencer, copies } = await startCounted();
    const change = submitOne(sequencer, request(1, setting(2, 1, 2)));
    (await asked(copies)).stored();
    await change;
    copies.connected = 2;
    await expect(submitOne(sequencer, request(2, setting(3, 1, 2, 3)))).rejects.toMatchObject({
      refusal: { reason: "TOO_FEW_BRANCHES", metadata: { copies: "3", connected: "2", away: "branch 3" } },
    });
  });
});

describe("where no copies count", () => {
  it("nobody is asked, and a batch is handed on and committed in one turn", async () => {
    const order: string[] = [];
    const fixture = await startSequencer({ copies: new Copies(), onAppended: () => order.push("appended") });
    order.length = 0;
    const { sequencer, committed, store } = fixture;
    store.holds = true;
    const told = watch(submitOne(sequencer, request(1, openAccount())));
    await appendHeld(fixture);
    store.passNext();
    await until(() => order.length > 0);
    expect(committed).toHaveLength(1);
    await until(() => told.state === "fulfilled");
  });
});

import type { RefusalError } from "@bank/core";
import { deposit, request, rest, until, watch, withdraw } from "@bank/testkit";
import { describe, expect, it, vi } from "vitest";
import { caughtUp, lost, stallStreams, startPair } from "./branch-replica.test-util.ts";
import { balanceOf, short } from "./sequencer.test-util.ts";

const one = async (submitting: Promise<readonly { readonly outcome: Parameters<typeof short>[0] }[]>) =>
  short((await submitting)[0]!.outcome);

describe("writes", () => {
  it("are answered once this branch shows them", async () => {
    const { branch } = await startPair();
    for (let i = 1; i <= 10; i++) {
      const [result] = await branch.submit([request(i, deposit(1, 1))]);
      expect(short(result!.outcome)).toBe("done");
      expect(branch.appliedPosition).toBeGreaterThanOrEqual(result!.position);
      const local = await branch.read({ mode: "local" }, (ledger) => balanceOf(ledger, 1));
      expect(local.value).toBe(100n + BigInt(i));
    }
  });

  it("wait for the journal also where the bank's answer is the faster, and leave no timer", async () => {
    const pair = await startPair();
    const { branch, bank, at, link } = pair;
    const stalled = Promise.withResolvers<void>();
    const messages = bank.feed.messages.bind(bank.feed);
    vi.spyOn(bank.feed, "messages").mockImplementation(async function* (after, signal) {
      for await (const message of messages(after, signal)) {
        if (message.batch !== undefined) await stalled.promise;
        yield message;
      }
    });
    await lost(pair);
    link.join(bank);
    await until(() => branch.state === "following", { platform: at.platform });
    const timers = at.platform.timerCount;
    const write = watch(branch.submit([request(1, deposit(1, 1))]));
    await until(() => bank.committedPosition > branch.appliedPosition);
    await rest(20);
    expect(write.state).toBe("pending");
    stalled.resolve();
    await until(() => write.state === "fulfilled");
    expect(balanceOf(branch.ledger, 1)).toBe(101n);
    expect(at.platform.timerCount).toBe(timers);
  });

  it.each(["its patience", "the caller's deadline"])(
    "are answered by their commit, loudly, where this branch does not show them within %s",
    async (which) => {
      const pair = await startPair();
      const { branch, bank, at, link } = pair;
      stallStreams(bank);
      await lost(pair);
      link.join(bank);
      await until(() => branch.state === "following", { platform: at.platform });
      const deadline = new AbortController();
      const write = watch(branch.submit([request(1, deposit(1, 1))], deadline.signal));
      await until(() => bank.committedPosition > branch.appliedPosition);
      await rest(20);
      expect(write.state).toBe("pending");
      if (which === "its patience") at.platform.advance(5_000);
      else deadline.abort();
      await until(() => write.state === "fulfilled");
      expect(short(write.value![0]!.outcome)).toBe("done");
      expect(at.platform.log.about("before this branch shows it")).toHaveLength(1);
    },
  );

  it("start no timer where this branch shows them already, or where there is nothing to show", async () => {
    const { branch, at } = await startPair();
    const delay = vi.spyOn(at.platform, "delay");
    const [result] = await branch.submit([request(900_002, deposit(1, 100))]);
    expect(short(result!.outcome)).toBe("done, replayed");
    expect(await one(branch.submit([request(3, deposit(1, 0))]))).toBe("INVALID_AMOUNT NOT_APPLIED");
    expect(delay).not.toHaveBeenCalled();
  });

  it("go together where they come together, and their refusals come back", async () => {
    const { branch, link } = await startPair();
    const calls = link.calls;
    const told = await Promise.all([
      one(branch.submit([request(1, deposit(1, 1))])),
      one(branch.submit([request(2, withdraw(1, 5_000))])),
      one(branch.submit([request(3, deposit(1, 0))])),
      one(branch.submit([request(1, deposit(1, 1))])),
    ]);
    expect(told).toEqual(["done", "INSUFFICIENT_FUNDS", "INVALID_AMOUNT NOT_APPLIED", "done, replayed"]);
    expect(link.calls - calls).toBe(1);
  });

  it("whose answer is lost on the way are OUTCOME_UNKNOWN, never NOT_APPLIED", async () => {
    const { branch, link, bank, at, opened } = await startPair();
    link.beforeAnswer = () => new Promise(() => undefined);
    const write = watch(branch.submit([request(1, deposit(1, 1))]));
    await until(() => balanceOf(bank.ledger, 1) === 101n);
    link.break();
    await until(() => write.state === "rejected");
    expect((write.reason as RefusalError).refusal).toMatchObject({
      reason: "BANK_UNREACHABLE",
      outcome: "OUTCOME_UNKNOWN",
    });
    link.beforeAnswer = async () => undefined;
    link.join(bank);
    await caughtUp(at, opened);
    expect(await one(branch.submit([request(1, deposit(1, 1))]))).toBe("done, replayed");
  });

  it("keep the bank's own word on their outcome", async () => {
    const { branch, bank } = await startPair();
    await bank.close();
    await expect(branch.submit([request(1, deposit(1, 1))])).rejects.toMatchObject({
      refusal: { reason: "NOT_READY", outcome: "NOT_APPLIED" },
    });
  });

  it("end at their deadline with OUTCOME_UNKNOWN, and are not sent behind it", async () => {
    const { branch, link } = await startPair();
    link.beforeAnswer = () => new Promise(() => undefined);
    const deadline = new AbortController();
    const write = watch(branch.submit([request(1, deposit(1, 1))], deadline.signal));
    await rest();
    deadline.abort();
    await until(() => write.state === "rejected");
    const refusal = { reason: "DEADLINE_EXCEEDED", outcome: "OUTCOME_UNKNOWN" };
    expect((write.reason as RefusalError).refusal).toMatchObject(refusal);
    const calls = link.calls;
    await expect(branch.submit([request(2, deposit(1, 1))], deadline.signal)).rejects.toMatchObject({ refusal });
    expect(link.calls).toBe(calls);
  });

  it.each([
    ["BANK_UNREACHABLE", 40],
    ["DEADLINE_EXCEEDED", 49],
    ["DEADLINE_EXCEEDED", 60],
  ])("end with %s where the call to the bank breaks %i of their 50 ms later", async (reason, passedMs) => {
    const { branch, link, at } = await startPair();
    const broken = Promise.withResolvers<void>();
    const beforeAnswer = vi.fn(() => broken.promise);
    link.beforeAnswer = beforeAnswer;
    const write = watch(branch.submit([request(1, deposit(1, 1))], undefined, 50));
    await until(() => beforeAnswer.mock.calls.length > 0);
    at.platform.advance(passedMs);
    broken.reject(new Error("its time is over, or the connection is lost"));
    await until(() => write.state === "rejected");
    expect((write.reason as RefusalError).refusal).toMatchObject({ reason, outcome: "OUTCOME_UNKNOWN" });
  });
});

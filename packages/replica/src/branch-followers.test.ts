import { type ManualPlatform, rest, until, watch } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { startPair as openPair, type Pair } from "./branch-replica.test-util.ts";
import { SILENCE_MAX_MS } from "./link-watch.ts";
import { reportOf } from "./members.test-util.ts";
import { CONNECTED_MS } from "./members.ts";

/** Lets time pass as it does: timers fire when they are due. */
async function pass(platform: ManualPlatform, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    platform.advance(Math.min(10, ms - passed));
    await rest(3);
  }
}

/** A branch that is connected, and whose next answers from the bank wait until they are let through. */
async function startPair(): Promise<Pair & { hold(): () => void }> {
  const pair = await openPair();
  await until(() => pair.branch.connected, { platform: pair.at.platform });
  const hold = () => {
    const held = Promise.withResolvers<void>();
    pair.link.beforeAnswer = () => held.promise;
    return () => {
      pair.link.beforeAnswer = async () => undefined;
      held.resolve();
    };
  };
  return { ...pair, hold };
}

describe("a follower of a branch", () => {
  it("may call itself connected only once a question told the bank that it is waited for", async () => {
    const { branch, bank, hold } = await startPair();
    const { appliedPosition } = branch;
    const release = hold();
    const early = watch(branch.probe([reportOf(2, 0, { sequence: 1 })]));
    await rest(20);
    // It has caught up, and says so, while the question that says it has not is under way.
    const copy = reportOf(2, appliedPosition, { sequence: 2, epochId: bank.ledger.currentEpoch()!.id });
    branch.hear([copy]);
    release();
    await until(() => early.state === "fulfilled");
    expect(early.value).toMatchObject({ position: appliedPosition, connectedMs: 0 });
    const next = await branch.probe([{ ...copy, sequence: 3 }]);
    expect(next.connectedMs).toBe(CONNECTED_MS);
    expect(bank.members.connectedMs(copy)).toBe(CONNECTED_MS);
  });

  it("is told in time that the bank is slow, before it takes the way to the branch for lost", async () => {
    const { branch, at, link, hold } = await startPair();
    const timers = at.platform.timerCount;
    const release = hold();
    const own = watch(branch.read({ mode: "linearizable" }, () => 0));
    await pass(at.platform, 100);
    const asked = watch(branch.probe([reportOf(2, 0, { sequence: 1 })]));
    await pass(at.platform, SILENCE_MAX_MS - 130);
    expect(asked.reason).toMatchObject({ refusal: { reason: "BANK_UNREACHABLE", outcome: "NOT_APPLIED" } });
    // For itself the branch waits on, and its link is as it was.
    expect(own.state).toBe("pending");
    expect(link.resets).toBe(0);
    release();
    await until(() => own.state === "fulfilled");
    await expect(branch.probe([reportOf(2, 0, { sequence: 2 })])).resolves.toMatchObject({ connectedMs: 0 });
    expect(at.platform.timerCount).toBe(timers);
  });
});

import { RefusalError } from "@bank/core";
import { deposit, driven, LocalLink, ManualPlatform, openAccount, request, rest, until, watch } from "@bank/testkit";
import { describe, expect, it, vi } from "vitest";
import { cutOff, openBank } from "./bank-replica.test-util.ts";
import { caughtUp, lost, openBranch, stallStreams, startPair } from "./branch-replica.test-util.ts";
import { balanceOf } from "./sequencer.test-util.ts";

describe("reads", () => {
  it("by default see every write that was acknowledged anywhere before", async () => {
    const { bank, branch, link } = await startPair();
    const questions = link.questions;
    for (let i = 1; i <= 30; i++) {
      await bank.submit([request(i, deposit(1, 1))]);
      const read = await branch.read({ mode: "linearizable" }, (ledger) => balanceOf(ledger, 1));
      expect(read.value).toBe(100n + BigInt(i));
      expect(read.position).toBe(bank.committedPosition);
      expect(read.session).toEqual(bank.sessionAt(read.position));
    }
    expect(link.questions - questions).toBe(30);
  });

  it("ask together: a thousand at once with a question or two", async () => {
    const { branch, link, bank } = await startPair();
    await bank.submit([request(1, deposit(1, 1))]);
    const questions = link.questions;
    const reads = await Promise.all(
      Array.from({ length: 1_000 }, () => branch.read({ mode: "linearizable" }, (ledger) => balanceOf(ledger, 1))),
    );
    expect(new Set(reads.map(({ value }) => value))).toEqual(new Set([101n]));
    expect(link.questions - questions).toBeLessThanOrEqual(2);
    expect(branch.gate.questions).toBe(link.questions);
  });

  it("of a session wait for what it saw, and for nothing that is there", async () => {
    const pair = await startPair();
    const { bank, branch, link, at } = pair;
    const here = bank.sessionAt(bank.committedPosition)!;
    const { questions } = link;
    expect((await branch.read({ mode: "session", session: here }, (ledger) => balanceOf(ledger, 1))).value).toBe(100n);
    expect(link.questions).toBe(questions);
    // Messages stop for a while: the bank answers questions, and its stream brings nothing.
    const follow = stallStreams(bank);
    await lost(pair);
    link.join(bank);
    await until(() => branch.state === "following", { platform: at.platform });
    await bank.submit([request(1, deposit(1, 1))]);
    const session = bank.sessionAt(bank.committedPosition)!;
    const read = watch(branch.read({ mode: "session", session }, (ledger) => balanceOf(ledger, 1)));
    const linear = watch(branch.read({ mode: "linearizable" }, (ledger) => balanceOf(ledger, 1)));
    const deadline = new AbortController();
    const late = watch(branch.read({ mode: "session", session }, () => 0, deadline.signal));
    await rest(20);
    expect([read.state, linear.state, late.state]).toEqual(["pending", "pending", "pending"]);
    deadline.abort();
    await until(() => late.state === "rejected");
    expect((late.reason as RefusalError).refusal).toMatchObject({
      reason: "DEADLINE_EXCEEDED",
      outcome: "NOT_APPLIED",
    });
    expect((late.reason as RefusalError).message).toContain(
      `position ${bank.committedPosition} (this branch shows ${branch.appliedPosition}: 1 are missing)`,
    );
    const local = await branch.read({ mode: "local" }, (ledger) => balanceOf(ledger, 1));
    expect(local.value).toBe(100n);
    follow.mockRestore();
    link.break();
    link.join(bank);
    await until(() => read.state === "fulfilled" && linear.state === "fulfilled", { platform: at.platform });
    expect([read.value?.value, linear.value?.value]).toEqual([101n, 101n]);
  });

  it("of a session that is another bank's, or of the future, are refused", async () => {
    const { bank, branch } = await startPair();
    const other = await openBank({ platform: new ManualPlatform({ seed: 99 }) });
    const here = bank.sessionAt(1)!;
    const future = { ...here, seen: [{ ...here.seen[0]!, position: bank.committedPosition + 1 }] };
    for (const session of [other.bank.sessionAt(1)!, future])
      await expect(branch.read({ mode: "session", session }, () => 0)).rejects.toMatchObject({
        refusal: { reason: "SESSION_INVALID" },
      });
  });

  it("of a session that saw what the bank lost are told so once the branch knows", async () => {
    const opened = await openBank();
    const { disk } = opened;
    await opened.bank.submit([request(900_001, openAccount())]);
    const link = new LocalLink(opened.bank);
    const at = await openBranch({ link });
    await caughtUp(at, opened);
    const fork = opened.bank.committedPosition;
    // The branch does not hear of these two, and a restart of the bank loses them with the whole second epoch.
    link.break();
    await opened.bank.submit([request(1, deposit(1, 1))]);
    const session = opened.bank.sessionAt(opened.bank.committedPosition)!;
    const second = await openBank({ disk });
    const ofLostEpoch = second.bank.sessionAt(second.bank.committedPosition)!;
    cutOff(disk, 2);
    const third = await openBank({ disk });
    link.join(third.bank);
    await caughtUp(at, third);
    for (const seen of [session, ofLostEpoch])
      await expect(
        driven(
          at.platform,
          at.branch.read({ mode: "session", session: seen }, () => 0),
        ),
      ).rejects.toMatchObject({ refusal: { reason: "SESSION_LOST", metadata: { fork_position: String(fork) } } });
  });

  it("say how old they may be, and never less", async () => {
    const pair = await startPair();
    const { bank, branch, at, link } = pair;
    link.beforeAnswer = async () => at.platform.advance(7);
    const linear = await branch.read({ mode: "linearizable" }, () => 0);
    expect(linear.stalenessMs).toBe(7);
    at.platform.advance(100);
    expect((await branch.read({ mode: "local" }, () => 0)).stalenessMs).toBe(107);
    await lost(pair);
    await bank.submit([request(1, deposit(1, 1))]);
    at.platform.advance(1_000.5);
    const local = await branch.read({ mode: "local" }, () => 0);
    expect(local.stalenessMs).toBeGreaterThanOrEqual(1_108);
    expect(Number.isInteger(local.stalenessMs)).toBe(true);
    // The machine slept: nobody knows for how long.
    at.platform.setWallForward(60_000);
    expect((await branch.read({ mode: "local" }, () => 0)).stalenessMs).toBeUndefined();
  });

  it("before the first contact with a bank are refused", async () => {
    const { branch } = await openBranch({ link: new LocalLink() });
    await expect(branch.read({ mode: "local" }, () => 0)).rejects.toMatchObject({ refusal: { reason: "NOT_READY" } });
    await expect(branch.read({ mode: "linearizable" }, () => 0)).rejects.toMatchObject({
      refusal: { reason: "BANK_UNREACHABLE", outcome: "NOT_APPLIED" },
    });
    expect(() => branch.ledger).toThrow(RefusalError);
  });

  it("of a bank that began an epoch which its journal does not show are refused", async () => {
    const { branch, bank } = await startPair();
    vi.spyOn(bank, "readIndex").mockReturnValue({
      position: 1,
      epochId: new Uint8Array(16).fill(9),
      epoch: 1,
      connectedMs: 2_000,
    });
    await expect(branch.read({ mode: "linearizable" }, () => 0)).rejects.toMatchObject({
      refusal: { reason: "NOT_READY" },
    });
  });

  it("fail when the bank does not answer the question in time", async () => {
    const { branch, link, at } = await startPair();
    link.beforeAnswer = () => new Promise(() => undefined);
    const began = at.platform.monotonicMs();
    await expect(
      driven(
        at.platform,
        branch.read({ mode: "linearizable" }, () => 0),
      ),
    ).rejects.toMatchObject({
      refusal: { reason: "BANK_UNREACHABLE", outcome: "NOT_APPLIED" },
    });
    expect(at.platform.monotonicMs() - began).toBeLessThan(1_000);
    link.beforeAnswer = async () => undefined;
    await until(() => branch.connected, { platform: at.platform, what: "the branch to come back by itself" });
    await branch.read({ mode: "linearizable" }, () => 0);
  });
});

describe("without a bank", () => {
  it("writes and linearizable reads fail at once; local and old session reads go on", async () => {
    const pair = await startPair();
    const { branch, bank, link } = pair;
    const session = bank.sessionAt(bank.committedPosition)!;
    await lost(pair);
    const calls = [link.calls, link.questions];
    await expect(branch.submit([request(1, deposit(1, 1))])).rejects.toMatchObject({
      refusal: { reason: "BANK_UNREACHABLE", outcome: "OUTCOME_UNKNOWN", metadata: { branch: "1" } },
    });
    await expect(branch.read({ mode: "linearizable" }, () => 0)).rejects.toMatchObject({
      refusal: { reason: "BANK_UNREACHABLE", outcome: "NOT_APPLIED" },
    });
    expect((await branch.read({ mode: "local" }, (ledger) => balanceOf(ledger, 1))).value).toBe(100n);
    expect((await branch.read({ mode: "session", session }, (ledger) => balanceOf(ledger, 1))).value).toBe(100n);
    await bank.submit([request(1, deposit(1, 1))]);
    const newer = bank.sessionAt(bank.committedPosition)!;
    await expect(branch.read({ mode: "session", session: newer }, () => 0)).rejects.toMatchObject({
      refusal: { reason: "BANK_UNREACHABLE" },
    });
    expect([link.calls, link.questions]).toEqual(calls);
  });
});

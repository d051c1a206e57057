import { RefusalError, type Request } from "@bank/core";
import { MemoryJournalStore } from "@bank/store";
import {
  deposit,
  driven,
  LocalLink,
  ManualPlatform,
  openAccount,
  readWholeJournal,
  request,
  rest,
  until,
  watch,
  withdraw,
} from "@bank/testkit";
import { describe, expect, it, vi } from "vitest";
import { cutOff, type OpenedBank, openBank } from "./bank-replica.test-util.ts";
import { type OpenedBranch, openBranch } from "./branch-replica.test-util.ts";
import { balanceOf, digestOf, short } from "./sequencer.test-util.ts";

interface Pair {
  readonly opened: OpenedBank;
  readonly bank: OpenedBank["bank"];
  readonly link: LocalLink;
  readonly at: OpenedBranch;
  readonly branch: OpenedBranch["branch"];
}

/** A bank with one account and 100 in it, and a branch that has caught up. */
async function startPair(): Promise<Pair> {
  const opened = await openBank();
  const { bank } = opened;
  await bank.submit([request(900_001, openAccount()), request(900_002, deposit(1, 100))]);
  const link = new LocalLink(bank);
  const at = await openBranch({ link });
  await caughtUp(at, opened);
  return { opened, bank, link, at, branch: at.branch };
}

async function caughtUp({ branch, platform }: OpenedBranch, { bank }: OpenedBank): Promise<void> {
  await until(() => branch.savedPosition === bank.committedPosition && branch.state === "following", {
    platform,
    what: "the branch to catch up",
  });
}

async function lost({ link, branch, at }: Pair): Promise<void> {
  link.break();
  await until(() => branch.state === "connecting", { platform: at.platform });
}

const one = async (submitting: Promise<readonly { readonly outcome: Parameters<typeof short>[0] }[]>) =>
  short((await submitting)[0]!.outcome);

describe("following", () => {
  it("catches up with a bank from the beginning, and stays there", async () => {
    const { opened, bank, at, branch } = await startPair();
    expect(at.states).toEqual(["following"]);
    expect(branch.bankId).toEqual(bank.bankId);
    expect(branch.recovered).toBeUndefined();
    for (let i = 0; i < 5; i++) {
      await bank.submit([request(i, deposit(1, 1)), request(100 + i, withdraw(1, 1_000))]);
      await branch.whenApplied(bank.committedPosition);
      expect(digestOf(branch.ledger)).toBe(digestOf(bank.ledger));
    }
    await caughtUp(at, opened);
    expect(at.disk.batches).toEqual(opened.disk.batches);
    expect(at.disk.bankId).toEqual(bank.bankId);
    expect(await branch.head(0)).toEqual(await bank.head(0));
    expect(await branch.head(1)).toEqual({ ...(await bank.head(1)), position: branch.savedPosition });
    expect((await branch.head(bank.committedPosition + 1)).chainHash).toBeUndefined();
  });

  it("comes back by itself after the link broke, with pauses that grow", async () => {
    const pair = await startPair();
    const { opened, bank, link, at, branch } = pair;
    await lost(pair);
    await bank.submit([request(1, deposit(1, 1))]);
    const began = at.platform.monotonicMs();
    const streams = link.streams;
    for (let i = 0; i < 12; i++) {
      at.platform.advanceToNextTimer();
      await rest();
    }
    const waited = at.platform.monotonicMs() - began;
    expect(link.streams - streams).toBeGreaterThanOrEqual(10);
    // From 20 ms by doubling to 2 s, each less up to a half.
    expect(waited).toBeGreaterThan(3_000);
    expect(branch.state).toBe("connecting");
    link.join(bank);
    await caughtUp(at, opened);
    expect(balanceOf(branch.ledger, 1)).toBe(101n);
    expect(branch.ledger.canRevertRecord()).toBe(false);
    expect(at.states).toEqual(["following", "connecting", "following"]);
    expect(at.platform.log.about("lost the bank")).toHaveLength(1);
    // A contact made the pauses short again.
    link.break();
    link.join(bank);
    const again = at.platform.monotonicMs();
    await until(() => branch.state === "connecting");
    await until(() => branch.state === "following", { platform: at.platform });
    expect(at.platform.monotonicMs() - again).toBeLessThan(100);
  });

  it("goes on from its own disk after a restart, with a snapshot or without", async () => {
    const pair = await startPair();
    const { opened, bank, at, link } = pair;
    // A crash: nothing was closed.
    const second = await openBranch({ link, disk: at.disk });
    expect(second.branch.recovered).toMatchObject({ snapshotPosition: 0, replayedRecords: bank.committedPosition });
    expect(second.branch.appliedPosition).toBe(bank.committedPosition);
    const messages = link.messages;
    await caughtUp(second, opened);
    expect(link.messages).toBe(messages);
    await bank.submit([request(1, deposit(1, 1))]);
    await caughtUp(second, opened);
    await second.branch.close();
    const third = await openBranch({ link, disk: at.disk, starts: false });
    expect(third.branch.recovered).toMatchObject({ snapshotPosition: bank.committedPosition, replayedRecords: 0 });
    expect(digestOf(third.branch.ledger)).toBe(digestOf(bank.ledger));
    const local = await third.branch.read({ mode: "local" }, (ledger) => balanceOf(ledger, 1));
    expect(local).toMatchObject({ value: 101n, stalenessMs: undefined });
  });

  it("follows a bank through its restarts, one epoch after the other", async () => {
    const pair = await startPair();
    const { at, link, branch, opened } = pair;
    let { bank } = opened;
    for (let i = 0; i < 3; i++) {
      link.break();
      const next = await openBank({ disk: opened.disk });
      bank = next.bank;
      await bank.submit([request(i, deposit(1, 1))]);
      link.join(bank);
      await caughtUp(at, next);
    }
    expect(branch.ledger.epochs).toEqual(bank.ledger.epochs);
    expect(at.disk.epoch).toBe(4);
    expect(digestOf(branch.ledger)).toBe(digestOf(bank.ledger));
  });

  it("takes snapshots of what is on its disk", async () => {
    const opened = await openBank();
    const link = new LocalLink(opened.bank);
    const at = await openBranch({ link, snapshotEveryRecords: 10 });
    await opened.bank.submit([request(900_001, openAccount())]);
    for (let i = 0; i < 35; i++) {
      await opened.bank.submit([request(i, deposit(1, 1))]);
      await caughtUp(at, opened);
    }
    expect(at.disk.snapshots).toHaveLength(2);
    const again = await openBranch({ link, disk: at.disk, starts: false });
    expect(again.branch.recovered!.replayedRecords).toBeLessThan(12);
    expect(digestOf(again.branch.ledger)).toBe(digestOf(opened.bank.ledger));
  });

  it("takes none while memory is ahead of the disk", async () => {
    const opened = await openBank();
    const { bank } = opened;
    await bank.submit([request(900_001, openAccount())]);
    const at = await openBranch({ link: new LocalLink(bank), snapshotEveryRecords: 4 });
    await caughtUp(at, opened);
    at.store.holds = true;
    for (let i = 0; i < 12; i++) {
      await bank.submit([request(i, deposit(1, 1))]);
      await at.branch.whenApplied(bank.committedPosition);
    }
    at.store.passNext();
    await until(() => at.store.held.length === 1);
    expect(at.store.calls.saveSnapshot).toBe(0);
    at.store.passNext();
    await caughtUp(at, opened);
    await rest();
    expect(at.disk.snapshots.map(({ position }) => position)).toEqual([bank.committedPosition]);
    expect(at.platform.log.lines).toEqual([]);
  });

  it("is handed on: another replica follows the branch's own copy", async () => {
    const { opened, bank, at, branch } = await startPair();
    const seen: number[] = [];
    const stop = new AbortController();
    const following = watch(
      (async () => {
        for await (const { lastPosition } of branch.feed.follow(0, stop.signal)) seen.push(lastPosition);
      })(),
    );
    for (let i = 0; i < 3; i++) await bank.submit([request(i, deposit(1, 1))]);
    await caughtUp(at, opened);
    await rest();
    expect(seen).toEqual(opened.disk.batches.map(({ lastPosition }) => lastPosition));
    // What it saved since it started is in its memory too.
    expect(at.store.calls.read).toBe(0);
    await branch.close();
    await until(() => following.state === "rejected");
    expect(following.reason).toMatchObject({ refusal: { reason: "NOT_READY" } });
  });
});

describe("reads", () => {
  it("by default see every write that was acknowledged anywhere before", async () => {
    const { bank, branch, link } = await startPair();
    for (let i = 1; i <= 30; i++) {
      await bank.submit([request(i, deposit(1, 1))]);
      const read = await branch.read({ mode: "linearizable" }, (ledger) => balanceOf(ledger, 1));
      expect(read.value).toBe(100n + BigInt(i));
      expect(read.position).toBe(bank.committedPosition);
      expect(read.session).toEqual(bank.sessionAt(read.position));
    }
    expect(link.questions).toBe(30);
  });

  it("ask together: a thousand at once with a question or two", async () => {
    const { branch, link, bank } = await startPair();
    await bank.submit([request(1, deposit(1, 1))]);
    const reads = await Promise.all(
      Array.from({ length: 1_000 }, () => branch.read({ mode: "linearizable" }, (ledger) => balanceOf(ledger, 1))),
    );
    expect(new Set(reads.map(({ value }) => value))).toEqual(new Set([101n]));
    expect(link.questions).toBeLessThanOrEqual(2);
  });

  it("of a session wait for what it saw, and for nothing that is there", async () => {
    const pair = await startPair();
    const { bank, branch, link, at } = pair;
    const here = bank.sessionAt(bank.committedPosition)!;
    expect((await branch.read({ mode: "session", session: here }, (ledger) => balanceOf(ledger, 1))).value).toBe(100n);
    expect(link.questions).toBe(0);
    // Messages stop for a while: the bank answers questions, and its stream brings nothing.
    const follow = vi.spyOn(bank.feed, "follow").mockImplementation(async function* (_, signal) {
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    });
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
    expect((late.reason as RefusalError).message).toContain(`position ${bank.committedPosition}; this branch shows`);
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
    vi.spyOn(bank, "readIndex").mockReturnValue({ position: 1, epochId: new Uint8Array(16).fill(9) });
    await expect(branch.read({ mode: "linearizable" }, () => 0)).rejects.toMatchObject({
      refusal: { reason: "NOT_READY" },
    });
  });

  it("fail when the bank does not answer the question in time", async () => {
    const { branch, link, at } = await startPair();
    link.beforeAnswer = () => new Promise(() => undefined);
    await expect(
      driven(
        at.platform,
        branch.read({ mode: "linearizable" }, () => 0),
      ),
    ).rejects.toMatchObject({
      refusal: { reason: "BANK_UNREACHABLE", outcome: "NOT_APPLIED" },
    });
    link.beforeAnswer = async () => undefined;
    await branch.read({ mode: "linearizable" }, () => 0);
  });
});

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
    const follow = bank.feed.follow.bind(bank.feed);
    vi.spyOn(bank.feed, "follow").mockImplementation(async function* (after, signal) {
      for await (const batch of follow(after, signal)) {
        await stalled.promise;
        yield batch;
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
      vi.spyOn(bank.feed, "follow").mockImplementation(async function* (_, signal) {
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      });
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

describe("a bank whose journal is not the branch's", () => {
  it.each(["lost what the branch has", "has something else"])(
    "that %s: it says so, deletes nothing, and keeps asking",
    async (how) => {
      const pair = await startPair();
      const { opened, bank, at, branch, link } = pair;
      for (let i = 1; i <= 3; i++) await bank.submit([request(i, deposit(1, 1))]);
      await caughtUp(at, opened);
      await lost(pair);
      cutOff(opened.disk, 3);
      const before = structuredClone(at.disk.batches);
      const other = await openBank({ disk: opened.disk, platform: new ManualPlatform({ seed: 5 }) });
      const differs = how === "has something else";
      if (differs) for (let i = 0; i < 6; i++) await other.bank.submit([request(50 + i, deposit(1, 1))]);
      expect(other.bank.committedPosition > branch.savedPosition).toBe(differs);
      link.join(other.bank);
      await until(() => branch.state === "diverged", { platform: at.platform });
      const streams = link.streams;
      await until(() => link.streams > streams + 2, { platform: at.platform });
      expect(at.disk.batches).toEqual(before);
      expect(at.platform.log.about("not a continuation")).toHaveLength(1);
      expect((await branch.read({ mode: "local" }, (ledger) => balanceOf(ledger, 1))).value).toBe(103n);
      await expect(branch.read({ mode: "linearizable" }, () => 0)).rejects.toBeInstanceOf(RefusalError);
      await expect(branch.submit([request(2, deposit(1, 1))])).rejects.toMatchObject({
        refusal: { outcome: "OUTCOME_UNKNOWN" },
      });
      // An operator heals the bank: the branch goes on by itself.
      opened.disk.batches.splice(0, Number.POSITIVE_INFINITY, ...before);
      const healed = await openBank({ disk: opened.disk, platform: new ManualPlatform({ seed: 6 }) });
      link.join(healed.bank);
      await caughtUp(at, healed);
      expect(digestOf(branch.ledger)).toBe(digestOf(healed.bank.ledger));
      expect(at.fatal).toEqual([]);
    },
  );

  it("for it is another bank's: the same", async () => {
    const pair = await startPair();
    const { at, branch, link } = pair;
    const other = await openBank({ platform: new ManualPlatform({ seed: 99 }) });
    vi.spyOn(other.bank.feed, "checkPrefix").mockResolvedValue();
    await lost(pair);
    const before = structuredClone(at.disk.batches);
    link.join(other.bank);
    await until(() => branch.state === "diverged", { platform: at.platform });
    expect(at.disk.batches).toEqual(before);
    expect(at.fatal).toEqual([]);
    expect(at.platform.log.about("not a continuation")[0]?.fields["problem"]).toContain("the journal is of bank");
  });
});

describe("closing", () => {
  it("saves what was received, takes a snapshot, and ends whoever waits", async () => {
    const pair = await startPair();
    const { bank, at, branch } = pair;
    at.store.holds = true;
    for (let i = 1; i <= 5; i++) {
      await bank.submit([request(i, deposit(1, 1))]);
      await branch.whenApplied(bank.committedPosition);
    }
    expect(branch.savedPosition).toBeLessThan(bank.committedPosition);
    const waiting = watch(branch.read({ mode: "session", session: ahead(pair) }, () => 0));
    const applied = watch(branch.whenApplied(bank.committedPosition + 1));
    const closed = branch.close();
    await rest();
    // What is on its way to the disk comes first.
    expect(at.store.held).toHaveLength(1);
    at.store.holds = false;
    at.store.passNext();
    await closed;
    expect(at.disk.batches).toEqual(pair.opened.disk.batches);
    expect(at.disk.snapshots.map(({ position }) => position)).toEqual([bank.committedPosition]);
    expect(at.disk.closedCleanly).toBe(true);
    await until(() => applied.state === "rejected" && waiting.state === "rejected");
    expect(applied.reason).toMatchObject({ refusal: { reason: "NOT_READY" } });
    expect(at.platform.log.lines.filter(({ level }) => level === "error")).toEqual([]);
    expect(at.fatal).toEqual([]);
    await branch.close();
  });

  it("before it ever reached a bank", async () => {
    const { branch, disk, platform } = await openBranch({ link: new LocalLink() });
    await rest();
    await branch.close();
    expect(disk.holder).toBeUndefined();
    expect(platform.timerCount).toBe(0);
  });

  it("gives the store back where it cannot be recovered", async () => {
    const { at, link } = await startPair();
    at.disk.batches[1]!.frame[20]! ^= 1;
    await expect(openBranch({ link, disk: at.disk })).rejects.toThrow(/damaged/);
    expect(at.disk.holder).toBeUndefined();
  });

  /** A session that the bank has not reached. */
  function ahead({ bank }: Pair) {
    const here = bank.sessionAt(1)!;
    return { ...here, seen: [{ ...here.seen[0]!, position: bank.committedPosition + 1 }] };
  }
});

it("shows at every position the digest that the bank had there", async () => {
  const pair = await startPair();
  const { bank, branch, opened, at } = pair;
  const shown = new Map<number, string>();
  const requests: Request[] = Array.from({ length: 40 }, (_, i) =>
    request(i, i % 3 === 0 ? openAccount() : deposit(1, i)),
  );
  for (const submitted of requests) {
    void bank.submit([submitted]);
    await rest(1);
    shown.set(branch.appliedPosition, digestOf(branch.ledger));
  }
  await caughtUp(at, opened);
  const store = new MemoryJournalStore(opened.disk);
  opened.disk.holder = undefined;
  await store.open();
  const { digests } = await readWholeJournal(store, bank.bankId);
  expect(shown.size).toBeGreaterThan(5);
  for (const [position, digest] of shown) expect(digest).toBe(digests.get(position));
});

import { JournalConflictError, StoreError } from "@bank/store";
import { deposit, LocalLink, openAccount, request, rest, until, watch } from "@bank/testkit";
import { describe, expect, it, vi } from "vitest";
import { openBank } from "./bank-replica.test-util.ts";
import { type OpenedBranch, openBranch } from "./branch-replica.test-util.ts";
import type { FollowedBatch } from "./follower.ts";
import { balanceOf, digestOf } from "./sequencer.test-util.ts";

/** A bank with one account, and a branch that has caught up, over a link that may change what the bank sends. */
async function startPair(change: (message: FollowedBatch) => FollowedBatch = (message) => message) {
  const opened = await openBank();
  const { bank } = opened;
  await bank.submit([request(900_001, openAccount())]);
  const link = new LocalLink(bank);
  const follow = link.openJournal;
  Object.assign(link, {
    openJournal: async function* (...args: Parameters<typeof follow>) {
      for await (const message of follow(...args)) yield change(message);
    },
  });
  const at = await openBranch({ link });
  await saved(at, bank.committedPosition);
  return { opened, bank, link, at, branch: at.branch };
}

async function saved({ branch, platform }: OpenedBranch, position: number): Promise<void> {
  await until(() => branch.savedPosition >= position, { platform, what: `position ${position} to be saved` });
}

describe("saving", () => {
  it("goes on behind showing: what came meanwhile goes in one append", async () => {
    const { bank, at, branch, opened } = await startPair();
    at.store.holds = true;
    for (let i = 1; i <= 6; i++) {
      await bank.submit([request(i, deposit(1, 1))]);
      await branch.whenApplied(bank.committedPosition);
    }
    await rest();
    expect(at.store.held.map(({ batches }) => batches.length)).toEqual([1]);
    expect(branch.savedPosition).toBe(bank.committedPosition - 7);
    at.store.passNext();
    await until(() => at.store.held.length === 1);
    expect(at.store.held[0]!.batches).toHaveLength(5);
    at.store.passNext();
    await saved(at, bank.committedPosition);
    expect(at.disk.batches).toEqual(opened.disk.batches);
  });

  it.each(["refused", "unknown-lost", "unknown-stored", "unknown-surfacing"] as const)(
    "is tried again until it succeeds, losing and reordering nothing (%s)",
    async (fault) => {
      const { bank, at, branch, opened } = await startPair();
      const before = branch.savedPosition;
      for (let i = 0; i < 3; i++) at.faulty.failNextAppend(fault);
      for (let i = 1; i <= 6; i++) {
        await bank.submit([request(i, deposit(1, 1))]);
        await branch.whenApplied(bank.committedPosition);
        await rest();
      }
      expect(branch.savedPosition).toBe(before);
      expect(balanceOf(branch.ledger, 1)).toBe(6n);
      await saved(at, bank.committedPosition);
      expect(at.faulty.faultsSpent).toBe(true);
      expect(at.disk.batches).toEqual(opened.disk.batches);
      expect(at.platform.log.about("cannot save the journal")).toHaveLength(3);
      expect(at.fatal).toEqual([]);
    },
  );

  it("outlasts a store that cannot be opened anew for a while", async () => {
    const { bank, at, opened } = await startPair();
    let failures = 3;
    at.store.before.recover = async () => {
      if (failures-- > 0) throw new StoreError("the disk does not answer");
    };
    at.faulty.failNextAppend("unknown-lost");
    await bank.submit([request(1, deposit(1, 1))]);
    await saved(at, bank.committedPosition);
    expect(at.store.calls.recover).toBe(4);
    expect(at.disk.batches).toEqual(opened.disk.batches);
  });

  it("outlasts a doubt about whose store it is, and about a snapshot", async () => {
    const opened = await openBank();
    const { bank } = opened;
    await bank.submit([request(900_001, openAccount())]);
    const at = await openBranch({ link: new LocalLink(bank), snapshotEveryRecords: 2, starts: false });
    /** Any write that ends in doubt leaves the whole store in doubt. */
    const beginDoubt = async () => {
      at.faulty.failNextAppend("unknown-lost");
      await at.faulty.append([], { epoch: 1 });
    };
    await beginDoubt().catch(() => undefined);
    at.branch.start();
    await saved(at, bank.committedPosition);
    expect(at.store.calls.recover).toBe(1);
    at.store.before.saveSnapshot = beginDoubt;
    for (let i = 1; i <= 4; i++) await bank.submit([request(i, deposit(1, 1))]);
    await saved(at, bank.committedPosition);
    expect(at.store.calls.recover).toBeGreaterThan(1);
    expect(at.disk.batches).toEqual(opened.disk.batches);
    expect(at.fatal).toEqual([]);
  });

  it("stops the stream where too much waits for the disk, and lets it go on afterwards", async () => {
    const { bank, at, branch, link, opened } = await startPair();
    const owner = "x".repeat(128);
    const big = (from: number) =>
      Array.from({ length: 4_000 }, (_, i) =>
        request(from + i, { kind: "openAccount", type: 1, owner, displayName: owner, currency: "USD" } as const),
      );
    at.store.holds = true;
    for (let i = 0; i < 20; i++) await bank.submit(big(i * 4_000));
    await rest(100);
    const { messages } = link;
    const { appliedPosition } = branch;
    await rest(100);
    expect(link.messages).toBe(messages);
    expect(branch.appliedPosition).toBe(appliedPosition);
    expect(appliedPosition).toBeLessThan(bank.committedPosition);
    const waiting = opened.disk.batches
      .filter(({ lastPosition }) => lastPosition > branch.savedPosition && lastPosition <= appliedPosition)
      .reduce((bytes, { frame }) => bytes + frame.length, 0);
    expect(waiting).toBeLessThan(20 * 1024 * 1024);
    expect(waiting).toBeGreaterThan(16 * 1024 * 1024);
    at.store.holds = false;
    for (const held of at.store.held.splice(0)) held.pass();
    await saved(at, bank.committedPosition);
    expect(digestOf(branch.ledger)).toBe(digestOf(bank.ledger));
    // There is room again: it goes on ahead of the disk.
    at.store.holds = true;
    for (let i = 0; i < 4; i++) {
      await bank.submit([request(500_000 + i, deposit(1, 1))]);
      await branch.whenApplied(bank.committedPosition);
    }
  });

  it("may be behind when the link breaks: the next stream begins behind what is shown", async () => {
    const { bank, at, branch, link, opened } = await startPair();
    at.store.holds = true;
    for (let i = 1; i <= 3; i++) await bank.submit([request(i, deposit(1, 1))]);
    await branch.whenApplied(bank.committedPosition);
    expect(branch.savedPosition).toBeLessThan(branch.appliedPosition);
    const { messages } = link;
    link.break();
    link.join(bank);
    await until(() => branch.state === "connecting");
    await until(() => branch.state === "following", { platform: at.platform });
    await bank.submit([request(4, deposit(1, 1))]);
    await branch.whenApplied(bank.committedPosition);
    expect(link.messages).toBe(messages + 1);
    expect(at.states).not.toContain("diverged");
    at.store.holds = false;
    at.store.passNext();
    await saved(at, bank.committedPosition);
    expect(at.disk.batches).toEqual(opened.disk.batches);
  });

  it("ends the replica, once, where the store holds something else; what is shown stays readable", async () => {
    const { bank, at, branch } = await startPair();
    at.store.holds = true;
    await bank.submit([request(1, deposit(1, 1))]);
    await until(() => at.store.held.length === 1);
    await bank.submit([request(2, deposit(1, 1))]);
    await branch.whenApplied(bank.committedPosition);
    const waiting = watch(branch.whenApplied(bank.committedPosition + 1));
    const error = new JournalConflictError("another batch is there");
    at.store.failNext(error);
    await until(() => at.fatal.length > 0);
    await bank.submit([request(3, deposit(1, 1))]);
    await rest(50);
    expect(at.fatal).toEqual([error]);
    expect(at.store.held).toEqual([]);
    expect(waiting.reason).toMatchObject({ refusal: { reason: "NOT_READY" } });
    expect((await branch.read({ mode: "local" }, (ledger) => balanceOf(ledger, 1))).value).toBe(2n);
    at.store.holds = false;
    at.store.before.saveSnapshot = async () => {
      throw new Error("no snapshot of what is not on disk");
    };
    await branch.close();
    expect(at.fatal).toEqual([error]);
  });

  it("is done at closing, also where an append waits to be tried again, or is in doubt", async () => {
    for (const faults of [["refused"], ["unknown-surfacing"], ["unknown-lost", "unknown-stored"]] as const) {
      const { bank, at, branch, opened } = await startPair();
      for (const fault of faults) at.faulty.failNextAppend(fault);
      await bank.submit([request(1, deposit(1, 1))]);
      await until(() => at.platform.log.about("cannot save").length === 1);
      await bank.submit([request(2, deposit(1, 1))]);
      await branch.whenApplied(bank.committedPosition);
      await branch.close();
      expect(at.disk.batches).toEqual(opened.disk.batches);
      expect(at.disk.snapshots.map(({ position }) => position)).toEqual([bank.committedPosition]);
    }
  });

  it("that fails even at closing is logged, and the next start receives the rest again", async () => {
    const { bank, at, branch, link, opened } = await startPair();
    for (let i = 0; i < 10; i++) at.faulty.failNextAppend("refused");
    await bank.submit([request(1, deposit(1, 1))]);
    await until(() => at.platform.log.about("cannot save").length === 1);
    await branch.close();
    expect(at.platform.log.about("journal not saved").length).toBeGreaterThan(0);
    expect(at.store.calls.saveSnapshot).toBe(0);
    expect(at.fatal).toEqual([]);
    const next = await openBranch({ link, disk: at.disk });
    await saved(next, bank.committedPosition);
    expect(next.disk.batches).toEqual(opened.disk.batches);
  });

  it("fences the store behind what it saved: a crash between the two harms nothing", async () => {
    const { bank, at, link, opened } = await startPair();
    link.break();
    await bank.submit([request(1, deposit(1, 1))]);
    const next = await openBank({ disk: opened.disk });
    await next.bank.submit([request(2, deposit(1, 1))]);
    // The branch learns of the rest of the first epoch and of the second together, and crashes as it saves them.
    at.store.holds = true;
    at.platform.holdsDeferred = true;
    link.join(next.bank);
    await until(() => at.branch.appliedPosition === next.bank.committedPosition, { platform: at.platform });
    at.platform.runDeferred();
    await until(() => at.store.held.length === 1);
    expect(at.store.held[0]!.batches.length).toBeGreaterThan(2);
    expect(at.disk.epoch).toBe(1);
    const crashed = at.disk;
    const again = await openBranch({ link, disk: crashed });
    again.store.holds = true;
    await until(() => again.store.held.length === 1, { platform: again.platform });
    again.store.holds = false;
    again.store.passNext();
    await saved(again, next.bank.committedPosition);
    expect(again.disk.epoch).toBe(2);
    expect(again.disk.batches).toEqual(opened.disk.batches);
    expect(again.fatal).toEqual([]);
  });
});

describe("what cannot be applied", () => {
  it("ends the replica, which shows nothing any more and keeps what it had", async () => {
    const { bank, at, branch, link } = await startPair();
    await bank.submit([request(1, deposit(1, 5))]);
    await saved(at, bank.committedPosition);
    const before = structuredClone(at.disk.batches);
    // Memory rotted: the next batch leads to another digest than the bank's.
    branch.ledger.accounts.posted[0]! += 1n;
    branch.ledger.nextAccountNumber++;
    await bank.submit([request(2, deposit(1, 5))]);
    await until(() => at.fatal.length > 0, { platform: at.platform });
    expect(String(at.fatal[0])).toContain("cannot be applied");
    for (const mode of ["local", "linearizable"] as const)
      await expect(branch.read({ mode }, () => 0)).rejects.toMatchObject({ refusal: { reason: "NOT_READY" } });
    const streams = link.streams;
    await rest(50);
    expect(link.streams).toBe(streams);
    expect(at.fatal).toHaveLength(1);
    await branch.close();
    expect(at.disk.batches).toEqual(before);
    expect(at.disk.snapshots).toEqual([]);
    const next = await openBranch({ link, disk: at.disk });
    await saved(next, bank.committedPosition);
    expect(digestOf(next.branch.ledger)).toBe(digestOf(bank.ledger));
  });

  it("saves what was received before it", async () => {
    const { bank, at, branch, opened } = await startPair();
    at.store.holds = true;
    await bank.submit([request(1, deposit(1, 5))]);
    await branch.whenApplied(bank.committedPosition);
    await until(() => at.store.held.length === 1);
    branch.ledger.nextAccountNumber++;
    await bank.submit([request(2, deposit(1, 5))]);
    await until(() => at.fatal.length > 0, { platform: at.platform });
    at.store.holds = false;
    at.store.passNext();
    await branch.close();
    expect(at.disk.batches).toEqual(opened.disk.batches.slice(0, -1));
    expect(at.disk.snapshots).toEqual([]);
  });

  it("is a frame that changed on its way", async () => {
    let changes = false;
    const { bank, at, branch } = await startPair((message) => {
      if (message.received === undefined || !changes) return message;
      const frame = Uint8Array.from(message.received.frame);
      frame[frame.length - 1]! ^= 1;
      return { ...message, received: { ...message.received, frame } };
    });
    const { appliedPosition } = branch;
    changes = true;
    await bank.submit([request(1, deposit(1, 5))]);
    await until(() => at.fatal.length > 0);
    expect(String((at.fatal[0] as Error).cause)).toContain("its bytes give");
    expect(branch.appliedPosition).toBe(appliedPosition);
  });
});

describe("what is not committed yet", () => {
  /** The stream says nothing newer than this is committed. */
  async function startHeldBack() {
    const held = { position: Number.POSITIVE_INFINITY };
    const pair = await startPair((message) => ({
      ...message,
      committedPosition: Math.min(message.committedPosition, held.position),
    }));
    const { bank, at, branch } = pair;
    await saved(at, bank.committedPosition);
    held.position = bank.committedPosition;
    return { ...pair, held, shown: branch.appliedPosition };
  }

  it("is kept on the disk and not shown, until the stream says that it is committed", async () => {
    const { bank, at, branch, held, shown, opened } = await startHeldBack();
    for (let i = 1; i <= 3; i++) await bank.submit([request(i, deposit(1, 5))]);
    await saved(at, bank.committedPosition);
    expect(at.disk.batches).toEqual(opened.disk.batches);
    expect(branch.appliedPosition).toBe(shown);
    expect((await branch.read({ mode: "local" }, (ledger) => balanceOf(ledger, 1))).value).toBe(0n);
    expect(branch.report()).toMatchObject({ appliedPosition: shown, durablePosition: bank.committedPosition });
    held.position = at.disk.batches.at(-2)!.lastPosition;
    bank.feed.ask({ echo: 1 });
    await until(() => branch.appliedPosition > shown, { platform: at.platform });
    expect(branch.appliedPosition).toBe(held.position);
    expect((await branch.read({ mode: "local" }, (ledger) => balanceOf(ledger, 1))).value).toBe(10n);
    held.position = Number.POSITIVE_INFINITY;
    await bank.submit([request(4, deposit(1, 5))]);
    await branch.whenApplied(bank.committedPosition);
    expect(digestOf(branch.ledger)).toBe(digestOf(bank.ledger));
    expect(at.fatal).toEqual([]);
  });

  it("is not shown because an earlier bank had committed as much: the one that is followed has not", async () => {
    const { opened, bank, at, branch, link, held, shown } = await startHeldBack();
    const before = structuredClone(opened.disk);
    // It hears that more is committed, and loses the bank before it gets any of that.
    held.position = Number.POSITIVE_INFINITY;
    bank.feed.commit(bank.committedPosition + 100);
    bank.feed.ask({ echo: 1 });
    await until(() => branch.committedPosition > shown);
    link.break();
    const other = await openBank({ disk: Object.assign(opened.disk, { batches: before.batches }) });
    held.position = other.bank.committedPosition;
    await other.bank.submit([request(1, deposit(1, 70))]);
    link.join(other.bank);
    await saved(at, other.bank.committedPosition);
    await rest(50);
    expect(branch.appliedPosition).toBe(held.position);
    expect((await branch.read({ mode: "local" }, (ledger) => balanceOf(ledger, 1))).value).toBe(0n);
    held.position = Number.POSITIVE_INFINITY;
    other.bank.feed.ask({ echo: 1 });
    await until(() => branch.appliedPosition === other.bank.committedPosition);
    expect(at.fatal).toEqual([]);
  });

  it("is brought again by the next stream, and kept once", async () => {
    const { bank, at, branch, held, link, shown, opened } = await startHeldBack();
    for (let i = 1; i <= 2; i++) await bank.submit([request(i, deposit(1, 5))]);
    await saved(at, bank.committedPosition);
    const { messages } = link;
    link.break();
    link.join(bank);
    await until(() => link.messages === messages + 2, { platform: at.platform });
    expect(branch.appliedPosition).toBe(shown);
    held.position = Number.POSITIVE_INFINITY;
    await bank.submit([request(3, deposit(1, 5))]);
    await branch.whenApplied(bank.committedPosition);
    await saved(at, bank.committedPosition);
    expect(at.disk.batches).toEqual(opened.disk.batches);
    expect(at.contradicted).toEqual([]);
  });

  it("is not shown because another bank has committed as much: that one must have brought the same", async () => {
    const { bank, at, branch, link, shown, opened } = await startHeldBack();
    const before = structuredClone(opened.disk);
    await bank.submit([request(1, deposit(1, 5))]);
    await saved(at, bank.committedPosition);
    link.break();
    // Another one goes on from before that: it has committed more, and something else.
    const other = await openBank({ disk: Object.assign(opened.disk, { batches: before.batches }) });
    for (let i = 2; i <= 4; i++) await other.bank.submit([request(i, deposit(1, 70))]);
    const stored = structuredClone(at.disk.batches);
    link.join(other.bank);
    await until(() => at.contradicted.length > 0, { platform: at.platform });
    await rest(50);
    expect(at.contradicted).toEqual([true]);
    expect(branch.appliedPosition).toBe(shown);
    expect((await branch.read({ mode: "local" }, (ledger) => balanceOf(ledger, 1))).value).toBe(0n);
    expect(at.states).not.toContain("diverged");
    expect(at.fatal).toEqual([]);
    // It is put aside as it is.
    await branch.close();
    expect(at.disk.batches).toEqual(stored);
  });
});

it("tells no number of an earlier bank back to the next one, also where a branch between passes both on in one stream", async () => {
  const { opened, bank, at, branch, link } = await startPair();
  const next = { bank: undefined as typeof bank | undefined };
  const follow = link.openJournal;
  Object.assign(link, {
    openJournal: async function* (...[from, signal]: Parameters<typeof follow>) {
      for await (const message of follow(from, signal)) {
        yield { ...message, echo: 50 };
        if (next.bank !== undefined) break;
      }
      const { position, chainHash = new Uint8Array(0) } = await bank.head(0);
      yield* new LocalLink(next.bank as typeof bank).openJournal({ ...from, position, chainHash }, signal);
    },
  });
  link.break();
  link.join(bank);
  await until(() => branch.report().echo === 50, { platform: at.platform });
  const before = branch.report().epochId;
  const { bank: second } = await openBank({ disk: opened.disk });
  second.feed.ask({ echo: 1 });
  next.bank = second;
  bank.feed.ask({ echo: 51 });
  await until(() => branch.appliedPosition === second.committedPosition, { platform: at.platform });
  expect(branch.report().epochId).not.toEqual(before);
  expect(branch.report().echo).toBe(1);
});

it("closes over a link that does not listen to its signal", async () => {
  const { bank } = await openBank();
  const link = new LocalLink(bank);
  let leaves = 0;
  Object.assign(link, {
    openJournal: async function* () {
      try {
        for (;;) {
          await rest(1);
          yield { bankId: bank.bankId, received: undefined, lastPosition: 0, committedPosition: 1 };
        }
      } finally {
        leaves++;
      }
    },
  });
  const { branch, states } = await openBranch({ link });
  await until(() => states.includes("following"));
  const closed = watch(branch.close());
  await until(() => closed.state === "fulfilled", { what: "the end of closing" });
  expect(leaves).toBe(1);
});

it("survives a stream that ends, and a first contact that fails", async () => {
  const opened = await openBank();
  const { bank } = opened;
  await bank.submit([request(900_001, openAccount())]);
  const link = new LocalLink(bank);
  let failures = 3;
  const messages = bank.feed.messages.bind(bank.feed);
  vi.spyOn(bank.feed, "messages").mockImplementation(async function* (after, signal) {
    for await (const message of messages(after, signal)) {
      yield message;
      if (failures-- > 0) return;
    }
  });
  const at = await openBranch({ link });
  let refusals = 2;
  at.store.before.initialize = async () => {
    if (refusals-- > 0) throw new StoreError("no");
  };
  await saved(at, bank.committedPosition);
  expect(at.states.slice(0, 2)).toEqual(["following", "connecting"]);
  expect(at.fatal).toEqual([]);
});

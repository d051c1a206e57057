import { bytesEqual, RecordKind, RefusalError, type Session } from "@bank/core";
import { type Replay, takeSnapshot } from "@bank/journal";
import { CorruptStoreError, MemoryDisk, MemoryJournalStore, StoreLockedError } from "@bank/store";
import { FaultyStore } from "@bank/store/testing";
import {
  deposit,
  HeldStore,
  ManualPlatform,
  openAccount,
  readWholeJournal,
  request,
  rest,
  sha256,
  until,
  watch,
} from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { cutOff, type OpenedBank, openBank } from "./bank-replica.test-util.ts";
import { answered, balanceOf, digestOf, short } from "./sequencer.test-util.ts";
import { LossDetectedError, type Witness } from "./witness.ts";

/** An account, and so many deposits, each in a batch of its own. */
async function book({ bank }: OpenedBank, deposits: number, firstId = 1): Promise<void> {
  if (bank.ledger.nextAccountNumber === 1) await bank.submit([request(999_999, openAccount())]);
  for (let i = 0; i < deposits; i++) await bank.submit([request(firstId + i, deposit(1, 1))]);
}

async function journalOf(disk: MemoryDisk, bankId: Uint8Array) {
  disk.holder = undefined;
  const store = new MemoryJournalStore(disk);
  await store.open();
  const journal = await readWholeJournal(store, bankId);
  await store.close();
  return journal;
}

/** What a branch that has all of this bank's journal would testify. */
async function witnessOf({ bank }: OpenedBank, name = "branch 1 at http://north"): Promise<Witness> {
  const { position, chainHash, epochId } = await bank.head(0);
  return { name, position, chainHash: chainHash!, epochId: epochId! };
}

describe("opening", () => {
  it("makes an empty store the store of a new bank, whose first record begins its epoch", async () => {
    const { bank, disk, heads } = await openBank();
    expect(bank.recovered).toMatchObject({ snapshotPosition: 0, replayedRecords: 0 });
    expect(bank.committedPosition).toBe(1);
    expect(disk.bankId).toEqual(bank.bankId);
    expect(heads.map(({ position }) => position)).toEqual([1]);
    const { records } = await journalOf(disk, bank.bankId);
    expect(records.map(({ record }) => record.kind)).toEqual([RecordKind.EPOCH_BEGUN]);
    expect(records[0]?.record).toMatchObject({ number: 1, lossAccepted: false, bankId: bank.bankId });
  });

  it("goes on with the newest snapshot and what came behind it", async () => {
    const first = await openBank();
    await book(first, 5);
    await first.bank.close();
    const snapshotPosition = first.bank.committedPosition;
    const second = await openBank({ disk: first.disk });
    await book(second, 3, 100);
    // A crash: no snapshot at the end.
    const third = await openBank({ disk: first.disk });
    expect(third.bank.recovered).toMatchObject({ snapshotPosition, replayedRecords: 4 });
    expect(balanceOf(third.bank.ledger, 1)).toBe(8n);
    expect(third.bank.ledger.epochs.map(({ number, firstPosition }) => [number, firstPosition])).toEqual([
      [1, 1],
      [2, snapshotPosition + 1],
      [3, snapshotPosition + 5],
    ]);
    expect(bytesEqual(third.bank.bankId, first.bank.bankId)).toBe(true);
    expect(digestOf((await journalOf(third.disk, third.bank.bankId)).replay.ledger)).toBe(digestOf(third.bank.ledger));
  });

  it.each([
    ["the newest snapshot", 1],
    ["both snapshots", 2],
  ])("does without %s where it is damaged, loudly", async (_, damaged) => {
    const first = await openBank();
    await book(first, 5);
    await first.bank.close();
    const older = first.bank.committedPosition;
    const second = await openBank({ disk: first.disk });
    await book(second, 3, 100);
    await second.bank.close();
    const { disk } = first;
    expect(disk.snapshots).toHaveLength(2);
    for (const { pages } of disk.snapshots.slice(0, damaged)) pages[0]![9]! ^= 1;
    const third = await openBank({ disk });
    expect(third.bank.recovered.snapshotPosition).toBe(damaged === 1 ? older : 0);
    expect(third.platform.log.about("snapshot cannot be used")).toHaveLength(damaged);
    expect(balanceOf(third.bank.ledger, 1)).toBe(8n);
    expect(digestOf((await journalOf(disk, third.bank.bankId)).replay.ledger)).toBe(digestOf(third.bank.ledger));
  });

  // Such a snapshot proves itself: only the journal shows that it is wrong.
  it.each([
    ["of another state", (replay: Replay) => void replay.ledger.timeMs++],
    ["behind other batches", (replay: Replay) => void Object.assign(replay, { chainHash: new Uint8Array(32) })],
    ["of another position", (replay: Replay) => void replay.ledger.position--],
  ])("does without a snapshot that is %s than the journal's", async (_, change) => {
    const first = await openBank();
    await book(first, 3);
    await first.bank.close();
    const { replay } = await journalOf(first.disk, first.bank.bankId);
    const { position } = replay.ledger;
    change(replay);
    first.disk.snapshots = [{ ...takeSnapshot(replay, sha256), position }];
    const second = await openBank({ disk: first.disk });
    expect(second.bank.recovered.snapshotPosition).toBe(0);
    expect(second.platform.log.about("snapshot cannot be used")).toHaveLength(1);
  });

  it("replays a long journal to its end", async () => {
    const first = await openBank();
    await book(first, 1_030);
    const { bank } = await openBank({ disk: first.disk });
    expect(balanceOf(bank.ledger, 1)).toBe(1_030n);
    expect(bank.recovered.replayedRecords).toBe(first.bank.committedPosition);
  });

  it("refuses a damaged journal, naming where, and gives the store back", async () => {
    const first = await openBank();
    await book(first, 3);
    const { disk } = first;
    disk.batches[2]!.frame[disk.batches[2]!.frame.length - 1]! ^= 1;
    await expect(openBank({ disk })).rejects.toThrow(CorruptStoreError);
    await expect(openBank({ disk })).rejects.toThrow(/damaged behind position 3 /);
    expect(disk.holder).toBeUndefined();
  });

  it("refuses a store that somebody else has", async () => {
    const { disk } = await openBank();
    const store = new HeldStore(new MemoryJournalStore(disk));
    const open = openBank({ store, disk: new MemoryDisk() });
    await expect(open).rejects.toThrow(StoreLockedError);
    expect(store.calls.close).toBe(0);
  });

  it("answers nobody before its epoch is committed, and fails where that is refused", async () => {
    const disk = new MemoryDisk();
    const faulty = new FaultyStore(new MemoryJournalStore(disk));
    const store = new HeldStore(faulty);
    faulty.failNextAppend("refused");
    store.holds = true;
    const open = watch(openBank({ disk, store }));
    await until(() => store.held.length > 0);
    await rest();
    expect(open.state).toBe("pending");
    store.passNext();
    await until(() => open.state === "rejected");
    expect((open.reason as RefusalError).refusal.reason).toBe("STORE_REFUSED");
    expect(disk.holder).toBeUndefined();
    const again = await openBank({ disk });
    expect(again.bank.ledger.epochs.map(({ number }) => number)).toEqual([1]);
  });

  it("settles the record of its epoch like any other", async () => {
    const disk = new MemoryDisk();
    const faulty = new FaultyStore(new MemoryJournalStore(disk));
    const platform = new ManualPlatform();
    faulty.failNextAppend("unknown-surfacing");
    const open = watch(openBank({ disk, store: new HeldStore(faulty), platform }));
    await until(() => open.state !== "pending", { platform });
    expect(open.value?.bank.ledger.epochs).toHaveLength(1);
    expect((await journalOf(disk, open.value!.bank.bankId)).records).toHaveLength(1);
  });

  it("tells what went wrong first, also where the store cannot be closed", async () => {
    const store = new HeldStore(new MemoryJournalStore());
    store.before.close = async () => {
      throw new Error("and the door jams");
    };
    const askWitnesses = async () => {
      throw new Error("nobody can be asked");
    };
    await expect(openBank({ store, askWitnesses })).rejects.toThrow("nobody can be asked");
  });
});

describe("witnesses", () => {
  it("are asked after the recovery and before anything is written", async () => {
    const first = await openBank();
    await book(first, 3);
    const { disk } = first;
    const batches = disk.batches.length;
    let asked = 0;
    await openBank({
      disk,
      askWitnesses: async (ledger) => {
        asked++;
        expect(balanceOf(ledger, 1)).toBe(3n);
        expect(disk.batches).toHaveLength(batches);
        expect(disk.epoch).toBe(1);
        return [];
      },
    });
    expect(asked).toBe(1);
    const empty = new MemoryDisk();
    await openBank({
      disk: empty,
      askWitnesses: async () => {
        expect(empty.bankId).toBeUndefined();
        return [];
      },
    });
  });

  it("that have no more than the journal change nothing", async () => {
    const first = await openBank();
    await book(first, 3);
    const witness = await witnessOf(first);
    const older = { ...witness, position: 1, chainHash: (await first.bank.head(1)).chainHash! };
    await book(first, 2, 100);
    const none = { ...witness, position: 0, chainHash: new Uint8Array(0), epochId: new Uint8Array(0) };
    const { bank } = await openBank({ disk: first.disk, askWitnesses: async () => [witness, older, none] });
    expect(bank.ledger.currentEpoch()).toMatchObject({ number: 2, lossAccepted: false });
  });

  it("that hold more than the journal stop it, which names what is missing, and nothing is written", async () => {
    const first = await openBank();
    await book(first, 6);
    const { disk } = first;
    const end = first.bank.committedPosition;
    const anchor = await witnessOf(first, "the anchor file data/anchor");
    await book(first, 1, 100);
    const branch = await witnessOf(first, "branch 2 at http://south");
    cutOff(disk, 3);
    const left = disk.head()!.position;
    const before = structuredClone({ batches: disk.batches, epoch: disk.epoch });
    const open = openBank({ disk, askWitnesses: async () => [anchor, branch] });
    await expect(open).rejects.toThrow(LossDetectedError);
    const error = (await open.catch((reason: unknown) => reason)) as LossDetectedError;
    expect(error.message.split("\n")).toEqual([
      `The journal ends at position ${left}, and branch 2 at http://south holds position ${end + 1}: ` +
        `3 committed records are missing (${left + 1} to ${end + 1}).`,
      `The journal ends at position ${left}, and the anchor file data/anchor holds position ${end}: ` +
        `2 committed records are missing (${left + 1} to ${end}).`,
    ]);
    expect(error.losses.map(({ kind }) => kind)).toEqual(["behind", "behind"]);
    expect({ batches: disk.batches, epoch: disk.epoch }).toEqual(before);
    expect(disk.holder).toBeUndefined();
  });

  it("stop an empty store in whose place there was a bank, and it belongs to nobody yet", async () => {
    const first = await openBank();
    await book(first, 1);
    const anchor = await witnessOf(first, "the anchor file");
    const disk = new MemoryDisk();
    await expect(openBank({ disk, askWitnesses: async () => [anchor] })).rejects.toThrow(
      `The journal ends at position 0, and the anchor file holds position ${anchor.position}`,
    );
    expect(disk.bankId).toBeUndefined();
  });

  it("that hold something else at a position stop it too", async () => {
    const first = await openBank();
    await book(first, 3);
    const witness = { ...(await witnessOf(first)), chainHash: new Uint8Array(32).fill(7) };
    const open = openBank({ disk: first.disk, askWitnesses: async () => [witness] });
    await expect(open).rejects.toThrow(
      `The journal ends at position ${witness.position} and differs at position ${witness.position} from what ` +
        "branch 1 at http://north holds.",
    );
  });

  it("are overruled by an operator, and the epoch's record says so", async () => {
    const first = await openBank();
    await book(first, 5);
    const lost = await witnessOf(first);
    cutOff(first.disk, 2);
    const fork = first.disk.head()!.position;
    const askWitnesses = async () => [lost];
    const second = await openBank({ disk: first.disk, askWitnesses, acceptLoss: true });
    expect(second.bank.ledger.currentEpoch()).toMatchObject({ lossAccepted: true, firstPosition: fork + 1 });
    // Whoever asks the witnesses leaves out those who only know what was given up.
    const third = await openBank({ disk: first.disk });
    expect(third.bank.ledger.currentEpoch()).toMatchObject({ number: 3, lossAccepted: false });
    // But what is lost after that is another loss.
    await book(third, 3, 100);
    const again = await witnessOf(third);
    cutOff(first.disk, 1);
    await expect(openBank({ disk: first.disk, askWitnesses: async () => [again] })).rejects.toThrow(LossDetectedError);
  });

  it("that speak while it runs stop its writing; reads go on", async () => {
    const opened = await openBank();
    await book(opened, 2);
    const { bank, platform, fatal } = opened;
    bank.reportLoss("branch 3", 99);
    const write = watch(bank.submit([request(50, deposit(1, 1))]));
    await until(() => write.state === "rejected");
    const error = write.reason as RefusalError;
    expect(error.refusal).toEqual({
      reason: "LOSS_DETECTED",
      outcome: "NOT_APPLIED",
      metadata: { witness: "branch 3", witness_position: "99", position: String(bank.committedPosition) },
    });
    expect((await bank.read({ mode: "linearizable" }, (ledger) => balanceOf(ledger, 1))).value).toBe(2n);
    expect(platform.log.lines).toEqual([{ level: "error", event: error.message, fields: {} }]);
    await bank.close();
    expect(fatal).toEqual([]);
  });
});

describe("sessions", () => {
  it("of this bank's answers are satisfied by every read and write", async () => {
    const opened = await openBank();
    await book(opened, 2);
    const { bank } = opened;
    const [outcome] = await bank.submit([request(50, deposit(1, 1))]);
    const session = bank.sessionAt(answered(outcome!).position)!;
    const read = await bank.read({ mode: "session", session }, (ledger) => balanceOf(ledger, 1));
    expect(read).toMatchObject({ value: 3n, stalenessMs: 0, position: bank.committedPosition });
    expect(read.session).toEqual(session);
    expect((await bank.submit([request(51, deposit(1, 1))], { session })).map(short)).toEqual(["done"]);
    const next = await openBank({ disk: opened.disk });
    const later = await next.bank.read({ mode: "session", session }, (ledger) => balanceOf(ledger, 1));
    expect(later.value).toBe(4n);
    expect(later.session?.seen[0]?.epochId).not.toEqual(session.seen[0]?.epochId);
  });

  it("of another bank, or of the future, are invalid", async () => {
    const { bank } = await openBank();
    const other = await openBank({ platform: new ManualPlatform({ seed: 99 }) });
    const here = bank.sessionAt(1)!;
    for (const session of [other.bank.sessionAt(1)!, ahead(here, bank.committedPosition + 1)]) {
      const refusal = { refusal: { reason: "SESSION_INVALID", outcome: "NOT_APPLIED" } };
      await expect(bank.read({ mode: "session", session }, () => 0)).rejects.toMatchObject(refusal);
      await expect(bank.submit([request(1, openAccount())], { session })).rejects.toMatchObject(refusal);
    }
    expect(bank.committedPosition).toBe(1);
  });

  it("that saw what was lost are told so, with the fork, for reads and writes", async () => {
    const first = await openBank();
    await book(first, 5);
    const session = first.bank.sessionAt(first.bank.committedPosition)!;
    const kept = first.bank.sessionAt(2)!;
    cutOff(first.disk, 2);
    const fork = first.disk.head()!.position;
    const { bank } = await openBank({ disk: first.disk });
    const refusal = {
      refusal: { reason: "SESSION_LOST", metadata: { fork_position: String(fork), position: String(fork + 2) } },
    };
    await expect(bank.read({ mode: "session", session }, () => 0)).rejects.toMatchObject(refusal);
    await expect(bank.submit([request(80, deposit(1, 1))], { session })).rejects.toMatchObject(refusal);
    // Even once the new epoch has gone as far.
    await book({ bank } as OpenedBank, 5, 200);
    await expect(bank.read({ mode: "session", session }, () => 0)).rejects.toMatchObject(refusal);
    expect((await bank.read({ mode: "session", session: kept }, () => 1)).value).toBe(1);
  });

  it("of an epoch that was lost as a whole, its record too, are lost", async () => {
    const first = await openBank();
    await book(first, 3);
    const fork = first.bank.committedPosition;
    const second = await openBank({ disk: first.disk });
    await book(second, 3, 100);
    const session = second.bank.sessionAt(second.bank.committedPosition)!;
    const lost = await witnessOf(second);
    cutOff(first.disk, 4);
    const third = await openBank({ disk: first.disk, acceptLoss: true, askWitnesses: async () => [lost] });
    // Later epochs say nothing about it.
    const fourth = await openBank({ disk: third.disk });
    expect(fourth.bank.ledger.currentEpoch()!.firstPosition).toBeLessThanOrEqual(lost.position);
    await expect(fourth.bank.read({ mode: "session", session }, () => 0)).rejects.toMatchObject({
      refusal: { reason: "SESSION_LOST", metadata: { fork_position: String(fork), position: String(lost.position) } },
    });
  });
});

describe("snapshots", () => {
  it("are taken every so many records, and their roots are journaled and right", async () => {
    const opened = await openBank({ snapshotEveryRecords: 10 });
    await book(opened, 45);
    await rest();
    const { bank, disk } = opened;
    const positions = disk.snapshots.map(({ position }) => position);
    expect(positions).toHaveLength(2);
    const journal = await journalOf(disk, bank.bankId);
    const roots = journal.records.flatMap(({ record }) => (record.kind === RecordKind.STATE_ROOT ? [record] : []));
    expect(roots.length).toBeGreaterThan(2);
    expect(roots.slice(-2).map(({ position }) => position)).toEqual([...positions].reverse());
    for (const { position, root } of roots) {
      const upTo = new MemoryDisk();
      upTo.bankId = bank.bankId;
      upTo.batches.push(...disk.batches.filter(({ lastPosition }) => lastPosition <= position));
      expect(takeSnapshot((await journalOf(upTo, bank.bankId)).replay, sha256).root).toEqual(root);
    }
  });

  it("do not call for one another, however often they are wanted", async () => {
    const { bank, disk } = await openBank({ snapshotEveryRecords: 1 });
    await bank.submit([request(1, openAccount())]);
    await rest(50);
    const position = bank.committedPosition;
    await rest(50);
    expect(bank.committedPosition).toBe(position);
    expect(disk.snapshots.length).toBeGreaterThan(0);
  });

  it("are saved one after the other", async () => {
    const opened = await openBank({ snapshotEveryRecords: 5 });
    const slow = Promise.withResolvers<void>();
    opened.store.before.saveSnapshot = () => slow.promise;
    await book(opened, 30);
    expect(opened.store.calls.saveSnapshot).toBe(1);
    slow.resolve();
    await rest();
    await book(opened, 1, 100);
    expect(opened.store.calls.saveSnapshot).toBe(2);
  });

  it("that cannot be saved are logged, and the bank goes on", async () => {
    const opened = await openBank({ snapshotEveryRecords: 5 });
    const { store, platform, fatal, bank } = opened;
    store.before.saveSnapshot = async () => {
      throw new Error("no room");
    };
    await book(opened, 12);
    await rest();
    expect(platform.log.about("snapshot not saved").length).toBeGreaterThan(1);
    expect(fatal).toEqual([]);
    expect(bank.ledger.root).toBeUndefined();
  });

  it("are taken at the end, of the last position, unless there is one", async () => {
    const opened = await openBank();
    await book(opened, 3);
    await opened.bank.close();
    expect(opened.disk.snapshots.map(({ position }) => position)).toEqual([opened.bank.committedPosition]);
    expect(opened.disk.closedCleanly).toBe(true);
    expect(opened.store.calls.saveSnapshot).toBe(1);
  });

  it("are of the journaled state, also where the last batch left no record", async () => {
    const opened = await openBank();
    await book(opened, 3);
    opened.platform.advance(1_000);
    await opened.bank.submit([request(1, deposit(1, 1))]);
    await opened.bank.close();
    const { disk, bank } = opened;
    const { replay } = await journalOf(disk, bank.bankId);
    expect(takeSnapshot(replay, sha256).pages).toEqual(disk.snapshots[0]!.pages);
  });

  it("are not taken of a state that is ahead of the journal", async () => {
    const opened = await openBank();
    const { bank, store, disk, fatal } = opened;
    await book(opened, 3);
    const before = disk.snapshots;
    store.holds = true;
    const write = watch(bank.submit([request(50, deposit(1, 1))]));
    await until(() => store.held.length > 0);
    store.failNext(new CorruptStoreError("the disk is gone"));
    await until(() => write.state === "rejected");
    expect(() => bank.readIndex()).toThrow(RefusalError);
    await bank.close();
    expect(store.calls.saveSnapshot).toBe(0);
    expect(disk.snapshots).toEqual(before);
    expect(fatal).toHaveLength(1);
  });
});

describe("closing", () => {
  it("answers what waits, and can be done twice", async () => {
    const opened = await openBank();
    const { bank, platform, store, disk } = opened;
    await book(opened, 1);
    const writes = [1, 2, 3].map((id) => watch(bank.submit([request(100 + id, deposit(1, 1))])));
    await Promise.all([bank.close(), bank.close()]);
    expect(writes.map(({ value }) => short(value![0]!))).toEqual(["done", "done", "done"]);
    await expect(bank.submit([request(500, deposit(1, 1))])).rejects.toMatchObject({
      refusal: { reason: "NOT_READY" },
    });
    expect(store.calls.saveSnapshot).toBe(1);
    await bank.close();
    expect(platform.log.lines).toEqual([]);
    expect(disk.holder).toBeUndefined();
  });

  it("logs a store that cannot be closed", async () => {
    const { bank, store, platform } = await openBank();
    store.before.close = async () => {
      throw new Error("the door jams");
    };
    await bank.close();
    expect(platform.log.about("store not closed cleanly")[0]?.fields).toEqual({ problem: "the door jams" });
  });
});

it("feeds followers from memory, batch by batch, as they are committed", async () => {
  const opened = await openBank();
  const seen: number[] = [];
  const following = watch(
    (async () => {
      for await (const { lastPosition } of opened.bank.feed.follow(0, new AbortController().signal))
        seen.push(lastPosition);
    })(),
  );
  await book(opened, 3);
  await rest();
  expect(seen).toEqual(opened.disk.batches.map(({ lastPosition }) => lastPosition));
  // Once, when it recovered.
  expect(opened.store.calls.read).toBe(1);
  expect(following.state).toBe("pending");
});

describe("the head", () => {
  it("is the newest committed position with its proof, or the proof of an earlier one", async () => {
    const opened = await openBank();
    const { bank, disk, store, heads } = opened;
    await book(opened, 2);
    const position = bank.committedPosition;
    const chainHash = disk.batches.at(-1)!.chainHash;
    const epochId = bank.ledger.currentEpoch()!.id;
    expect(await bank.head(0)).toEqual({ position, chainHash, epochId });
    expect(await bank.head(position)).toEqual({ position, chainHash, epochId });
    expect(heads.at(-1)).toEqual({ position, chainHash });
    expect(await bank.head(1)).toEqual({ position, chainHash: disk.batches[0]!.chainHash, epochId });
    expect(bank.readIndex()).toEqual({ position, epochId });
    // What is stored and not committed is nobody's business.
    store.holds = true;
    const write = watch(bank.submit([request(50, deposit(1, 1))]));
    await until(() => store.held.length > 0);
    const raw = new MemoryJournalStore(disk);
    disk.holder = raw;
    await raw.append(store.held[0]!.batches, { epoch: 1 });
    disk.holder = undefined;
    expect((await bank.head(position + 1)).chainHash).toBeUndefined();
    expect(bank.readIndex().position).toBe(position);
    expect(write.state).toBe("pending");
  });
});

function ahead(session: Session, position: number): Session {
  return { ...session, seen: session.seen.map((entry) => ({ ...entry, position })) };
}

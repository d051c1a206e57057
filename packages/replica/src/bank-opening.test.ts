import { bytesEqual, FORMAT_LEVEL_MAX, RecordKind, type RefusalError } from "@bank/core";
import { type Replay, takeSnapshot } from "@bank/journal";
import { CorruptStoreError, MemoryDisk, MemoryJournalStore, StoreLockedError } from "@bank/store";
import { FaultyStore } from "@bank/store/testing";
import { HeldStore, ManualPlatform, rest, sha256, until, watch } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { book, journalOf, openBank } from "./bank-replica.test-util.ts";
import { balanceOf, digestOf } from "./sequencer.test-util.ts";

describe("opening", () => {
  it("makes an empty store the store of a new bank, whose first records begin its epoch at the newest format level", async () => {
    const { bank, disk, heads } = await openBank();
    expect(bank.recovered).toMatchObject({ snapshotPosition: 0, replayedRecords: 0 });
    expect(bank.committedPosition).toBe(2);
    expect(disk.bankId).toEqual(bank.bankId);
    expect(heads.map(({ position }) => position)).toEqual([2]);
    const { records } = await journalOf(disk, bank.bankId);
    expect(records.map(({ record }) => record.kind)).toEqual([RecordKind.EPOCH_BEGUN, RecordKind.FORMAT_LEVEL_RAISED]);
    expect(bank.ledger.formatLevel).toBe(FORMAT_LEVEL_MAX);
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
    await expect(openBank({ disk })).rejects.toThrow(/damaged behind position 4 /);
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
    expect((await journalOf(disk, open.value!.bank.bankId)).records).toHaveLength(2);
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

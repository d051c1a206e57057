import { RecordKind, RefusalError } from "@bank/core";
import { takeSnapshot } from "@bank/journal";
import { CorruptStoreError, MemoryDisk } from "@bank/store";
import { deposit, openAccount, request, rest, sha256, until, watch } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { book, journalOf, openBank } from "./bank-replica.test-util.ts";

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

  /** A bank that has just begun a snapshot of several pages. */
  async function begunSnapshot() {
    const opened = await openBank({ snapshotEveryRecords: 10_000 });
    await book(opened, 1);
    // Each page takes long, so that everybody else has a turn behind it.
    const { platform } = opened;
    const startMs = platform.monotonicMs();
    let looks = 0;
    platform.monotonicMs = () => startMs + 5 * ++looks;
    await opened.bank.submit(Array.from({ length: 10_000 }, (_, i) => request(1_000 + i, deposit(1, 1))));
    expect(opened.store.calls.saveSnapshot).toBe(1);
    expect(opened.disk.snapshots).toEqual([]);
    return opened;
  }

  it("are of one batch end, though batches and refused ones come between their pages", async () => {
    const { bank, disk, faulty } = await begunSnapshot();
    let writes = 0;
    for (; disk.snapshots.length === 0; writes++) {
      if (writes % 2 === 0) faulty.failNextAppend("refused");
      await bank.submit([request(20_000 + writes, deposit(1, 1))]).catch((error: unknown) => {
        expect(error).toBeInstanceOf(RefusalError);
      });
    }
    expect(writes).toBeGreaterThan(2);
    const { position, header, pages } = disk.snapshots[0]!;
    expect(bank.committedPosition).toBeGreaterThan(position);
    const upTo = new MemoryDisk();
    upTo.bankId = bank.bankId;
    upTo.batches.push(...disk.batches.filter(({ lastPosition }) => lastPosition <= position));
    const { root, ...expected } = takeSnapshot((await journalOf(upTo, bank.bankId)).replay, sha256);
    expect({ position, header, pages }).toEqual(expected);
  });

  it("that are interrupted by a doubt are logged, and the next one is tried later", async () => {
    const { bank, disk, faulty, platform, fatal } = await begunSnapshot();
    faulty.failNextAppend("unknown-lost");
    const write = watch(bank.submit([request(20_000, deposit(1, 1))]));
    await until(() => write.state === "fulfilled", { platform });
    await until(() => platform.log.about("snapshot not saved").length > 0);
    expect(disk.snapshots).toEqual([]);
    await bank.submit(Array.from({ length: 10_000 }, (_, i) => request(30_000 + i, deposit(1, 1))));
    await until(() => bank.ledger.root !== undefined);
    expect(bank.ledger.root?.position).toBe(disk.snapshots[0]!.position);
    expect(fatal).toEqual([]);
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

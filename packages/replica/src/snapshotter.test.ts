import { AccountType, type CurrencyIndex, Ledger, requestIdFromBytes } from "@bank/core";
import { takeSnapshot } from "@bank/journal";
import { MemoryDisk, MemoryJournalStore, type SnapshotSource } from "@bank/store";
import { ManualPlatform, rest, sha256, until } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { Snapshotter } from "./snapshotter.ts";

const BANK_ID = new Uint8Array(16).fill(1);

/** A store that only remembers where snapshots were taken. */
class SnapshotPositions extends MemoryJournalStore {
  readonly positions: number[] = [];

  override async saveSnapshot({ position, pages, header }: SnapshotSource): Promise<void> {
    for await (const _ of pages);
    header();
    this.positions.push(position);
  }
}

/** A snapshotter for a state of so many accounts, asked for every second record, and the positions at which it took one. */
async function positionsOfSnapshots(accounts: number, end: number): Promise<readonly number[]> {
  const ledger = new Ledger({ hashSeed: 1 });
  ledger.addCurrency({ code: "USD", decimals: 2 });
  const base = { type: AccountType.SAVINGS, name: "", currency: 0 as CurrencyIndex, homeBranch: 0, floor: 0n };
  for (let number = 1; number <= accounts; number++)
    ledger.addAccount({ ...base, number, owner: "", displayName: "", openedPosition: 1, openedTimeMs: 0 });
  const store = new SnapshotPositions(new MemoryDisk());
  const snapshotter = new Snapshotter(
    {
      replay: { ledger, bankId: BANK_ID, chainHash: new Uint8Array(32) },
      store,
      platform: new ManualPlatform({ seed: 1 }),
      everyRecords: 2,
      onSaved: () => undefined,
    },
    0,
  );
  for (ledger.position = 1; ledger.position <= end; ledger.position++) {
    snapshotter.afterBatch();
    await snapshotter.finish({ isDurable: false });
  }
  return store.positions;
}

describe("snapshots", () => {
  it("of a small state are as far apart as was asked for", async () => {
    expect(await positionsOfSnapshots(3, 6)).toEqual([2, 4, 6]);
  });

  it("of a large state are as far apart as it is large", async () => {
    expect(await positionsOfSnapshots(100_005, 11)).toEqual([5, 10]);
  });
});

describe("when the bank closes", () => {
  /** With so many accounts, where the next start would have to replay so many records. */
  async function closed(options: { accounts: number; records: number; pageMs?: number; isAwaited?: boolean }) {
    const ledger = new Ledger({ hashSeed: 1 });
    ledger.addCurrency({ code: "USD", decimals: 2 });
    const base = { type: AccountType.SAVINGS, name: "", currency: 0 as CurrencyIndex, homeBranch: 0, floor: 0n };
    for (let number = 1; number <= options.accounts; number++)
      ledger.addAccount({ ...base, number, owner: "", displayName: "", openedPosition: 1, openedTimeMs: 0 });
    const platform = new ManualPlatform({ seed: 1 });
    const { monotonicMs } = platform;
    let elapsedMs = 0;
    platform.monotonicMs = () => monotonicMs.call(platform) + elapsedMs;
    const store = new SnapshotPositions(new MemoryDisk());
    const save = store.saveSnapshot.bind(store);
    store.saveSnapshot = ({ position, pages, header }) => {
      const slow = async function* () {
        for await (const page of pages) {
          yield page;
          elapsedMs += options.pageMs ?? 0;
        }
      };
      return save({ position, pages: slow(), header });
    };
    const replay = { ledger, bankId: BANK_ID, chainHash: new Uint8Array(32) };
    const snapshotter = new Snapshotter({ replay, store, platform, everyRecords: 1e6, onSaved: () => undefined }, 0);
    ledger.position = options.records;
    await snapshotter.finish({ isDurable: true, isAwaited: options.isAwaited ?? false });
    return store.positions;
  }

  it("a small state is written, however little is new", async () => {
    expect(await closed({ accounts: 2, records: 1 })).toEqual([1]);
  });

  it("a large state is written where a start would have much to replay", async () => {
    expect(await closed({ accounts: 100_001, records: 49_999 })).toEqual([]);
    expect(await closed({ accounts: 100_001, records: 50_000 })).toEqual([50_000]);
  });

  it("one for which there is no time is given up", async () => {
    // Seven seconds; two pages are encoded for 1,025 accounts, and one of tables before them.
    expect(await closed({ accounts: 1_025, records: 5, pageMs: 2_000 })).toEqual([5]);
    expect(await closed({ accounts: 1_025, records: 5, pageMs: 4_000 })).toEqual([]);
  });

  it("and others wait for its store, only what takes a moment is written", async () => {
    const isAwaited = true;
    expect(await closed({ accounts: 1_025, records: 5, isAwaited })).toEqual([5]);
    expect(await closed({ accounts: 1_025, records: 5, pageMs: 200, isAwaited })).toEqual([]);
    expect(await closed({ accounts: 100_001, records: 50_000, isAwaited })).toEqual([]);
  });
});

describe("snapshots of a journal of small batches", () => {
  /** At which batches, of one record each, one is taken when it is asked for every so many records. */
  async function batchesOfSnapshots(everyRecords: number, batches: number): Promise<number[]> {
    const ledger = new Ledger({ hashSeed: 1 });
    const store = new SnapshotPositions(new MemoryDisk());
    const platform = new ManualPlatform({ seed: 1 });
    const replay = { ledger, bankId: BANK_ID, chainHash: new Uint8Array(32) };
    const snapshotter = new Snapshotter({ replay, store, platform, everyRecords, onSaved: () => undefined }, 0);
    for (ledger.position = 1; ledger.position <= batches; ledger.position++) {
      snapshotter.afterBatch();
      if (ledger.position % 1_000 === 0) await snapshotter.finish({ isDurable: false });
    }
    await snapshotter.finish({ isDurable: false });
    return [...store.positions];
  }

  it("are taken when it would take as long to replay them as the records that were asked for", async () => {
    // A batch takes as long as 25 records beside its own.
    expect(await batchesOfSnapshots(260_000, 30_000)).toEqual([10_000, 20_000, 30_000]);
  });

  it("are not taken for a few thousand batches", async () => {
    expect(await batchesOfSnapshots(10_000, 9_000)).toEqual([4_000, 8_000]);
  });
});

/** A store that can fail behind a page, and counts those that it was given. */
class PageByPage extends MemoryJournalStore {
  taken = 0;
  failsBehind = Number.POSITIVE_INFINITY;

  /** Called for each page. */
  onPage: () => void = () => undefined;

  override async saveSnapshot({ pages, header }: SnapshotSource): Promise<void> {
    this.taken = 0;
    for await (const _ of pages) {
      this.onPage();
      if (++this.taken === this.failsBehind) throw new Error("no room");
    }
    header();
  }
}

function pageByPage() {
  const ledger = new Ledger({ hashSeed: 1 });
  const principal = ledger.internPrincipal("dev");
  for (let n = 1; n <= 10_000; n++)
    ledger.addRequest(principal, requestIdFromBytes(new Uint8Array(Int32Array.of(n, 0, 0, 0).buffer)), n, 0, 0);
  ledger.position = 10_000;
  const store = new PageByPage(new MemoryDisk());
  const platform = new ManualPlatform({ seed: 1 });
  const saved: { readonly position: number; readonly root: Uint8Array }[] = [];
  const replay = { ledger, bankId: BANK_ID, chainHash: new Uint8Array(32) };
  const options = { replay, store, platform, everyRecords: 2, onSaved: (one: (typeof saved)[0]) => saved.push(one) };
  return { replay, store, platform, saved, snapshotter: new Snapshotter(options, 0) };
}

describe("the saving of a snapshot", () => {
  it("gives a turn to everything else every 3 ms", async () => {
    const { replay, store, platform, saved, snapshotter } = pageByPage();
    const { root } = takeSnapshot(replay, sha256);
    store.onPage = () => platform.advance(3);
    platform.holdsDeferred = true;
    snapshotter.afterBatch();
    for (let page = 1; page <= 4; page++) {
      await rest();
      expect(store.taken).toBe(page);
      // Neither one more, nor a wait that something else would end.
      snapshotter.afterBatch();
      expect(platform.deferred).toHaveLength(1);
      platform.runDeferred();
    }
    const finished = snapshotter.finish({ isDurable: false });
    await until(() => saved.length > 0);
    await finished;
    expect(saved).toEqual([{ position: 10_000, root }]);
  });

  it("goes on without a turn while it has taken less", async () => {
    const { store, platform, saved, snapshotter } = pageByPage();
    store.onPage = () => platform.advance(1);
    platform.holdsDeferred = true;
    snapshotter.afterBatch();
    await rest();
    // The tables and three pages of requests.
    expect(store.taken).toBe(3);
    platform.runDeferred();
    await until(() => saved.length > 0);
    expect(store.taken).toBe(4);
  });

  it.each([
    { others: 16, pages: 3 },
    { others: 1_000, pages: 3 },
  ])(
    "takes half as long as the others took, but no longer than 8 ms: $pages pages behind $others ms",
    async ({ others, pages }) => {
      const { replay, store, platform, snapshotter } = pageByPage();
      for (let n = 1; n <= 20_000; n++)
        replay.ledger.addRequest(
          0,
          requestIdFromBytes(new Uint8Array(Int32Array.of(n, 1, 0, 0).buffer)),
          10_000 + n,
          0,
          0,
        );
      store.onPage = () => platform.advance(3);
      platform.holdsDeferred = true;
      snapshotter.afterBatch();
      await rest();
      expect(store.taken).toBe(1);
      platform.advance(others);
      platform.runDeferred();
      await rest();
      expect(store.taken).toBe(1 + pages);
      platform.holdsDeferred = false;
      platform.runDeferred();
      await snapshotter.finish({ isDurable: false });
    },
  );

  it("makes and writes the full pages of requests once", async () => {
    const { replay, store, snapshotter } = pageByPage();
    const shared: boolean[][] = [];
    store.saveSnapshot = async ({ pages, header }) => {
      const proven: boolean[] = [];
      for await (const page of pages) if (!(page instanceof Uint8Array)) proven.push(page.isProven);
      shared.push(proven);
      if (shared.length === 2) throw new Error("no room");
      header();
    };
    for (let position = 10_000; position <= 10_006; position += 2) {
      replay.ledger.position = position;
      snapshotter.afterBatch();
      await snapshotter.finish({ isDurable: false });
      if (shared.length === 1)
        for (let n = 1; n <= 4_096; n++)
          replay.ledger.addRequest(
            0,
            requestIdFromBytes(new Uint8Array(Int32Array.of(n, 1, 0, 0).buffer)),
            10_000 + n,
            0,
            0,
          );
    }
    // What was not stored is not proven.
    expect(shared).toEqual([
      [false, false],
      [true, true, false],
      [true, true, false],
      [true, true, true],
    ]);
  });

  it("that fails behind a page is logged, and the next is as far away as after one that was saved", async () => {
    const { replay, store, platform, saved, snapshotter } = pageByPage();
    store.failsBehind = 2;
    snapshotter.afterBatch();
    await snapshotter.finish({ isDurable: false });
    expect(platform.log.about("snapshot not saved")).toHaveLength(1);
    expect(saved).toEqual([]);
    store.failsBehind = Number.POSITIVE_INFINITY;
    replay.ledger.position += 1;
    snapshotter.afterBatch();
    await snapshotter.finish({ isDurable: false });
    expect(saved).toEqual([]);
    replay.ledger.position += 1;
    snapshotter.afterBatch();
    await snapshotter.finish({ isDurable: false });
    expect(saved.map(({ position }) => position)).toEqual([10_002]);
  });

  it("is waited for by the end, which then takes the last one the same way", async () => {
    const { replay, saved, snapshotter } = pageByPage();
    snapshotter.afterBatch();
    replay.ledger.position += 1;
    await snapshotter.finish({ isDurable: true });
    expect(saved.map(({ position }) => position)).toEqual([10_000, 10_001]);
  });
});

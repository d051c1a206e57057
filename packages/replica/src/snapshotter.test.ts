import { AccountType, type CurrencyIndex, Ledger } from "@bank/core";
import { MemoryDisk, MemoryJournalStore, type StoredSnapshot } from "@bank/store";
import { ManualPlatform } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { Snapshotter } from "./snapshotter.ts";

const BANK_ID = new Uint8Array(16).fill(1);

/** A store that only remembers where snapshots were taken. */
class SnapshotPositions extends MemoryJournalStore {
  readonly positions: number[] = [];

  override async saveSnapshot({ position }: StoredSnapshot): Promise<void> {
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

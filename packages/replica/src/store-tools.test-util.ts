import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type JournalStore, SqliteJournalStore } from "@bank/store";
import { deposit, ManualPlatform, openAccount, Random, request } from "@bank/testkit";
import { onTestFinished } from "vitest";
import { BankReplica } from "./bank-replica.ts";
import { type Copied, type CopyEnd, copyStore } from "./copy-store.ts";
import { liveRandomly } from "./random-life.test-util.ts";
import { type Verified, verifyStore } from "./verify-store.ts";

/** A folder that is gone after the test. */
export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "bank-store-tools-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function startBankOn(store: JournalStore, seed = 1): Promise<BankReplica> {
  const bank = await opened(store, seed);
  onTestFinished(() => bank.close());
  return bank;
}

function opened(store: JournalStore, seed: number): Promise<BankReplica> {
  return BankReplica.open({
    store,
    platform: new ManualPlatform({ seed }),
    snapshotEveryRecords: 60,
    askWitnesses: async () => [],
    acceptLoss: false,
    raiseFormatLevel: true,
    onFatal: (error) => {
      throw error;
    },
    onCommitted: () => undefined,
  });
}

/** A bank of random operations in a folder, stopped again. Gives what it was when it stopped. */
export async function madeBank(folder: string, steps = 60) {
  const bank = await opened(new SqliteJournalStore({ folder }), 1);
  await bank.submit([request(1, openAccount()), request(2, openAccount()), request(3, deposit(1, 500))]);
  await liveRandomly(bank, new Random(7), steps);
  await bank.close();
  return stateOf(bank);
}

/** What two banks that are the same have the same. */
export function stateOf(bank: BankReplica) {
  const { ledger } = bank;
  const views = Array.from({ length: ledger.accounts.count }, (_, i) => ledger.viewAccount(i as never));
  return {
    position: ledger.position,
    digest: ledger.digestBytes(),
    accounts: views,
    nextAccount: ledger.nextAccountNumber,
  };
}

/** Verifies a store that nobody has open. */
export async function verified(store: JournalStore): Promise<Verified> {
  const state = await store.open();
  try {
    return await verifyStore(store, state, new ManualPlatform());
  } finally {
    await store.close();
  }
}

/** Copies between stores that nobody has open. */
export async function copied(from: JournalStore, to: JournalStore, keepSourceUsable = false): Promise<Copied> {
  const source: CopyEnd = { store: from, state: await from.open() };
  try {
    const target: CopyEnd = { store: to, state: await to.open() };
    try {
      return await copyStore(source, target, { keepSourceUsable, platform: new ManualPlatform() });
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

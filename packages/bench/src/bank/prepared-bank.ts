import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { cp, mkdir } from "node:fs/promises";
import { connectBank, TIMEOUT_MAX_MS } from "@bank/client";
import {
  type AccountIndex,
  AccountType,
  applyAll,
  assert,
  beginBatch,
  type CurrencyIndex,
  type Ledger,
  RecordKind,
  RecordList,
} from "@bank/core";
import { encodeFrame, nextHash, type Replay, takeSnapshot } from "@bank/journal";
import { nodePlatform, sha256, silentLog, startBank } from "@bank/node";
import { recover } from "@bank/replica";
import { type JournalStore, openStore, type StoredBatch, sourceOf } from "@bank/store";
import { QuickRandom } from "../harness/distribution.ts";

/** What each account begins with, in minor units: enough for any load of one cent at a time. */
export const OPENING_MINOR = 100_000_000n;
const BATCH = 8_000;
const APPENDED_TOGETHER = 16;
const PRINCIPAL = "dev";
const OWNER = "";

export interface PreparedOptions {
  /** Customers' accounts, with the numbers from 1 on; at least 3. */
  readonly accounts: number;
  /** Transfers between them, each with a request id of its own, behind the deposits. */
  readonly transfers?: number;
  /** Records before the end at which the newest snapshot is; 0 where nothing is said. */
  readonly withoutSnapshot?: number;
}

/** A data folder of a bank, to be copied for each server that shall begin with it. */
export interface PreparedBank {
  readonly folder: string;
  readonly accounts: number;
  /** Deposits and transfers in its journal. */
  readonly movements: number;
  readonly position: number;
}

/**
 * Writes a bank's data folder without asking a bank for each record: accounts that are open and have money, and transfers.
 * It is the very journal that a bank would have written, which its first start proves.
 */
export async function prepareBank(folder: string, options: PreparedOptions): Promise<PreparedBank> {
  await mkdir(folder, { recursive: true });
  await beginLife(folder);
  const store = openStore(`sqlite:${folder}`);
  const { bankId } = await store.open();
  assert(bankId !== undefined, "a bank lives there");
  let prepared: PreparedBank;
  try {
    const { replay } = await recover(store, bankId, nodePlatform(silentLog));
    const writer = new JournalWriter(store, replay);
    await writer.openAccounts(options.accounts);
    const { transfers = 0, withoutSnapshot = 0 } = options;
    await writer.transfers(Math.max(0, transfers - withoutSnapshot));
    await store.saveSnapshot(sourceOf(takeSnapshot(replay, sha256)));
    await writer.transfers(Math.min(transfers, withoutSnapshot));
    const movements = options.accounts + transfers;
    prepared = { folder, accounts: options.accounts, movements, position: replay.ledger.position };
  } finally {
    await store.close();
  }
  await catchUpHistory(folder);
  return prepared;
}

/** A folder of its own for a server. */
export async function copyBank({ folder }: PreparedBank, to: string): Promise<void> {
  await cp(folder, to, { recursive: true, mode: constants.COPYFILE_FICLONE });
}

/** The history is as far as the journal, as that of a bank that has lived: no load pays for what lies before it. */
async function catchUpHistory(dataDir: string): Promise<void> {
  const bank = await startBank({ dataDir, history: "eager", log: silentLog });
  const client = connectBank({ server: new URL(bank.url).host });
  try {
    const newest = client.transactions("1", { pageSize: 1, timeoutMs: TIMEOUT_MAX_MS });
    for await (const _ of newest) break;
  } finally {
    client.close();
    await bank.close();
  }
}

/** Epoch, currency, the bank's own accounts and the first customer: as any bank makes them. */
async function beginLife(dataDir: string): Promise<void> {
  const bank = await startBank({ dataDir, history: "lazy", log: silentLog });
  const client = connectBank({ server: new URL(bank.url).host });
  try {
    const { account } = await client.openAccount({ owner: OWNER, currency: "USD" });
    await client.deposit(account.number, { currency: "USD", minor: OPENING_MINOR });
  } finally {
    client.close();
    await bank.close();
  }
}

/** Writes batches of decided records behind the end of a journal. */
class JournalWriter {
  private readonly store: JournalStore;
  private readonly replay: Replay;
  private readonly random = new QuickRandom(randomBytes(4).readInt32LE());
  private pending: StoredBatch[] = [];
  /** Of account 2: all customers but the first stand behind the bank's own accounts, in one row. */
  private readonly firstIndex: number;

  constructor(store: JournalStore, replay: Replay) {
    this.store = store;
    this.replay = replay;
    this.firstIndex = replay.ledger.accounts.count;
  }

  /** Opens accounts until there are so many, and pays the same into each. */
  async openAccounts(accounts: number): Promise<void> {
    const { ledger } = this.replay;
    await this.inBatches(accounts - 1, (list, i) => list.push(this.opening(this.firstIndex + i, i + 2)));
    const cash = internalCash(ledger);
    await this.inBatches(accounts - 1, (list, i) =>
      this.movement(list, {
        kind: RecordKind.DEPOSIT,
        debit: cash,
        credit: this.firstIndex + i,
        amount: OPENING_MINOR,
      }),
    );
  }

  /** So many transfers of one cent from an account to its neighbour. */
  async transfers(count: number): Promise<void> {
    const others = this.replay.ledger.accounts.count - this.firstIndex;
    await this.inBatches(count, (list, i) =>
      this.movement(list, {
        kind: RecordKind.TRANSFER,
        debit: this.firstIndex + (i % others),
        credit: this.firstIndex + ((i + 1) % others),
        amount: 1n,
      }),
    );
  }

  private async inBatches(count: number, add: (list: RecordList, i: number) => void): Promise<void> {
    for (let from = 0; from < count; from += BATCH) {
      const list = new RecordList(BATCH);
      for (let i = from; i < Math.min(from + BATCH, count); i++) add(list, i);
      await this.append(list);
    }
    await this.flush();
  }

  private opening(index: number, number: number) {
    return {
      kind: RecordKind.ACCOUNT_OPENED,
      principal: PRINCIPAL,
      branch: 0,
      request: undefined,
      account: index as AccountIndex,
      type: AccountType.SAVINGS,
      number,
      name: "",
      currency: 0 as CurrencyIndex,
      homeBranch: 0,
      owner: OWNER,
      displayName: "",
      floor: 0n,
    } as const;
  }

  private movement(
    list: RecordList,
    {
      kind,
      debit,
      credit,
      amount,
    }: { readonly kind: number; readonly debit: number; readonly credit: number; readonly amount: bigint },
  ): void {
    const index = list.extend();
    list.kinds[index] = kind;
    list.answers[index] = 1;
    list.actorIndexes[index] = list.actorIndex(PRINCIPAL, 0);
    list.debits[index] = debit;
    list.credits[index] = credit;
    list.amounts[index] = amount;
    for (let word = 0; word < 4; word++) list.requestIds[4 * index + word] = this.random.int32();
    list.requestHashes[2 * index] = this.random.int32();
    list.requestHashes[2 * index + 1] = this.random.int32();
  }

  private async append(records: RecordList): Promise<void> {
    const { replay } = this;
    const { ledger, chainHash: previousHash } = replay;
    const firstPosition = ledger.position + 1;
    const timeMs = Math.max(Date.now(), ledger.timeMs);
    beginBatch(ledger, timeMs);
    applyAll(ledger, records);
    ledger.forgetUndo(ledger.position);
    const epoch = ledger.currentEpoch();
    assert(epoch !== undefined, "a batch is written under an epoch");
    const committedPosition = firstPosition - 1;
    const header = { epochId: epoch.id, firstPosition, timeMs, digestAfter: ledger.digestBytes(), committedPosition };
    const frame = encodeFrame(header, records);
    replay.chainHash = nextHash(sha256, previousHash, frame);
    this.pending.push({
      firstPosition,
      lastPosition: ledger.position,
      frame,
      previousHash,
      chainHash: replay.chainHash,
    });
    if (this.pending.length === APPENDED_TOGETHER) await this.flush();
  }

  private async flush(): Promise<void> {
    const epoch = this.replay.ledger.currentEpoch()?.number ?? 0;
    if (this.pending.length > 0) await this.store.append(this.pending, { epoch });
    this.pending = [];
  }
}

/** What the first customer's deposit was paid from. */
function internalCash(ledger: Ledger): number {
  const index = ledger.accounts.findByName("cash/0/USD");
  assert(index !== undefined, "the head office has cash");
  return index;
}

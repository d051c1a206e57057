import { AccountType, type Ledger, type Request, toHex } from "@bank/core";
import type { Replay } from "@bank/journal";
import { MemoryDisk, MemoryJournalStore, type StoredBatch } from "@bank/store";
import { FaultyStore } from "@bank/store/testing";
import {
  HeldStore,
  ManualPlatform,
  openAccount,
  readWholeJournal,
  request,
  until,
  type WholeJournal,
} from "@bank/testkit";
import type { CountedCopies } from "./counted-commit.ts";
import type { Answered, Outcome } from "./outcome.ts";
import { recover } from "./recover.ts";
import { Sequencer } from "./sequencer.ts";

export const BANK_ID = Uint8Array.from({ length: 16 }, (_, i) => i + 1);

/** A sequencer over a memory store whose appends a test can hold and fail. */
export interface Fixture {
  readonly disk: MemoryDisk;
  readonly faulty: FaultyStore;
  readonly store: HeldStore;
  readonly platform: ManualPlatform;
  readonly replay: Replay;
  readonly ledger: Ledger;
  readonly sequencer: Sequencer;
  readonly committed: StoredBatch[];
  readonly fatal: unknown[];
}

/** No copy but the bank's, and nobody who waits for another. */
const NOBODY: CountedCopies = {
  stored: () => Promise.reject(new Error("there are no copies that count")),
  countedConnected: () => 0,
  countedAway: () => [],
};

/** One that has begun its epoch. */
export async function startSequencer(
  options: {
    readonly disk?: MemoryDisk;
    readonly platform?: ManualPlatform;
    readonly raiseFormatLevel?: boolean;
    readonly copies?: CountedCopies;
    readonly onAppended?: (batch: StoredBatch) => void;
  } = {},
): Promise<Fixture> {
  const { disk = new MemoryDisk() } = options;
  // Another process has other random numbers.
  const { platform = new ManualPlatform({ seed: disk.epoch + 1 }) } = options;
  disk.holder = undefined;
  const faulty = new FaultyStore(new MemoryJournalStore(disk));
  const store = new HeldStore(faulty);
  await store.open();
  await store.initialize(BANK_ID);
  const recovered = await recover(store, BANK_ID, platform);
  const { replay } = recovered;
  const committed: StoredBatch[] = [];
  const fatal: unknown[] = [];
  const sequencer = new Sequencer({
    replay,
    settled: recovered,
    copies: options.copies ?? NOBODY,
    store,
    platform,
    onAppended: (batch) => options.onAppended?.(batch),
    onCommitted: (batch) => committed.push(batch),
    onFatal: (error) => fatal.push(error),
  });
  await sequencer.beginEpoch({ lossAccepted: false, raiseFormatLevel: options.raiseFormatLevel ?? false });
  committed.length = 0;
  store.calls.append = 0;
  return { disk, faulty, store, platform, replay, ledger: replay.ledger, sequencer, committed, fatal };
}

/** One with accounts 1, 2, … that are open already. */
export async function startWithAccounts(count: number): Promise<Fixture> {
  const fixture = await startSequencer();
  await fixture.sequencer.submit(Array.from({ length: count }, (_, i) => request(900_000 + i, openAccount())));
  fixture.committed.length = 0;
  fixture.store.calls.append = 0;
  return fixture;
}

/** What the next process would find, replayed with every check. */
export async function reopened(disk: MemoryDisk): Promise<WholeJournal> {
  disk.holder = undefined;
  const store = new MemoryJournalStore(disk);
  await store.open();
  return readWholeJournal(store, BANK_ID);
}

/** Submits one request. */
export async function submitOne(sequencer: Sequencer, one: Request, signal?: AbortSignal): Promise<Outcome> {
  const [outcome] = await sequencer.submit([one], signal);
  if (outcome === undefined) throw new Error("one request has one outcome");
  return outcome;
}

/** Lets appends wait, and resolves once one does. */
export async function appendHeld({ store }: Fixture): Promise<void> {
  await until(() => store.held.length > 0, { what: "an append" });
}

export function digestOf(ledger: Ledger): string {
  return toHex(ledger.digestBytes());
}

/** Balance of a customer's account. */
export function balanceOf(ledger: Ledger, account: number): bigint {
  const index = ledger.findCustomerAccount(String(account));
  if (index === undefined) throw new Error(`there is no account ${account}`);
  return ledger.viewAccount(index).posted;
}

/** Balances of all customers by account number. */
export function balancesOf(ledger: Ledger): ReadonlyMap<string, bigint> {
  const balances = new Map<string, bigint>();
  for (let index = 0; index < ledger.accounts.count; index++) {
    const view = ledger.viewAccount(index as Parameters<Ledger["viewAccount"]>[0]);
    if (view.type !== AccountType.CASH) balances.set(view.reference, view.posted);
  }
  return balances;
}

/** The outcome in short: "done", a rejection's reason, or a refusal's, with its outcome. */
export function short(outcome: Outcome): string {
  if (outcome.kind === "refused") return `${outcome.error.refusal.reason} ${outcome.error.refusal.outcome}`;
  const said = "rejection" in outcome.record ? outcome.record.rejection.reason : "done";
  return outcome.replayed ? `${said}, replayed` : said;
}

export function answered(outcome: Outcome): Answered {
  if (outcome.kind !== "answered") throw outcome.error;
  return outcome;
}

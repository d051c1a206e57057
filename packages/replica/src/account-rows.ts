import {
  ACCOUNT_STATE_WORDS,
  ACCOUNT_TYPE_WORDS,
  type AccountIndex,
  type AccountView,
  assert,
  isMovement,
  type Ledger,
  type LedgerRecord,
  RecordKind,
  type RecordList,
} from "@bank/core";
import type { AccountRow, JournalStore } from "@bank/store";
import { AppendRefusedError } from "@bank/store/errors";
import { errorText, type Log } from "./platform.ts";

/** Most batches only move money. */
const NO_TERMS: AccountRow["terms"] = {};

/** Accounts that records touched, and whether what changed was more than money. */
type Touched = Map<AccountIndex, "money" | "terms">;

/** The accounts that a batch touched, as it left them: the ledger has to be at its end. Terms only where they may have changed. */
export function* rowsOfBatch(ledger: Ledger, records: RecordList): Generator<AccountRow> {
  for (const [account, what] of touchedBy(ledger, records)) {
    yield what === "terms" ? rowOf(ledger, account) : { ...moneyOf(ledger, account), terms: NO_TERMS };
  }
}

/** Every account, the bank's own too. */
export function* rowsOfLedger(ledger: Ledger): Generator<AccountRow> {
  for (let account = 0; account < ledger.accounts.count; account++) yield rowOf(ledger, account as AccountIndex);
}

/**
 * Has the rows of a store that keeps some show the end of its journal, which the ledger has to be at. They are a view: where
 * the store has no room for them, the bank goes on without, and the next start tries again.
 *
 * @param options.always also where they say that they do.
 */
export async function catchUpRows(
  store: JournalStore,
  ledger: Ledger,
  log: Log,
  { always = false }: { readonly always?: boolean } = {},
): Promise<void> {
  if (store.accountsPosition === undefined || store.replaceAccounts === undefined) return;
  const { position } = ledger;
  const shown = await store.accountsPosition();
  if (shown === position && !always) return;
  log.info("the rows of accounts are written anew", { position, shown: shown ?? "unknown" });
  try {
    await store.replaceAccounts(position, rowsOfLedger(ledger));
  } catch (error) {
    if (!(error instanceof AppendRefusedError)) throw error;
    log.error("the rows of accounts stay behind the journal", { position, problem: errorText(error) });
  }
}

/** One account, with everything that its row says. */
export function rowOf(ledger: Ledger, account: AccountIndex): AccountRow {
  return { ...moneyOf(ledger, account), terms: termsOf(ledger.viewAccount(account)) };
}

/** Read from the columns: a batch may have touched thousands. */
function moneyOf(ledger: Ledger, account: AccountIndex): Omit<AccountRow, "terms"> {
  const { posted, held, versions } = ledger.accounts;
  return {
    number: ledger.referenceOf(account),
    posted: posted[account] as bigint,
    held: held[account] as bigint,
    version: BigInt(versions[account] as number),
  };
}

function termsOf(view: AccountView): AccountRow["terms"] {
  return {
    type: ACCOUNT_TYPE_WORDS[view.type],
    status: ACCOUNT_STATE_WORDS[view.state],
    currency: view.currency,
    decimals: String(view.decimals),
    owner: view.owner,
    name: view.displayName,
    alias: view.alias,
    branch: String(view.homeBranch),
    floor: String(view.floor),
    ceiling: view.ceiling === undefined ? "" : String(view.ceiling),
    metadata: JSON.stringify(view.metadata),
    opened: new Date(view.openedTimeMs).toISOString(),
  };
}

function touchedBy(ledger: Ledger, records: RecordList): Touched {
  const touched: Touched = new Map();
  const { kinds, debits, credits } = records;
  for (let i = 0; i < records.length; i++) {
    if ((kinds[i] as number) > RecordKind.TRANSFER) continue;
    addMoney(touched, debits[i] as AccountIndex);
    addMoney(touched, credits[i] as AccountIndex);
  }
  for (const record of records.others.values()) addOther(touched, ledger, record);
  return touched;
}

function addMoney(touched: Touched, account: AccountIndex): void {
  if (!touched.has(account)) touched.set(account, "money");
}

function addOther(touched: Touched, ledger: Ledger, record: LedgerRecord): void {
  if (isMovement(record)) return;
  switch (record.kind) {
    case RecordKind.ACCOUNT_OPENED:
    case RecordKind.ACCOUNT_UPDATED:
    case RecordKind.ACCOUNT_STATE_CHANGED:
      touched.set(record.account, "terms");
      return;
    case RecordKind.REVERSAL:
      addMoney(touched, record.debit);
      addMoney(touched, record.credit);
      return;
    case RecordKind.INTEREST_APPLIED:
      addMoney(touched, record.account);
      if (record.paidFrom !== undefined) addMoney(touched, record.paidFrom);
      return;
    case RecordKind.HOLD_CAPTURED:
      addMoney(touched, record.account);
      addMoney(touched, record.credit);
      return;
    case RecordKind.HOLD_PLACED:
    case RecordKind.HOLD_RELEASED:
    case RecordKind.HOLD_EXTENDED:
      addMoney(touched, record.account);
      return;
    case RecordKind.HOLDS_EXPIRED:
      for (const position of record.holds) {
        const hold = ledger.viewHold(position);
        assert(hold !== undefined, "a hold that ended was placed");
        addMoney(touched, hold.account);
      }
      return;
    case RecordKind.REJECTED:
    case RecordKind.EPOCH_BEGUN:
    case RecordKind.CURRENCY_DEFINED:
    case RecordKind.BRANCH_REGISTERED:
    case RecordKind.BRANCH_STATE_CHANGED:
    case RecordKind.DURABILITY_SET:
    case RecordKind.STATE_ROOT:
    case RecordKind.FORMAT_LEVEL_RAISED:
    case RecordKind.GROUP_COMMITTED:
    case RecordKind.TIME_TICKED:
      return;
    default:
      record satisfies never;
  }
}

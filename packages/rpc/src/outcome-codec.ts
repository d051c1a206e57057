import {
  type AccountOpenedRecord,
  type AccountView,
  assert,
  formatRequestId,
  isMovement,
  type Ledger,
  type LedgerRecord,
  type MovementRecord,
  RecordKind,
} from "@bank/core";
import {
  type Account,
  AccountSchema,
  type CommandOutcome,
  CommandOutcomeSchema,
  type Failure,
  MoneySchema,
  type Transaction,
  TransactionKind,
  TransactionSchema,
} from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { failureFromRejection } from "./failure.ts";

/** A record that answers a request, with where and when it stands in the journal. */
export interface AnsweringRecord {
  readonly record: LedgerRecord;
  readonly position: number;
  readonly timeMs: number;
  readonly replayed: boolean;
}

/**
 * The outcome that a record is. It follows from the record alone: from the ledger come only names and currencies, which
 * never change, so that a replay years later gives the same reply.
 */
export function outcomeFromRecord(ledger: Ledger, answer: AnsweringRecord): CommandOutcome {
  const { record, position, replayed } = answer;
  return create(CommandOutcomeSchema, { position: BigInt(position), replayed, result: result(ledger, answer) });
  function result(ledger: Ledger, { timeMs }: AnsweringRecord): CommandOutcome["result"] {
    if (isMovement(record)) return { case: "transaction", value: transaction(ledger, record, position, timeMs) };
    switch (record.kind) {
      case RecordKind.ACCOUNT_OPENED:
        return { case: "account", value: openedAccount(ledger, record, position, timeMs) };
      case RecordKind.REJECTED:
        return { case: "failure", value: failureFromRejection(record.rejection, position) };
      default:
        assert(false, `a record of kind ${record.kind} answers no customer`);
    }
  }
}

/** The outcome of a command that left nothing in the journal. */
export function outcomeFromFailure(failure: Failure): CommandOutcome {
  return create(CommandOutcomeSchema, { result: { case: "failure", value: failure } });
}

/** An account as the API shows it. */
export function accountMessage(view: AccountView): Account {
  return create(AccountSchema, {
    number: view.reference,
    type: view.type,
    owner: view.owner,
    displayName: view.displayName,
    currencyCode: view.currency,
    homeBranch: view.homeBranch,
    posted: create(MoneySchema, { currencyCode: view.currency, amountMinor: view.posted }),
    version: BigInt(view.version),
    openedAt: timestampFromMs(view.openedTimeMs),
    openedPosition: BigInt(view.openedPosition),
  });
}

function openedAccount(ledger: Ledger, record: AccountOpenedRecord, position: number, timeMs: number): Account {
  const currency = currencyCode(ledger, record.currency);
  return create(AccountSchema, {
    number: String(record.number),
    type: record.type,
    owner: record.owner,
    displayName: record.displayName,
    currencyCode: currency,
    homeBranch: record.homeBranch,
    posted: create(MoneySchema, { currencyCode: currency, amountMinor: 0n }),
    version: 1n,
    openedAt: timestampFromMs(timeMs),
    openedPosition: BigInt(position),
  });
}

const KINDS = {
  [RecordKind.DEPOSIT]: TransactionKind.DEPOSIT,
  [RecordKind.WITHDRAWAL]: TransactionKind.WITHDRAWAL,
  [RecordKind.TRANSFER]: TransactionKind.TRANSFER,
} as const;

function transaction(ledger: Ledger, record: MovementRecord, position: number, timeMs: number): Transaction {
  const currency = ledger.accounts.currencies[record.debit] as number;
  return create(TransactionSchema, {
    position: BigInt(position),
    kind: KINDS[record.kind],
    debitAccount: ledger.referenceOf(record.debit),
    creditAccount: ledger.referenceOf(record.credit),
    amount: create(MoneySchema, { currencyCode: currencyCode(ledger, currency), amountMinor: record.amount }),
    branch: record.branch,
    time: timestampFromMs(timeMs),
    requestId: record.request === undefined ? "" : formatRequestId(record.request.id),
  });
}

function currencyCode(ledger: Ledger, index: number): string {
  const entry = ledger.currencies[index];
  assert(entry !== undefined, `currency ${index} is defined`);
  return entry.code;
}

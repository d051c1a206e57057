import { type AccountIndex, formatRequestId, type Ledger, RecordKind, requestIdFromBytes } from "@bank/core";
import type { AccountEntry, ProjectedTransaction } from "@bank/history";
import {
  type AccountTransaction,
  AccountTransactionSchema,
  type Transaction,
  TransactionKind,
  TransactionSchema,
} from "@bank/proto";
import { moneyMessage, timestampMessage } from "@bank/rpc";
import { create } from "@bufbuild/protobuf";

/** The kinds of records that move money, as the API calls them. */
const KINDS: ReadonlyMap<RecordKind, TransactionKind> = new Map([
  [RecordKind.DEPOSIT, TransactionKind.DEPOSIT],
  [RecordKind.WITHDRAWAL, TransactionKind.WITHDRAWAL],
  [RecordKind.TRANSFER, TransactionKind.TRANSFER],
  [RecordKind.REVERSAL, TransactionKind.REVERSAL],
  [RecordKind.INTEREST_APPLIED, TransactionKind.INTEREST],
  [RecordKind.HOLD_CAPTURED, TransactionKind.CAPTURE],
]);

/** The kinds of records that the API calls so. */
export function recordKindsOf(kinds: readonly TransactionKind[]): RecordKind[] {
  return [...KINDS].filter(([, kind]) => kinds.includes(kind)).map(([kind]) => kind);
}

/** A transaction of the history as the API shows it: what the reply to its request showed, and what took it back. */
export function transactionMessage(ledger: Ledger, row: ProjectedTransaction): Transaction {
  const { kind, reference, requestId, reversedBy } = row;
  return create(TransactionSchema, {
    position: BigInt(row.position),
    kind: KINDS.get(kind) ?? TransactionKind.UNSPECIFIED,
    debitAccount: ledger.referenceOf(row.debit),
    creditAccount: ledger.referenceOf(row.credit),
    amount: moneyMessage(ledger.viewAccount(row.debit).currency, row.amount),
    branch: row.branch,
    time: timestampMessage(row.timeMs),
    requestId: requestId === undefined ? "" : formatRequestId(requestIdFromBytes(requestId)),
    reverses: kind === RecordKind.REVERSAL ? BigInt(reference ?? 0) : 0n,
    hold: kind === RecordKind.HOLD_CAPTURED ? BigInt(reference ?? 0) : 0n,
    reversedBy: BigInt(reversedBy ?? 0),
  });
}

/** A transaction as one of its two accounts sees it. */
export function accountTransactionMessage(
  ledger: Ledger,
  account: AccountIndex,
  entry: AccountEntry,
): AccountTransaction {
  const { currency } = ledger.viewAccount(account);
  return create(AccountTransactionSchema, {
    transaction: transactionMessage(ledger, entry),
    change: moneyMessage(currency, entry.debit === account ? -entry.amount : entry.amount),
    postedAfter: moneyMessage(currency, entry.postedAfter),
  });
}

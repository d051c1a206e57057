import * as wire from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import type { AccountTransaction, Interest, Transaction, TransactionFilter, TransactionKind } from "../types/index.ts";
import { minorMessage, moneyOf, positionOf, present, safeNumber, timeMessage, timeMsOf } from "./fields.ts";

const WIRE_KINDS = {
  deposit: wire.TransactionKind.DEPOSIT,
  withdrawal: wire.TransactionKind.WITHDRAWAL,
  transfer: wire.TransactionKind.TRANSFER,
  reversal: wire.TransactionKind.REVERSAL,
  interest: wire.TransactionKind.INTEREST,
  capture: wire.TransactionKind.CAPTURE,
} as const satisfies Record<TransactionKind, wire.TransactionKind>;

const KINDS: ReadonlyMap<wire.TransactionKind, TransactionKind> = new Map(
  (Object.keys(WIRE_KINDS) as TransactionKind[]).map((kind) => [WIRE_KINDS[kind], kind]),
);

export function transactionOf(transaction: wire.Transaction | undefined): Transaction {
  const message = present(transaction, "the transaction");
  return {
    position: safeNumber(message.position),
    kind: present(KINDS.get(message.kind), `what transaction kind ${message.kind} is`),
    debitAccount: message.debitAccount,
    creditAccount: message.creditAccount,
    amount: moneyOf(message.amount),
    branch: message.branch,
    timeMs: timeMsOf(message.time),
    requestId: message.requestId,
    reverses: positionOf(message.reverses),
    hold: positionOf(message.hold),
    reversedBy: positionOf(message.reversedBy),
  };
}

export function accountTransactionOf({
  transaction,
  change,
  postedAfter,
}: wire.AccountTransaction): AccountTransaction {
  return {
    transaction: transactionOf(transaction),
    change: moneyOf(change),
    postedAfter: moneyOf(postedAfter),
  };
}

export function interestOf(interest: wire.Interest | undefined): Interest {
  const { account, ratePercent, balance, amount, transaction } = present(interest, "the interest");
  return {
    account,
    ratePercent,
    balance: moneyOf(balance),
    amount: moneyOf(amount),
    transaction: transaction === undefined ? undefined : transactionOf(transaction),
  };
}

/** Throws: `RefusalError` INVALID_REQUEST. */
export function transactionFilterMessage(filter: TransactionFilter): wire.TransactionFilter {
  const { fromTimeMs, beforeTimeMs, kinds = [], amountMin = 0n, amountMax, counterparty = "" } = filter;
  const message = create(wire.TransactionFilterSchema, {
    kinds: kinds.map((kind) => WIRE_KINDS[kind]),
    amountMin: minorMessage("filter.amount_min", amountMin, 0n),
    // On the wire 0 is no bound at all; whoever asks for at most 0 means another thing.
    amountMax: amountMax === undefined ? 0n : minorMessage("filter.amount_max", amountMax, 1n),
    counterparty,
  });
  if (fromTimeMs !== undefined) message.fromTime = timeMessage("filter.from_time", fromTimeMs);
  if (beforeTimeMs !== undefined) message.beforeTime = timeMessage("filter.before_time", beforeTimeMs);
  return message;
}

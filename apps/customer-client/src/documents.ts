import type { Account, Branch, Done, Money, ReadInfo, Transaction } from "@bank/client";
import { amountText } from "./money-text.ts";

/**
 * The documents of `--json`. Names are as in the API's metadata; account numbers, positions and versions are strings,
 * branch numbers are numbers, times are RFC 3339 in UTC.
 */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json | undefined };
export type JsonObject = { readonly [name: string]: Json | undefined };

export function moneyDocument(money: Money): JsonObject {
  return { amount: amountText(money), currency: money.currency };
}

export function accountDocument(account: Account): JsonObject {
  return {
    number: account.number,
    type: account.type,
    owner: account.owner,
    name: account.displayName,
    currency: account.currency,
    branch: account.homeBranch,
    balance: moneyDocument(account.balance),
    version: String(account.version),
    opened_at: new Date(account.openedAtMs).toISOString(),
    opened_position: String(account.openedPosition),
  };
}

export function transactionDocument(transaction: Transaction): JsonObject {
  return {
    position: String(transaction.position),
    kind: transaction.kind,
    debit_account: transaction.debitAccount,
    credit_account: transaction.creditAccount,
    amount: moneyDocument(transaction.amount),
    branch: transaction.branch,
    time: new Date(transaction.timeMs).toISOString(),
    request_id: transaction.requestId,
  };
}

export function branchDocument({ number, address, name, status }: Branch): JsonObject {
  return {
    number,
    address: address ?? null,
    name,
    ...(status === undefined
      ? {}
      : {
          status: {
            applied_position: String(status.appliedPosition),
            durable_position: String(status.durablePosition),
            digest: status.digest,
            connected: status.connected,
          },
        }),
  };
}

/** From which state an answer was taken, and the token that shows at least that state elsewhere. */
export function readDocument({ position, stalenessMs }: ReadInfo, session: string | undefined): JsonObject {
  return { position: String(position), staleness_ms: stalenessMs, session };
}

/** Under which id a change was made, and the token that shows at least that change elsewhere. */
export function doneDocument({ requestId, replayed, position }: Done, session: string | undefined): JsonObject {
  return { request_id: requestId, replayed, position: String(position), session };
}

import type {
  Account,
  AccountTransaction,
  AccountUpdate,
  Branch,
  BranchStatus,
  Capture,
  Done,
  Durability,
  Hold,
  Interest,
  Money,
  Propagation,
  ReadInfo,
  Transaction,
} from "@bank/client";
import { amountText } from "./money-text.ts";

/**
 * The documents of `--json`. Names are as in the API's metadata; account numbers, positions and versions are strings,
 * branch numbers are numbers, times are RFC 3339 in UTC. What there is none of is `null`, and what only some answers
 * know is left out of the others.
 */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json | undefined };
export type JsonObject = { readonly [name: string]: Json | undefined };

export function moneyDocument(money: Money): JsonObject {
  return { amount: amountText(money), currency: money.currency };
}

export function accountDocument(account: Account): JsonObject {
  return {
    number: account.number,
    alias: account.alias ?? null,
    type: account.type,
    state: account.state,
    owner: account.owner,
    name: account.displayName,
    metadata: account.metadata,
    currency: account.currency,
    branch: account.homeBranch,
    posted: moneyDocument(account.posted),
    held: moneyDocument(account.held),
    available: moneyDocument(account.available),
    ...limitsDocument(account),
    version: String(account.version),
    opened_at: timeDocument(account.openedAtMs),
    opened_position: String(account.openedPosition),
  };
}

export function accountUpdateDocument(update: AccountUpdate): JsonObject {
  return {
    account: update.account,
    name: update.displayName,
    metadata: update.metadata,
    ...limitsDocument(update),
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
    time: timeDocument(transaction.timeMs),
    request_id: transaction.requestId,
    reverses: optionalPosition(transaction.reverses),
    hold: optionalPosition(transaction.hold),
    reversed_by: optionalPosition(transaction.reversedBy),
  };
}

/** A transaction as one account's history has it. */
export function accountTransactionDocument({ transaction, change, postedAfter }: AccountTransaction): JsonObject {
  return {
    ...transactionDocument(transaction),
    change: moneyDocument(change),
    posted_after: moneyDocument(postedAfter),
  };
}

export function holdDocument(hold: Hold): JsonObject {
  return {
    hold: String(hold.position),
    account: hold.account,
    state: hold.state,
    amount: moneyDocument(hold.amount),
    captured: moneyDocument(hold.captured),
    remaining: moneyDocument(hold.remaining),
    expires_at: hold.expiresAtMs === undefined ? null : timeDocument(hold.expiresAtMs),
  };
}

export function captureDocument({ transaction, hold }: Capture): JsonObject {
  return { transaction: transactionDocument(transaction), hold: holdDocument(hold) };
}

export function interestDocument({ account, ratePercent, balance, amount, transaction }: Interest): JsonObject {
  return {
    account,
    rate_percent: ratePercent,
    balance: moneyDocument(balance),
    amount: moneyDocument(amount),
    transaction: transaction === undefined ? null : transactionDocument(transaction),
  };
}

export function branchDocument({ number, address, name, state, status }: Branch): JsonObject {
  const known = status === undefined ? {} : { status: branchStatusDocument(status) };
  return { number, address: address ?? null, name, state, ...known };
}

function branchStatusDocument(status: BranchStatus): JsonObject {
  const { historyPosition, connectedSinceMs } = status;
  return {
    applied_position: String(status.appliedPosition),
    durable_position: String(status.durablePosition),
    history_position: historyPosition === undefined ? null : String(historyPosition),
    digest: status.digest,
    connected: status.connected,
    lag_positions: status.lagPositions,
    staleness_ms: status.stalenessMs ?? null,
    follows: status.follows ?? null,
    upstream: status.upstream ?? null,
    followers: status.followers,
    connected_since: connectedSinceMs === undefined ? null : timeDocument(connectedSinceMs),
    format_level: status.formatLevel ?? null,
    copy_id: status.copyId ?? null,
  };
}

/** From which state of which journal time an answer was taken, and the token that shows at least that state elsewhere. */
export function readDocument(read: ReadInfo, session: string | undefined): JsonObject {
  const { position, timeMs, stalenessMs, connected, epoch } = read;
  return {
    position: String(position),
    time: optionalTime(timeMs),
    staleness_ms: stalenessMs ?? null,
    connected,
    epoch,
    session,
  };
}

/** Under which id a change was made, when as far as its answer tells, and the token that shows at least that change elsewhere. */
export function doneDocument(
  { requestId, replayed, preview, position, timeMs, connected, epoch, propagation }: Done,
  session: string | undefined,
): JsonObject {
  return {
    request_id: requestId,
    replayed,
    dry_run: preview,
    position: String(position),
    time: optionalTime(timeMs),
    connected,
    epoch,
    propagation: propagation === undefined ? undefined : propagationDocument(propagation),
    session,
  };
}

/** How far a change had spread when it was answered. */
export function propagationDocument(propagation: Propagation): JsonObject {
  const { asked, satisfied, copiesReached, reached, missing, disconnected, appliedHere } = propagation;
  return {
    asked: typeof asked === "string" ? asked : `quorum=${asked.quorum}`,
    satisfied,
    copies_reached: copiesReached,
    reached,
    missing,
    disconnected,
    applied_here: appliedHere,
  };
}

export function durabilityDocument({ copies, branches, position }: Durability): JsonObject {
  return { copies, branches, position: position === undefined ? null : String(position) };
}

export function timeDocument(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

function limitsDocument({ floor, ceiling }: Pick<AccountUpdate, "floor" | "ceiling">): JsonObject {
  return { floor: moneyDocument(floor), ceiling: ceiling === undefined ? null : moneyDocument(ceiling) };
}

function optionalTime(timeMs: number | undefined): string | undefined {
  return timeMs === undefined ? undefined : timeDocument(timeMs);
}

function optionalPosition(position: number | undefined): string | undefined {
  return position === undefined ? undefined : String(position);
}

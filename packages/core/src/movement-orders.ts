import type { Command, Request } from "./command.ts";
import type { BranchNumber } from "./identifiers.ts";
import { idOfWords } from "./request-id-words.ts";

/**
 * Many deposits, withdrawals and transfers of one caller, in columns. Each entry is a request of its own, with an id of its
 * own, and means exactly what the command does that `requestOfOrder` gives: it has the same hash, and the same answer.
 */
export interface MovementOrders {
  readonly count: number;
  readonly principal: string;
  /** Where they are booked. */
  readonly branch: BranchNumber;
  /** ISO 4217 codes. */
  readonly currencies: readonly string[];
  /** Index into `currencies` of each entry; undefined where all have the first. */
  readonly currencyIndexes: Uint8Array | undefined;
  /** Number of the account that pays, a positive safe integer; 0 for cash: the entry is a deposit. */
  readonly debits: Float64Array;
  /** Number of the account that receives, a positive safe integer; 0 for cash: the entry is a withdrawal. */
  readonly credits: Float64Array;
  /** Minor units, at least 1. */
  readonly amounts: BigInt64Array;
  /** Four words each: the bytes of the request id, little-endian. */
  readonly requestIds: Int32Array;
}

/** One entry as the request that it stands for. */
export function requestOfOrder(orders: MovementOrders, index: number): Request {
  const { principal, branch } = orders;
  const id = idOfWords(orders.requestIds, 4 * index);
  return { principal, branch, id, command: commandOfOrder(orders, index) };
}

function commandOfOrder(orders: MovementOrders, index: number): Command {
  const debit = orders.debits[index] as number;
  const credit = orders.credits[index] as number;
  const currency = orders.currencies[orders.currencyIndexes?.[index] ?? 0] as string;
  const amount = { currency, minor: orders.amounts[index] as bigint };
  if (debit === 0) return { kind: "deposit", account: String(credit), amount };
  if (credit === 0) return { kind: "withdraw", account: String(debit), amount };
  return { kind: "transfer", from: String(debit), to: String(credit), amount };
}

import {
  type BranchNumber,
  COMMANDS_PER_CALL_MAX,
  checkOrders,
  currencyDecimals,
  type FieldViolation,
  type MovementOrders,
  RefusalError,
} from "@bank/core";
import { columnBytes, halvesOf } from "./fixed-columns.ts";
import { malformed } from "./malformed.ts";
import type { MovementColumns } from "./movement-codec.ts";

const ID_BYTES = 16;
const WORD = 2 ** 32;

/**
 * The rows of an `ExecuteMovements` call as the ledger takes them. The columns may be read for as long as the orders are.
 * Throws: `RefusalError` for columns that do not fit together. What is wrong with single rows says `requireOrders`, and the
 * ledger's own check.
 */
export function ordersOf(
  message: MovementColumns,
  { principal, branch }: { readonly principal: string; readonly branch: BranchNumber },
): MovementOrders {
  const { currencyCode, debitAccounts, creditAccounts, amountsMinor } = message;
  const count = debitAccounts.length;
  requireLengths(message);
  const requestIds = message.baseRequestId.length > 0 ? countedIds(message.baseRequestId, count) : idsOf(message);
  const debits = accountsOf(halvesOf(debitAccounts));
  const credits = accountsOf(halvesOf(creditAccounts));
  const { buffer, byteOffset } = columnBytes(amountsMinor);
  // What is too large for an amount is less than nothing then.
  const amounts = new BigInt64Array(buffer, byteOffset, count);
  if (currencyDecimals(currencyCode) === undefined) {
    const violations = [{ field: "currency_code", description: "must be the code of a known currency" }];
    throw new RefusalError("UNKNOWN_CURRENCY", { currency: currencyCode }, "NOT_APPLIED", { violations });
  }
  return {
    count,
    principal,
    branch,
    currencies: [currencyCode],
    currencyIndexes: undefined,
    debits,
    credits,
    amounts,
    requestIds,
  };
}

/** Throws: `RefusalError` for what is wrong with the orders whatever the state is, with the rows that are wrong. */
export function requireOrders(orders: MovementOrders): void {
  const refusal = checkOrders(orders);
  if (refusal !== undefined) throw malformed(refusal.violations ?? []);
}

function requireLengths(message: MovementColumns): void {
  const { debitAccounts, creditAccounts, amountsMinor, baseRequestId, requestIdsHigh, requestIdsLow } = message;
  const count = debitAccounts.length;
  const violations: FieldViolation[] = [];
  const require = (field: string, length: number, due: number, than: string) => {
    if (length !== due) violations.push({ field, description: `must have ${due} entries${than}, not ${length}` });
  };
  if (count < 1 || count > COMMANDS_PER_CALL_MAX)
    violations.push({ field: "debit_accounts", description: `must have 1 to ${COMMANDS_PER_CALL_MAX} entries` });
  require("credit_accounts", creditAccounts.length, count, ", as debit_accounts");
  require("amounts_minor", amountsMinor.length, count, ", as debit_accounts");
  const hasBase = baseRequestId.length > 0;
  if (hasBase && baseRequestId.length !== ID_BYTES)
    violations.push({
      field: "base_request_id",
      description: `must have ${ID_BYTES} bytes, not ${baseRequestId.length}`,
    });
  const [due, than] = hasBase ? [0, " beside base_request_id"] : [count, " where there is no base_request_id"];
  require("request_ids_high", requestIdsHigh.length, due, than);
  require("request_ids_low", requestIdsLow.length, due, than);
  if (violations.length > 0) throw malformed(violations);
}

/** Numbers beyond the safe integers are not what they were, and still beyond. */
function accountsOf(halves: Uint32Array): Float64Array {
  const accounts = new Float64Array(halves.length / 2);
  for (let i = 0; i < accounts.length; i++)
    accounts[i] = (halves[2 * i] as number) + (halves[2 * i + 1] as number) * WORD;
  return accounts;
}

/** Ids as they are given, as little-endian words. */
function idsOf({ requestIdsHigh, requestIdsLow }: MovementColumns): Int32Array {
  const high = halvesOf(requestIdsHigh);
  const low = halvesOf(requestIdsLow);
  const words = new Int32Array(2 * high.length);
  for (let i = 0; i < high.length; i += 2) {
    words[2 * i] = swapped(high[i + 1] as number);
    words[2 * i + 1] = swapped(high[i] as number);
    words[2 * i + 2] = swapped(low[i + 1] as number);
    words[2 * i + 3] = swapped(low[i] as number);
  }
  return words;
}

/** Ids that count up from the first. Throws: `RefusalError` where there are none left. */
function countedIds(base: Uint8Array, count: number): Int32Array {
  const view = new DataView(base.buffer, base.byteOffset, ID_BYTES);
  // Big-endian, the lowest digit last.
  let [a, b, c, d] = [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)];
  const words = new Int32Array(4 * count);
  for (let i = 0; i < count; i++) {
    if (a === WORD)
      throw malformed([{ field: "base_request_id", description: `must leave room for ${count} request ids` }]);
    words[4 * i] = swapped(a);
    words[4 * i + 1] = swapped(b);
    words[4 * i + 2] = swapped(c);
    words[4 * i + 3] = swapped(d);
    if (++d < WORD) continue;
    d = 0;
    if (++c < WORD) continue;
    c = 0;
    if (++b < WORD) continue;
    b = 0;
    a++;
  }
  return words;
}

/** The other way round: the bytes of a word. */
function swapped(word: number): number {
  return ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

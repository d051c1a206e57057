import { currencyDecimals } from "./currency.ts";
import { AMOUNT_MAX } from "./limits.ts";
import type { MovementOrders } from "./movement-orders.ts";
import type { FieldViolation, Refusal } from "./reasons.ts";

/** Fields that a refusal names, at most. */
export const ORDER_VIOLATIONS_MAX = 8;
/** Currencies of one call: an index into them has a byte. */
const CURRENCIES_MAX = 256;

/**
 * Everything that is wrong with movements in columns whatever the state is, or undefined. All of them are refused for any:
 * whoever fills columns checks them before, and a mistake in one says little good of the others. Not checked is who asks.
 */
export function checkOrders(orders: MovementOrders): Refusal | undefined {
  const violations = shapeViolations(orders);
  // Columns of other lengths have no rows.
  if (violations.length === 0) addRowViolations(orders, violations);
  const [first] = violations;
  if (first === undefined) return undefined;
  const metadata = { problem: `${first.field}: ${first.description}` };
  return { reason: "INVALID_REQUEST", metadata, outcome: "NOT_APPLIED", violations };
}

function shapeViolations(orders: MovementOrders): FieldViolation[] {
  const { count, currencies, currencyIndexes, debits, credits, amounts, requestIds } = orders;
  if (!Number.isSafeInteger(count) || count < 0)
    return [{ field: "count", description: "must be a whole number from 0" }];
  const violations: FieldViolation[] = [];
  const columns: [field: string, length: number, expected: number][] = [
    ["debit_accounts", debits.length, count],
    ["credit_accounts", credits.length, count],
    ["amounts_minor", amounts.length, count],
    ["request_ids", requestIds.length, 4 * count],
    ["currency_indexes", currencyIndexes?.length ?? count, count],
  ];
  for (const [field, length, expected] of columns)
    if (length !== expected) violations.push({ field, description: `must have ${expected} values, not ${length}` });
  if (currencies.length < (count > 0 ? 1 : 0) || currencies.length > CURRENCIES_MAX)
    violations.push({ field: "currencies", description: `must be 1 to ${CURRENCIES_MAX}, not ${currencies.length}` });
  for (let i = 0; i < currencies.length && violations.length < ORDER_VIOLATIONS_MAX; i++)
    if (currencyDecimals(currencies[i] as string) === undefined)
      violations.push({ field: `currencies[${i}]`, description: "must be the code of a known currency" });
  return violations;
}

function addRowViolations(orders: MovementOrders, violations: FieldViolation[]): void {
  const { count, currencies, currencyIndexes, debits, credits, amounts } = orders;
  // A high word below zero is a number below zero; reading the number itself would make an object for each.
  const words = new Int32Array(amounts.buffer, amounts.byteOffset, 2 * count);
  for (let row = 0; row < count; row++) {
    const debit = debits[row] as number;
    const credit = credits[row] as number;
    const high = words[2 * row + 1] as number;
    const isPlain =
      isAccount(debit) &&
      isAccount(credit) &&
      debit + credit > 0 &&
      high >= 0 &&
      (high | (words[2 * row] as number)) !== 0 &&
      (currencyIndexes === undefined || (currencyIndexes[row] as number) < currencies.length);
    if (!isPlain) violations.push(...rowViolations(orders, row));
    if (violations.length >= ORDER_VIOLATIONS_MAX) {
      violations.length = ORDER_VIOLATIONS_MAX;
      return;
    }
  }
}

function rowViolations(orders: MovementOrders, row: number): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const { currencies, currencyIndexes, debits, credits, amounts } = orders;
  const debit = debits[row] as number;
  const credit = credits[row] as number;
  const description = "must be the number of an account, or 0 for cash";
  if (!isAccount(debit)) violations.push({ field: `debit_accounts[${row}]`, description });
  if (!isAccount(credit)) violations.push({ field: `credit_accounts[${row}]`, description });
  if (debit === 0 && credit === 0)
    violations.push({
      field: `credit_accounts[${row}]`,
      description: "must be an account where the other side is cash",
    });
  if ((amounts[row] as bigint) < 1n)
    violations.push({ field: `amounts_minor[${row}]`, description: `must be from 1 to ${AMOUNT_MAX}` });
  if (currencyIndexes !== undefined && (currencyIndexes[row] as number) >= currencies.length)
    violations.push({ field: `currency_indexes[${row}]`, description: "must be the index of a currency" });
  return violations;
}

function isAccount(number: number): boolean {
  return number >= 0 && number <= Number.MAX_SAFE_INTEGER && Math.floor(number) === number;
}

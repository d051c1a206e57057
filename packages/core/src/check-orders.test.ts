import { describe, expect, it } from "vitest";
import { checkOrders, ORDER_VIOLATIONS_MAX } from "./check-orders.ts";
import type { MovementOrders } from "./movement-orders.ts";

const ROWS = 20;

/** Transfers from account 1 to account 2 that nothing is wrong with, but what is said. */
function ordersWith(wrong: Partial<MovementOrders> = {}): MovementOrders {
  return {
    count: ROWS,
    principal: "",
    branch: 0,
    currencies: ["USD", "JPY"],
    currencyIndexes: new Uint8Array(ROWS).fill(1),
    debits: new Float64Array(ROWS).fill(1),
    credits: new Float64Array(ROWS).fill(2),
    amounts: new BigInt64Array(ROWS).fill(1n),
    requestIds: new Int32Array(4 * ROWS),
    ...wrong,
  };
}

function fieldsOf(wrong: Partial<MovementOrders>): string[] {
  const refusal = checkOrders(ordersWith(wrong));
  expect(refusal).toMatchObject({ reason: "INVALID_REQUEST", outcome: "NOT_APPLIED" });
  return refusal!.violations!.map(({ field }) => field);
}

describe("checking movements in columns", () => {
  it("finds nothing wrong with what a ledger can decide", () => {
    const cashOut = new Float64Array(ROWS).fill(2);
    cashOut[3] = 0;
    const cashIn = new Float64Array(ROWS).fill(Number.MAX_SAFE_INTEGER);
    cashIn[4] = 0;
    const amounts = new BigInt64Array(ROWS).fill(9_223_372_036_854_775_807n);
    amounts[5] = 4_294_967_296n;
    amounts[6] = 2_147_483_648n;
    const same = new Float64Array(ROWS).fill(1);
    for (const fine of [
      {},
      { credits: cashOut },
      { debits: cashIn },
      { amounts },
      { credits: same },
      { currencyIndexes: undefined },
      { amounts: new BigInt64Array(2 * ROWS).fill(1n).subarray(3, ROWS + 3) },
    ])
      expect(checkOrders(ordersWith(fine))).toBeUndefined();
    const none = { count: 0, currencies: [], currencyIndexes: undefined, requestIds: new Int32Array() };
    const columns = { debits: new Float64Array(), credits: new Float64Array(), amounts: new BigInt64Array() };
    expect(checkOrders(ordersWith({ ...none, ...columns }))).toBeUndefined();
  });

  it.each<[string, Partial<MovementOrders>, string[]]>([
    ["a count that is none", { count: 1.5 }, ["count"]],
    ["a negative count", { count: -1 }, ["count"]],
    ["a short column", { debits: new Float64Array(ROWS - 1) }, ["debit_accounts"]],
    ["a long column", { credits: new Float64Array(ROWS + 1) }, ["credit_accounts"]],
    ["amounts for other rows", { amounts: new BigInt64Array(1) }, ["amounts_minor"]],
    ["an id too few", { requestIds: new Int32Array(4 * ROWS - 4) }, ["request_ids"]],
    ["currencies for some", { currencyIndexes: new Uint8Array(3) }, ["currency_indexes"]],
    ["no currency", { currencies: [], currencyIndexes: undefined }, ["currencies"]],
    ["too many currencies", { currencies: Array(257).fill("USD") }, ["currencies"]],
    ["a currency that there is not", { currencies: ["USD", "???"] }, ["currencies[1]"]],
  ])("refuses %s", (_, wrong, fields) => {
    expect(fieldsOf(wrong)).toEqual(fields);
  });

  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])("refuses %d as an account, of a row", (number) => {
    const debits = new Float64Array(ROWS).fill(1);
    debits[17] = number;
    expect(fieldsOf({ debits })).toEqual(["debit_accounts[17]"]);
    expect(fieldsOf({ credits: debits })).toEqual(["credit_accounts[17]"]);
  });

  it("refuses a movement from cash to cash, in whichever sign of zero", () => {
    const debits = new Float64Array(ROWS).fill(1);
    debits[2] = -0;
    const credits = new Float64Array(ROWS).fill(2);
    credits[2] = 0;
    expect(fieldsOf({ debits, credits })).toEqual(["credit_accounts[2]"]);
  });

  it.each([0n, -1n, -9_223_372_036_854_775_808n, -4_294_967_296n])("refuses an amount of %d, of a row", (amount) => {
    const amounts = new BigInt64Array(ROWS).fill(1n);
    amounts[19] = amount;
    expect(fieldsOf({ amounts })).toEqual(["amounts_minor[19]"]);
    // Also where the column is in the middle of a larger memory.
    const larger = new BigInt64Array(ROWS + 2).fill(1n);
    larger[19] = amount;
    expect(fieldsOf({ amounts: larger.subarray(1, ROWS + 1) })).toEqual(["amounts_minor[18]"]);
  });

  it("refuses an index beyond the currencies, of a row", () => {
    const currencyIndexes = new Uint8Array(ROWS);
    currencyIndexes[4] = 2;
    expect(fieldsOf({ currencyIndexes })).toEqual(["currency_indexes[4]"]);
  });

  it("names the first few of many, and tells the first in its sentence", () => {
    const refusal = checkOrders(
      ordersWith({ amounts: new BigInt64Array(ROWS), debits: new Float64Array(ROWS).fill(-1) }),
    );
    expect(refusal?.violations).toHaveLength(ORDER_VIOLATIONS_MAX);
    expect(refusal?.violations?.slice(0, 3).map(({ field }) => field)).toEqual([
      "debit_accounts[0]",
      "amounts_minor[0]",
      "debit_accounts[1]",
    ]);
    expect(refusal?.metadata).toEqual({
      problem: "debit_accounts[0]: must be the number of an account, or 0 for cash",
    });
  });
});

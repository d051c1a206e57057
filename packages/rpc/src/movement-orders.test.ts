import { AMOUNT_MAX, ANONYMOUS_PRINCIPAL, parseRequestId, RefusalError, requestOfOrder, toHex } from "@bank/core";
import { ExecuteMovementsRequestSchema } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeMovements, encodeMovements, type MovementColumns } from "./movement-codec.ts";
import { hasRequestId } from "./movement-ids.ts";
import { ordersOf, requireOrders } from "./movement-orders.ts";

const BY = { principal: ANONYMOUS_PRINCIPAL, branch: 3 };
const ID_MAX = 2n ** 128n - 1n;

const account = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }));
const row = fc.record({
  sides: fc.oneof(
    account.map((credit) => [0, credit] as const),
    account.map((debit) => [debit, 0] as const),
    fc.tuple(account, account),
  ),
  minor: fc.oneof(fc.bigInt(1n, AMOUNT_MAX), fc.constantFrom(1n, 2n ** 32n, AMOUNT_MAX)),
});
const id = fc.oneof(
  fc.bigInt(0n, ID_MAX),
  // Near the carries.
  fc
    .tuple(fc.constantFrom(32n, 64n, 96n, 128n), fc.bigInt(-3n, 3n))
    .map(([bits, by]) => 2n ** bits + by)
    .filter((n) => n <= ID_MAX),
);

function bytesOf(number: bigint): Uint8Array {
  const hex = number.toString(16).padStart(32, "0");
  return Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

function idOf(number: bigint) {
  const hex = number.toString(16).padStart(32, "0");
  const parsed = parseRequestId([8, 12, 16, 20, 32].map((end, i) => hex.slice([0, 8, 12, 16, 20][i], end)).join("-"));
  if (parsed === undefined) throw new Error("an id has 128 bits");
  return parsed;
}

/** As it comes by either way. */
function bothKinds(message: MovementColumns): readonly MovementColumns[] {
  return [message, decodeMovements(encodeMovements(message))];
}

describe("the rows of a call", () => {
  it("are the requests that their columns say, with ids that are listed or count up from a base", () => {
    const calls = fc.record({ rows: fc.array(row, { minLength: 1, maxLength: 5 }), first: id, isListed: fc.boolean() });
    fc.assert(
      fc.property(calls, fc.array(id, { minLength: 5, maxLength: 5 }), ({ rows, first, isListed }, listed) => {
        fc.pre(isListed || first + BigInt(rows.length) - 1n <= ID_MAX);
        const ids = rows.map((_, i) => (isListed ? (listed[i] as bigint) : first + BigInt(i)));
        const message = create(ExecuteMovementsRequestSchema, {
          currencyCode: "JPY",
          debitAccounts: rows.map(({ sides }) => BigInt(sides[0])),
          creditAccounts: rows.map(({ sides }) => BigInt(sides[1])),
          amountsMinor: rows.map(({ minor }) => minor),
          ...(isListed
            ? { requestIdsHigh: ids.map((n) => n >> 64n), requestIdsLow: ids.map((n) => n % 2n ** 64n) }
            : { baseRequestId: bytesOf(first) }),
        });
        for (const columns of bothKinds(message)) {
          const orders = ordersOf(columns, BY);
          expect(() => requireOrders(orders)).not.toThrow();
          for (const [i, { sides, minor }] of rows.entries()) {
            const { id: asked, command, ...by } = requestOfOrder(orders, i);
            const [debit, credit] = sides;
            const amount = { currency: "JPY", minor };
            expect(by).toEqual(BY);
            expect(toHex(asked)).toBe((ids[i] as bigint).toString(16).padStart(32, "0"));
            expect(command).toEqual(
              debit === 0
                ? { kind: "deposit", account: `${credit}`, amount }
                : credit === 0
                  ? { kind: "withdraw", account: `${debit}`, amount }
                  : { kind: "transfer", from: `${debit}`, to: `${credit}`, amount },
            );
          }
          for (const known of ids) expect(hasRequestId(columns, idOf(known))).toBe(true);
          for (const other of [...listed, first, first - 1n, first + BigInt(rows.length)])
            if (other >= 0n && other <= ID_MAX) expect(hasRequestId(columns, idOf(other))).toBe(ids.includes(other));
        }
      }),
    );
  });

  it("are refused where a number in them is too large, in whichever kind of column it stands", () => {
    const message = create(ExecuteMovementsRequestSchema, {
      currencyCode: "USD",
      debitAccounts: [2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n, 1n, 1n, 1n],
      creditAccounts: [1n, 1n, 1n, 2n ** 63n, 1n, 1n],
      amountsMinor: [1n, 1n, 1n, 1n, 2n ** 63n, 0n],
      baseRequestId: bytesOf(7n),
    });
    for (const columns of bothKinds(message)) {
      let error: unknown;
      try {
        requireOrders(ordersOf(columns, BY));
      } catch (thrown) {
        error = thrown;
      }
      expect(error instanceof RefusalError && error.refusal.violations?.map(({ field }) => field)).toEqual([
        "debit_accounts[0]",
        "debit_accounts[1]",
        "debit_accounts[2]",
        "credit_accounts[3]",
        "amounts_minor[4]",
        "amounts_minor[5]",
      ]);
    }
  });

  it("have an id each: a base leaves room for the last, and no more is needed", () => {
    const call = (rows: number) =>
      create(ExecuteMovementsRequestSchema, {
        currencyCode: "USD",
        debitAccounts: new Array(rows).fill(1n),
        creditAccounts: new Array(rows).fill(2n),
        amountsMinor: new Array(rows).fill(1n),
        baseRequestId: bytesOf(ID_MAX - 1n),
      });
    expect(ordersOf(call(2), BY).count).toBe(2);
    expect(() => ordersOf(call(3), BY)).toThrow("room for 3");
  });
});

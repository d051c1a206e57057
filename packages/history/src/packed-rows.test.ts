import type { AccountIndex, RecordKind } from "@bank/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Entries, lastUpTo, type OrderedEntries } from "./entries.ts";
import { ENTRIES_PER_ROW, EntryRow, EntryRowWriter } from "./entry-row.ts";
import { DamagedHistoryError } from "./errors.ts";
import { TRANSACTIONS_PER_ROW, TransactionRow, TransactionRowWriter } from "./transaction-row.ts";

// A failure prints seed and path: `fc.assert(…, { seed, path })` repeats it.

const index = fc.oneof(fc.nat(5), fc.integer({ min: 2 ** 32 - 3, max: 2 ** 32 - 1 }));
const amount = fc.bigInt(1n, 2n ** 63n - 1n);
const step = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 10_000_000 }));
const firstPosition = fc.integer({ min: 1, max: 2 ** 52 });
const runs = { numRuns: 60 };

interface PlainEntry {
  readonly step: number;
  readonly change: bigint;
  readonly held: bigint;
  readonly kind: number;
  readonly counterparty: number;
}

const change = fc.bigInt(-(2n ** 32n), 2n ** 32n);
const entry = fc.record({ step, change, held: fc.constant(0n), kind: fc.nat(255), counterparty: index });
const held = fc.bigInt(0n, 2n ** 63n - 1n);
const someEntries = fc.oneof(
  fc.array(entry, { minLength: 1, maxLength: ENTRIES_PER_ROW }),
  fc
    .array(fc.tuple(entry, held), { minLength: 1, maxLength: ENTRIES_PER_ROW })
    .map((all) => all.map(([one, held]) => ({ ...one, held }))),
);

function entriesOf(first: number, plain: readonly PlainEntry[]): Entries {
  const sum = (values: readonly bigint[]) => values.reduce((a, b) => a + b, 0n);
  const at = (i: number) => plain[i] as PlainEntry;
  return {
    length: plain.length,
    position: (i) => first + plain.slice(1, i + 1).reduce((total, { step }) => total + step, 0),
    posted: (i) => sum(plain.slice(0, i + 1).map((one) => one.change)),
    held: (i) => at(i).held,
    change: (i) => at(i).change,
    kind: (i) => at(i).kind,
    counterparty: (i) => at(i).counterparty,
  };
}

/** As they are before they are written: somewhere in columns. */
function orderedOf(entries: Entries): OrderedEntries {
  const { length } = entries;
  const indexes = Int32Array.from({ length }, (_, i) => length - 1 - i);
  const column = <T>(value: (i: number) => T) => Array.from(indexes, (i) => value(i));
  const held = BigInt64Array.from(column(entries.held));
  const columns = {
    positions: Float64Array.from(column(entries.position)),
    posted: BigInt64Array.from(column(entries.posted)),
    held,
    heldWords: new Int32Array(held.buffer),
    changes: BigInt64Array.from(column(entries.change)),
    counterparties: Uint32Array.from(column(entries.counterparty)),
    kinds: Uint8Array.from(column(entries.kind)),
  };
  return { columns, indexes, begin: 0 };
}

function plainOf(entries: Entries, from = 0, to = entries.length) {
  return Array.from({ length: to - from }, (_, i) => i + from).map((i) => [
    entries.position(i),
    entries.posted(i),
    entries.held(i),
    entries.change(i),
    entries.kind(i),
    entries.counterparty(i),
  ]);
}

function failureOf(open: () => unknown): unknown {
  try {
    open();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("a row of entries", () => {
  it("gives back any part of them, and finds the last up to a position", () => {
    const writer = new EntryRowWriter();
    fc.assert(
      fc.property(firstPosition, someEntries, fc.nat(50), index, (first, plain, skipped, account) => {
        const entries = entriesOf(first, plain);
        const from = Math.min(skipped, entries.length - 1);
        const bytes = writer.write(account, orderedOf(entries), from, entries.length);
        const row = new EntryRow(bytes.slice(), { account, position: entries.position(from) });
        expect(plainOf(row)).toEqual(plainOf(entries, from));
        for (let i = 0; i < row.length; i++) {
          expect(lastUpTo(row, row.position(i))).toBe(i);
          expect(lastUpTo(row, row.position(i) - 1)).toBe(i - 1);
        }
      }),
      runs,
    );
  });

  it("is damaged where a bit of it is another, or it stands elsewhere than it was put", () => {
    fc.assert(
      fc.property(someEntries, fc.nat(), fc.nat(7), (plain, at, bit) => {
        const key = { account: 3, position: 77 };
        const bytes = new EntryRowWriter().write(3, orderedOf(entriesOf(77, plain)), 0, plain.length).slice();
        expect(failureOf(() => new EntryRow(bytes, { ...key, account: 4 }))).toBeInstanceOf(DamagedHistoryError);
        expect(failureOf(() => new EntryRow(bytes, { ...key, position: 78 }))).toBeInstanceOf(DamagedHistoryError);
        expect(failureOf(() => new EntryRow(bytes.subarray(0, at % 15), key))).toBeInstanceOf(DamagedHistoryError);
        bytes[at % bytes.length]! ^= 1 << bit;
        expect(failureOf(() => new EntryRow(bytes, key))).toBeInstanceOf(DamagedHistoryError);
      }),
      runs,
    );
  });
});

const transaction = fc.record({
  step,
  kind: fc.oneof(fc.constant(3), fc.integer({ min: 1, max: 22 })),
  debit: index,
  credit: index,
  amount,
  branch: fc.oneof(fc.constant(0), fc.nat(65_535)),
  timeMs: fc.oneof(fc.constant(5), fc.maxSafeNat()),
  requestId: fc.option(fc.uint8Array({ minLength: 16, maxLength: 16 }), { nil: undefined }),
  reference: fc.option(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), { nil: undefined }),
});
const plainTransaction = transaction.map((one) => ({ ...one, kind: 3, branch: 0, timeMs: 5, reference: undefined }));

describe("a row of transactions", () => {
  it("gives back each of them at its position, and nothing at others", () => {
    const writer = new TransactionRowWriter();
    const size = { minLength: 1, maxLength: TRANSACTIONS_PER_ROW };
    const some = fc.oneof(fc.array(transaction, size), fc.array(plainTransaction, size));
    fc.assert(
      fc.property(firstPosition, some, (first, plain) => {
        let position = first;
        const all = plain.map(({ step, debit, credit, kind, ...rest }, i) => {
          if (i > 0) position += step;
          const sides = { debit: debit as AccountIndex, credit: credit as AccountIndex, kind: kind as RecordKind };
          return { ...rest, ...sides, position };
        });
        for (const one of all) {
          expect(writer.isFullFor(one.position)).toBe(false);
          // With something in front, as in a list of requests.
          const ids = one.requestId === undefined ? undefined : new Uint8Array([1, 2, ...one.requestId]);
          writer.add(one, BigInt64Array.of(0n, one.amount), 1, ids, 2);
        }
        expect(writer.isFullFor(position + 1)).toBe(plain.length === TRANSACTIONS_PER_ROW);
        expect(writer.isFullFor(first + 2 ** 32)).toBe(true);
        const { firstPosition, bytes } = writer.take();
        expect([firstPosition, writer.isEmpty]).toEqual([first, true]);
        const row = new TransactionRow(bytes, first);
        const known = new Set(all.map((one) => one.position));
        for (const one of all) {
          expect(row.at(one.position)).toEqual(one);
          for (const other of [one.position - 1, one.position + 1])
            if (!known.has(other)) expect(row.at(other)).toBeUndefined();
        }
        bytes[bytes.length - 1]! ^= 1;
        expect(failureOf(() => new TransactionRow(bytes, first))).toBeInstanceOf(DamagedHistoryError);
      }),
      runs,
    );
  });
});

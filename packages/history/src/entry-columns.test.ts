import type { AccountIndex } from "@bank/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EntryColumns } from "./entry-columns.ts";

// A failure prints seed and path: `fc.assert(…, { seed, path })` repeats it.

const account = fc.oneof(fc.nat(5), fc.integer({ min: 2 ** 32 - 3, max: 2 ** 32 - 1 }));
const int64 = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n);
const entry = fc.tuple(account, fc.maxSafeNat(), int64, int64);

describe("entries in columns", () => {
  test("come by account, and those of one account as they were pushed, however many there are", () => {
    const columns = new EntryColumns();
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 20 }), fc.nat(300), (some, times) => {
        const entries = Array.from({ length: times }, () => some).flat();
        columns.clear();
        for (const [at, position, posted, held] of entries) columns.push(at as AccountIndex, position, posted, held);
        const visited: (typeof entries)[number][] = [];
        columns.visitByAccount((...visit) => visited.push(visit));
        expect(visited).toEqual(entries.sort(([a], [b]) => a - b));
      }),
      { numRuns: 40 },
    );
  });
});

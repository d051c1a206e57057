import { RefusalError, TIME_MS_MAX } from "@bank/core";
import { create } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { timestampMessage, unixMs } from "./time.ts";

function at(seconds: bigint, nanos = 0) {
  return create(TimestampSchema, { seconds, nanos });
}

function refusalOf(seconds: bigint, nanos: number): RefusalError["refusal"] {
  try {
    unixMs(at(seconds, nanos), "filter.from_time", 3);
  } catch (error) {
    if (error instanceof RefusalError) return error.refusal;
    throw error;
  }
  throw new Error("it was expected to be refused");
}

describe("a moment", () => {
  it("is the same in the ledger as on the wire, to the millisecond", () => {
    fc.assert(
      fc.property(fc.oneof(fc.integer({ min: 0, max: TIME_MS_MAX }), fc.constantFrom(0, 1, 999, TIME_MS_MAX)), (ms) => {
        expect(unixMs(timestampMessage(ms), "time")).toBe(ms);
        // By its parts, however they come about.
        expect(unixMs(at(BigInt(Math.floor(ms / 1_000)), (ms % 1_000) * 1_000_000), "time")).toBe(ms);
      }),
    );
  });

  it.each<[string, bigint, number]>([
    ["a microsecond too much", 1n, 1_000],
    ["a nanosecond too much", 1n, 999_999_999],
    ["before 1970", -1n, 0],
    ["a millisecond before 1970", -1n, 999_000_000],
    ["in the year 10000", 253_402_300_800n, 0],
    ["in no year at all", 2n ** 62n, 0],
    ["of negative nanoseconds", 5n, -1_000_000],
    ["of a second in nanoseconds", 5n, 1_000_000_000],
  ])("is none that the ledger can take: %s", (_, seconds, nanos) => {
    expect(refusalOf(seconds, nanos)).toMatchObject({
      reason: "INVALID_REQUEST",
      outcome: "NOT_APPLIED",
      item: 3,
      violations: [{ field: "filter.from_time" }],
    });
  });
});

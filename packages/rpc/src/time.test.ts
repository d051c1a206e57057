import { RefusalError, TIME_MS_MAX } from "@bank/core";
import { create } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { timestampMessage, unixMs, unixMsDown, unixMsUp } from "./time.ts";

function at(seconds: bigint, nanos = 0) {
  return create(TimestampSchema, { seconds, nanos });
}

type Reader = typeof unixMs;

function refusalOf(read: Reader, seconds: bigint, nanos: number): RefusalError["refusal"] {
  try {
    read(at(seconds, nanos), "filter.from_time", 3);
  } catch (error) {
    if (error instanceof RefusalError) return error.refusal;
    throw error;
  }
  throw new Error("it was expected to be refused");
}

const REFUSED = {
  reason: "INVALID_REQUEST",
  outcome: "NOT_APPLIED",
  item: 3,
  violations: [{ field: "filter.from_time" }],
};

const READERS: readonly [string, Reader][] = [
  ["exactly", unixMs],
  ["rounded down", unixMsDown],
  ["rounded up", unixMsUp],
];

describe.each(READERS)("a moment, read %s,", (_name, read) => {
  it("is the same in the ledger as on the wire, to the millisecond", () => {
    fc.assert(
      fc.property(fc.oneof(fc.integer({ min: 0, max: TIME_MS_MAX }), fc.constantFrom(0, 1, 999, TIME_MS_MAX)), (ms) => {
        expect(read(timestampMessage(ms), "time")).toBe(ms);
        // By its parts, however they come about.
        expect(read(at(BigInt(Math.floor(ms / 1_000)), (ms % 1_000) * 1_000_000), "time")).toBe(ms);
      }),
    );
  });

  it.each<[string, bigint, number]>([
    ["before 1970", -1n, 0],
    ["a millisecond before 1970", -1n, 999_000_000],
    ["in the year 10000", 253_402_300_800n, 0],
    ["in no year at all", 2n ** 62n, 0],
    ["in no year at all, long ago", -(2n ** 62n), 0],
    ["of five negative nanoseconds", 5n, -5],
    ["of five negative nanoseconds, at the beginning of 1970", 0n, -5],
    ["of a negative millisecond", 5n, -1_000_000],
    ["of a second in nanoseconds", 5n, 1_000_000_000],
    ["of more seconds than fit", 5n, 2_147_483_647],
  ])("is none that can be read: %s", (_, seconds, nanos) => {
    expect(refusalOf(read, seconds, nanos)).toMatchObject(REFUSED);
  });
});

describe("a moment between two milliseconds", () => {
  it.each([1, 1_000, 999_999])("is refused, or taken as one of them: %i nanoseconds behind the first", (nanos) => {
    const between = (ms: number) => at(7n, ms * 1_000_000 + nanos);
    expect(refusalOf(unixMs, 7n, 3_000_000 + nanos)).toMatchObject(REFUSED);
    expect([unixMsDown(between(3), "time"), unixMsUp(between(3), "time")]).toEqual([7_003, 7_004]);
    expect([unixMsDown(between(999), "time"), unixMsUp(between(999), "time")]).toEqual([7_999, 8_000]);
  });

  it("may be the last of the year 9999", () => {
    const last = at(253_402_300_799n, 999_999_999);
    expect([unixMsDown(last, "time"), unixMsUp(last, "time")]).toEqual([TIME_MS_MAX, TIME_MS_MAX + 1]);
  });
});

import type { LedgerRecord } from "@bank/core";
import {
  BATCH_BYTES_TARGET,
  BATCH_RECORDS_MAX,
  EXPIRIES_PER_RECORD_MAX,
  FRAME_BYTES_MAX,
  GROUP_ITEMS_MAX,
  METADATA_KEY_LENGTH_MAX,
  METADATA_LENGTH_MAX,
  TEXT_LENGTH_MAX,
} from "@bank/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JournalFormatError } from "./errors.ts";
import { estimateBytes } from "./estimate.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import { anyBatch } from "./random-records.test-util.ts";
import { contents } from "./raw-frame.test-util.ts";
import { answering, groupCommitted, HEADER, requestKey, SAMPLES, transfer } from "./sample-records.test-util.ts";

// A failure prints seed and path: `fc.assert(…, { seed, path })` repeats it.

/** Length prefix, header, and tags and lengths of the columns: what a frame has besides its records. */
const FRAME_OVERHEAD_MAX = 192;

describe("any batch", () => {
  test("reads back as it was written", () => {
    fc.assert(
      fc.property(anyBatch, ({ header, records }) => {
        const batch = contents(encodeFrame(header, records));
        expect(batch).toEqual({ header: { ...header, count: records.length }, records });
      }),
      { numRuns: 500 },
    );
  });

  test("is never larger than its records were estimated", () => {
    fc.assert(
      fc.property(anyBatch, ({ header, records }) => {
        const estimated = records.reduce((sum, record) => sum + estimateBytes(record), 0);
        expect(encodeFrame(header, records).length).toBeLessThanOrEqual(FRAME_OVERHEAD_MAX + estimated);
      }),
      { numRuns: 500 },
    );
  });

  test("has one encoding: bytes that were changed, put in or taken out are refused, or encode to themselves", () => {
    const edit = fc.record({ at: fc.nat(), remove: fc.nat(3), insert: fc.uint8Array({ maxLength: 3 }) });
    let accepted = 0;
    fc.assert(
      fc.property(anyBatch, fc.array(edit, { minLength: 1, maxLength: 2 }), ({ header, records }, edits) => {
        const bytes = [...encodeFrame(header, records)];
        for (const { at, remove, insert } of edits) bytes.splice(at % bytes.length, remove, ...insert);
        const frame = Uint8Array.from(bytes);
        let batch: ReturnType<typeof decodeFrame>;
        try {
          batch = decodeFrame(frame);
        } catch (error) {
          expect(error).toBeInstanceOf(JournalFormatError);
          return;
        }
        accepted++;
        expect(encodeFrame(batch.header, batch.records)).toEqual(frame);
      }),
      { numRuns: 3_000 },
    );
    expect(accepted).toBeGreaterThan(30);
  });
});

describe("the largest batch", () => {
  /** What a sequencer gathers at most: one more command while there is room for its records, and bytes are not over. */
  function gather(command: (number: number) => LedgerRecord[]): LedgerRecord[] {
    const records: LedgerRecord[] = [];
    for (let bytes = 0; records.length < BATCH_RECORDS_MAX && bytes <= BATCH_BYTES_TARGET; ) {
      const decided = command(records.length);
      bytes += decided.reduce((sum, record) => sum + estimateBytes(record), 0);
      records.push(...decided);
    }
    return records;
  }

  test("fits into a frame, by records", () => {
    const records = gather((number) => [transfer(requestKey(number % 100), { amount: BigInt(number + 1) })]);
    expect(records).toHaveLength(BATCH_RECORDS_MAX);
    expect(decodeFrame(encodeFrame(HEADER, records)).records.slice()).toEqual(records);
  });

  test("fits into a frame, by bytes, when everybody acts under a name and at a branch of their own", () => {
    const records = gather((number) => {
      const principal = String(number).padStart(TEXT_LENGTH_MAX, "€");
      return [transfer(requestKey(number % 100), { principal, branch: 65_535 - number })];
    });
    expect(records.length).toBeLessThan(BATCH_RECORDS_MAX);
    const frame = encodeFrame(HEADER, records);
    expect(frame.length).toBeGreaterThan(BATCH_BYTES_TARGET * 0.9);
    expect(frame.length).toBeLessThan(FRAME_BYTES_MAX);
    expect(decodeFrame(frame).records.slice()).toEqual(records);
  });

  test("fits into a frame, by bytes, when every text is as long as it may be", () => {
    const name = "€".repeat(TEXT_LENGTH_MAX);
    const opened = { ...SAMPLES.accountOpened, name, owner: name, displayName: name };
    const records = gather((number) => [SAMPLES.currencyDefined, opened, answering(opened, number % 100)]);
    const frame = encodeFrame(HEADER, records);
    expect(frame.length).toBeGreaterThan(BATCH_BYTES_TARGET * 0.8);
    expect(frame.length).toBeLessThan(FRAME_BYTES_MAX);
    expect(decodeFrame(frame).records.slice()).toEqual(records);
  });

  test("fits into a frame, by bytes, when all holds end at once", () => {
    const holds = Array.from({ length: EXPIRIES_PER_RECORD_MAX }, (_, i) => Number.MAX_SAFE_INTEGER - i);
    const records = gather(() => [{ ...SAMPLES.holdsExpired, holds }]);
    const frame = encodeFrame(HEADER, records);
    expect(frame.length).toBeGreaterThan(BATCH_BYTES_TARGET * 0.9);
    expect(frame.length).toBeLessThan(FRAME_BYTES_MAX);
    expect(decodeFrame(frame).records.slice()).toEqual(records);
  });

  test("fits into a frame with the largest group on top", () => {
    const name = "€".repeat(TEXT_LENGTH_MAX);
    const metadata = {
      ["€".repeat(METADATA_KEY_LENGTH_MAX)]: "€".repeat(METADATA_LENGTH_MAX - METADATA_KEY_LENGTH_MAX),
    };
    const opened = { ...SAMPLES.accountOpened, owner: name, displayName: name, metadata };
    const records = gather(() => [opened]);
    const group = Array.from({ length: GROUP_ITEMS_MAX }, () => opened);
    const whole = [...records, ...group, groupCommitted(GROUP_ITEMS_MAX, requestKey(1))];
    const frame = encodeFrame(HEADER, whole);
    expect(frame.length).toBeLessThan(FRAME_BYTES_MAX);
    expect(decodeFrame(frame).records.slice()).toEqual(whole);
  });
});

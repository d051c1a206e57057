import type { AccountIndex, CurrencyIndex, LedgerRecord } from "@bank/core";
import {
  ACCOUNT_REFERENCE_LENGTH_MAX,
  ADDRESS_LENGTH_MAX,
  BATCH_BYTES_TARGET,
  BATCH_RECORDS_MAX,
  COMMAND_BYTES_MAX,
  FRAME_BYTES_MAX,
  RECORDS_PER_COMMAND_MAX,
  TEXT_LENGTH_MAX,
} from "@bank/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JournalFormatError } from "./errors.ts";
import { estimateBytes } from "./estimate.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import { anyBatch } from "./random-records.test-util.ts";
import { answering, HEADER, requestKey, SAMPLES, transfer } from "./sample-records.test-util.ts";

// A failure prints seed and path: `fc.assert(…, { seed, path })` repeats it.

/** Length prefix, header, and tags and lengths of the columns: what a frame has besides its records. */
const FRAME_OVERHEAD_MAX = 192;

describe("any batch", () => {
  test("reads back as it was written", () => {
    fc.assert(
      fc.property(anyBatch, ({ header, records }) => {
        const batch = decodeFrame(encodeFrame(header, records));
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

describe("the estimate of one record", () => {
  test("holds for a record alone, with all of its texts as long as they get in UTF-8", () => {
    const wide = "€".repeat(TEXT_LENGTH_MAX);
    const { accountOpened, branchRegistered, rejected } = SAMPLES;
    const records: LedgerRecord[] = [
      transfer(requestKey(1), { principal: wide, branch: 65_535 }),
      { ...accountOpened, principal: wide, name: wide, owner: wide, displayName: wide, request: requestKey(1) },
      { ...branchRegistered, principal: wide, name: wide, address: wide + wide, request: requestKey(1) },
      {
        ...rejected,
        principal: wide,
        request: requestKey(1),
        rejection: { reason: "ACCOUNT_NOT_FOUND", metadata: { [wide]: wide, a: wide, b: wide } },
      },
    ];
    const empty = encodeFrame(HEADER, [transfer(undefined, { principal: "", branch: 0 })]).length;
    for (const record of records) {
      const twice = [record, { ...record, branch: 65_534 }];
      const added = encodeFrame(HEADER, twice).length - encodeFrame(HEADER, [record]).length;
      expect(added).toBeLessThanOrEqual(estimateBytes(record));
      expect(encodeFrame(HEADER, [record]).length - empty).toBeLessThanOrEqual(estimateBytes(record));
    }
  });

  test("holds for every kind where it is tightest: nobody acted so before, and all numbers are large", () => {
    const principal = "€".repeat(TEXT_LENGTH_MAX);
    const most = { principal, branch: 65_535, request: requestKey(1) };
    const { accountOpened, currencyDefined, rejected, stateRoot } = SAMPLES;
    const records: LedgerRecord[] = [
      transfer(most.request, most),
      { ...accountOpened, ...most, account: 0xffff_ffff as AccountIndex, name: "", owner: "", displayName: "" },
      { ...SAMPLES.branchRegistered, ...most, name: "", address: "" },
      { ...currencyDefined, ...most, currency: 0xffff_ffff as CurrencyIndex, code: "" },
      { ...rejected, ...most, rejection: { ...rejected.rejection, metadata: {} } },
      { ...rejected, ...most, rejection: { ...rejected.rejection, metadata: { [principal]: principal } } },
      { ...stateRoot, ...most, position: Number.MAX_SAFE_INTEGER },
    ];
    // Two actors before it, so that each record has an index, and every column is there already.
    const before = [...records.map((record) => ({ ...record, principal: "a" })), transfer(undefined)];
    const { length } = encodeFrame(HEADER, before);
    for (const record of records)
      expect(encodeFrame(HEADER, [...before, record]).length - length).toBeLessThanOrEqual(estimateBytes(record));
    const epoch: LedgerRecord = { ...SAMPLES.epochBegun, ...most, number: Number.MAX_SAFE_INTEGER };
    expect(encodeFrame(HEADER, [epoch, ...before]).length - length).toBeLessThanOrEqual(estimateBytes(epoch));
  });

  test("stays within what one command may take, whatever the command", () => {
    const principal = "€".repeat(TEXT_LENGTH_MAX);
    const wide = principal;
    const support: LedgerRecord[] = [
      { ...SAMPLES.currencyDefined, principal },
      { ...SAMPLES.accountOpened, principal },
    ];
    const answers: LedgerRecord[] = [
      transfer(requestKey(1), { principal }),
      { ...SAMPLES.accountOpened, principal, owner: wide, displayName: wide },
      { ...SAMPLES.branchRegistered, principal, name: wide, address: "€".repeat(ADDRESS_LENGTH_MAX) },
      {
        ...SAMPLES.rejected,
        principal,
        rejection: {
          reason: "INSUFFICIENT_FUNDS",
          metadata: {
            account: wide.slice(ACCOUNT_REFERENCE_LENGTH_MAX),
            available: wide,
            currency: "EUR",
            requested: wide,
          },
        },
      },
    ];
    for (const answer of answers) {
      const command = [...support, answer];
      expect(command.length).toBeLessThan(RECORDS_PER_COMMAND_MAX);
      const bytes = command.reduce((sum, record) => sum + estimateBytes(record), 0);
      expect(bytes).toBeLessThanOrEqual(COMMAND_BYTES_MAX);
    }
  });

  test("is not far above what a transfer takes", () => {
    const record = answering(SAMPLES.transfer, 1);
    const added = encodeFrame(HEADER, [record, record]).length - encodeFrame(HEADER, [record]).length;
    expect(added).toBe(41);
    expect(estimateBytes(record)).toBeLessThanOrEqual(BATCH_BYTES_TARGET / BATCH_RECORDS_MAX);
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
    expect(decodeFrame(encodeFrame(HEADER, records)).records).toEqual(records);
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
    expect(decodeFrame(frame).records).toEqual(records);
  });

  test("fits into a frame, by bytes, when every text is as long as it may be", () => {
    const name = "€".repeat(TEXT_LENGTH_MAX);
    const opened = { ...SAMPLES.accountOpened, name, owner: name, displayName: name };
    const records = gather((number) => [SAMPLES.currencyDefined, opened, answering(opened, number % 100)]);
    const frame = encodeFrame(HEADER, records);
    expect(frame.length).toBeGreaterThan(BATCH_BYTES_TARGET * 0.8);
    expect(frame.length).toBeLessThan(FRAME_BYTES_MAX);
    expect(decodeFrame(frame).records).toEqual(records);
  });
});

import type { AccountIndex, Command, CurrencyIndex, LedgerRecord, RejectionReason } from "@bank/core";
import {
  ACCOUNT_REFERENCE_LENGTH_MAX,
  AccountType,
  ADDRESS_LENGTH_MAX,
  AMOUNT_MAX,
  BATCH_BYTES_TARGET,
  BATCH_RECORDS_MAX,
  BRANCH_NUMBER_MAX,
  COMMAND_BYTES_MAX,
  checkCommand,
  DURABILITY_MEMBERS_MAX,
  EXPIRIES_PER_RECORD_MAX,
  METADATA_ENTRIES_MAX,
  METADATA_KEY_LENGTH_MAX,
  METADATA_LENGTH_MAX,
  RECORDS_PER_COMMAND_MAX,
  REJECTIONS,
  TEXT_LENGTH_MAX,
  TIME_MS_MAX,
} from "@bank/core";
import { describe, expect, test } from "vitest";
import { estimateBytes } from "./estimate.ts";
import { encodeFrame } from "./frame.ts";
import { answering, group, groupCommitted, HEADER, requestKey, SAMPLES, transfer } from "./sample-records.test-util.ts";

const openAccount = {
  kind: "openAccount",
  type: AccountType.CHECKING,
  owner: "",
  displayName: "",
  currency: "EUR",
} as const satisfies Command;

describe("the estimate of one record", () => {
  test("holds for a record alone, with all of its texts as long as they get in UTF-8", () => {
    const wide = "€".repeat(TEXT_LENGTH_MAX);
    const { accountOpened, branchRegistered, rejected } = SAMPLES;
    const records: LedgerRecord[] = [
      transfer(requestKey(1), { principal: wide, branch: 65_535 }),
      {
        ...accountOpened,
        ...{ principal: wide, name: wide, owner: wide, displayName: wide, alias: wide, request: requestKey(1) },
        metadata: { [wide]: wide, a: wide },
      },
      { ...SAMPLES.accountUpdated, principal: wide, displayName: wide, metadata: { [wide]: wide, a: wide } },
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
    const largest = 0xffff_ffff as AccountIndex;
    const hold = { ...most, hold: Number.MAX_SAFE_INTEGER, account: largest, held: AMOUNT_MAX, expiresMs: TIME_MS_MAX };
    const expiries = Array.from({ length: EXPIRIES_PER_RECORD_MAX }, (_, i) => Number.MAX_SAFE_INTEGER - i);
    const members = Array.from({ length: DURABILITY_MEMBERS_MAX }, (_, i) => ({
      branch: BRANCH_NUMBER_MAX - DURABILITY_MEMBERS_MAX + 1 + i,
      copyId: new Uint8Array(16).fill(i),
    }));
    const records: LedgerRecord[] = [
      transfer(most.request, most),
      { ...accountOpened, ...most, account: largest, name: "", owner: "", displayName: "", alias: "a" },
      { ...SAMPLES.branchRegistered, ...most, name: "", address: "" },
      { ...currencyDefined, ...most, currency: 0xffff_ffff as CurrencyIndex, code: "" },
      { ...rejected, ...most, rejection: { ...rejected.rejection, metadata: {} } },
      { ...rejected, ...most, rejection: { ...rejected.rejection, metadata: { [principal]: principal } } },
      { ...stateRoot, ...most, position: Number.MAX_SAFE_INTEGER },
      { ...SAMPLES.formatLevelRaised, ...most },
      { ...SAMPLES.accountUpdated, ...most, account: largest, displayName: "", floor: -1n, ceiling: AMOUNT_MAX },
      { ...SAMPLES.accountUpdated, ...most, account: largest, metadata: { [principal]: principal, a: "", b: "" } },
      { ...SAMPLES.accountStateChanged, ...most, account: largest },
      { ...SAMPLES.reversal, ...most, original: Number.MAX_SAFE_INTEGER, debit: largest, credit: largest },
      { ...SAMPLES.interestApplied, ...most, account: largest },
      { ...SAMPLES.holdPlaced, ...hold },
      { ...SAMPLES.holdReleased, ...hold, captured: 1n },
      { ...SAMPLES.holdExtended, ...hold, captured: 1n },
      { ...SAMPLES.holdCaptured, ...hold, captured: AMOUNT_MAX, credit: largest, amount: AMOUNT_MAX },
      { ...SAMPLES.holdsExpired, ...most, holds: [Number.MAX_SAFE_INTEGER] },
      { ...SAMPLES.holdsExpired, ...most, holds: expiries },
      { ...SAMPLES.timeTicked, ...most },
      { ...SAMPLES.branchStateChanged, ...most },
      { ...SAMPLES.durabilitySet, ...most },
      { ...SAMPLES.durabilitySet, ...most, copies: 0, members: [] },
      { ...SAMPLES.durabilitySet, ...most, copies: DURABILITY_MEMBERS_MAX, members },
    ];
    // Two actors before it, so that each record has an index, and every column is there already.
    const before = [...records.map((record) => ({ ...record, principal: "a" })), ...group(1), transfer(undefined)];
    const { length } = encodeFrame(HEADER, before);
    for (const record of [...records, { ...groupCommitted(1), ...most }])
      expect(encodeFrame(HEADER, [...before, record]).length - length).toBeLessThanOrEqual(estimateBytes(record));
    const epoch: LedgerRecord = { ...SAMPLES.epochBegun, ...most, number: Number.MAX_SAFE_INTEGER };
    expect(encodeFrame(HEADER, [epoch, ...before]).length - length).toBeLessThanOrEqual(estimateBytes(epoch));
  });

  const { epochBegun: _, ...repeatable } = SAMPLES;
  test.each(Object.entries(repeatable))("is not far above what a record takes: %s", (_, record) => {
    const many = (count: number) => Array.from({ length: count }, () => answering(record, 1));
    const added = (encodeFrame(HEADER, many(1_000)).length - encodeFrame(HEADER, many(500)).length) / 500;
    expect(estimateBytes(record)).toBeLessThan(4 * added);
  });

  test("is not far above what a transfer takes", () => {
    const record = answering(SAMPLES.transfer, 1);
    const added = encodeFrame(HEADER, [record, record]).length - encodeFrame(HEADER, [record]).length;
    expect(added).toBe(41);
    expect(estimateBytes(record)).toBeLessThanOrEqual(BATCH_BYTES_TARGET / BATCH_RECORDS_MAX);
  });
});

describe("the records of one command that is no group", () => {
  const wide = "€".repeat(TEXT_LENGTH_MAX);
  const most = { principal: wide, branch: 65_535, request: requestKey(1) };
  const reference = "€".repeat(ACCOUNT_REFERENCE_LENGTH_MAX);
  const money = `-${AMOUNT_MAX}.0000`;
  const time = "9999-12-31T23:59:59.999Z";

  /** As many entries as there may be, with as much text as there may be, all of it three bytes a code unit. */
  const metadata = Object.fromEntries(
    Array.from({ length: METADATA_ENTRIES_MAX }, (_, i) => {
      const key = String.fromCodePoint(0x2100 + i).repeat(METADATA_KEY_LENGTH_MAX);
      const rest = METADATA_LENGTH_MAX - METADATA_ENTRIES_MAX * METADATA_KEY_LENGTH_MAX;
      return [key, "€".repeat(rest / METADATA_ENTRIES_MAX)];
    }),
  );
  const shortKeys = Object.fromEntries(
    Array.from({ length: METADATA_ENTRIES_MAX }, (_, i) => [
      String.fromCodePoint(0x2100 + i),
      "€".repeat(METADATA_LENGTH_MAX / METADATA_ENTRIES_MAX - 1),
    ]),
  );

  const currency: LedgerRecord = { ...SAMPLES.currencyDefined, ...most, request: undefined };
  const { accountOpened: opened } = SAMPLES;
  const internal: LedgerRecord = {
    ...opened,
    ...most,
    ...{ request: undefined, owner: "", displayName: "", alias: undefined, ceiling: undefined, metadata: undefined },
    name: "interest/65535/KWD",
  };
  const customer = { ...opened, ...most, name: "", owner: wide, displayName: wide, alias: reference };
  const updated = { ...SAMPLES.accountUpdated, ...most, displayName: wide };

  /** The longest value that a variable part of a rejection can have: what a caller wrote, or what the ledger knows. */
  const PARTS: Readonly<Record<string, string>> = {
    account: reference,
    alias: reference,
    available: money,
    ceiling: money,
    earliest: time,
    expires_at: time,
    floor: money,
    held: money,
    posted: money,
    remaining: money,
    requested: money,
    request_id: "00000000-0000-0000-0000-000000000000",
    hold: String(Number.MAX_SAFE_INTEGER),
    transaction: String(Number.MAX_SAFE_INTEGER),
    reversal: String(Number.MAX_SAFE_INTEGER),
    accounts: "100000000",
    entries: "100000000",
    table: "reversed transactions",
    branch: "65535",
    currency: "KWD",
    account_currency: "KWD",
    amount_currency: "KWD",
    state: "captured",
  };
  const rejections = Object.entries(REJECTIONS).map(([reason, { metadata: names }]): LedgerRecord => {
    const parts = Object.fromEntries(names.map((name) => [name, PARTS[name] ?? expect.unreachable(name)]));
    const rejection = { reason: reason as RejectionReason, metadata: parts, item: 100 };
    return { ...SAMPLES.rejected, ...most, rejection };
  });

  const commands: [string, LedgerRecord[]][] = [
    ["an opening", [currency, { ...customer, metadata }]],
    ["an opening with short names in its metadata", [currency, { ...customer, metadata: shortKeys }]],
    ["an update", [{ ...updated, metadata }]],
    ["an update with short names in its metadata", [{ ...updated, metadata: shortKeys }]],
    ["a transfer", [internal, transfer(most.request, most)]],
    ["interest", [internal, { ...SAMPLES.interestApplied, ...most }]],
    ["a capture", [internal, { ...SAMPLES.holdCaptured, ...most }]],
    ["a reversal", [{ ...SAMPLES.reversal, ...most }]],
    ["a branch", [{ ...SAMPLES.branchRegistered, ...most, name: wide, address: "€".repeat(ADDRESS_LENGTH_MAX) }]],
    ...rejections.map((record): [string, LedgerRecord[]] => [
      `a rejection (${JSON.stringify(record)})`.slice(0, 60),
      [record],
    ]),
  ];

  test("are as large in these tests as the limits allow", () => {
    for (const texts of [metadata, shortKeys]) {
      expect(Object.keys(texts)).toHaveLength(METADATA_ENTRIES_MAX);
      expect(Object.entries(texts).flat().join("")).toHaveLength(METADATA_LENGTH_MAX);
    }
    expect(checkCommand({ ...openAccount, metadata })).toBeUndefined();
    expect(checkCommand({ ...openAccount, metadata: shortKeys })).toBeUndefined();
    const longer = { ...shortKeys, "\u2100": `${shortKeys["\u2100"]}€` };
    expect(checkCommand({ ...openAccount, metadata: longer })).toBeDefined();
  });

  test.each(commands)("stay within what one command may take: %s", (_, records) => {
    expect(records.length).toBeLessThanOrEqual(RECORDS_PER_COMMAND_MAX);
    const estimated = records.reduce((sum, record) => sum + estimateBytes(record), 0);
    expect(estimated).toBeLessThanOrEqual(COMMAND_BYTES_MAX);
    const { length } = encodeFrame(HEADER, [transfer(undefined)]);
    expect(encodeFrame(HEADER, [transfer(undefined), ...records]).length - length).toBeLessThan(COMMAND_BYTES_MAX);
  });

  test("take most of that in the largest command: the bound is no wishful thinking, and no waste", () => {
    const largest = [currency, { ...customer, metadata }];
    expect(largest.reduce((sum, record) => sum + estimateBytes(record), 0)).toBeGreaterThan(COMMAND_BYTES_MAX / 2);
  });
});

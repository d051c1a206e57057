import type { LedgerRecord } from "@bank/core";
import { EXPIRIES_PER_RECORD_MAX, RecordKind } from "@bank/core";
import { type BatchPayload, DurabilityMemberSchema } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { JournalFormatError } from "./errors.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import { altered } from "./raw-frame.test-util.ts";
import { answering, group, groupCommitted, HEADER, requestKey, SAMPLES } from "./sample-records.test-util.ts";

type Name = keyof typeof SAMPLES;
type Column = Exclude<keyof BatchPayload, `$${string}`>;

/** The sample with changes that the types would not allow. */
function sample(name: Name, changes: object): LedgerRecord {
  return { ...SAMPLES[name], ...changes } as LedgerRecord;
}

/** The frame of one sample whose entry in a column has changed. */
function alteredEntry(name: Name, column: Column, changes: object): Uint8Array {
  return altered(encodeFrame(HEADER, [SAMPLES[name]]), (payload) => ({
    payload: { [column]: [{ ...(payload[column] as object[])[0], ...changes }] },
  }));
}

const INT64_OVER = 2n ** 63n;
const overlong = Array.from({ length: EXPIRIES_PER_RECORD_MAX + 1 }, (_, i) => i + 1);
const bytes31 = new Uint8Array(31);

const BRANCH = "a branch has a number in range";
const ENOUGH = "from 1 to all of the copies that count are enough";

/** As it stands in a record, and as it stands in a column. */
function copy(branch: number, length = 16) {
  return create(DurabilityMemberSchema, { branch, copyId: new Uint8Array(length).fill(branch) });
}

function copies(count: number) {
  return Array.from({ length: count }, (_, i) => copy(i + 1));
}

// The changes of the record, and those of its entry that mean the same.
const CHANGES: readonly (readonly [message: string, name: Name, column: Column, record: object, entry?: object])[] = [
  ["a ceiling is at least 1 and has 64 bits", "accountOpened", "accountsOpened", { ceiling: INT64_OVER }],
  ["a ceiling is at least 1 and has 64 bits", "accountUpdated", "accountsUpdated", { ceiling: INT64_OVER }],
  [
    "the items of a group count from 1",
    "rejected",
    "rejections",
    { rejection: { reason: "BRANCH_NOT_FOUND", metadata: {}, item: -1 } },
  ],
  ["a root has 32 bytes", "stateRoot", "stateRoots", { root: bytes31 }],
  ["a format level is raised to 2 at least", "formatLevelRaised", "formatLevelsRaised", { level: 0 }],
  ["a format level is raised to 2 at least", "formatLevelRaised", "formatLevelsRaised", { level: 1 }],
  ["format level 4 is unknown: use a newer program", "formatLevelRaised", "formatLevelsRaised", { level: 4 }],
  ["account state 0 is unknown: use a newer program", "accountStateChanged", "accountStatesChanged", { state: 0 }],
  ["account state 4 is unknown: use a newer program", "accountStateChanged", "accountStatesChanged", { state: 4 }],
  ["positions begin at 1", "reversal", "reversals", { original: 0 }, { original: 0n }],
  ["an amount is at least 1", "reversal", "reversals", { amount: 0n }],
  ["an amount is at least 1 and has 64 bits", "reversal", "reversals", { amount: INT64_OVER }],
  ["a rate is from 0 to 100 %", "interestApplied", "interestsApplied", { rate: 100_000_001 }],
  ["interest is a percentage of a balance from 0 up", "interestApplied", "interestsApplied", { balance: INT64_OVER }],
  ["an amount is at least 1", "interestApplied", "interestsApplied", { amount: 0n }],
  ["an amount is at least 1 and has 64 bits", "interestApplied", "interestsApplied", { amount: INT64_OVER }],
  ["interest is paid from an account", "interestApplied", "interestsApplied", { paidFrom: undefined }, { paidFrom: 0 }],
  ["an amount is at least 1", "holdPlaced", "holdsChanged", { held: 0n }],
  ["an amount is at least 1 and has 64 bits", "holdPlaced", "holdsChanged", { held: INT64_OVER }],
  ["nothing of a new hold is captured", "holdPlaced", "holdsChanged", { captured: 1n }],
  [
    "a hold ends in the years that there are",
    "holdPlaced",
    "holdsChanged",
    { expiresMs: 253_402_300_800_000 },
    { expiresMs: 253_402_300_800_000n },
  ],
  ["positions begin at 1", "holdCaptured", "holdsChanged", { hold: 0 }, { hold: 0n }],
  ["positions begin at 1", "holdReleased", "holdsChanged", { hold: 0 }, { hold: 0n }],
  ["positions begin at 1", "holdExtended", "holdsChanged", { hold: 0 }, { hold: 0n }],
  ["an amount is at least 1", "holdCaptured", "holdsChanged", { amount: 0n }],
  ["what is captured counts as captured", "holdCaptured", "holdsChanged", { amount: 9_531n }],
  ["no more is captured than was held", "holdCaptured", "holdsChanged", { captured: 9_531n }],
  ["no more is captured than was held", "holdReleased", "holdsChanged", { captured: 9_531n }],
  ["a hold of which all is captured has ended", "holdReleased", "holdsChanged", { captured: 9_530n }],
  ["a hold of which all is captured has ended", "holdExtended", "holdsChanged", { captured: 9_530n }],
  ["a hold that never ends is not extended", "holdExtended", "holdsChanged", { expiresMs: 0 }, { expiresMs: 0n }],
  ["a record ends 1 to 10000 holds", "holdsExpired", "holdsExpired", { holds: [] }],
  [
    "a record ends 1 to 10000 holds",
    "holdsExpired",
    "holdsExpired",
    { holds: overlong },
    { holds: overlong.map(BigInt) },
  ],
  ["positions begin at 1", "holdsExpired", "holdsExpired", { holds: [5, 0] }, { holds: [5n, 0n] }],
  ["a copy id has 16 bytes", "epochBegun", "epochsBegun", { promotedFrom: bytes31 }],
  ["a copy id has 16 bytes", "epochBegun", "epochsBegun", { promotedFrom: bytes31.subarray(0, 1) }],
  [BRANCH, "branchStateChanged", "branchStatesChanged", { target: 0 }, { branch: 0 }],
  [BRANCH, "branchStateChanged", "branchStatesChanged", { target: 65_536 }, { branch: 65_536 }],
  ["branch state 0 is unknown: use a newer program", "branchStateChanged", "branchStatesChanged", { state: 0 }],
  ["branch state 4 is unknown: use a newer program", "branchStateChanged", "branchStatesChanged", { state: 4 }],
  [ENOUGH, "durabilitySet", "durabilitiesSet", { copies: 3 }],
  [ENOUGH, "durabilitySet", "durabilitiesSet", { copies: 0 }],
  [ENOUGH, "durabilitySet", "durabilitiesSet", { members: [] }],
  ["at most 16 copies count", "durabilitySet", "durabilitiesSet", { members: copies(17) }],
  ["the branches that count ascend", "durabilitySet", "durabilitiesSet", { members: copies(3).reverse() }],
  ["the branches that count ascend", "durabilitySet", "durabilitiesSet", { members: [copy(2), copy(2)] }],
  [BRANCH, "durabilitySet", "durabilitiesSet", { members: [copy(0), copy(1)] }],
  [BRANCH, "durabilitySet", "durabilitiesSet", { members: [copy(1), copy(65_536)] }],
  ["a copy id has 16 bytes", "durabilitySet", "durabilitiesSet", { members: [copy(1), copy(2, 15)] }],
  ["a copy id has 16 bytes", "durabilitySet", "durabilitiesSet", { members: [copy(1), copy(2, 0)] }],
  ["a copy counts once", "durabilitySet", "durabilitiesSet", { members: [copy(1), { ...copy(1), branch: 2 }] }],
];
const REFUSED = CHANGES.map(
  ([message, name, column, record, entry = record]) => [message, name, column, record, entry] as const,
);

describe("a record that contradicts itself", () => {
  test.each(REFUSED)("is not written: %s (%s)", (message, name, _, record) => {
    expect(() => encodeFrame(HEADER, [SAMPLES[name]])).not.toThrow();
    expect(() => encodeFrame(HEADER, [sample(name, record)])).toThrow(JournalFormatError);
    expect(() => encodeFrame(HEADER, [sample(name, record)])).toThrow(message);
  });

  const readable = REFUSED.filter(([, name]) => name !== "rejected");
  test.each(readable)("is not read: %s (%s)", (message, name, column, _, entry) => {
    expect(decodeFrame(alteredEntry(name, column, {})).records.slice()).toEqual([SAMPLES[name]]);
    expect(() => decodeFrame(alteredEntry(name, column, entry))).toThrow(JournalFormatError);
    expect(() => decodeFrame(alteredEntry(name, column, entry))).toThrow(message);
  });

  test.each<[string, Name, object]>([
    ["an empty alias, which is read as none", "accountOpened", { alias: "" }],
    ["empty metadata, which are read as none", "accountOpened", { metadata: {} }],
    ["a ceiling of 0, which is read as none", "accountOpened", { ceiling: 0n }],
    ["a ceiling of 0, which is read as none", "accountUpdated", { ceiling: 0n }],
    ["a ceiling below 0", "accountUpdated", { ceiling: -1n }],
    ["a floor beyond 64 bits", "accountOpened", { floor: -INT64_OVER - 1n }],
    ["a floor beyond 64 bits", "accountUpdated", { floor: INT64_OVER }],
    ["item 0, which is read as none", "rejected", { rejection: { ...SAMPLES.rejected.rejection, item: 0 } }],
    ["an item that is no whole number", "rejected", { rejection: { ...SAMPLES.rejected.rejection, item: 1.5 } }],
    ["an account beyond 32 bits", "accountUpdated", { account: 2 ** 32 }],
    ["an account beyond 32 bits", "accountStateChanged", { account: 2 ** 32 }],
    ["an account below 0", "interestApplied", { account: -1 }],
    ["an account whose successor is beyond 32 bits", "interestApplied", { paidFrom: 2 ** 32 - 1 }],
    ["an account beyond 32 bits", "reversal", { debit: 2 ** 32 }],
    ["an account beyond 32 bits", "reversal", { credit: 2 ** 32 }],
    ["an account beyond 32 bits", "holdPlaced", { account: 2 ** 32 }],
    ["an account beyond 32 bits", "holdCaptured", { credit: 2 ** 32 }],
    ["a rate below 0", "interestApplied", { rate: -1 }],
    ["a rate that is no whole number", "interestApplied", { rate: 0.5 }],
    ["a negative balance", "interestApplied", { balance: -1n }],
    ["a negative amount", "interestApplied", { amount: -1n, paidFrom: undefined }],
    ["a negative amount", "reversal", { amount: -1n }],
    ["a negative part of a hold", "holdReleased", { captured: -1n }],
    ["a time before 1970", "holdPlaced", { expiresMs: -1 }],
    ["a time that is no whole number", "holdPlaced", { expiresMs: 0.5 }],
    ["a position that is no whole number", "holdReleased", { hold: 1.5 }],
    ["a position beyond every real journal", "holdsExpired", { holds: [2 ** 53] }],
    ["half a branch", "branchStateChanged", { target: 1.5 }],
    ["half a state", "branchStateChanged", { state: 1.5 }],
    ["half a copy", "durabilitySet", { copies: 1.5 }],
    ["half a branch that counts", "durabilitySet", { members: [copy(1), copy(1.5)] }],
    ["an empty copy id, which is read as none", "epochBegun", { promotedFrom: new Uint8Array(0) }],
    ["a level that is no whole number", "formatLevelRaised", { level: 2.5 }],
  ])("is not written with %s (%s)", (_, name, changes) => {
    expect(() => encodeFrame(HEADER, [sample(name, changes)])).toThrow(JournalFormatError);
  });

  test.each<[string, Name, Column, object]>([
    ["a new hold is at the position of its record", "holdPlaced", "holdsChanged", { hold: 1n }],
    ["a hold is captured only by a capture", "holdPlaced", "holdsChanged", { credit: 1 }],
    ["a hold is captured only by a capture", "holdPlaced", "holdsChanged", { amount: 1n }],
    ["a hold is captured only by a capture", "holdReleased", "holdsChanged", { credit: 1 }],
    ["a hold is captured only by a capture", "holdReleased", "holdsChanged", { amount: 1n }],
    ["a hold is captured only by a capture", "holdExtended", "holdsChanged", { credit: 1 }],
    ["a hold is captured only by a capture", "holdExtended", "holdsChanged", { amount: 1n }],
    ["beyond every real journal", "reversal", "reversals", { original: 2n ** 53n }],
    ["beyond every real journal", "holdReleased", "holdsChanged", { hold: 2n ** 53n }],
    ["beyond every real journal", "holdPlaced", "holdsChanged", { expiresMs: 2n ** 53n }],
    ["beyond every real journal", "holdsExpired", "holdsExpired", { holds: [2n ** 53n] }],
    ["an account has keys without values", "accountOpened", "accountsOpened", { metadataKeys: ["a"] }],
    ["the keys of an account do not ascend", "accountOpened", "accountsOpened", { metadataKeys: ["a", "c", "b"] }],
    ["the keys of an account do not ascend", "accountUpdated", "accountsUpdated", { metadataKeys: ["b", "a"] }],
    ["the keys of an account do not ascend", "accountUpdated", "accountsUpdated", { metadataKeys: ["a", "a"] }],
    ["an account has keys without values", "accountUpdated", "accountsUpdated", { metadataValues: [] }],
  ])("is not read: %s (%s, %o)", (message, name, column, entry) => {
    expect(() => decodeFrame(alteredEntry(name, column, entry))).toThrow(JournalFormatError);
    expect(() => decodeFrame(alteredEntry(name, column, entry))).toThrow(message);
  });
});

describe("what is at its default", () => {
  test.each<[Name, Column, object, object]>([
    ["epochBegun", "epochsBegun", { promotedFrom: new Uint8Array(0) }, { promotedFrom: undefined }],
    ["accountOpened", "accountsOpened", { ceiling: 0n }, { ceiling: undefined }],
    ["accountOpened", "accountsOpened", { alias: "" }, { alias: undefined }],
    ["accountOpened", "accountsOpened", { metadataKeys: [], metadataValues: [] }, { metadata: undefined }],
    ["rejected", "rejections", { item: 0 }, { rejection: { ...SAMPLES.rejected.rejection, item: undefined } }],
  ])("is left out of the record: %s", (name, column, entry, expected) => {
    const [record] = decodeFrame(alteredEntry(name, column, entry)).records;
    expect(record).toEqual(sample(name, expected));
    // A dump of a journal must not show that later versions know more.
    const undefinedIn = (value: object): string[] =>
      Object.entries(value).flatMap(([key, inner]) => (inner === undefined ? [key] : []));
    expect(undefinedIn(record!)).toEqual(["request"]);
    if (record?.kind === RecordKind.REJECTED) expect(undefinedIn(record.rejection)).toEqual([]);
    expect(encodeFrame(HEADER, [record!])).toEqual(alteredEntry(name, column, entry));
  });

  test("is kept where there must be a value: an update to no ceiling, interest that rounds to zero, a hold for ever", () => {
    const records = [
      sample("accountUpdated", { ceiling: undefined, metadata: {}, displayName: "", floor: 0n, account: 0 }),
      sample("interestApplied", { paidFrom: undefined, amount: 0n, rate: 0, balance: 0n, account: 0 }),
      sample("interestApplied", { paidFrom: 0 }),
      sample("holdPlaced", { expiresMs: 0, account: 0 }),
      sample("holdCaptured", { credit: 0 }),
      sample("durabilitySet", { copies: 0, members: [] }),
    ];
    expect(decodeFrame(encodeFrame(HEADER, records)).records.slice()).toEqual(records);
  });
});

describe("a group", () => {
  const [first, second, third] = group(3);
  const stands = "the records of a group stand before it in its batch";
  const carries = "a group is made of records that carry out its items";

  test("of as many records as stand before it is written and read", () => {
    for (const records of [group(1), group(2), group(3), [...group(2), ...group(3, requestKey(1))]])
      expect(decodeFrame(encodeFrame(HEADER, records)).records.slice()).toEqual(records);
  });

  test.each<[string, LedgerRecord[]]>([
    ["a group has records", [SAMPLES.transfer, groupCommitted(0)]],
    ["a group has records", [SAMPLES.transfer, groupCommitted(-1)]],
    ["a group has records", [SAMPLES.transfer, groupCommitted(0.5)]],
    [stands, [groupCommitted(1)]],
    [stands, [first!, second!, groupCommitted(3), third!]],
    [carries, [answering(SAMPLES.transfer, 1), groupCommitted(1)]],
    [carries, [...group(1), groupCommitted(1)]],
    [carries, [...group(1), SAMPLES.transfer, groupCommitted(2)]],
    [carries, [SAMPLES.epochBegun, SAMPLES.transfer, groupCommitted(2)]],
    [carries, [SAMPLES.holdsExpired, SAMPLES.transfer, groupCommitted(2)]],
    [carries, [SAMPLES.timeTicked, groupCommitted(1)]],
    [carries, [SAMPLES.branchStateChanged, groupCommitted(1)]],
    [carries, [SAMPLES.durabilitySet, groupCommitted(1)]],
    [carries, [SAMPLES.rejected, groupCommitted(1)]],
    [carries, [SAMPLES.formatLevelRaised, groupCommitted(1)]],
    [carries, [SAMPLES.branchRegistered, groupCommitted(1)]],
    [carries, [SAMPLES.stateRoot, groupCommitted(1)]],
  ])("is not written otherwise: %s", (message, records) => {
    expect(() => encodeFrame(HEADER, records)).toThrow(new JournalFormatError(message));
  });

  test.each([
    ["a group has records", 0],
    [stands, 3],
    [stands, 4_294_967_295],
  ])("is not read otherwise: %s, not %i", (message, records) => {
    const other = altered(encodeFrame(HEADER, group(2)), { payload: { groupsCommitted: [records] } });
    expect(() => decodeFrame(other)).toThrow(new JournalFormatError(message));
  });

  test("that would reach into the one before is not read", () => {
    const two = encodeFrame(HEADER, [...group(2), ...group(1)]);
    const other = altered(two, { payload: { groupsCommitted: [2, 2] } });
    expect(() => decodeFrame(other)).toThrow(new JournalFormatError(carries));
  });
});

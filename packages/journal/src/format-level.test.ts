import type { AccountOpenedRecord, LedgerRecord, RejectionReason } from "@bank/core";
import { AccountType, InvariantError, REJECTIONS, RecordKind } from "@bank/core";
import { DurabilityMemberSchema, FormatLevelRaisedSchema } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { nextHash } from "./chain.ts";
import { DigestMismatchError } from "./errors.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import type { Changes } from "./raw-frame.test-util.ts";
import { altered } from "./raw-frame.test-util.ts";
import type { ReceivedFrame, Replay } from "./replay.ts";
import { applyFrame } from "./replay.ts";
import { groupCommitted, requestKey, SAMPLES } from "./sample-records.test-util.ts";
import { sha256 } from "./sha256.test-util.ts";
import { deposit, open } from "./story.test-util.ts";
import { emptyReplay, TestBank } from "./test-bank.test-util.ts";
import { tellWholeStory } from "./whole-story.test-util.ts";

/** The frame with what a sender claims who hashed exactly these bytes. */
function chained(replica: Replay, frame: Uint8Array): ReceivedFrame {
  return { frame, chainHash: nextHash(sha256, replica.chainHash, frame) };
}

/** The next batch of this replica's journal, of any records; its digest is not the one of the state after it. */
function batchOf(replica: Replay, ...records: readonly LedgerRecord[]): ReceivedFrame {
  const { ledger } = replica;
  const header = {
    epochId: ledger.currentEpoch()!.id,
    firstPosition: ledger.position + 1,
    timeMs: ledger.timeMs,
    digestAfter: new Uint8Array(16),
    committedPosition: ledger.position,
  };
  return chained(replica, encodeFrame(header, records));
}

function replicaOf(bank: TestBank): Replay {
  const replica = emptyReplay();
  for (const received of bank.frames) applyFrame(replica, received, sha256);
  return replica;
}

function level1(): Replay {
  const bank = new TestBank();
  bank.beginEpoch();
  bank.execute(open("EUR"), open("EUR"), deposit("1", 1_000n));
  return replicaOf(bank);
}

const { rejected, formatLevelRaised, accountUpdated, accountStateChanged } = SAMPLES;
const { branchStateChanged, durabilitySet, epochBegun } = SAMPLES;
const { reversal, interestApplied, holdPlaced, holdCaptured, holdReleased, holdExtended, holdsExpired, timeTicked } =
  SAMPLES;

/** A customer's account as level 1 knows them, the next of `level1()`. */
const plain: AccountOpenedRecord = {
  kind: RecordKind.ACCOUNT_OPENED,
  principal: "dev",
  branch: 0,
  request: undefined,
  account: 3 as never,
  type: AccountType.SAVINGS,
  number: 3,
  name: "",
  currency: 0 as never,
  homeBranch: 0,
  owner: "",
  displayName: "",
  floor: 0n,
};
const internal: AccountOpenedRecord = { ...plain, number: 0, floor: -1n };
const raised: LedgerRecord = { ...formatLevelRaised, principal: "bank", branch: 0 };
const rejection = (reason: RejectionReason, item?: number): LedgerRecord => ({
  ...rejected,
  request: requestKey(1),
  rejection: { reason, metadata: {}, ...(item === undefined ? {} : { item }) },
});

const LEVEL_2: [string, LedgerRecord[]][] = [
  ["an update", [accountUpdated]],
  ["a change of state", [accountStateChanged]],
  ["a reversal", [reversal]],
  ["interest", [interestApplied]],
  ["a hold", [holdPlaced]],
  ["a capture", [holdCaptured]],
  ["a release", [holdReleased]],
  ["an extension", [holdExtended]],
  ["expired holds", [holdsExpired]],
  ["a group", [plain, groupCommitted(1, requestKey(1))]],
  ["a tick", [timeTicked]],
  ["an alias", [{ ...plain, alias: "a" }]],
  ["metadata", [{ ...plain, metadata: { a: "" } }]],
  ["a ceiling", [{ ...plain, ceiling: 1n }]],
  ["an overdraft", [{ ...plain, type: AccountType.CHECKING, floor: -1n }]],
  ["an account for fees", [{ ...internal, type: AccountType.FEES, name: "fees/1/EUR" }]],
  ["an account for interest", [{ ...internal, type: AccountType.INTEREST, name: "interest/1/EUR" }]],
  ["a rejected item of a group", [rejection("ACCOUNT_NOT_FOUND", 1)]],
  ...Object.entries(REJECTIONS)
    .filter(
      ([, { number }]) =>
        number > REJECTIONS.ACCOUNT_LIMIT_EXCEEDED.number && number <= REJECTIONS.REQUEST_CANCELLED.number,
    )
    .map(([reason]): [string, LedgerRecord[]] => [`rejection ${reason}`, [rejection(reason as RejectionReason)]]),
];
const LEVEL_3: [string, LedgerRecord[]][] = [
  ["a state of a branch", [branchStateChanged]],
  ["copies that count", [durabilitySet]],
  ["no copies that count", [{ ...durabilitySet, copies: 0, members: [] }]],
  ...Object.entries(REJECTIONS)
    .filter(([, { number }]) => number > REJECTIONS.REQUEST_CANCELLED.number)
    .map(([reason]): [string, LedgerRecord[]] => [`rejection ${reason}`, [rejection(reason as RejectionReason)]]),
];
const TOO_EARLY = new InvariantError("a record is of a format level that the journal has reached");

describe("what came with format level 2", () => {
  test("are more kinds than not, in these tests", () => {
    const kinds = new Set(LEVEL_2.flatMap(([, records]) => records.map(({ kind }) => kind)));
    for (const kind of Object.values(RecordKind))
      if (kind > RecordKind.FORMAT_LEVEL_RAISED && kind <= RecordKind.TIME_TICKED) expect(kinds).toContain(kind);
  });

  test.each(LEVEL_2)("is refused before the level is raised: %s", (_, records) => {
    const replica = level1();
    expect(() => applyFrame(replica, batchOf(replica, ...records), sha256)).toThrow(TOO_EARLY);
  });

  test.each(LEVEL_2)("is refused in front of the record that raises the level, in one batch: %s", (_, records) => {
    const replica = level1();
    expect(() => applyFrame(replica, batchOf(replica, ...records, raised), sha256)).toThrow(TOO_EARLY);
  });

  test.each(LEVEL_2)("is not too early behind it: %s", (_, records) => {
    const replica = level1();
    // Some of these samples fit no state, and the digest is wrong for all: either comes after the level.
    expect(() => applyFrame(replica, batchOf(replica, raised, ...records), sha256)).not.toThrow(TOO_EARLY);
  });

  test("is raised once, and only to what this program knows", () => {
    const bank = new TestBank();
    bank.beginEpoch(false, 2);
    const replica = replicaOf(bank);
    expect(replica.ledger.formatLevel).toBe(2);
    expect(() => applyFrame(replica, batchOf(replica, raised), sha256)).toThrow("a format level is raised");
    const other = altered(bank.frames[0]!.frame, {
      payload: { formatLevelsRaised: [create(FormatLevelRaisedSchema, { level: 4 })] },
    });
    const empty = emptyReplay();
    expect(() => applyFrame(empty, chained(empty, other), sha256)).toThrow("format level 4 is unknown");
    expect(empty.ledger.position).toBe(0);
  });
});

describe("what came with format level 3", () => {
  const raisedAgain: LedgerRecord = { ...formatLevelRaised, principal: "bank", branch: 0, level: 3 };

  function level2(): Replay {
    const bank = new TestBank();
    bank.beginEpoch(false, 2);
    bank.execute(open("EUR"), open("EUR"), deposit("1", 1_000n));
    return replicaOf(bank);
  }

  test("is each newer kind, in these tests", () => {
    const kinds = new Set(LEVEL_3.flatMap(([, records]) => records.map(({ kind }) => kind)));
    for (const kind of Object.values(RecordKind)) if (kind > RecordKind.TIME_TICKED) expect(kinds).toContain(kind);
  });

  test.each(LEVEL_3)("is refused at level 1 and at level 2: %s", (_, records) => {
    for (const replica of [level1(), level2()])
      expect(() => applyFrame(replica, batchOf(replica, ...records), sha256)).toThrow(TOO_EARLY);
  });

  test.each(LEVEL_3)("is refused in front of the record that raises the level, in one batch: %s", (_, records) => {
    const replica = level2();
    expect(() => applyFrame(replica, batchOf(replica, ...records, raisedAgain), sha256)).toThrow(TOO_EARLY);
  });

  test.each(LEVEL_3)("is not too early behind it: %s", (_, records) => {
    const replica = level2();
    expect(() => applyFrame(replica, batchOf(replica, raisedAgain, ...records), sha256)).not.toThrow(TOO_EARLY);
  });

  // An epoch's record is the first of its batch: where a promotion is told, the level was raised in an earlier one.
  test("is a promotion, which is refused before the level is raised", () => {
    const begin = (replica: Replay) => {
      const { ledger } = replica;
      const number = ledger.currentEpoch()!.number + 1;
      const header = {
        epochId: epochBegun.id,
        firstPosition: ledger.position + 1,
        timeMs: ledger.timeMs,
        digestAfter: new Uint8Array(16),
        committedPosition: ledger.position,
      };
      const frame = encodeFrame(header, [{ ...epochBegun, number, bankId: replica.bankId }]);
      return () => applyFrame(replica, chained(replica, frame), sha256);
    };
    expect(begin(level2())).toThrow(TOO_EARLY);
    const bank = new TestBank();
    bank.beginEpoch(false, 3);
    expect(begin(replicaOf(bank))).toThrow(DigestMismatchError);
  });
});

describe("a batch whose records changed before they were hashed", () => {
  const bank = new TestBank();
  tellWholeStory(bank, { seed: 1, batches: 0 });

  /** The replica before the first batch that has a record like this, and the batch. */
  function before(matches: (record: LedgerRecord) => boolean): { replica: Replay; frame: Uint8Array } {
    const replica = emptyReplay();
    for (const received of bank.frames) {
      if ([...decodeFrame(received.frame).records].some(matches)) return { replica, frame: received.frame };
      applyFrame(replica, received, sha256);
    }
    return expect.unreachable();
  }

  const ofKind = (kind: RecordKind) => (record: LedgerRecord) => record.kind === kind;
  const first = (record: LedgerRecord) => record.kind === RecordKind.ACCOUNT_OPENED && record.alias !== undefined;

  const promoted = (record: LedgerRecord) =>
    record.kind === RecordKind.EPOCH_BEGUN && record.promotedFrom !== undefined;
  /** Of several choices in one batch the state shows only the last: this one is alone. */
  const counted = (record: LedgerRecord) =>
    record.kind === RecordKind.DURABILITY_SET && record.members.some(({ copyId }) => copyId[0] === 22);
  const copy = (branch: number, fill: number) =>
    create(DurabilityMemberSchema, { branch, copyId: new Uint8Array(16).fill(fill) });

  test.each<[string, (record: LedgerRecord) => boolean, (payload: never) => Changes]>([
    ["another alias", first, changed("accountsOpened", { alias: "other" })],
    ["no alias", first, changed("accountsOpened", { alias: "" })],
    ["another ceiling", first, changed("accountsOpened", { ceiling: 1_000_001n })],
    ["another overdraft", first, changed("accountsOpened", { floor: -50_001n })],
    ["other metadata", first, changed("accountsOpened", { metadataKeys: ["a"], metadataValues: ["b"] })],
    ["another display name", ofKind(RecordKind.ACCOUNT_UPDATED), changed("accountsUpdated", { displayName: "x" })],
    ["another floor", ofKind(RecordKind.ACCOUNT_UPDATED), changed("accountsUpdated", { floor: -1n })],
    ["no ceiling", ofKind(RecordKind.ACCOUNT_UPDATED), changed("accountsUpdated", { ceiling: 0n })],
    ["another value", ofKind(RecordKind.ACCOUNT_UPDATED), changed("accountsUpdated", { metadataValues: ["1", "2"] })],
    ["another state", ofKind(RecordKind.ACCOUNT_STATE_CHANGED), changed("accountStatesChanged", { state: 3 })],
    ["another branch", ofKind(RecordKind.BRANCH_STATE_CHANGED), changed("branchStatesChanged", { branch: 1 })],
    ["another life", ofKind(RecordKind.BRANCH_STATE_CHANGED), changed("branchStatesChanged", { state: 3 })],
    ["another copy", counted, changed("durabilitiesSet", { members: [copy(1, 1), copy(2, 23), copy(5, 5)] })],
    ["a copy less", counted, changed("durabilitiesSet", { members: [copy(1, 1), copy(2, 22)] })],
    ["fewer copies", counted, changed("durabilitiesSet", { copies: 1 })],
    ["another promotion", promoted, changed("epochsBegun", { promotedFrom: new Uint8Array(16).fill(2) })],
    ["no promotion", promoted, changed("epochsBegun", { promotedFrom: new Uint8Array(0) })],
    ["another original", ofKind(RecordKind.REVERSAL), changed("reversals", { original: 15n })],
    ["another hold", ofKind(RecordKind.HOLD_PLACED), changed("holdsChanged", { held: 9_529n })],
    ["another expiry", ofKind(RecordKind.HOLD_PLACED), changed("holdsChanged", { expiresMs: 1_790_000_009_999n })],
  ])("is found out: %s", (_, matches, change) => {
    const { replica, frame } = before(matches);
    expect(() => applyFrame(replica, chained(replica, altered(frame, change as never)), sha256)).toThrow(
      DigestMismatchError,
    );
  });

  test.each<[string, RecordKind, (payload: never) => Changes]>([
    ["a percentage of another balance", RecordKind.INTEREST_APPLIED, changed("interestsApplied", { balance: 29_531n })],
    ["a reversal of what is reversed already", RecordKind.REVERSAL, changed("reversals", { original: 14n }, 1)],
    [
      "a capture of more than is left",
      RecordKind.HOLD_CAPTURED,
      changed("holdsChanged", { captured: 5_001n, amount: 5_001n }),
    ],
    ["a hold that has not come to its time", RecordKind.HOLDS_EXPIRED, changed("holdsExpired", { holds: [55n, 54n] })],
    ["holds out of order", RecordKind.HOLDS_EXPIRED, changed("holdsExpired", { holds: [53n, 55n] })],
    ["a state of nobody's branch", RecordKind.BRANCH_STATE_CHANGED, changed("branchStatesChanged", { branch: 99 })],
    ["a branch as it was", RecordKind.BRANCH_STATE_CHANGED, changed("branchStatesChanged", { state: 1 })],
    ["a copy of nobody", RecordKind.DURABILITY_SET, changed("durabilitiesSet", { members: [copy(99, 2)] })],
    ["a copy of a retired branch", RecordKind.DURABILITY_SET, changed("durabilitiesSet", { members: [copy(3, 2)] })],
  ])("is refused where no ledger could have decided it: %s", (_, kind, change) => {
    const { replica, frame } = before(ofKind(kind));
    expect(() => applyFrame(replica, chained(replica, altered(frame, change as never)), sha256)).toThrow(
      InvariantError,
    );
  });
});

/** Changes one entry of a column. */
function changed(column: string, changes: object, at = 0): (payload: never) => Changes {
  return (payload: Readonly<Record<string, object[]>>) => ({
    payload: { [column]: payload[column]!.with(at, { ...payload[column]![at]!, ...changes }) },
  });
}

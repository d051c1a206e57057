import type { AccountOpenedRecord, LedgerRecord, RejectionReason } from "@bank/core";
import { AccountType, InvariantError, REJECTIONS, RecordKind } from "@bank/core";
import { FormatLevelRaisedSchema } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { nextHash } from "./chain.ts";
import { DigestMismatchError } from "./errors.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import { tellFullStory } from "./full-story.test-util.ts";
import type { Changes } from "./raw-frame.test-util.ts";
import { altered } from "./raw-frame.test-util.ts";
import type { ReceivedFrame, Replay } from "./replay.ts";
import { applyFrame } from "./replay.ts";
import { groupCommitted, requestKey, SAMPLES } from "./sample-records.test-util.ts";
import { sha256 } from "./sha256.test-util.ts";
import { deposit, open } from "./story.test-util.ts";
import { emptyReplay, TestBank } from "./test-bank.test-util.ts";

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
    .filter(([, { number }]) => number > REJECTIONS.ACCOUNT_LIMIT_EXCEEDED.number)
    .map(([reason]): [string, LedgerRecord[]] => [`rejection ${reason}`, [rejection(reason as RejectionReason)]]),
];
const TOO_EARLY = new InvariantError("a record is of a format level that the journal has reached");

describe("what came with format level 2", () => {
  test("are more kinds than not, in these tests", () => {
    const kinds = new Set(LEVEL_2.flatMap(([, records]) => records.map(({ kind }) => kind)));
    for (const kind of Object.values(RecordKind))
      if (kind > RecordKind.FORMAT_LEVEL_RAISED) expect(kinds).toContain(kind);
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
      payload: { formatLevelsRaised: [create(FormatLevelRaisedSchema, { level: 3 })] },
    });
    const empty = emptyReplay();
    expect(() => applyFrame(empty, chained(empty, other), sha256)).toThrow("format level 3 is unknown");
    expect(empty.ledger.position).toBe(0);
  });
});

describe("a batch whose records changed before they were hashed", () => {
  const bank = new TestBank();
  tellFullStory(bank, { seed: 1, batches: 0 });

  /** The replica before the first batch that has a record like this, and the batch. */
  function before(matches: (record: LedgerRecord) => boolean): { replica: Replay; frame: Uint8Array } {
    const replica = emptyReplay();
    for (const received of bank.frames) {
      if (decodeFrame(received.frame).records.some(matches)) return { replica, frame: received.frame };
      applyFrame(replica, received, sha256);
    }
    return expect.unreachable();
  }

  const ofKind = (kind: RecordKind) => (record: LedgerRecord) => record.kind === kind;
  const first = (record: LedgerRecord) => record.kind === RecordKind.ACCOUNT_OPENED && record.alias !== undefined;

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

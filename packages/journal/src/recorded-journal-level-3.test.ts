import { BranchState, REJECTIONS, RecordKind, toHex } from "@bank/core";
import { describe, expect, test } from "vitest";
import { decodeFrame, encodeFrame } from "./frame.ts";
import {
  dump,
  FIXTURE_LEVEL_3,
  readDump,
  readExpectedLevel3,
  readJournal,
  readSnapshot,
  summaryOf,
  summaryOfBranches,
} from "./recorded-journal.test-util.ts";
import type { Replay } from "./replay.ts";
import { applyFrame } from "./replay.ts";
import { sha256 } from "./sha256.test-util.ts";
import { loadSnapshot, takeSnapshot } from "./snapshot.ts";
import { emptyReplay } from "./test-bank.test-util.ts";

const journal = readJournal(FIXTURE_LEVEL_3);
const { bankId: id, batches, snapshot, ...end } = readExpectedLevel3();
const bankId = Uint8Array.from(Buffer.from(id, "hex"));
const records = journal.flatMap(({ frame }) => decodeFrame(frame).records.slice());

function replayed(count = journal.length, replay: Replay = emptyReplay(bankId), from = 0): Replay {
  for (const received of journal.slice(from, count)) applyFrame(replay, received, sha256);
  return replay;
}

function summary(replay: Replay): typeof end {
  return { ...summaryOf(replay), ...summaryOfBranches(replay) };
}

describe("the recorded journal of format 1 that reached level 3", () => {
  test("replays to the same digest, with the same chain", () => {
    expect(journal).toHaveLength(batches);
    expect(summary(replayed())).toEqual(end);
    expect(Object.values(end.totals).every((sum) => sum === "0")).toBe(true);
  });

  test("gives the same snapshot, byte for byte", () => {
    const taken = takeSnapshot(replayed(snapshot.batches), sha256);
    expect({ header: taken.header, pages: taken.pages }).toEqual(readSnapshot(FIXTURE_LEVEL_3));
    expect(taken.position).toBe(snapshot.position);
    expect(toHex(taken.root)).toBe(snapshot.root);
  });

  test("goes on from its snapshot to the same digest", () => {
    const loaded = loadSnapshot(readSnapshot(FIXTURE_LEVEL_3), { bankId, sha256, hashSeed: 11 });
    const replay = replayed(journal.length, loaded, snapshot.batches);
    expect(summary(replay)).toEqual(end);
    const { root } = replay.ledger;
    expect([root?.position, root && toHex(root.root)]).toEqual([snapshot.position, snapshot.root]);
    expect(takeSnapshot(replay, sha256)).toEqual(takeSnapshot(replayed(), sha256));
  });

  test("is encoded to the same bytes by this version", () => {
    for (const { frame } of journal) {
      const { header, records: decoded } = decodeFrame(frame);
      expect(encodeFrame(header, decoded)).toEqual(frame);
    }
  });

  test("reads as the same text", () => {
    const text = readDump(FIXTURE_LEVEL_3);
    const first = journal.findIndex((received) => text.startsWith(dump([received])));
    expect(dump(journal.slice(first, first + text.split("\nbatch ").length))).toBe(text);
  });

  test("has everything that can stand in a journal at this level", () => {
    const kinds = Object.values(RecordKind).filter((kind) => kind <= RecordKind.DURABILITY_SET);
    expect(new Set(records.map(({ kind }) => kind))).toEqual(new Set(kinds));
    const rejections = records.flatMap((record) => (record.kind === RecordKind.REJECTED ? [record.rejection] : []));
    const reasons = new Set(rejections.map(({ reason }) => reason));
    // Rejections that were added later are in later recordings.
    for (const [reason, { number }] of Object.entries(REJECTIONS))
      if (number <= REJECTIONS.BRANCH_COUNTED.number) expect(reasons).toContain(reason);
    const states = records.flatMap((record) => (record.kind === RecordKind.BRANCH_STATE_CHANGED ? [record.state] : []));
    expect(new Set(states)).toEqual(new Set(Object.values(BranchState)));
    const counted = records.flatMap((record) => (record.kind === RecordKind.DURABILITY_SET ? [record.members] : []));
    expect(new Set(counted.map(({ length }) => length))).toEqual(new Set([0, 1, 2, 3, 16]));
    expect(end.promotions.some((from) => from !== "")).toBe(true);
  });

  test("begins at level 1, and is raised twice: what stands before is of the level below", () => {
    const levels = journal.flatMap(({ frame }, batch) =>
      decodeFrame(frame)
        .records.slice()
        .flatMap((record) => (record.kind === RecordKind.FORMAT_LEVEL_RAISED ? [{ batch, level: record.level }] : [])),
    );
    expect(levels.map(({ level }) => level)).toEqual([2, 3]);
    for (const { batch, level } of levels) {
      expect(replayed(batch).ledger.formatLevel).toBe(level - 1);
      expect(replayed(batch + 1).ledger.formatLevel).toBe(level);
    }
  });
});

import type { AccountIndex } from "@bank/core";
import { AccountState, AccountType, HoldState, REJECTIONS, RecordKind, toHex } from "@bank/core";
import { describe, expect, test } from "vitest";
import { decodeFrame, encodeFrame } from "./frame.ts";
import {
  dump,
  FIXTURE_LEVEL_2,
  readDump,
  readExpectedLevel2,
  readJournal,
  readSnapshot,
  summaryOf,
} from "./recorded-journal.test-util.ts";
import type { Replay } from "./replay.ts";
import { applyFrame } from "./replay.ts";
import { sha256 } from "./sha256.test-util.ts";
import { loadSnapshot, takeSnapshot } from "./snapshot.ts";
import { emptyReplay } from "./test-bank.test-util.ts";

const journal = readJournal(FIXTURE_LEVEL_2);
const { bankId: id, batches, snapshot, ...end } = readExpectedLevel2();
const bankId = Uint8Array.from(Buffer.from(id, "hex"));

function replayed(count = journal.length, replay: Replay = emptyReplay(bankId), from = 0): Replay {
  for (const received of journal.slice(from, count)) applyFrame(replay, received, sha256);
  return replay;
}

describe("the recorded journal of format 1 that reached level 2", () => {
  test("replays to the same digest, with the same chain", () => {
    expect(journal).toHaveLength(batches);
    expect(summaryOf(replayed())).toEqual(end);
    expect(Object.values(end.totals).every((sum) => sum === "0")).toBe(true);
  });

  test("gives the same snapshot, byte for byte", () => {
    const taken = takeSnapshot(replayed(snapshot.batches), sha256);
    expect({ header: taken.header, pages: taken.pages }).toEqual(readSnapshot(FIXTURE_LEVEL_2));
    expect(taken.position).toBe(snapshot.position);
    expect(toHex(taken.root)).toBe(snapshot.root);
  });

  test("goes on from its snapshot to the same digest", () => {
    const loaded = loadSnapshot(readSnapshot(FIXTURE_LEVEL_2), { bankId, sha256, hashSeed: 11 });
    const replay = replayed(journal.length, loaded, snapshot.batches);
    expect(summaryOf(replay)).toEqual(end);
    const { root } = replay.ledger;
    expect([root?.position, root && toHex(root.root)]).toEqual([snapshot.position, snapshot.root]);
    expect(takeSnapshot(replay, sha256)).toEqual(takeSnapshot(replayed(), sha256));
  });

  test("is encoded to the same bytes by this version", () => {
    for (const { frame } of journal) {
      const { header, records } = decodeFrame(frame);
      expect(encodeFrame(header, records)).toEqual(frame);
    }
  });

  test("reads as the same text", () => {
    const text = readDump(FIXTURE_LEVEL_2);
    expect(dump(journal.slice(0, text.split("\nbatch ").length))).toBe(text);
  });

  test("has everything that can stand in a journal at this level", () => {
    const records = journal.flatMap(({ frame }) => decodeFrame(frame).records.slice());
    const kinds = Object.values(RecordKind).filter((kind) => kind <= RecordKind.TIME_TICKED);
    expect(new Set(records.map(({ kind }) => kind))).toEqual(new Set(kinds));
    const rejections = records.flatMap((record) => (record.kind === RecordKind.REJECTED ? [record.rejection] : []));
    const reasons = new Set(rejections.map(({ reason }) => reason));
    // Rejections that were added later are in later recordings.
    for (const [reason, { number }] of Object.entries(REJECTIONS))
      if (number <= REJECTIONS.REQUEST_CANCELLED.number) expect(reasons).toContain(reason);
    expect(rejections.some(({ item }) => item !== undefined)).toBe(true);
    const { ledger } = replayed();
    const accounts = Array.from({ length: ledger.accounts.count }, (_, i) => ledger.viewAccount(i as AccountIndex));
    expect(new Set(accounts.map(({ state }) => state))).toEqual(new Set(Object.values(AccountState)));
    expect(new Set(accounts.map(({ type }) => type))).toEqual(new Set(Object.values(AccountType)));
    expect(accounts.some(({ ceiling }) => ceiling !== undefined)).toBe(true);
    expect(accounts.some(({ metadata }) => Object.keys(metadata).length > 1)).toBe(true);
    expect(accounts.some(({ type, floor }) => type === AccountType.CHECKING && floor < 0n)).toBe(true);
    const holds = Array.from({ length: ledger.holds.count }, (_, i) => ledger.holds.viewAt(i));
    expect(new Set(holds.map(({ state }) => state))).toEqual(new Set(Object.values(HoldState)));
    expect(holds.some(({ captured, held }) => captured > 0n && captured < held)).toBe(true);
  });

  test("begins at level 1: its first batches are those that a program of that level would write", () => {
    const levels = journal.map(({ frame }) =>
      decodeFrame(frame)
        .records.slice()
        .some(({ kind }) => kind === RecordKind.FORMAT_LEVEL_RAISED),
    );
    const raised = levels.indexOf(true);
    expect(raised).toBeGreaterThan(3);
    expect(levels.lastIndexOf(true)).toBe(raised);
    expect(replayed(raised).ledger.formatLevel).toBe(1);
    expect(replayed(raised + 1).ledger.formatLevel).toBe(2);
  });
});

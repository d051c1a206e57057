import { REJECTIONS, RecordKind, toHex, totals } from "@bank/core";
import { describe, expect, test } from "vitest";
import { decodeFrame, encodeFrame } from "./frame.ts";
import { dump, readDump, readExpected, readJournal, readSnapshot } from "./recorded-journal.test-util.ts";
import type { Replay } from "./replay.ts";
import { applyFrame } from "./replay.ts";
import { sha256 } from "./sha256.test-util.ts";
import { loadSnapshot, takeSnapshot } from "./snapshot.ts";
import { emptyReplay } from "./test-bank.test-util.ts";

const expected = readExpected();
const journal = readJournal();
const bankId = Uint8Array.from(Buffer.from(expected.bankId, "hex"));

function summary({ ledger, chainHash }: Replay): Omit<typeof expected, "bankId" | "batches" | "snapshot"> {
  return {
    position: ledger.position,
    timeMs: ledger.timeMs,
    digest: toHex(ledger.digestBytes()),
    chainHash: toHex(chainHash),
    accounts: ledger.accounts.count,
    requests: ledger.requests.count,
    totals: Object.fromEntries([...totals(ledger)].map(([currency, sum]) => [currency, String(sum)])),
  };
}

const { bankId: _bank, batches, snapshot, ...end } = expected;

describe("the recorded journal of format 1", () => {
  test("replays to the same digest, with the same chain", () => {
    const replay = emptyReplay(bankId);
    for (const received of journal) applyFrame(replay, received, sha256);
    expect(journal).toHaveLength(batches);
    expect(summary(replay)).toEqual(end);
    expect(Object.values(end.totals).every((sum) => sum === "0")).toBe(true);
  });

  test("gives the same snapshot, byte for byte", () => {
    const replay = emptyReplay(bankId);
    for (const received of journal.slice(0, snapshot.batches)) applyFrame(replay, received, sha256);
    const taken = takeSnapshot(replay, sha256);
    expect({ header: taken.header, pages: taken.pages }).toEqual(readSnapshot());
    expect(taken.position).toBe(snapshot.position);
    expect(toHex(taken.root)).toBe(snapshot.root);
  });

  test("goes on from its snapshot to the same digest", () => {
    const replay = loadSnapshot(readSnapshot(), { bankId, sha256, hashSeed: 11 });
    for (const received of journal.slice(snapshot.batches)) applyFrame(replay, received, sha256);
    expect(summary(replay)).toEqual(end);
    const { root } = replay.ledger;
    expect([root?.position, root && toHex(root.root)]).toEqual([snapshot.position, snapshot.root]);
  });

  test("is encoded to the same bytes by this version", () => {
    for (const { frame } of journal) {
      const { header, records } = decodeFrame(frame);
      expect(encodeFrame(header, records)).toEqual(frame);
    }
  });

  test("reads as the same text", () => {
    const text = readDump();
    expect(dump(journal.slice(0, text.split("\nbatch ").length))).toBe(text);
  });

  test("has everything that can stand in a journal", () => {
    const records = journal.flatMap(({ frame }) => decodeFrame(frame).records.slice());
    const present = <T>(values: readonly T[]) => new Set(values);
    // Kinds and rejections that were added later are in later recordings.
    const kinds = Object.values(RecordKind).filter((kind) => kind <= RecordKind.STATE_ROOT);
    expect(present(records.map(({ kind }) => kind))).toEqual(new Set(kinds));
    const rejected = records.filter((record) => record.kind === RecordKind.REJECTED);
    const rejections = present(rejected.map(({ rejection }) => rejection.reason));
    for (const [reason, { number }] of Object.entries(REJECTIONS))
      if (number <= 7) expect(rejections).toContain(reason);
    const epochs = records.filter((record) => record.kind === RecordKind.EPOCH_BEGUN);
    expect(epochs.map(({ lossAccepted }) => lossAccepted)).toEqual([false, true, false]);
    expect(present(records.map(({ branch }) => branch)).size).toBeGreaterThan(4);
    expect(present(records.map(({ principal }) => principal)).size).toBeGreaterThan(3);
    expect(Object.keys(end.totals)).toEqual(["EUR", "USD", "JPY", "KWD"]);
    expect(records.some(({ kind, request }) => kind === RecordKind.TRANSFER && request === undefined)).toBe(true);
  });
});

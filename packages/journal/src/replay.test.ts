import type { AccountIndex, LedgerRecord } from "@bank/core";
import {
  AccountState,
  AccountType,
  BranchState,
  HoldState,
  InvariantError,
  REJECTIONS,
  RecordKind,
  totals,
} from "@bank/core";
import { describe, expect, test } from "vitest";
import { genesisHash, nextHash } from "./chain.ts";
import { DigestMismatchError, JournalChainError, JournalFormatError } from "./errors.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import { tellFullStory } from "./full-story.test-util.ts";
import type { Changes } from "./raw-frame.test-util.ts";
import { altered, flipped } from "./raw-frame.test-util.ts";
import type { ReceivedFrame, Replay } from "./replay.ts";
import { applyBatch, applyFrame } from "./replay.ts";
import { BANK_ID, countingBytes, transfer } from "./sample-records.test-util.ts";
import { sha256 } from "./sha256.test-util.ts";
import { takeSnapshot } from "./snapshot.ts";
import { deposit, open, pay, tellStory } from "./story.test-util.ts";
import { emptyReplay, TestBank } from "./test-bank.test-util.ts";
import { tellWholeStory } from "./whole-story.test-util.ts";

/** A bank with two accounts, and a replica that has all but its last batch. */
function almostCaughtUp(): { bank: TestBank; replica: Replay; last: ReceivedFrame } {
  const bank = new TestBank();
  bank.beginEpoch();
  bank.execute(open("EUR"), open("EUR"), deposit("1", 1_000n));
  bank.execute(pay("1", "2", 250n));
  const replica = emptyReplay();
  for (const received of bank.frames.slice(0, -1)) applyFrame(replica, received, sha256);
  return { bank, replica, last: bank.frames.at(-1)! };
}

/** The frame with what a sender claims who hashed exactly these bytes. */
function chained(replica: Replay, frame: Uint8Array): ReceivedFrame {
  return { frame, chainHash: nextHash(sha256, replica.chainHash, frame) };
}

/** Everything that a state is. */
function stateOf({ ledger, chainHash }: Replay): unknown {
  const pages = takeSnapshot({ ledger, bankId: BANK_ID, chainHash }, sha256).pages;
  return { digest: ledger.digestBytes(), chainHash, position: ledger.position, timeMs: ledger.timeMs, pages };
}

function expectNothingApplied(replica: Replay, received: ReceivedFrame, error: Error | RegExp): void {
  const before = stateOf(replica);
  expect(() => applyFrame(replica, received, sha256)).toThrow(error);
  expect(stateOf(replica)).toEqual(before);
}

describe("a replica", () => {
  test.each([
    ["of level 1", tellStory],
    ["of level 1 and then 2", tellFullStory],
    ["of level 1, then 2, then 3", tellWholeStory],
  ])("comes to the state of the bank, batch by batch: a journal %s", (_, tell) => {
    const bank = new TestBank();
    tell(bank, { seed: 1, batches: 40 });
    const replica = emptyReplay(BANK_ID, 0x7fff_1234);
    for (const received of bank.frames) {
      const batch = applyFrame(replica, received, sha256);
      expect(replica.chainHash).toEqual(received.chainHash);
      expect(replica.ledger.position).toBe(batch.header.firstPosition + batch.header.count - 1);
      expect(replica.ledger.timeMs).toBe(batch.header.timeMs);
      expect([...totals(replica.ledger).values()].every((sum) => sum === 0n)).toBe(true);
    }
    expect(stateOf(replica)).toEqual(stateOf(bank.replay));
  });

  test("is shown in these tests everything that can stand in a journal", () => {
    const bank = new TestBank();
    tellWholeStory(bank, { seed: 1, batches: 40 });
    const { ledger } = bank.replay;
    const records = bank.frames.flatMap(({ frame }) => decodeFrame(frame).records.slice());
    const rejections = records.flatMap((record) => (record.kind === RecordKind.REJECTED ? [record.rejection] : []));
    const accounts = Array.from({ length: ledger.accounts.count }, (_, i) => ledger.viewAccount(i as AccountIndex));
    const holds = Array.from({ length: ledger.holds.count }, (_, i) => ledger.holds.viewAt(i));
    const all = <T>(values: Readonly<Record<string, T>>) => new Set(Object.values(values));
    expect(new Set(records.map(({ kind }) => kind))).toEqual(all(RecordKind));
    expect(new Set(rejections.map(({ reason }) => reason))).toEqual(new Set(Object.keys(REJECTIONS)));
    expect(rejections.some(({ item }) => item === 2)).toBe(true);
    expect(new Set(accounts.map(({ state }) => state))).toEqual(all(AccountState));
    expect(new Set(accounts.map(({ type }) => type))).toEqual(all(AccountType));
    expect(new Set(holds.map(({ state }) => state))).toEqual(all(HoldState));
    expect(new Set([...ledger.branches.values()].map(({ state }) => state))).toEqual(all(BranchState));
    expect(ledger.epochs.some(({ promotedFrom }) => promotedFrom !== undefined)).toBe(true);
    expect(ledger.durability.position).toBeGreaterThan(0);
  });

  test("keeps no part of a frame: its memory may be used again", () => {
    const bank = new TestBank();
    tellWholeStory(bank, { seed: 2, batches: 5 });
    const replica = emptyReplay();
    for (const { frame, chainHash } of bank.frames) {
      const lent = { frame: new Uint8Array(frame), chainHash: new Uint8Array(chainHash) };
      applyFrame(replica, lent, sha256);
      lent.frame.fill(0xaa);
      lent.chainHash.fill(0xaa);
    }
    expect(stateOf(replica)).toEqual(stateOf(bank.replay));
  });

  test("gives the batch that it applied", () => {
    const { replica, last } = almostCaughtUp();
    expect(applyFrame(replica, last, sha256)).toEqual(decodeFrame(last.frame));
  });
});

describe("a batch that does not continue the journal", () => {
  test("is refused for every changed byte of the frame or the hash, with nothing applied", () => {
    const { replica, last } = almostCaughtUp();
    const before = stateOf(replica);
    for (let at = 0; at < last.frame.length; at++) {
      const frame = flipped(last.frame, at, 1 << (at % 8));
      expect(() => applyFrame(replica, { ...last, frame }, sha256), `byte ${at}`).toThrow(JournalChainError);
    }
    for (let at = 0; at < 32; at++) {
      const chainHash = flipped(last.chainHash, at, 1 << (at % 8));
      expect(() => applyFrame(replica, { ...last, chainHash }, sha256), `hash byte ${at}`).toThrow(JournalChainError);
    }
    for (const chainHash of [new Uint8Array(0), last.chainHash.subarray(0, 31)])
      expect(() => applyFrame(replica, { ...last, chainHash }, sha256)).toThrow(JournalChainError);
    expect(stateOf(replica)).toEqual(before);
    applyFrame(replica, last, sha256);
  });

  test("is refused when it comes twice, or out of order", () => {
    const { bank, replica, last } = almostCaughtUp();
    applyFrame(replica, last, sha256);
    expectNothingApplied(replica, last, /chain hash/);
    bank.execute(pay("1", "2", 1n));
    bank.execute(pay("1", "2", 2n));
    expectNothingApplied(replica, bank.frames.at(-1)!, /chain hash/);
  });

  test.each([
    ["the position of the last", 6, 3],
    ["a gap", 8, 3],
    ["position 1 again", 1, 0],
  ])("is refused at %s, even with a chain hash that fits", (_, firstPosition, committedPosition) => {
    const { replica, last } = almostCaughtUp();
    expect(replica.ledger.position).toBe(6);
    const header = { firstPosition: BigInt(firstPosition), committedPosition: BigInt(committedPosition) };
    const received = chained(replica, altered(last.frame, { header }));
    expectNothingApplied(
      replica,
      received,
      new JournalChainError(`a batch begins at ${firstPosition}, and 7 comes next`),
    );
  });

  test("is refused when time would run backwards, and taken when it stands still", () => {
    const { bank, replica, last } = almostCaughtUp();
    const timeMs = BigInt(replica.ledger.timeMs);
    const earlier = chained(replica, altered(last.frame, { header: { timeMs: timeMs - 1n } }));
    expectNothingApplied(replica, earlier, /journal time would run backwards/);
    expectNothingApplied(replica, earlier, new RegExp(`${timeMs} to ${timeMs - 1n}`));
    bank.timeMs -= 7;
    bank.execute(pay("1", "2", 1n));
    applyFrame(replica, last, sha256);
    applyFrame(replica, bank.frames.at(-1)!, sha256);
    expect(replica.ledger.timeMs).toBe(bank.timeMs);
    expect(decodeFrame(last.frame).header.timeMs).toBe(bank.timeMs);
  });

  test("is refused when it was written under another epoch", () => {
    const { replica, last } = almostCaughtUp();
    const received = chained(replica, altered(last.frame, { header: { epochId: countingBytes(5, 16) } }));
    expectNothingApplied(replica, received, /written under another epoch/);
  });

  test("is refused when it was written under an epoch that is over", () => {
    const { bank, replica, last } = almostCaughtUp();
    applyFrame(replica, last, sha256);
    const { epochId } = decodeFrame(last.frame).header;
    applyFrame(replica, bank.beginEpoch(), sha256);
    bank.execute(pay("1", "2", 1n));
    const stale = chained(replica, altered(bank.frames.at(-1)!.frame, { header: { epochId } }));
    expectNothingApplied(replica, stale, /written under another epoch/);
  });

  test("is refused when the journal would not begin with an epoch", () => {
    const replica = emptyReplay();
    const header = { epochId: new Uint8Array(16), firstPosition: 1, timeMs: 1, committedPosition: 0 };
    const frame = encodeFrame({ ...header, digestAfter: new Uint8Array(16) }, [transfer(undefined)]);
    expectNothingApplied(replica, chained(replica, frame), /a journal begins with an epoch/);
  });

  test("is refused when it is of another bank", () => {
    const stranger = new TestBank(emptyReplay(countingBytes(0x10, 16)));
    const { frame, chainHash } = stranger.beginEpoch();
    const replica = emptyReplay();
    expectNothingApplied(replica, { frame, chainHash }, /chain hash/);
    const message = /of bank 101112131415161718191a1b1c1d1e1f, not of b0b1b2b3b4b5b6b7b8b9babbbcbdbebf/;
    expectNothingApplied(replica, chained(replica, frame), message);
    // The hash of no batch tells the two apart already.
    expect(genesisHash(sha256, stranger.replay.bankId)).not.toEqual(replica.chainHash);
  });

  test("is refused when a later epoch is of another bank", () => {
    const { bank, replica, last } = almostCaughtUp();
    applyFrame(replica, last, sha256);
    const received = bank.beginEpoch();
    const frame = altered(received.frame, ({ epochsBegun: [epoch] }) => ({
      payload: { epochsBegun: [{ ...epoch!, bankId: countingBytes(0x10, 16) }] },
    }));
    expectNothingApplied(replica, chained(replica, frame), /the journal is of bank/);
  });

  test.each<[string, Changes]>([
    ["a format that is unknown", { header: { format: 2 } }],
    ["a kind that is unknown", { payload: { kinds: Uint8Array.of(0x80 | 99) } }],
    ["a column that is too long", { payload: { amount: [1n, 2n] } }],
  ])("is refused with %s", (_, changes) => {
    const { replica, last } = almostCaughtUp();
    const before = stateOf(replica);
    const received = chained(replica, altered(last.frame, changes));
    expect(() => applyFrame(replica, received, sha256)).toThrow(JournalFormatError);
    expect(stateOf(replica)).toEqual(before);
  });
});

describe("a batch whose state is not the one that it names", () => {
  test.each(Array.from({ length: 16 }, (_, at) => at))("is found out, in byte %i of the digest", (at) => {
    const { replica, last } = almostCaughtUp();
    const { digestAfter } = decodeFrame(last.frame).header;
    const frame = altered(last.frame, { header: { digestAfter: flipped(digestAfter, at, 0x10) } });
    const { chainHash } = replica;
    expect(() => applyFrame(replica, chained(replica, frame), sha256)).toThrow(DigestMismatchError);
    expect(replica.chainHash).toBe(chainHash);
  });

  test.each<[string, Changes]>([
    ["another amount", { payload: { amount: [251n] } }],
    ["another time", { header: { timeMs: 1_790_000_000_999n } }],
    ["another request id", { payload: { requestIds: countingBytes(1, 16) } }],
    ["another hash of the command", { payload: { requestHashes: countingBytes(1, 8) } }],
    [
      "no request",
      { payload: { kinds: Uint8Array.of(3), requestIds: new Uint8Array(0), requestHashes: new Uint8Array(0) } },
    ],
  ])("is found out when its records changed before they were hashed: %s", (_, changes) => {
    const { replica, last } = almostCaughtUp();
    const frame = altered(last.frame, changes);
    expect(() => applyFrame(replica, chained(replica, frame), sha256)).toThrow(DigestMismatchError);
  });

  test("is found out when a replica had gone astray before", () => {
    const { replica, last } = almostCaughtUp();
    replica.ledger.nextAccountNumber++;
    expect(() => applyFrame(replica, last, sha256)).toThrow(DigestMismatchError);
  });

  test("is refused where no ledger could have decided it", () => {
    const { replica, last } = almostCaughtUp();
    const frame = altered(last.frame, { payload: { amount: [1_001n] } });
    expect(() => applyFrame(replica, chained(replica, frame), sha256)).toThrow(InvariantError);
  });
});

describe("applyBatch", () => {
  test("applies records under one time, as the bank did", () => {
    const bank = new TestBank();
    tellFullStory(bank, { seed: 3, batches: 10 });
    const { ledger } = emptyReplay();
    for (const { frame } of bank.frames) {
      const { header, records } = decodeFrame(frame);
      applyBatch(ledger, header.timeMs, records);
      expect(ledger.digestBytes()).toEqual(header.digestAfter);
    }
  });

  test("refuses a time before that of the last batch, with nothing applied", () => {
    const { replica, last } = almostCaughtUp();
    const before = stateOf(replica);
    const records: readonly LedgerRecord[] = decodeFrame(last.frame).records.slice();
    expect(() => applyBatch(replica.ledger, replica.ledger.timeMs - 1, records)).toThrow(InvariantError);
    expect(stateOf(replica)).toEqual(before);
  });
});

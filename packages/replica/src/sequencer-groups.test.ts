import {
  BATCH_RECORDS_MAX,
  FRAME_BYTES_MAX,
  GROUP_ITEMS_MAX,
  type GroupItem,
  METADATA_ENTRIES_MAX,
  RecordKind,
  TEXT_LENGTH_MAX,
} from "@bank/core";
import { decodeFrame } from "@bank/journal";
import { deposit, openAccount, request, transfer, withdraw } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { freeze, group, placeHold } from "./commands.test-util.ts";
import {
  answered,
  balanceOf,
  digestOf,
  reopened,
  short,
  startSequencer,
  startWithAccounts,
  submitOne,
} from "./sequencer.test-util.ts";

describe("a group", () => {
  it("is answered with the records that carried it out, in order", async () => {
    const { sequencer, ledger } = await startWithAccounts(2);
    const before = sequencer.committedPosition;
    const command = group(deposit(1, 50), transfer(1, 2, 20), openAccount("Grace", "JPY"));
    const [, outcome] = await sequencer.submit([request(1, deposit(2, 1)), request(2, command)]);
    const { record, position, groupRecords } = answered(outcome!);
    expect(record).toMatchObject({ kind: RecordKind.GROUP_COMMITTED, records: 4 });
    // The account for cash was opened by the request before.
    expect(position).toBe(before + 2 + 5);
    expect(groupRecords?.map(({ kind }) => kind)).toEqual([
      RecordKind.DEPOSIT,
      RecordKind.TRANSFER,
      RecordKind.CURRENCY_DEFINED,
      RecordKind.ACCOUNT_OPENED,
    ]);
    expect([1, 2].map((account) => balanceOf(ledger, account))).toEqual([30n, 21n]);
  });

  it("is answered with the same records again: in its batch, later, and by the next process", async () => {
    const { sequencer, disk } = await startWithAccounts(2);
    const one = request(1, group(deposit(1, 50), transfer(1, 2, 20)));
    const [first, again] = await sequencer.submit([one, one]);
    expect(answered(first!).groupRecords).toHaveLength(3);
    const expected = { ...first!, replayed: true };
    expect(again).toEqual(expected);
    await sequencer.submit([request(2, deposit(1, 1)), request(3, group(deposit(1, 1)))]);
    expect(await submitOne(sequencer, one)).toEqual(expected);
    const next = await startSequencer({ disk });
    expect(await submitOne(next.sequencer, one)).toEqual(expected);
  });

  it("that is rejected tells which item it was, and has no records", async () => {
    const { sequencer, ledger } = await startWithAccounts(2);
    await submitOne(sequencer, request(1, deposit(1, 10)));
    const outcome = answered(await submitOne(sequencer, request(2, group(withdraw(1, 4), freeze(2), withdraw(1, 7)))));
    expect(outcome.record).toMatchObject({ rejection: { reason: "INSUFFICIENT_FUNDS", item: 3 } });
    expect(outcome.groupRecords).toBeUndefined();
    expect(balanceOf(ledger, 1)).toBe(10n);
    expect(short(await submitOne(sequencer, request(3, deposit(2, 1))))).toBe("done");
  });

  it("has no records where it is not the answer of a group", async () => {
    const { sequencer } = await startWithAccounts(1);
    expect(answered(await submitOne(sequencer, request(1, deposit(1, 1))))).not.toHaveProperty("groupRecords");
  });
});

describe("groups in batches", () => {
  it("are never torn apart, and no batch holds more records than it may", async () => {
    const { sequencer, committed, ledger, disk } = await startWithAccounts(1);
    const items = Array.from({ length: GROUP_ITEMS_MAX }, () => deposit(1, 1) as GroupItem);
    const groups = 400;
    const outcomes = await sequencer.submit(Array.from({ length: groups }, (_, i) => request(i, group(...items))));
    expect(new Set(outcomes.map(short))).toEqual(new Set(["done"]));
    for (const outcome of outcomes)
      expect(answered(outcome).groupRecords?.filter(({ kind }) => kind === RecordKind.DEPOSIT)).toHaveLength(
        GROUP_ITEMS_MAX,
      );
    const sizes = committed.map(({ frame }) => decodeFrame(frame).records.length);
    expect(sizes.length).toBeGreaterThan(1);
    for (const size of sizes) expect(size).toBeLessThanOrEqual(BATCH_RECORDS_MAX);
    // Full ones are nearly full: a group is counted as what it can be, not as much more.
    for (const size of sizes.slice(0, -1)) expect(size).toBeGreaterThan(BATCH_RECORDS_MAX - 6 * GROUP_ITEMS_MAX);
    expect(balanceOf(ledger, 1)).toBe(BigInt(groups * GROUP_ITEMS_MAX));
    expect(digestOf((await reopened(disk)).replay.ledger)).toBe(digestOf(ledger));
  });

  it("fit into a frame, whatever people write", async () => {
    const { sequencer, committed, fatal } = await startWithAccounts(1);
    const text = "\u20ac".repeat(TEXT_LENGTH_MAX);
    const metadata = Object.fromEntries(
      Array.from({ length: METADATA_ENTRIES_MAX }, (_, i) => [`k${i}`, "\u20ac".repeat(60)]),
    );
    const open = { ...openAccount(text), displayName: text, metadata } as GroupItem;
    const items = Array.from({ length: GROUP_ITEMS_MAX }, () => open);
    // Just before a batch is over its target comes the largest group there is.
    const outcomes = await sequencer.submit([
      ...Array.from({ length: 6_000 }, (_, i) => request(i, placeHold(1, 1))),
      ...Array.from({ length: 12 }, (_, i) => request(10_000 + i, group(...items))),
    ]);
    expect(outcomes.slice(-12).map(short)).toEqual(Array(12).fill("done"));
    expect(fatal).toEqual([]);
    for (const { frame } of committed) expect(frame.length).toBeLessThanOrEqual(FRAME_BYTES_MAX);
    expect(committed.length).toBeGreaterThan(2);
  });
});

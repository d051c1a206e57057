import { DatabaseSync } from "node:sqlite";
import { type AccountIndex, type LedgerRecord, RecordKind } from "@bank/core";
import { Random } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { ENTRIES_PER_ROW } from "./entry-row.ts";
import { DamagedHistoryError } from "./errors.ts";
import { temporaryFile } from "./history.test-util.ts";
import { Projection } from "./projection.ts";
import { RandomJournal } from "./random-journal.test-util.ts";

const A = 0 as AccountIndex;
const B = 1 as AccountIndex;

function transfers(count: number): LedgerRecord[] {
  const acted = { principal: "dev", branch: 0, request: undefined };
  return Array.from({ length: count }, () => ({
    ...acted,
    kind: RecordKind.TRANSFER,
    debit: A,
    credit: B,
    amount: 2n,
  }));
}

/** Projects batches of so many transfers from A to B, and keeps each but the last. */
function projectInto(file: string, counts: readonly number[]): Projection {
  const journal = new RandomJournal(new Random(1));
  const projection = Projection.open(file);
  for (const [i, count] of counts.entries()) {
    const { frame, chainHash } = journal.append(...transfers(count));
    projection.project({ frames: [frame], chainHash });
    if (i < counts.length - 1) projection.keep();
  }
  return projection;
}

function positions(projection: Projection, oldestFirst: boolean, upper: number, pageSize: number): number[] {
  const all: number[] = [];
  let cursor: number | undefined;
  do {
    const asked = { account: B, upper, oldestFirst, cursor, pageSize, filter: {}, expected: undefined };
    const page = projection.ask("list", asked);
    for (const { position, postedAfter } of page.entries) {
      expect(postedAfter).toBe(2n * BigInt(position));
      all.push(position);
    }
    cursor = page.next;
  } while (cursor !== undefined);
  return all;
}

describe("a projection on the disk", () => {
  it("reads what is kept, in as many rows as it takes, and what is not, as one", () => {
    const counts = [1, ENTRIES_PER_ROW, 2 * ENTRIES_PER_ROW + 1, 7, ENTRIES_PER_ROW + 30];
    const end = counts.reduce((sum, count) => sum + count);
    const projection = projectInto(temporaryFile(), counts);
    for (let position = 0; position <= end; position++)
      expect(projection.ask("balance", { account: A, position: Math.max(1, position) }).posted).toBe(
        -2n * BigInt(Math.max(1, position)),
      );
    for (const upper of [end, end - 200, 1]) {
      const expected = Array.from({ length: upper }, (_, i) => i + 1);
      expect(positions(projection, true, upper, 41)).toEqual(expected);
      expect(positions(projection, false, upper, 41)).toEqual(expected.reverse());
    }
    projection.close();
  });

  it("has lost what was not kept when it is opened again, and goes on from there", () => {
    const file = temporaryFile();
    projectInto(file, [3, 200, 50]).close();
    const projection = Projection.open(file);
    expect(projection.head?.position).toBe(203);
    const journal = new RandomJournal(new Random(1));
    journal.append(...transfers(203));
    const { frame, chainHash } = journal.append(...transfers(9));
    projection.project({ frames: [frame], chainHash });
    projection.keep();
    expect(positions(projection, true, 212, 1_000)).toHaveLength(212);
    projection.close();
  });

  it("is not kept after a failure, and can be read as it was", () => {
    const file = temporaryFile();
    const projection = projectInto(file, [3, 4]);
    const journal = new RandomJournal(new Random(1));
    journal.append(...transfers(7));
    const good = journal.append(...transfers(5));
    // No ledger writes such a record: the hold was never placed.
    const acted = { principal: "bank", branch: 0, request: undefined };
    const bad = journal.append({ ...acted, kind: RecordKind.HOLDS_EXPIRED, holds: [1] });
    const frames = { frames: [good.frame, bad.frame], chainHash: bad.chainHash };
    expect(() => projection.project(frames)).toThrow(DamagedHistoryError);
    expect(positions(projection, false, 7, 2)).toEqual([7, 6, 5, 4, 3, 2, 1]);
    expect(() => projection.keep()).toThrow("is not kept");
    projection.close();
    const again = Projection.open(file);
    expect(again.head?.position).toBe(3);
    again.close();
  });

  it("is worth keeping once the entries of its accounts fill rows", () => {
    const projection = projectInto(temporaryFile(), [ENTRIES_PER_ROW - 1]);
    expect(projection.isWorthKeeping).toBe(false);
    projection.close();
    const fuller = projectInto(temporaryFile(), [ENTRIES_PER_ROW]);
    expect(fuller.isWorthKeeping).toBe(true);
    fuller.keep();
    expect(fuller.isWorthKeeping).toBe(false);
    fuller.close();
  });

  it.each([
    { what: "an entry", sql: "UPDATE entries SET data = zeroblob(length(data)) WHERE key = 1" },
    { what: "a row of entries that went elsewhere", sql: "UPDATE entries SET key = key + 5 WHERE key = 1" },
    { what: "a transaction", sql: "UPDATE transactions SET data = substr(data, 1, 60) WHERE first_position = 1" },
    { what: "a row of transactions that is gone", sql: "DELETE FROM transactions WHERE first_position = 1" },
  ])("is damaged where $what is not what was written", ({ sql }) => {
    const file = temporaryFile();
    projectInto(file, [ENTRIES_PER_ROW, ENTRIES_PER_ROW, 10]).close();
    const database = new DatabaseSync(file);
    expect(Number(database.prepare(sql).run().changes)).toBeGreaterThan(0);
    database.close();
    const projection = Projection.open(file);
    const list = () =>
      [A, B].map((account) => {
        const asked = { account, upper: 2 * ENTRIES_PER_ROW, oldestFirst: true, cursor: undefined, pageSize: 1_000 };
        return projection.ask("list", { ...asked, filter: {}, expected: undefined });
      });
    expect(list).toThrow(DamagedHistoryError);
    projection.close();
  });
});

import { describe, expect, it, vi } from "vitest";
import type { AccountIndex } from "./identifiers.ts";
import { AMOUNT_MAX } from "./limits.ts";
import { Random, SEED, seeded } from "./random.test-util.ts";
import type { LedgerRecord } from "./record.ts";
import { isMovement, RecordKind } from "./record.ts";
import { RecordList } from "./record-list.ts";

function randomRecord(random: Random): LedgerRecord {
  const principal = random.pick(["ada", "bob", "carol"]);
  const branch = random.below(3);
  const request = random.chance(70)
    ? { id: random.requestId(), hashLow: random.word(), hashHigh: random.word() }
    : undefined;
  if (random.chance(20)) return { kind: RecordKind.TIME_TICKED, principal, branch, request: undefined };
  return {
    kind: random.pick([RecordKind.DEPOSIT, RecordKind.WITHDRAWAL, RecordKind.TRANSFER]),
    principal,
    branch,
    request,
    debit: (random.word() >>> 0) as AccountIndex,
    credit: random.below(100) as AccountIndex,
    amount: random.chance(20) ? AMOUNT_MAX : BigInt(random.word() >>> 0) * 1_000_003n + 1n,
  };
}

describe("RecordList", () => {
  it("has nothing at first", () => {
    const list = new RecordList();
    expect([list.length, list.at(0), list.slice(), [...list], list.actors]).toEqual([0, undefined, [], [], []]);
  });

  it("lists each actor once, however many there are, and whoever listed the first of them", () => {
    const list = new RecordList();
    for (let i = 0; i < 100; i++) list.actors.push({ principal: `p${i}`, branch: 7 });
    const [principals, branches] = [150, 3];
    for (let round = 0; round < 2; round++)
      for (let i = 0; i < principals; i++)
        for (let branch = 7; branch < 7 + branches; branch++) {
          const index = list.actorIndex(`p${i}`, branch);
          expect(list.actors[index]).toEqual({ principal: `p${i}`, branch });
        }
    expect(list.actors).toHaveLength(principals * branches);
    const looks = vi.spyOn(list.actors, "push");
    expect(list.actorIndex("p3", 7)).toBe(3);
    expect(looks).not.toHaveBeenCalled();
  });

  it(`gives every record back as it was pushed, however it grows ${seeded("record-list.test.ts")}`, () => {
    const random = new Random(SEED);
    const records = Array.from({ length: 500 }, () => randomRecord(random));
    for (const capacity of [0, 16, 500, 1_000]) {
      const list = new RecordList(capacity);
      for (const record of records) list.push(record);
      expect(list.length).toBe(records.length);
      expect([...list]).toEqual(records);
      expect(list.slice()).toEqual(records);
      expect(list.slice(7, 20)).toEqual(records.slice(7, 20));
      expect(list.slice(490, 600)).toEqual(records.slice(490));
      expect([list.at(-1), list.at(500), list.at(0.5)]).toEqual([undefined, undefined, undefined]);
    }
    expect([...RecordList.of(records)]).toEqual(records);
    expect([...RecordList.of(RecordList.of(records))]).toEqual(records);
  });

  it(`shows movements in columns, and nothing of what is none ${seeded("record-list.test.ts")}`, () => {
    const random = new Random(SEED + 1);
    const records = Array.from({ length: 100 }, () => randomRecord(random));
    const list = RecordList.of(records);
    records.forEach((record, i) => {
      const { principal, branch, request } = record;
      expect(list.kinds[i]).toBe(record.kind);
      expect(list.actors[list.actorIndexes[i] as number]).toEqual({ principal, branch });
      expect(list.answers[i]).toBe(request === undefined ? 0 : 1);
      const bytes = new Uint8Array(list.requestIds.buffer, 16 * i, 16);
      expect(bytes).toEqual(request === undefined ? new Uint8Array(16) : Uint8Array.from(request.id));
      const hash = [list.requestHashes[2 * i], list.requestHashes[2 * i + 1]];
      expect(hash).toEqual(request === undefined ? [0, 0] : [request.hashLow, request.hashHigh]);
      const columns = [list.debits[i], list.credits[i], list.amounts[i]];
      expect(columns).toEqual(isMovement(record) ? [record.debit, record.credit, record.amount] : [0, 0, 0n]);
      expect(new BigInt64Array(list.amountWords.buffer)[i]).toBe(list.amounts[i]);
      expect(list.others.has(i)).toBe(!isMovement(record));
    });
    expect(list.actors.length).toBe(9);
  });

  it("keeps actors in the order of their first use, each once", () => {
    const list = new RecordList();
    expect([list.actorIndex("ada", 1), list.actorIndex("bob", 1), list.actorIndex("ada", 2)]).toEqual([0, 1, 2]);
    expect([list.actorIndex("ada", 1), list.actorIndex("ada", 2), list.actorIndex("bob", 1)]).toEqual([0, 2, 1]);
    expect(list.actors).toEqual([
      { principal: "ada", branch: 1 },
      { principal: "bob", branch: 1 },
      { principal: "ada", branch: 2 },
    ]);
  });

  it("keeps its columns while there is room that was reserved", () => {
    const random = new Random(SEED);
    const list = new RecordList();
    list.push(randomRecord(random));
    list.reserve(100);
    const { kinds, amounts, amountWords } = list;
    for (let i = 0; i < 100; i++) list.push(randomRecord(random));
    expect([list.kinds === kinds, list.amounts === amounts, list.amountWords === amountWords]).toEqual([
      true,
      true,
      true,
    ]);
    expect(amountWords.buffer).toBe(amounts.buffer);
    list.reserve(0);
    expect(list.kinds).toBe(kinds);
  });
});

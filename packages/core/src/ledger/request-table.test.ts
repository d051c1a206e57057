import { describe, expect, it } from "vitest";
import { InvariantError } from "../assert.ts";
import type { RequestId } from "../identifiers.ts";
import { bytesEqual, requestIdFromBytes, toHex } from "../identifiers.ts";
import { Random, SEED, seeded } from "../random.test-util.ts";
import { RequestTable } from "./request-table.ts";

const CHUNK = 4_096;

/** A request id that says which it is. */
function id(n: number): RequestId {
  return requestIdFromBytes(new Uint8Array(Int32Array.of(n, n * 7, -n, 0x4000).buffer));
}

/** The same, in a list and a map. */
class NaiveTable {
  readonly entries: { principal: number; id: RequestId; position: number; hashLow: number; hashHigh: number }[] = [];
  private readonly byKey = new Map<string, number>();

  push(principal: number, id: RequestId, position: number, hashLow: number, hashHigh: number): void {
    this.byKey.set(`${principal}/${toHex(id)}`, this.entries.length);
    this.entries.push({ principal, id, position, hashLow, hashHigh });
  }

  pop(): void {
    const last = this.entries.pop();
    if (last !== undefined) this.byKey.delete(`${last.principal}/${toHex(last.id)}`);
  }

  find(principal: number, id: RequestId): number {
    return this.byKey.get(`${principal}/${toHex(id)}`) ?? -1;
  }
}

/** Throws unless the entry is the same in both. `expect` for each would take most of the time. */
function checkEntry(table: RequestTable, twin: NaiveTable, entry: number): void {
  const expected = twin.entries[entry] as NaiveTable["entries"][number];
  const { principal, id, position, hashLow, hashHigh } = table.entryAt(entry);
  const same =
    principal === expected.principal &&
    bytesEqual(id, expected.id) &&
    position === expected.position &&
    hashLow === expected.hashLow &&
    hashHigh === expected.hashHigh &&
    table.find(expected.principal, expected.id) === entry &&
    table.positionOf(entry) === expected.position &&
    table.hasHash(entry, expected.hashLow, expected.hashHigh);
  if (!same) throw new Error(`entry ${entry} is not as it was added`);
}

describe("RequestTable", () => {
  it("finds nothing while it is empty", () => {
    const table = new RequestTable(1);
    expect(table.count).toBe(0);
    expect(table.find(0, id(1))).toBe(-1);
    expect(table.find(0, id(0))).toBe(-1);
    expect(() => table.pop()).toThrow(InvariantError);
    expect(() => table.entryAt(0)).toThrow(InvariantError);
    expect(() => table.entryAt(-1)).toThrow(InvariantError);
  });

  it("finds the id of sixteen zeros only when it is there", () => {
    const table = new RequestTable(1);
    const zeros = requestIdFromBytes(new Uint8Array(16));
    table.push(0, id(5), 1, 2, 3);
    expect(table.find(0, zeros)).toBe(-1);
    table.push(0, zeros, 2, 0, 0);
    expect(table.find(0, zeros)).toBe(1);
  });

  it("keeps the same id of different principals apart", () => {
    const table = new RequestTable(1);
    table.push(0, id(1), 10, 1, 2);
    expect(table.find(1, id(1))).toBe(-1);
    table.push(1, id(1), 11, 3, 4);
    expect([table.find(0, id(1)), table.find(1, id(1)), table.find(2, id(1))]).toEqual([0, 1, -1]);
    expect([table.positionOf(0), table.positionOf(1)]).toEqual([10, 11]);
    table.pop();
    expect([table.find(0, id(1)), table.find(1, id(1))]).toEqual([0, -1]);
  });

  // In a table that is nearly full, a look-up passes many entries that it is not looking for.
  it(`tells ids apart that differ in a single bit, and principals ${seeded("ledger/request-table.test.ts")}`, () => {
    const random = new Random(SEED);
    const table = new RequestTable(SEED);
    const ids = Array.from({ length: 767 }, () => random.requestId());
    for (const [n, each] of ids.entries()) table.push(0, each, n, 0, 0);
    let wrong = 0;
    for (const each of ids) {
      for (let bit = 0; bit < 128; bit++) {
        const other = Uint8Array.from(each);
        other[bit >> 3] = (other[bit >> 3] as number) ^ (1 << (bit & 7));
        if (table.find(0, requestIdFromBytes(other)) !== -1) wrong++;
      }
      for (let principal = 1; principal < 100; principal++) if (table.find(principal, each) !== -1) wrong++;
    }
    expect(wrong).toBe(0);
  });

  it("compares both halves of the hash, with their signs", () => {
    const table = new RequestTable(1);
    table.push(0, id(1), 1, -1, 0x7fff_ffff);
    expect(table.hasHash(0, -1, 0x7fff_ffff)).toBe(true);
    expect(table.hasHash(0, 0x7fff_ffff, -1)).toBe(false);
    expect(table.hasHash(0, -1, 0)).toBe(false);
    expect(table.hasHash(0, 0, 0x7fff_ffff)).toBe(false);
  });

  it("keeps positions beyond 32 bits", () => {
    const table = new RequestTable(1);
    table.push(0, id(1), Number.MAX_SAFE_INTEGER, 0, 0);
    expect(table.positionOf(0)).toBe(Number.MAX_SAFE_INTEGER);
  });

  it("gives copies: a caller that writes into an id changes nothing", () => {
    const table = new RequestTable(1);
    const given = requestIdFromBytes(Uint8Array.from(id(1)));
    table.push(0, given, 1, 0, 0);
    given.fill(9);
    table.entryAt(0).id.fill(9);
    expect(table.find(0, id(1))).toBe(0);
    expect(table.entryAt(0).id).toEqual(id(1));
  });

  it("takes an id that is a view into the middle of a larger buffer", () => {
    const table = new RequestTable(1);
    const frame = new Uint8Array(64);
    frame.set(id(3), 17);
    table.push(0, requestIdFromBytes(frame.subarray(17, 33)), 1, 0, 0);
    expect(table.find(0, id(3))).toBe(0);
  });

  it("fills, borders and reuses chunks of 4,096", () => {
    const table = new RequestTable(SEED);
    const twin = new NaiveTable();
    const push = () => {
      const n = twin.entries.length;
      for (const each of [table, twin]) each.push(n % 3, id(n), n + 1, n ^ 0x5555, ~n);
    };
    const border = [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1];
    while (twin.entries.length < 2 * CHUNK + 2) push();
    expect(table.count).toBe(2 * CHUNK + 2);
    for (const entry of [0, ...border]) checkEntry(table, twin, entry);
    while (twin.entries.length > CHUNK - 1) for (const each of [table, twin]) each.pop();
    expect(table.find((CHUNK - 1) % 3, id(CHUNK - 1))).toBe(-1);
    checkEntry(table, twin, CHUNK - 2);
    while (twin.entries.length < 2 * CHUNK + 2) push();
    for (const entry of [0, ...border]) checkEntry(table, twin, entry);
    for (let entry = 0; entry < table.count; entry += 97) checkEntry(table, twin, entry);
    expect(table.find(0, id(2 * CHUNK + 2))).toBe(-1);
  });

  it(`does as a list and a map do, taken back at any point ${seeded("ledger/request-table.test.ts")}`, () => {
    const random = new Random(SEED);
    const table = new RequestTable(random.word());
    const twin = new NaiveTable();
    const forgotten: { principal: number; id: RequestId }[] = [];
    let position = 0;
    // Long runs of pushes and pops, so that the index grows from 1,024 slots to 131,072 between them.
    for (let run = 0; run < 400; run++) {
      const growing = random.chance(60) || twin.entries.length === 0;
      for (let left = random.below(growing ? 900 : 700); left > 0; left--) {
        if (growing) {
          // Ids of few distinct words make long clusters.
          const key = random.chance(50) ? random.requestId() : id(random.below(1_000_000));
          const principal = random.below(4);
          if (twin.find(principal, key) !== -1) continue;
          const [hashLow, hashHigh] = [random.word(), random.word()];
          position++;
          for (const each of [table, twin]) each.push(principal, key, position, hashLow, hashHigh);
        } else if (twin.entries.length > 0) {
          const last = twin.entries.at(-1) as NaiveTable["entries"][number];
          forgotten.push({ principal: last.principal, id: last.id });
          for (const each of [table, twin]) each.pop();
        }
      }
      expect(table.count).toBe(twin.entries.length);
      for (let i = 0; i < 50 && twin.entries.length > 0; i++)
        checkEntry(table, twin, random.below(twin.entries.length));
      for (let i = 0; i < 50 && forgotten.length > 0; i++) {
        const { principal, id: gone } = random.pick(forgotten);
        if (table.find(principal, gone) !== twin.find(principal, gone)) throw new Error("a forgotten id was found");
      }
      expect(table.find(random.below(4), random.requestId())).toBe(-1);
    }
    for (let entry = 0; entry < twin.entries.length; entry++) checkEntry(table, twin, entry);
    while (twin.entries.length > 0) {
      const { principal, id: gone } = twin.entries.at(-1) as NaiveTable["entries"][number];
      for (const each of [table, twin]) each.pop();
      if (table.find(principal, gone) !== -1) throw new Error("a forgotten id was found");
    }
    expect(table.count).toBe(0);
  });

  // The newest entry must come out although the index grew after it went in, and grew because of it.
  it("takes entries back across every growth of the index", () => {
    const table = new RequestTable(SEED);
    for (const size of [767, 768, 769, 1535, 1536, 1537, 12_289]) {
      while (table.count < size) table.push(0, id(table.count), table.count + 1, 0, 0);
      for (let n = 0; n < 3; n++) {
        table.pop();
        expect(table.find(0, id(table.count))).toBe(-1);
        expect(table.find(0, id(table.count - 1))).toBe(table.count - 1);
      }
    }
    while (table.count > 0) table.pop();
    for (let n = 0; n < 12_289; n += 11) expect(table.find(0, id(n))).toBe(-1);
  });

  it("holds the same whatever its seed is", () => {
    const tables = [0, 1, -1, 0x7fff_ffff, 0xffff_ffff].map((seed) => new RequestTable(seed));
    for (let n = 0; n < 5000; n++) for (const table of tables) table.push(n % 2, id(n), n, n, n);
    for (const table of tables)
      for (let n = 0; n < 5000; n += 7) {
        expect(table.find(n % 2, id(n))).toBe(n);
        expect(table.find((n + 1) % 2, id(n))).toBe(-1);
        expect(table.entryAt(n)).toEqual(tables[0]?.entryAt(n));
      }
  });

  it("takes at most 48 bytes an entry, where the index has just doubled and is at its emptiest", () => {
    const table = new RequestTable(1);
    let worst = 0;
    for (let n = 0; n < 3 * CHUNK; n++) {
      table.push(0, id(n), n, 0, 0);
      if (table.count >= 1000) worst = Math.max(worst, capacities(table).indexBytes / table.count);
    }
    const { chunkBytes, indexBytes } = capacities(table);
    // Whole chunks are filled here; of the last one, a larger table wastes at most 2.4 MB.
    expect(chunkBytes / table.count).toBeLessThanOrEqual(36);
    expect(chunkBytes / table.count + worst).toBeLessThanOrEqual(48);
    // Taken back and added again over the border of a chunk, entries use the chunk that is there.
    for (let n = 0; n < 10; n++) {
      table.pop();
      table.push(0, id(3 * CHUNK - 1), n, 0, 0);
    }
    while (table.count > 2 * CHUNK - 1) table.pop();
    while (table.count < 3 * CHUNK) table.push(0, id(table.count), table.count, 0, 0);
    expect(capacities(table)).toEqual({ chunkBytes, indexBytes });
    // And at its fullest: no slot is wasted beyond a quarter.
    expect(indexBytes / 4).toBeGreaterThan(table.count * 1.25);
  });
});

/** What the table has allocated, found by looking into it. */
function capacities(table: RequestTable): { chunkBytes: number; indexBytes: number } {
  const inside = table as unknown as { chunks: Record<string, ArrayBufferView>[]; slots: ArrayBufferView };
  const columns = inside.chunks.flatMap((chunk) => Object.values(chunk));
  const chunkBytes = columns.reduce((sum, column) => sum + column.byteLength, 0);
  return { chunkBytes, indexBytes: inside.slots.byteLength };
}

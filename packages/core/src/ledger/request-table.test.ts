import { describe, expect, it } from "vitest";
import { InvariantError } from "../assert.ts";
import { CANCELLED_HASH } from "../command-hash.ts";
import type { RequestId } from "../identifiers.ts";
import { bytesEqual, requestIdFromBytes, toHex } from "../identifiers.ts";
import { Random, SEED, seeded } from "../random.test-util.ts";
import { RequestTable } from "./request-table.ts";

const CHUNK = 4_096;

/** A request id that says which it is. */
function id(n: number): RequestId {
  return requestIdFromBytes(new Uint8Array(Int32Array.of(n, n * 7, -n, 0x4000).buffer));
}

/** Ids as they come, and as nobody would choose them who means well. */
const PATTERNS: Readonly<Record<string, (n: number, random: Random) => RequestId>> = {
  "count up": (n) => fromWords(n, 0, 0, 0),
  "count up in their last byte": (n) => fromWords(0, 0, 0, swapped(n)),
  "are random": (_, random) => random.requestId(),
  "begin with the time, a hundred in a millisecond": (n, random) => {
    const ms = Math.floor(n / 100);
    return fromWords(swapped(0x0190_0000), swapped((ms << 16) | 0x7000) | (random.below(4096) << 16), n, random.word());
  },
  "are alike in their low bits": (n) => fromWords(n << 16, n & 0xffff_0000, 0x4000, 0),
  "differ in two bits each": (n) => fromWords((n >>> 4) ^ (1 << (n & 15)), 1 << (16 + (n & 15)), 0, 0),
};

function fromWords(...words: number[]): RequestId {
  return requestIdFromBytes(new Uint8Array(Int32Array.from(words).buffer));
}

/** The bytes of a word the other way round: counts up in the byte that comes last. */
function swapped(word: number): number {
  return ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
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

  it(`gives entries as columns, over the borders of chunks ${seeded("ledger/request-table.test.ts")}`, () => {
    const random = new Random(SEED);
    const table = new RequestTable(SEED);
    for (let n = 0; n < 2 * CHUNK + 3; n++)
      table.push(n % 3, random.requestId(), (n + 1) * 1_000_000_007, random.word() | 0, random.word() | 0);
    for (const [from, to] of [
      [0, 2 * CHUNK + 3],
      [CHUNK - 2, CHUNK + 5],
      [7, 8],
      [9, 9],
    ] as const) {
      const { ids, principals, positions, hashes } = table.columns(from, to);
      expect([ids.length / 4, principals.length, positions.length / 2, hashes.length / 2]).toEqual(
        new Array(4).fill(to - from),
      );
      for (let i = 0; i < to - from; i++) {
        const { id, principal, position, hashLow, hashHigh } = table.entryAt(from + i);
        const words = Array.from({ length: 4 }, (_, word) => ids[4 * i + word]);
        const expected = Array.from({ length: 4 }, (_, word) =>
          new DataView(id.buffer, id.byteOffset).getInt32(4 * word, true),
        );
        expect(words).toEqual(expected);
        expect([principals[i], hashes[2 * i], hashes[2 * i + 1]]).toEqual([principal, hashLow, hashHigh]);
        expect((positions[2 * i + 1] as number) * 2 ** 32 + ((positions[2 * i] as number) >>> 0)).toBe(position);
      }
    }
    expect(() => table.columns(0, 2 * CHUNK + 4)).toThrow(InvariantError);
    expect(() => table.columns(-1, 1)).toThrow(InvariantError);
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

  it(`takes ids as words out of the middle of others ${seeded("ledger/request-table.test.ts")}`, () => {
    const random = new Random(SEED);
    const [byBytes, byWords] = [new RequestTable(SEED), new RequestTable(~SEED)];
    const words = Int32Array.from({ length: 4 * 3_000 + 1 }, () => random.word());
    const idAt = (at: number) => requestIdFromBytes(new Uint8Array(words.slice(at, at + 4).buffer));
    for (let n = 0; n < 2_999; n++) {
      const [principal, at] = [n % 3, 4 * n + 1];
      const [hashLow, hashHigh] = [random.word() | 0, random.word() | 0];
      expect(byWords.findAt(principal, words, at)).toBe(-1);
      byBytes.push(principal, idAt(at), n + 1, hashLow, hashHigh);
      byWords.pushAt(principal, words, at, n + 1, hashLow, hashHigh);
    }
    for (let n = 0; n < 2_999; n++) {
      expect(byWords.findAt(n % 3, words, 4 * n + 1)).toBe(n);
      expect(byWords.find(n % 3, idAt(4 * n + 1))).toBe(n);
      expect(byWords.findAt((n + 1) % 3, words, 4 * n + 1)).toBe(-1);
      expect(byWords.entryAt(n)).toEqual(byBytes.entryAt(n));
    }
    // What was given may be written over.
    const copy = words.slice();
    words.fill(0);
    expect(byWords.findAt(2, copy, 4 * 2 + 1)).toBe(2);
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
    // Long runs of pushes and pops, so that the index grows between them.
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

  // What is to go must come out although the index grew after it went in, and grew because of it.
  it("takes entries back across every growth of the index", () => {
    const table = new RequestTable(SEED);
    for (const size of [1719, 1720, 1721, 4_000, 12_289, 30_000]) {
      while (table.count < size) table.push(0, id(table.count), table.count + 1, 0, 0);
      for (let n = 0; n < size / 4; n++) {
        table.pop();
        if (table.find(0, id(table.count)) !== -1) throw new Error("a forgotten id was found");
        if (table.find(0, id(table.count - 1)) !== table.count - 1) throw new Error("the newest id was not found");
      }
      for (let n = 0; n < table.count; n += 3) if (table.find(0, id(n)) !== n) throw new Error(`${n} was not found`);
    }
    while (table.count > 0) table.pop();
    for (let n = 0; n < 30_000; n += 11) expect(table.find(0, id(n))).toBe(-1);
  });

  for (const [name, next] of Object.entries(PATTERNS)) {
    it(`finds, refuses and takes back ids that ${name} ${seeded("ledger/request-table.test.ts")}`, () => {
      const random = new Random(SEED);
      const table = new RequestTable(random.word());
      const ids = Array.from({ length: 40_000 }, (_, n) => next(n, random));
      for (const [n, each] of ids.entries()) {
        if (table.find(0, each) !== -1) throw new Error(`${n} was found before it was there`);
        table.push(0, each, n + 1, n, ~n);
      }
      const wrong = () => ids.filter((each, n) => table.find(0, each) !== (n < table.count ? n : -1)).length;
      expect(wrong()).toBe(0);
      while (table.count > 25_000) table.pop();
      expect(wrong()).toBe(0);
      for (let n = table.count; n < ids.length; n++) table.push(0, ids[n] as RequestId, n + 1, n, ~n);
      expect(wrong()).toBe(0);
      // Evenly spread whatever the ids are: about 13.9 bytes in the index, and what is begun.
      expect(table.bytes / table.count).toBeLessThan(32 + 20);
    });
  }

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

  it("says of a cancelled request that it is, and of no other", () => {
    const table = new RequestTable(1);
    table.push(0, id(1), 1, CANCELLED_HASH.low, CANCELLED_HASH.high);
    table.push(0, id(2), 2, 0, 1);
    table.push(0, id(3), 3, 1, 0);
    expect([0, 1, 2].map((entry) => table.isCancelled(entry))).toEqual([true, false, false]);
  });

  it("is the same whether room was made for what it holds or not", () => {
    const [grown, reserved] = [new RequestTable(SEED), new RequestTable(SEED)];
    reserved.reserve(10_000);
    for (const table of [grown, reserved]) for (let n = 0; n < 12_000; n++) table.push(n % 2, id(n), n + 1, n, n);
    for (let n = 0; n < 12_000; n += 7) {
      expect(reserved.entryAt(n)).toEqual(grown.entryAt(n));
      expect(reserved.find(n % 2, id(n))).toBe(n);
      expect(reserved.find((n + 1) % 2, id(n))).toBe(-1);
    }
    expect(() => reserved.reserve(20_000)).toThrow(InvariantError);
  });

  for (const [name, next] of Object.entries(PATTERNS))
    it(`is the same whether entries came one by one or at once, with ids that ${name} ${seeded("ledger/request-table.test.ts")}`, () => {
      const random = new Random(SEED);
      const [single, many] = [new RequestTable(random.word()), new RequestTable(random.word())];
      const ids = Array.from({ length: 3 * CHUNK }, (_, n) => next(n, random));
      for (const [n, each] of ids.entries())
        single.push(n % 5, each, (n + 1) * 2_000_003, random.word() | 0, random.word() | 0);
      for (let from = 0; from < ids.length; ) {
        const to = Math.min(from + 1 + random.below(CHUNK), ids.length);
        many.pushAll(single.columns(from, to));
        from = to;
        // In between they are looked up, taken back and added as ever.
        if (random.chance(30)) expect(many.find((from - 1) % 5, ids[from - 1] as RequestId)).toBe(from - 1);
        if (random.chance(30)) {
          many.pop();
          from--;
        }
        if (random.chance(30)) many.indexAll();
        if (random.chance(30) && from < ids.length) {
          const { principal, id, position, hashLow, hashHigh } = single.entryAt(from++);
          many.push(principal, id, position, hashLow, hashHigh);
        }
      }
      expect(many.count).toBe(single.count);
      for (let n = 0; n < ids.length; n += 7) expect(many.entryAt(n)).toEqual(single.entryAt(n));
      many.touchAt(0, single.columns(0, 256).ids, 0, 256);
      expect(ids.filter((each, n) => many.find(n % 5, each) !== n || many.find((n + 1) % 5, each) !== -1)).toEqual([]);
    });

  it("keeps positions on both sides of every change of their upper half, over taking back", () => {
    const table = new RequestTable(SEED);
    const positions = [5, 0xffff_fffe, 0xffff_ffff, 2 ** 32, 2 ** 32 + 1, 2 ** 33 - 1, 2 ** 33, 2 ** 52, 2 ** 52 + 7];
    const push = (n: number) => table.push(0, id(n), positions[n] as number, n, n);
    for (const n of positions.keys()) push(n);
    const all = () => positions.map((_, n) => table.positionOf(n));
    expect(all()).toEqual(positions);
    for (let left = positions.length - 1; left >= 0; left--) {
      while (table.count > left) table.pop();
      for (let n = left; n < positions.length; n++) push(n);
      expect(all()).toEqual(positions);
    }
  });

  it("takes at most 48 bytes an entry, and says how many it takes", () => {
    const table = new RequestTable(1);
    expect(table.bytes).toBe(allocatedBytes(table));
    const bytesPerEntry: number[] = [];
    for (let n = 1; n <= 400_000; n++) {
      table.push(0, id(n), n, 0, 0);
      if (n >= 100_000 && n % (2 * CHUNK) === 0) bytesPerEntry.push(table.bytes / n);
    }
    expect(table.bytes).toBe(allocatedBytes(table));
    expect(Math.max(...bytesPerEntry)).toBeLessThan(48);
    // Taken back and added again over the border of a chunk, entries use the chunk that is there.
    for (let n = 0; n < 2 * CHUNK; n++) table.pop();
    while (table.count < 400_000) table.push(0, id(table.count + 1), table.count, 0, 0);
    expect(table.bytes).toBe(allocatedBytes(table));
  });
});

/** The bytes of all typed arrays that can be reached from here. */
function allocatedBytes(from: object, seen = new Set<object>()): number {
  if (seen.has(from)) return 0;
  seen.add(from);
  if (ArrayBuffer.isView(from)) return from.byteLength;
  const inside = Object.values(from).filter((value): value is object => typeof value === "object" && value !== null);
  return inside.reduce((sum, value) => sum + allocatedBytes(value, seen), 0);
}

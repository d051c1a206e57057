import { HoldState, Ledger } from "@bank/core";
import type { AccountsPage, HoldsPage, ReversalsPage, TablesPage } from "@bank/proto";
import { describe, expect, test } from "vitest";
import { JournalFormatError } from "./errors.ts";
import { capture, extend, place, release, reverse } from "./full-story.test-util.ts";
import { concatenate } from "./raw-frame.test-util.ts";
import { sha256 } from "./sha256.test-util.ts";
import { loadSnapshot, takeSnapshot } from "./snapshot.ts";
import { merged, sortedRuns } from "./snapshot-holds.ts";
import { content, encodePage, encodePages, kindsOf, load } from "./snapshot-pages.test-util.ts";
import { deposit, open } from "./story.test-util.ts";
import type { Order } from "./test-bank.test-util.ts";
import { TestBank } from "./test-bank.test-util.ts";

const u32s = (...values: readonly number[]) => new Uint8Array(Uint32Array.from(values).buffer);
const u64s = (...values: readonly (bigint | number)[]) => new Uint8Array(BigUint64Array.from(values, BigInt).buffer);

/** Two accounts with 10.00 each, the second opened by the position 4. */
function newBank(): TestBank {
  const bank = new TestBank();
  bank.beginEpoch(false, 2);
  bank.execute(open("EUR"), open("EUR"), deposit("1", 1_000n), deposit("2", 1_000n));
  return bank;
}

/** One hold of each state and one more that is open, and three reversals that were not made in the order of what they reverse. */
function holdAndReverse(): TestBank {
  const bank = newBank();
  const soon = bank.timeMs + 100;
  // Positions 9 to 13.
  bank.execute(place("1", 50n), place("2", 60n, soon), place("1", 70n), place("1", 80n), place("2", 90n, soon + 1_000));
  bank.execute(capture(9, 20n), capture(9), release(11), capture(12, 1n, "2"), extend(13, soon + 2_000));
  bank.execute(reverse(17), reverse(15), reverse(14));
  bank.pass(100).execute(deposit("1", 1n));
  return bank;
}

const bank = holdAndReverse();
const pages = encodePages(bank.replay.ledger);
const tables = content(pages[0]!).value as TablesPage;
const holds = content(pages[3]!).value as HoldsPage;
const reversals = content(pages[4]!).value as ReversalsPage;
const holdsPage = (changes: Partial<HoldsPage>) => encodePage({ case: "holds", value: { ...holds, ...changes } });
const reversalsPage = (changes: Partial<ReversalsPage>) =>
  encodePage({ case: "reversals", value: { ...reversals, ...changes } });

test("columns hold what their names say, little-endian, ascending by position", () => {
  expect(kindsOf(pages)).toEqual(["tables", "accounts 0+3", "requests 18", "holds 5", "reversals 3"]);
  const { CAPTURED, EXPIRED, RELEASED, OPEN } = HoldState;
  expect(holds.positions).toEqual(u64s(9, 10, 11, 12, 13));
  expect(holds.accounts).toEqual(u32s(0, 1, 0, 0, 1));
  expect(holds.held).toEqual(u64s(50, 60, 70, 80, 90));
  expect(holds.captured).toEqual(u64s(50, 0, 0, 1, 0));
  const end = bank.replay.ledger.viewHold(13)!.expiresMs;
  expect(holds.expiresMs).toEqual(u64s(0, end - 2_000, 0, 0, end));
  expect(holds.states).toEqual(Uint8Array.of(CAPTURED, EXPIRED, RELEASED, OPEN, OPEN));
  expect(reversals.originals).toEqual(u64s(14, 15, 17));
  expect(reversals.reversals).toEqual(u64s(21, 20, 19));
});

test("the pages are read into the same state, and written from it again", () => {
  const { ledger } = bank.replay;
  const loaded = load(...pages);
  expect(encodePages(loaded)).toEqual(pages);
  expect(loaded.nextExpiryMs()).toBe(ledger.nextExpiryMs());
  expect([0, 1, 2].map((account) => loaded.openHoldsOf(account as never))).toEqual([[12], [13], []]);
  expect([14, 15, 17, 19].map((position) => loaded.reversalOf(position))).toEqual([21, 20, 19, undefined]);
});

describe("the border of a page", () => {
  const orders = (count: number, order: (i: number) => Order) => Array.from({ length: count }, (_, i) => order(i));

  test.each([
    [4_095, ["holds 4095"]],
    [4_096, ["holds 4096"]],
    [4_097, ["holds 4096", "holds 1"]],
  ])("of holds, at %i", (count, expected) => {
    const busy = newBank();
    busy.execute(deposit("1", 10_000n));
    busy.execute(...orders(count, (i) => place("1", 1n, i % 2 === 0 ? 0 : busy.timeMs + 10_000 - i)));
    const snapshot = takeSnapshot(busy.replay, sha256);
    expect(kindsOf(snapshot.pages).filter((kind) => kind.startsWith("holds"))).toEqual(expected);
    const loaded = loadSnapshot(snapshot, { bankId: busy.replay.bankId, sha256, hashSeed: 5 });
    expect(loaded.ledger.holds.count).toBe(count);
    expect(loaded.ledger.nextExpiryMs()).toBe(busy.replay.ledger.nextExpiryMs());
    expect(takeSnapshot(loaded, sha256)).toEqual(snapshot);
  });

  test.each([
    [4_096, ["reversals 4096"]],
    [4_097, ["reversals 4096", "reversals 1"]],
  ])("of reversals, at %i", (count, expected) => {
    const busy = newBank();
    busy.execute(...orders(count, () => deposit("1", 1n)));
    const last = busy.replay.ledger.position;
    // The newest first: the order of the pages is not that of the reversals.
    busy.execute(...orders(count, (i) => reverse(last - i)));
    const snapshot = takeSnapshot(busy.replay, sha256);
    expect(kindsOf(snapshot.pages).filter((kind) => kind.startsWith("reversals"))).toEqual(expected);
    const loaded = loadSnapshot(snapshot, { bankId: busy.replay.bankId, sha256, hashSeed: 5 });
    expect(loaded.ledger.reversals.size).toBe(count);
    expect(takeSnapshot(loaded, sha256)).toEqual(snapshot);
  });

  test("of reversals is the same wherever the runs that were sorted end", () => {
    const values = Array.from({ length: 10_000 }, (_, i) => ((i * 7_919) % 10_000) + 1);
    const runs = [0, 1, 4_096, 4_100, 9_999].map((from, i, all) =>
      Float64Array.from(values.slice(from, all[i + 1] ?? values.length)).sort(),
    );
    const pages = [...merged(runs)];
    expect(pages.map(({ length }) => length)).toEqual([4_096, 4_096, 1_808]);
    expect(pages.flatMap((page) => [...page])).toEqual(Array.from({ length: 10_000 }, (_, i) => i + 1));
    expect([...merged([])]).toEqual([]);
  });

  test("of reversals is the same where more came, and were taken back, while they were sorted", () => {
    const ledger = new Ledger({ hashSeed: 1 });
    const count = 70_000;
    for (let i = 0; i < count; i++) ledger.addReversal(((i * 7_919) % count) + 1, count + 1 + i);
    const runs: Float64Array[] = [];
    for (const run of sortedRuns(ledger, count)) {
      runs.push(run);
      ledger.addReversal(3 * count, 4 * count);
      ledger.removeReversal(3 * count);
      ledger.addReversal(3 * count + runs.length, 4 * count + runs.length);
    }
    expect(runs.map(({ length }) => length)).toEqual([32_768, 32_768, 4_464]);
    expect([...merged(runs)].flatMap((page) => [...page])).toEqual(Array.from({ length: count }, (_, i) => i + 1));
  });

  test("holds no more than fit, and no page ascends from the end of the one before to its own start", () => {
    const busy = newBank();
    busy.execute(deposit("1", 10_000n));
    busy.execute(...orders(8_192, () => place("1", 1n)));
    const [small, accounts, ...rest] = encodePages(busy.replay.ledger) as [Uint8Array, Uint8Array, ...Uint8Array[]];
    const [one, two] = rest.slice(-2) as [Uint8Array, Uint8Array];
    expect(load(small, accounts, one, two).holds.count).toBe(8_192);
    expect(() => load(small, accounts, two, one)).toThrow("the positions of holds do not ascend");
    expect(() => load(small, accounts, one, one)).toThrow("the positions of holds do not ascend");
    const zeros = (width: number) => new Uint8Array(4_097 * width);
    const crowded = {
      positions: zeros(8),
      accounts: zeros(4),
      held: zeros(8),
      captured: zeros(8),
      expiresMs: zeros(8),
      states: zeros(1),
    };
    expect(() => load(small, accounts, encodePage({ case: "holds", value: crowded }))).toThrow(
      "a page of holds has 1 to 4096, not 4097",
    );
    const full = (first: number) =>
      encodePage({
        case: "reversals",
        value: {
          originals: u64s(...Array.from({ length: 4_096 }, (_, i) => first + i)),
          reversals: u64s(...Array.from({ length: 4_096 }, (_, i) => 100_000 + first + i)),
        },
      });
    expect(load(tablesOnly, full(1), full(4_097)).reversals.size).toBe(8_192);
    expect(() => load(tablesOnly, full(1), full(4_096))).toThrow("the positions of reversed movements do not ascend");
    expect(() =>
      load(tablesOnly, encodePage({ case: "reversals", value: { originals: zeros(8), reversals: zeros(8) } })),
    ).toThrow("a page of reversals has 1 to 4096, not 4097");
  });
});

const tablesOnly = encodePage({ case: "tables", value: tables });

describe("pages in another order or another split", () => {
  const [first, second, third, fourth, fifth] = pages as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const cut = (from: number, to: number) => ({
    positions: holds.positions.slice(8 * from, 8 * to),
    accounts: holds.accounts.slice(4 * from, 4 * to),
    held: holds.held.slice(8 * from, 8 * to),
    captured: holds.captured.slice(8 * from, 8 * to),
    expiresMs: holds.expiresMs.slice(8 * from, 8 * to),
    states: holds.states.slice(from, to),
  });
  const cutReversals = (from: number, to: number) => ({
    originals: reversals.originals.slice(8 * from, 8 * to),
    reversals: reversals.reversals.slice(8 * from, 8 * to),
  });

  test("are cut right by these tests", () => {
    expect([holdsPage(cut(0, 5)), reversalsPage(cutReversals(0, 3))]).toEqual([fourth, fifth]);
  });

  const misplaced = "a page of the snapshot is out of place";
  test.each<[string, string, readonly Uint8Array[]]>([
    ["holds before requests", misplaced, [first, second, fourth, third, fifth]],
    ["holds before accounts", "a hold is on no customer's account", [first, fourth, second, third, fifth]],
    ["holds before tables", misplaced, [fourth, first, second, third, fifth]],
    ["reversals before holds", misplaced, [first, second, third, fifth, fourth]],
    ["requests at the end", misplaced, [first, second, fourth, fifth, third]],
    [
      "holds in two pages where one would do",
      misplaced,
      [first, second, third, holdsPage(cut(0, 2)), holdsPage(cut(2, 5)), fifth],
    ],
    [
      "reversals in two pages where one would do",
      misplaced,
      [first, second, third, fourth, reversalsPage(cutReversals(0, 2)), reversalsPage(cutReversals(2, 3))],
    ],
    ["a page of no holds", "a page of holds has 1 to 4096, not 0", [first, second, third, holdsPage(cut(0, 0)), fifth]],
    [
      "a page of no reversals",
      "a page of reversals has 1 to 4096, not 0",
      [first, second, third, fourth, reversalsPage(cutReversals(0, 0))],
    ],
  ])("are refused: %s", (_, message, bytes) => {
    expect(() => load(...bytes)).toThrow(new JournalFormatError(message));
  });

  test("are refused at level 1", () => {
    const level1 = encodePage({ case: "tables", value: { ...tables, formatLevel: 0 } });
    const accounts = content(second).value as AccountsPage;
    const plain = encodePage({ case: "accounts", value: { ...accounts, held: new Uint8Array(0) } });
    expect(load(level1, plain, third).formatLevel).toBe(1);
    const message = "a snapshot of format level 1 has no such page";
    expect(() => load(level1, plain, third, fourth)).toThrow(new JournalFormatError(message));
    expect(() => load(level1, plain, third, fifth)).toThrow(new JournalFormatError(message));
  });
});

describe("a page that contradicts itself", () => {
  const loadHolds = (changes: Partial<HoldsPage>) => load(...pages.slice(0, 3), holdsPage(changes), pages[4]!);
  const loadReversals = (changes: Partial<ReversalsPage>) => load(...pages.slice(0, 4), reversalsPage(changes));

  test.each(["positions", "accounts", "held", "captured", "expiresMs", "states"] as const)(
    "is refused with a column of holds of another length: %s",
    (name) => {
      const column = holds[name];
      for (const other of [
        column.slice(0, -1),
        column.slice(8),
        column.slice(0, 0),
        concatenate(column, Uint8Array.of(1)),
      ])
        expect(() => loadHolds({ [name]: other })).toThrow(JournalFormatError);
    },
  );

  test.each(["originals", "reversals"] as const)(
    "is refused with a column of reversals of another length: %s",
    (name) => {
      const column = reversals[name];
      for (const other of [
        column.slice(0, -1),
        column.slice(8),
        column.slice(0, 0),
        concatenate(column, Uint8Array.of(1)),
      ])
        expect(() => loadReversals({ [name]: other })).toThrow(JournalFormatError);
    },
  );

  const { CAPTURED, EXPIRED, RELEASED, OPEN } = HoldState;
  test.each<[string, string, Partial<HoldsPage>]>([
    ["positions that descend", "the positions of holds do not ascend", { positions: u64s(9, 11, 10, 12, 13) }],
    ["a position twice", "the positions of holds do not ascend", { positions: u64s(9, 9, 11, 12, 13) }],
    ["position 0", "the positions of holds do not ascend", { positions: u64s(0, 10, 11, 12, 13) }],
    ["a position beyond every journal", "beyond every real journal", { positions: u64s(9, 10, 11, 12, 2n ** 53n) }],
    ["a hold on the bank's own account", "a hold is on no customer's account", { accounts: u32s(0, 1, 2, 0, 1) }],
    ["a hold on no account", "a hold is on no customer's account", { accounts: u32s(0, 1, 3, 0, 1) }],
    ["a hold of nothing", "a hold is of an amount", { held: u64s(50, 60, 0, 80, 90) }],
    ["a hold of more than an amount", "a hold is of an amount", { held: u64s(50, 60, 2n ** 63n, 80, 90) }],
    ["more captured than held", "a hold is of an amount", { captured: u64s(51, 0, 0, 1, 0) }],
    ["less than nothing captured", "a hold is of an amount", { captured: u64s(50, 2n ** 64n - 1n, 0, 1, 0) }],
    ["state 0", "hold state 0 is unknown: use a newer program", { states: holds.states.with(0, 0) }],
    ["state 5", "hold state 5 is unknown: use a newer program", { states: holds.states.with(0, 5) }],
    [
      "an open hold of which all is captured",
      "exactly when all of it is captured",
      { states: holds.states.with(0, OPEN) },
    ],
    [
      "a released hold of which all is captured",
      "exactly when all of it is captured",
      { states: holds.states.with(0, RELEASED) },
    ],
    [
      "a captured hold of which something is left",
      "exactly when all of it is captured",
      { states: holds.states.with(3, CAPTURED) },
    ],
    [
      "an expired hold that never expires",
      "a hold expires in the years that there are",
      { states: holds.states.with(2, EXPIRED) },
    ],
    [
      "a time behind the last year",
      "a hold expires in the years that there are",
      { expiresMs: u64s(0, 253_402_300_800_000, 0, 0, 1) },
    ],
    [
      "an open hold that nobody keeps money back for",
      "what its open holds have left",
      { states: holds.states.with(2, OPEN) },
    ],
    [
      "an ended hold that money is kept back for",
      "what its open holds have left",
      { states: holds.states.with(3, RELEASED) },
    ],
    ["an open hold of which more is left", "what its open holds have left", { captured: u64s(50, 0, 0, 0, 0) }],
    ["an open hold on another account", "what its open holds have left", { accounts: u32s(0, 1, 0, 1, 1) }],
  ])("is refused: %s", (_, message, changes) => {
    expect(() => loadHolds(changes)).toThrow(JournalFormatError);
    expect(() => loadHolds(changes)).toThrow(message);
  });

  test.each<[string, string, Partial<ReversalsPage>]>([
    ["originals that descend", "the positions of reversed movements do not ascend", { originals: u64s(15, 14, 17) }],
    ["an original twice", "the positions of reversed movements do not ascend", { originals: u64s(14, 14, 17) }],
    ["original 0", "the positions of reversed movements do not ascend", { originals: u64s(0, 15, 17) }],
    ["an original beyond every journal", "beyond every real journal", { originals: u64s(14, 15, 2n ** 53n) }],
    ["a reversal before its original", "a movement is reversed before it is made", { reversals: u64s(21, 13, 19) }],
    ["a reversal of itself", "a movement is reversed before it is made", { reversals: u64s(21, 15, 19) }],
  ])("is refused: %s", (_, message, changes) => {
    expect(() => loadReversals(changes)).toThrow(JournalFormatError);
    expect(() => loadReversals(changes)).toThrow(message);
  });
});

import type { DurabilityEntry, TablesPage } from "@bank/proto";
import { DurabilityMemberSchema } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { JournalFormatError } from "./errors.ts";
import { content, encodePage, encodePages, load } from "./snapshot-pages.test-util.ts";
import { register } from "./story.test-util.ts";
import { TestBank } from "./test-bank.test-util.ts";
import { copyOf, durable, setState } from "./whole-story.test-util.ts";

/** At level 3: branch 1 is active, 2 drains, 3 is retired. */
function bankOfBranches(): TestBank {
  const bank = new TestBank();
  bank.beginEpoch(false, 3);
  bank.execute(...[1, 2, 3].map((branch) => register(branch, "", "")));
  bank.execute(setState(2, 2), setState(3, 3));
  return bank;
}

const tablesOf = (bank: TestBank) => content(encodePages(bank.replay.ledger)[0]!).value as TablesPage;

const plain = tablesOf(bankOfBranches());
const used = (() => {
  const bank = bankOfBranches();
  bank.execute(durable(2, copyOf(2), copyOf(1, 9)));
  bank.beginEpoch(false, undefined, copyOf(2).copyId);
  return tablesOf(bank);
})();

const loadTables = (changes: Partial<TablesPage>) =>
  load(encodePage({ case: "tables", value: { ...used, ...changes } }));

/** The branches, of which the one at an index has another state. */
const withState = (at: number, state: number) => ({
  branches: used.branches.with(at, { ...used.branches[at]!, state }),
});
const withDurability = (changes: Partial<DurabilityEntry>) => ({ durability: { ...used.durability!, ...changes } });
const member = (branch: number, fill = branch, length = 16) =>
  create(DurabilityMemberSchema, { branch, copyId: new Uint8Array(length).fill(fill) });

describe("the tables of a snapshot", () => {
  test("say what is away from its default, and nothing else", () => {
    expect(plain.branches.map(({ state }) => state)).toEqual([0, 2, 3]);
    expect(plain.durability).toBeUndefined();
    expect(plain.epochs.map(({ promotedFrom }) => promotedFrom.length)).toEqual([0]);
    expect(used.durability).toMatchObject({ copies: 2, position: 8n });
    expect(used.durability?.members).toEqual([member(1, 9), member(2)]);
    expect(used.epochs.map(({ promotedFrom }) => promotedFrom)).toEqual([new Uint8Array(0), copyOf(2).copyId]);
  });

  test("are read into the same state, and written from it again", () => {
    const ledger = loadTables({});
    expect(content(encodePages(ledger)[0]!).value).toEqual(used);
    expect([1, 2, 3].map((branch) => [ledger.isRetired(branch), ledger.isCounted(branch)])).toEqual([
      [false, true],
      [false, true],
      [true, false],
    ]);
    expect(ledger.durability).toEqual({ copies: 2, members: [copyOf(1, 9), copyOf(2)], position: 8 });
    expect(ledger.currentEpoch()?.promotedFrom).toEqual(copyOf(2).copyId);
  });

  test("keep, of copies that count no more, the position from which on they do not", () => {
    const bank = bankOfBranches();
    bank.execute(durable(1, copyOf(1)), durable(0));
    const tables = tablesOf(bank);
    expect(tables.durability).toMatchObject({ copies: 0, members: [], position: 9n });
    const ledger = load(encodePage({ case: "tables", value: tables }));
    expect(ledger.durability).toEqual({ copies: 0, members: [], position: 9 });
  });

  test.each<[string, string, Partial<TablesPage>]>([
    ["a state that is left out", "that a branch is active is left out", withState(0, 1)],
    ["a state that is unknown", "branch state 4 is unknown: use a newer program", withState(0, 4)],
    ["copies that were chosen nowhere", "were chosen by a record", withDurability({ position: 0n })],
    ["copies beyond every journal", "beyond every real journal", withDurability({ position: 2n ** 53n })],
    ["more copies than count", "copies that count are enough", withDurability({ copies: 3 })],
    ["no copies of some", "copies that count are enough", withDurability({ copies: 0 })],
    ["copies of none", "copies that count are enough", withDurability({ members: [] })],
    ["copies out of order", "ascend", withDurability({ members: [member(2), member(1)] })],
    ["a copy twice", "a copy counts once", withDurability({ members: [member(1, 2), member(2)] })],
    ["half a copy id", "a copy id has 16 bytes", withDurability({ members: [member(1), member(2, 2, 8)] })],
    ["a copy of nobody", "branch 9 counts, and is none that may", withDurability({ members: [member(1), member(9)] })],
    ["a retired copy", "branch 3 counts, and is none that may", withDurability({ members: [member(1), member(3)] })],
    [
      "half a promotion",
      "a copy id has 16 bytes",
      { epochs: used.epochs.with(1, { ...used.epochs[1]!, promotedFrom: new Uint8Array(8) }) },
    ],
  ])("are refused with %s", (_, message, changes) => {
    expect(() => loadTables(changes)).toThrow(JournalFormatError);
    expect(() => loadTables(changes)).toThrow(message);
  });

  test.each<[string, Partial<TablesPage>]>([
    ["states of branches", { durability: undefined, epochs: plain.epochs }],
    ["copies that count", { branches: plain.branches.slice(0, 1), epochs: plain.epochs }],
    ["promotions", { branches: plain.branches.slice(0, 1), durability: undefined }],
  ])("have no %s below level 3", (what, changes) => {
    for (const formatLevel of [0, 2])
      expect(() => loadTables({ ...changes, formatLevel })).toThrow(
        new JournalFormatError(`a snapshot of format level ${formatLevel || 1} has no ${what}`),
      );
  });
});

import { AccountState, AMOUNT_MAX } from "@bank/core";
import type { AccountsPage, TablesPage } from "@bank/proto";
import { AliasEntrySchema, MetadataEntrySchema } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { JournalFormatError } from "./errors.ts";
import { change, place, tellFullStory } from "./full-story.test-util.ts";
import { concatenate } from "./raw-frame.test-util.ts";
import { sha256 } from "./sha256.test-util.ts";
import { loadSnapshot, takeSnapshot } from "./snapshot.ts";
import { content, encodePage, encodePages, load } from "./snapshot-pages.test-util.ts";
import { deposit, open } from "./story.test-util.ts";
import type { Order } from "./test-bank.test-util.ts";
import { TestBank } from "./test-bank.test-util.ts";

/** Four accounts, of which the second and the third have something that is not at its default, and cash. */
function smallBank(...orders: readonly Order[]): { bank: TestBank; pages: Uint8Array[]; page: AccountsPage } {
  const bank = new TestBank();
  bank.beginEpoch(false, 2);
  bank.execute(open("EUR"), open("EUR"), open("EUR"), open("EUR"), deposit("3", 500n));
  if (orders.length > 0) bank.execute(...orders);
  const pages = encodePages(bank.replay.ledger);
  return { bank, pages, page: content(pages[1]!).value as AccountsPage };
}

const int64s = (...values: readonly bigint[]) => new Uint8Array(BigInt64Array.from(values).buffer);
const alias = (account: number, text: string) => create(AliasEntrySchema, { account, alias: text });
const metadata = (account: number, keys: string[], values: string[] = keys) =>
  create(MetadataEntrySchema, { account, keys, values });

describe("a page of accounts", () => {
  test("says nothing of what is at its default", () => {
    const { page } = smallBank();
    expect([page.states, page.held, page.ceilings]).toEqual([new Uint8Array(0), new Uint8Array(0), new Uint8Array(0)]);
    expect([page.aliases, page.metadata]).toEqual([[], []]);
  });

  test("has a column once something in it is not at its default", () => {
    expect(smallBank(change("freezeAccount", "2")).page.states).toEqual(Uint8Array.of(1, 2, 1, 1, 1));
    expect(smallBank(change("closeAccount", "4")).page.states).toEqual(Uint8Array.of(1, 1, 1, 3, 1));
    expect(smallBank(place("3", 300n), place("3", 5n)).page.held).toEqual(int64s(0n, 0n, 305n, 0n, 0n));
    const updates: Order[] = [
      { kind: "updateAccount", account: "2", ceiling: AMOUNT_MAX - 1n },
      { kind: "updateAccount", account: "3", metadata: { b: "2", a: "" } },
      { kind: "updateAccount", account: "1", metadata: { "€": "1" } },
    ];
    const { page } = smallBank(...updates);
    expect(page.ceilings).toEqual(int64s(0n, AMOUNT_MAX - 1n, 0n, 0n, 0n));
    expect(page.metadata).toEqual([metadata(0, ["€"], ["1"]), metadata(2, ["a", "b"], ["", "2"])]);
    const named = smallBank({ ...open("EUR"), alias: "sparen" } as Order).page;
    expect(named.aliases).toEqual([alias(5, "sparen")]);
  });

  test("goes back to saying nothing", () => {
    const { page } = smallBank(
      change("freezeAccount", "2"),
      change("unfreezeAccount", "2"),
      { kind: "updateAccount", account: "3", metadata: { a: "1" }, ceiling: 1_000n },
      { kind: "updateAccount", account: "3", metadata: {}, ceiling: null },
      place("3", 1n),
      { kind: "releaseHold", hold: 14 },
    );
    expect([page.states, page.held, page.ceilings, page.aliases, page.metadata].map(({ length }) => length)).toEqual([
      0, 0, 0, 0, 0,
    ]);
  });

  test("has them or not for itself, whatever other pages have; an account is named by its index in the ledger", () => {
    const bank = new TestBank();
    bank.beginEpoch(false, 2);
    bank.execute(...Array.from({ length: 1_024 }, () => open("EUR")), { ...open("EUR"), alias: "last" } as Order);
    bank.execute(change("freezeAccount", "1025"), { kind: "updateAccount", account: "last", metadata: { a: "1" } });
    const snapshot = takeSnapshot(bank.replay, sha256);
    const [, first, second] = snapshot.pages.map((page) => content(page).value as AccountsPage);
    expect([first!.states, first!.aliases, first!.metadata]).toEqual([new Uint8Array(0), [], []]);
    expect(second!.states).toEqual(Uint8Array.of(AccountState.FROZEN));
    expect([second!.aliases, second!.metadata]).toEqual([[alias(1_024, "last")], [metadata(1_024, ["a"], ["1"])]]);
    const loaded = loadSnapshot(snapshot, { bankId: bank.replay.bankId, sha256, hashSeed: 5 });
    expect(takeSnapshot(loaded, sha256)).toEqual(snapshot);
    expect(loaded.ledger.findAccount("last")).toBe(1_024);
  });
});

describe("a page of accounts that is no page of this format", () => {
  const { pages, page } = smallBank(
    change("freezeAccount", "2"),
    place("3", 300n),
    { kind: "updateAccount", account: "2", ceiling: 9n, metadata: { a: "1" } },
    { kind: "updateAccount", account: "3", metadata: { b: "1", c: "" } },
    { ...open("EUR"), alias: "sparen" } as Order,
    { ...open("EUR"), alias: "neun" } as Order,
  );
  const tables = content(pages[0]!).value as TablesPage;
  const count = page.types.length;
  const loadWith = (changes: Partial<AccountsPage>, rest = pages.slice(2)) =>
    load(pages[0]!, encodePage({ case: "accounts", value: { ...page, ...changes } }), ...rest);

  test("is read when nothing is changed", () => {
    expect(encodePages(loadWith({}))).toEqual(pages);
    expect(count).toBe(7);
  });

  test.each<[string, string, Partial<AccountsPage>]>([
    ["states of fewer accounts", "the column of states does not fit", { states: page.states.slice(1) }],
    [
      "states of more accounts",
      "the column of states does not fit",
      { states: concatenate(page.states, Uint8Array.of(1)) },
    ],
    ["states that are all open", "the column of states does not fit", { states: new Uint8Array(count).fill(1) }],
    ["a state 0", "account state 0 is unknown: use a newer program", { states: page.states.with(0, 0) }],
    ["a state 4", "account state 4 is unknown: use a newer program", { states: page.states.with(0, 4) }],
    ["holdings of fewer accounts", "a column has 48 bytes", { held: page.held.slice(8) }],
    ["holdings of no account", "all of it is zero", { held: new Uint8Array(8 * count) }],
    ["a negative holding", "not negative", { held: concatenate(int64s(-1n), page.held.slice(8)) }],
    ["ceilings of more accounts", "a column has 64 bytes", { ceilings: concatenate(page.ceilings, int64s(1n)) }],
    ["ceilings of no account", "all of it is zero", { ceilings: new Uint8Array(8 * count) }],
    ["a negative ceiling", "a ceiling is an amount", { ceilings: concatenate(int64s(-1n), page.ceilings.slice(8)) }],
    [
      "the ceiling that means none",
      "a ceiling is an amount",
      { ceilings: concatenate(int64s(AMOUNT_MAX), page.ceilings.slice(8)) },
    ],
    ["an empty alias", "an alias is not empty", { aliases: [alias(0, ""), ...page.aliases] }],
    ["aliases that descend", "do not follow its accounts", { aliases: page.aliases.toReversed() }],
    ["two aliases of an account", "do not follow its accounts", { aliases: [alias(0, "a"), alias(0, "b")] }],
    ["an alias of an account behind the page", "do not follow its accounts", { aliases: [alias(count, "a")] }],
    [
      "an alias that is another's",
      "an account's alias names another",
      { aliases: [alias(0, "sparen"), ...page.aliases] },
    ],
    ["an alias that is another's number", "alias is a number, and not its own", { aliases: [alias(3, "1")] }],
    ["an alias that is a later account's number", "alias is a number, and not its own", { aliases: [alias(0, "4")] }],
    ["an alias of the bank's own account", "what only customers' have", { aliases: [alias(4, "cash")] }],
    ["a frozen account of the bank's own", "what only customers' have", { states: page.states.with(4, 2) }],
    [
      "a ceiling of the bank's own account",
      "what only customers' have",
      { ceilings: int64s(0n, 9n, 0n, 0n, 1n, 0n, 0n) },
    ],
    [
      "a holding of the bank's own account",
      "what only customers' have",
      { held: int64s(0n, 0n, 300n, 0n, 1n, 0n, 0n) },
    ],
    ["metadata that descend", "do not follow its accounts", { metadata: page.metadata.toReversed() }],
    ["metadata twice", "do not follow its accounts", { metadata: [metadata(1, ["a"]), metadata(1, ["b"])] }],
    ["metadata without entries", "no metadata are left out", { metadata: [metadata(0, [])] }],
    ["metadata without values", "an account has keys without values", { metadata: [metadata(0, ["a"], [])] }],
    ["names of metadata that descend", "the keys of an account do not ascend", { metadata: [metadata(0, ["b", "a"])] }],
    ["names of metadata twice", "the keys of an account do not ascend", { metadata: [metadata(0, ["a", "a"])] }],
    [
      "holdings that no hold has",
      "does not keep back what its open holds have left",
      { held: int64s(1n, 0n, 300n, 0n, 0n, 0n, 0n) },
    ],
    [
      "too large a holding",
      "does not keep back what its open holds have left",
      { held: int64s(0n, 0n, 301n, 0n, 0n, 0n, 0n) },
    ],
    [
      "too small a holding",
      "does not keep back what its open holds have left",
      { held: int64s(0n, 0n, 299n, 0n, 0n, 0n, 0n) },
    ],
    ["no holding", "does not keep back what its open holds have left", { held: new Uint8Array(0) }],
  ])("is refused: %s", (_, message, changes) => {
    expect(() => loadWith(changes)).toThrow(JournalFormatError);
    expect(() => loadWith(changes)).toThrow(message);
  });

  test("is refused without the holds that its accounts keep money back for", () => {
    const message = "an account does not keep back what its open holds have left";
    expect(() => loadWith({}, pages.slice(2, -1))).toThrow(new JournalFormatError(message));
  });

  test("is refused when the next account would get a number that is an alias", () => {
    const chosen = smallBank({ ...open("EUR"), alias: "9" } as Order);
    const before = content(chosen.pages[0]!).value as TablesPage;
    expect(encodePages(load(...chosen.pages))).toEqual(chosen.pages);
    const next = encodePage({ case: "tables", value: { ...before, nextAccountNumber: 9n } });
    expect(() => load(next, ...chosen.pages.slice(1))).toThrow("the next account's number is the alias of another");
  });

  test("is refused when a number that was chosen is not an alias", () => {
    const chosen = smallBank({ ...open("EUR"), alias: "9" } as Order);
    const accounts = encodePage({ case: "accounts", value: { ...chosen.page, aliases: [] } });
    expect(() => load(chosen.pages[0]!, accounts)).toThrow("an account has the number of a later one");
  });

  const nothing = {
    states: new Uint8Array(0),
    held: new Uint8Array(0),
    ceilings: new Uint8Array(0),
    aliases: [],
    metadata: [],
  };
  test.each(Object.keys(nothing) as (keyof typeof nothing)[])("is refused at level 1 with %s", (name) => {
    const level1 = encodePage({ case: "tables", value: { ...tables, formatLevel: 0 } });
    const plain = encodePage({ case: "accounts", value: { ...page, ...nothing } });
    expect(load(level1, plain).formatLevel).toBe(1);
    const other = encodePage({ case: "accounts", value: { ...page, ...nothing, [name]: page[name] } });
    expect(() => load(level1, other)).toThrow(new JournalFormatError("accounts have what is of format level 2"));
  });
});

test("every account of a long story is read as it was written", () => {
  const bank = new TestBank();
  tellFullStory(bank, { seed: 6, batches: 60 });
  const { ledger } = bank.replay;
  const loaded = load(...encodePages(ledger));
  const views = (of: typeof ledger) => Array.from({ length: of.accounts.count }, (_, i) => of.viewAccount(i as never));
  expect(views(loaded)).toEqual(views(ledger));
  expect(new Set(views(ledger).map(({ state }) => state))).toEqual(new Set(Object.values(AccountState)));
});

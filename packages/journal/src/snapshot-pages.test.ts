import type { AccountIndex } from "@bank/core";
import { InvariantError } from "@bank/core";
import type { AccountsPage, RequestsPage, TablesPage } from "@bank/proto";
import { describe, expect, test } from "vitest";
import { JournalFormatError } from "./errors.ts";
import { sha256 } from "./sha256.test-util.ts";
import { loadSnapshot, takeSnapshot } from "./snapshot.ts";
import { content, encodePage, encodePages, kindsOf, load } from "./snapshot-pages.test-util.ts";
import { open, tellStory } from "./story.test-util.ts";
import { TestBank } from "./test-bank.test-util.ts";

const bank = new TestBank();
tellStory(bank, { seed: 5, batches: 20 });
const pages = encodePages(bank.replay.ledger);
const tables = content(pages[0]!).value as TablesPage;
const accounts = content(pages[1]!).value as AccountsPage;
const requests = content(pages[2]!).value as RequestsPage;

const tablesPage = (changes: Partial<TablesPage>) => encodePage({ case: "tables", value: { ...tables, ...changes } });
const accountsPage = (changes: Partial<AccountsPage>) =>
  encodePage({ case: "accounts", value: { ...accounts, ...changes } });
const requestsPage = (changes: Partial<RequestsPage>) =>
  encodePage({ case: "requests", value: { ...requests, ...changes } });

/** Rows `from` to `to` of a page of accounts. */
function cutAccounts(page: AccountsPage, from: number, to: number): Uint8Array {
  const cut = <T extends { slice(from: number, to: number): T }>(column: T, width = 1) =>
    column.slice(from * width, to * width);
  return encodePage({
    case: "accounts",
    value: {
      firstAccount: page.firstAccount + from,
      types: cut(page.types),
      currencies: cut(page.currencies, 4),
      homeBranches: cut(page.homeBranches, 4),
      numbers: cut(page.numbers, 8),
      posted: cut(page.posted, 8),
      floors: cut(page.floors, 8),
      versions: cut(page.versions, 8),
      openedPositions: cut(page.openedPositions, 8),
      openedTimesMs: cut(page.openedTimesMs, 8),
      names: cut(page.names),
      owners: cut(page.owners),
      displayNames: cut(page.displayNames),
    },
  });
}

function cutRequests(page: RequestsPage, from: number, to: number): Uint8Array {
  return encodePage({
    case: "requests",
    value: {
      ids: page.ids.slice(16 * from, 16 * to),
      principals: page.principals.slice(4 * from, 4 * to),
      positions: page.positions.slice(8 * from, 8 * to),
      hashes: page.hashes.slice(8 * from, 8 * to),
    },
  });
}

test("the pages are read into the same state, and written from it again", () => {
  const ledger = load(...pages);
  expect(encodePages(ledger)).toEqual(pages);
  expect(kindsOf(pages)).toEqual([
    "tables",
    `accounts 0+${ledger.accounts.count}`,
    `requests ${ledger.requests.count}`,
  ]);
});

test("columns hold what their names say, little-endian", () => {
  const { accounts: table, requests: answered } = bank.replay.ledger;
  const index = 3 as AccountIndex;
  const account = bank.replay.ledger.viewAccount(index);
  const u32 = (column: Uint8Array, at: number) => Buffer.from(column).readUInt32LE(4 * at);
  const u64 = (column: Uint8Array, at: number) => Number(Buffer.from(column).readBigUInt64LE(8 * at));
  expect(accounts.types[index]).toBe(account.type);
  expect(u32(accounts.currencies, index)).toBe(account.currencyIndex);
  expect(u32(accounts.homeBranches, index)).toBe(account.homeBranch);
  expect(u64(accounts.numbers, index)).toBe(account.number);
  expect(Buffer.from(accounts.posted).readBigInt64LE(8 * index)).toBe(account.posted);
  expect(Buffer.from(accounts.floors).readBigInt64LE(8 * index)).toBe(account.floor);
  expect(u64(accounts.versions, index)).toBe(account.version);
  expect(u64(accounts.openedPositions, index)).toBe(account.openedPosition);
  expect(u64(accounts.openedTimesMs, index)).toBe(account.openedTimeMs);
  const rows = table.freeze().rows(0, table.count);
  expect(accounts.names).toEqual(rows.names);
  expect(accounts.owners).toEqual(rows.owners);
  expect(accounts.displayNames).toEqual(rows.displayNames);
  const entry = answered.entryAt(17);
  expect(requests.ids.slice(16 * 17, 16 * 18)).toEqual(entry.id);
  expect(u32(requests.principals, 17)).toBe(entry.principal);
  expect(u64(requests.positions, 17)).toBe(entry.position);
  expect(Buffer.from(requests.hashes).readInt32LE(8 * 17)).toBe(entry.hashLow);
  expect(Buffer.from(requests.hashes).readInt32LE(8 * 17 + 4)).toBe(entry.hashHigh);
});

describe("the border of a page", () => {
  test.each([
    [1_023, ["accounts 0+1023"]],
    [1_024, ["accounts 0+1024"]],
    [1_025, ["accounts 0+1024", "accounts 1024+1"]],
    [2_048, ["accounts 0+1024", "accounts 1024+1024"]],
    [2_049, ["accounts 0+1024", "accounts 1024+1024", "accounts 2048+1"]],
  ])("of accounts, at %i", (count, expected) => {
    const crowd = new TestBank();
    crowd.beginEpoch();
    crowd.execute(...Array.from({ length: count }, () => open("EUR")));
    const snapshot = takeSnapshot(crowd.replay, sha256);
    expect(kindsOf(snapshot.pages).filter((kind) => kind.startsWith("accounts"))).toEqual(expected);
    const loaded = loadSnapshot(snapshot, { bankId: crowd.replay.bankId, sha256, hashSeed: 5 });
    expect(loaded.ledger.accounts.count).toBe(count);
    expect(loaded.ledger.viewAccount((count - 1) as AccountIndex)).toEqual(
      crowd.replay.ledger.viewAccount((count - 1) as AccountIndex),
    );
    expect(takeSnapshot(loaded, sha256)).toEqual(snapshot);
  });

  test.each([
    [4_095, ["requests 4095"]],
    [4_096, ["requests 4096"]],
    [4_097, ["requests 4096", "requests 1"]],
    [8_193, ["requests 4096", "requests 4096", "requests 1"]],
  ])("of requests, at %i", (count, expected) => {
    const busy = new TestBank();
    busy.beginEpoch();
    const order = { kind: "deposit", account: "9", amount: { currency: "EUR", minor: 1n } } as const;
    busy.execute(...Array.from({ length: count }, () => order));
    const snapshot = takeSnapshot(busy.replay, sha256);
    expect(kindsOf(snapshot.pages)).toEqual(["tables", ...expected]);
    const loaded = loadSnapshot(snapshot, { bankId: busy.replay.bankId, sha256, hashSeed: 5 });
    expect(loaded.ledger.requests.count).toBe(count);
    const last = busy.replay.ledger.requests.entryAt(count - 1);
    expect(loaded.ledger.findRequest("dev", last.id)).toBe(count - 1);
    expect(takeSnapshot(loaded, sha256)).toEqual(snapshot);
  });
});

describe("pages in another order or another split", () => {
  const [first, second, third] = pages as [Uint8Array, Uint8Array, Uint8Array];
  const count = accounts.types.length;
  const split = [cutAccounts(accounts, 0, 5), cutAccounts(accounts, 5, count)] as const;
  const answered = requests.ids.length / 16;
  const splitRequests = [cutRequests(requests, 0, 5), cutRequests(requests, 5, answered)] as const;

  test("are cut right by these tests", () => {
    expect([cutAccounts(accounts, 0, count), cutRequests(requests, 0, answered)]).toEqual([second, third]);
  });

  const misplaced = "a page of the snapshot is out of place";
  const noAccounts = encodePage({ case: "accounts", value: {} });
  const noRequests = encodePage({ case: "requests", value: {} });

  test.each<[string, string, readonly Uint8Array[]]>([
    ["no pages", "the snapshot has no pages", []],
    ["no tables", misplaced, [second, third]],
    ["only requests", misplaced, [third]],
    ["tables behind accounts", misplaced, [second, first, third]],
    ["tables twice", misplaced, [first, first, second, third]],
    ["tables at the end", misplaced, [first, second, third, first]],
    ["requests before accounts", misplaced, [first, third, second]],
    ["accounts in two pages where one would do", misplaced, [first, ...split, third]],
    ["requests in two pages where one would do", misplaced, [first, second, ...splitRequests]],
    ["a page of nothing", misplaced, [first, encodePage(undefined)]],
    ["accounts behind a full page of requests", misplaced, fullRequestsThenAccounts()],
    ["accounts that do not begin at 0", "pages of accounts are out of order", [first, split[1], third]],
    ["a page of no accounts", "a page of accounts has 1 to 1024, not 0", [first, noAccounts]],
    ["a page of no requests", "a page of requests has 1 to 4096, not 0", [first, noRequests]],
  ])("are refused: %s", (_, message, bytes) => {
    expect(() => load(...bytes)).toThrow(new JournalFormatError(message));
  });

  test("are refused when a page holds more than fits", () => {
    const crowd = new TestBank();
    crowd.beginEpoch();
    crowd.execute(...Array.from({ length: 1_025 }, () => open("EUR")));
    const [small, one, two] = encodePages(crowd.replay.ledger) as [Uint8Array, Uint8Array, Uint8Array];
    expect(load(small, one, two).accounts.count).toBe(1_025);
    expect(() => load(small, merged(one, two))).toThrow("a page of accounts has 1 to 1024, not 1025");
    expect(() => load(small, one, one)).toThrow("pages of accounts are out of order");
    const crowded = Object.fromEntries(
      Object.entries({ ids: 16, principals: 4, positions: 8, hashes: 8 }).map(([name, width]) => [
        name,
        new Uint8Array(4_097 * width),
      ]),
    );
    expect(() => load(first, second, encodePage({ case: "requests", value: crowded }))).toThrow(
      "a page of requests has 1 to 4096, not 4097",
    );
  });
});

describe("a page that contradicts itself", () => {
  const columns = ["types", "currencies", "homeBranches", "numbers", "posted", "floors", "versions"] as const;
  const more = ["openedPositions", "openedTimesMs", "names", "owners", "displayNames"] as const;

  test.each([...columns, ...more])("is refused with a column of accounts of another length: %s", (name) => {
    const column = accounts[name] as unknown as { slice(from: number, to?: number): never };
    for (const shorter of [column.slice(0, -1), column.slice(8), column.slice(0, 0)])
      expect(() => load(pages[0]!, accountsPage({ [name]: shorter }))).toThrow(JournalFormatError);
  });

  test.each(["ids", "principals", "positions", "hashes"] as const)(
    "is refused with a column of requests of another length: %s",
    (name) => {
      const column = requests[name];
      for (const other of [column.slice(0, -1), column.slice(16), column.slice(0, 0), Uint8Array.of(...column, 0)])
        expect(() => load(pages[0]!, pages[1]!, requestsPage({ [name]: other }))).toThrow(JournalFormatError);
    },
  );

  test("is refused when all columns end inside a value", () => {
    const half = { ids: 8, principals: 2, positions: 4, hashes: 4 };
    const page = encodePage({
      case: "requests",
      value: Object.fromEntries(Object.entries(half).map(([name, length]) => [name, new Uint8Array(length)])),
    });
    expect(() => load(pages[0]!, page)).toThrow(JournalFormatError);
  });

  test.each([0, 6, 255])("is refused with account type %i", (type) => {
    expect(() => load(pages[0]!, accountsPage({ types: accounts.types.with(2, type) }))).toThrow(
      new JournalFormatError(`account type ${type} is unknown: use a newer program`),
    );
  });

  test("is refused with an account of an unknown currency", () => {
    const currencies = accounts.currencies.with(4, tables.currencies.length);
    expect(() => load(pages[0]!, accountsPage({ currencies }))).toThrow("an account is of an unknown currency");
  });

  test("is refused with an account of customers that has a name, or one of the bank's own that has a number", () => {
    const cash = accounts.names.findIndex((name) => name !== "");
    const message = "customers' accounts have numbers, and the bank's own have names";
    const numbered = new Uint8Array(accounts.numbers);
    numbered[8 * cash] = 1;
    const unnumbered = new Uint8Array(accounts.numbers).fill(0, 0, 8);
    for (const changes of [
      { numbers: numbered },
      { numbers: unnumbered },
      { names: accounts.names.with(0, "cash/9/EUR") },
      { names: accounts.names.with(cash, "") },
      { types: accounts.types.with(0, 3) },
      { types: accounts.types.with(cash, 1) },
    ])
      expect(() => load(pages[0]!, accountsPage(changes))).toThrow(new JournalFormatError(message));
  });

  test("is refused with an account whose number is still to be given", () => {
    const numbers = new Uint8Array(accounts.numbers);
    numbers.set([0, 1], 0);
    expect(() => load(pages[0]!, accountsPage({ numbers }))).toThrow("an account has the number of a later one");
    expect(() => load(tablesPage({ nextAccountNumber: tables.nextAccountNumber - 1n }), pages[1]!)).toThrow(
      "an account has the number of a later one",
    );
  });

  test("is refused with two accounts of one name", () => {
    expect(() =>
      load(pages[0]!, accountsPage({ names: accounts.names.map((name) => (name === "" ? "" : "cash/0/EUR")) })),
    ).toThrow(InvariantError);
  });

  test("is refused with a request of an unknown principal", () => {
    const principals = requests.principals.with(0, tables.principals.length);
    expect(() => load(pages[0]!, pages[1]!, requestsPage({ principals }))).toThrow("of an unknown principal");
  });

  test("is refused with requests whose positions do not ascend, inside a page", () => {
    const twice = new Uint8Array(requests.positions);
    twice.set(twice.subarray(0, 8), 8);
    expect(() => load(pages[0]!, pages[1]!, requestsPage({ positions: twice }))).toThrow("do not ascend");
  });

  test("is refused with requests whose positions do not ascend, from page to page", () => {
    const busy = new TestBank();
    busy.beginEpoch();
    const order = { kind: "deposit", account: "9", amount: { currency: "EUR", minor: 1n } } as const;
    busy.execute(...Array.from({ length: 8_192 }, () => order));
    const [first, second, third] = encodePages(busy.replay.ledger) as [Uint8Array, Uint8Array, Uint8Array];
    expect(load(first, second, third).requests.count).toBe(8_192);
    expect(() => load(first, third, second)).toThrow("do not ascend");
  });

  test.each<[string, Partial<TablesPage>]>([
    ["a principal twice", { principals: ["dev", "dev"] }],
    ["branches that descend", { branches: tables.branches.toReversed() }],
    ["a branch twice", { branches: [tables.branches[0]!, tables.branches[0]!] }],
    ["branch 0, which is the head office", { branches: [{ ...tables.branches[0]!, branch: 0 }] }],
    ["an epoch id of 15 bytes", { epochs: [{ ...tables.epochs[0]!, id: new Uint8Array(15) }] }],
    ["a root of 31 bytes", { root: new Uint8Array(31) }],
    ["a root without a position", { rootPosition: 0n }],
    ["a position without a root", { root: new Uint8Array(0) }],
    ["a time beyond every journal", { timeMs: 2n ** 53n }],
    ["an account number beyond every journal", { nextAccountNumber: 2n ** 53n }],
    ["an account number for which there is no memory", { nextAccountNumber: 116_000_002n }],
    ["no next account number", { nextAccountNumber: 0n }],
    ["a format level that is left out", { formatLevel: 1 }],
    ["a format level that is unknown", { formatLevel: 4 }],
    ["a root beyond every journal", { rootPosition: 2n ** 53n }],
    ["an epoch number beyond every journal", { epochs: [{ ...tables.epochs[0]!, number: 2n ** 53n }] }],
    ["an epoch beyond every journal", { epochs: [{ ...tables.epochs[0]!, firstPosition: 2n ** 53n }] }],
  ])("is refused with %s", (_, changes) => {
    expect(() => load(tablesPage(changes))).toThrow(JournalFormatError);
    expect(() => load(tablesPage({}))).not.toThrow();
  });
});

/** Tables, 4,096 requests and, out of order, one account. */
function fullRequestsThenAccounts(): Uint8Array[] {
  const busy = new TestBank();
  busy.beginEpoch();
  const order = { kind: "deposit", account: "9", amount: { currency: "EUR", minor: 1n } } as const;
  busy.execute(...Array.from({ length: 4_095 }, () => order), open("EUR"));
  const [first, second, third, ...rest] = encodePages(busy.replay.ledger) as [Uint8Array, Uint8Array, Uint8Array];
  expect(rest).toEqual([]);
  return [first, third, second];
}

/** Both pages of accounts in one. */
function merged(one: Uint8Array, two: Uint8Array): Uint8Array {
  const a = content(one).value as AccountsPage;
  const b = content(two).value as AccountsPage;
  const join = (x: Uint8Array, y: Uint8Array) => Uint8Array.of(...x, ...y);
  return encodePage({
    case: "accounts",
    value: {
      firstAccount: 0,
      types: join(a.types, b.types),
      currencies: join(a.currencies, b.currencies),
      homeBranches: join(a.homeBranches, b.homeBranches),
      numbers: join(a.numbers, b.numbers),
      posted: join(a.posted, b.posted),
      floors: join(a.floors, b.floors),
      versions: join(a.versions, b.versions),
      openedPositions: join(a.openedPositions, b.openedPositions),
      openedTimesMs: join(a.openedTimesMs, b.openedTimesMs),
      names: [...a.names, ...b.names],
      owners: [...a.owners, ...b.owners],
      displayNames: [...a.displayNames, ...b.displayNames],
    },
  });
}

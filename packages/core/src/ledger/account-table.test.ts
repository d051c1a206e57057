import { describe, expect, it } from "vitest";
import { AccountType } from "../account.ts";
import { InvariantError } from "../assert.ts";
import type { AccountIndex, CurrencyIndex } from "../identifiers.ts";
import { AMOUNT_MAX, BALANCE_MIN } from "../limits.ts";
import { Random, SEED, seeded } from "../random.test-util.ts";
import type { AccountEntry } from "./account-table.ts";
import { AccountTable } from "./account-table.ts";

function customer(number: number): AccountEntry {
  return {
    type: number % 2 === 0 ? AccountType.SAVINGS : AccountType.CHECKING,
    number,
    name: "",
    currency: (number % 5) as CurrencyIndex,
    homeBranch: number % 65_536,
    owner: `owner ${number}`,
    displayName: `name ${number}`,
    floor: -BigInt(number),
    openedPosition: number * 2 ** 33,
    openedTimeMs: 1_700_000_000_000 + number,
  };
}

function internal(name: string): AccountEntry {
  return { ...customer(1), type: AccountType.CASH, number: 0, name, owner: "", displayName: "", floor: BALANCE_MIN };
}

function entryAt(table: AccountTable, index: number): AccountEntry {
  return {
    type: table.types[index] as AccountEntry["type"],
    number: table.numbers[index] as number,
    name: table.nameOf(index as AccountIndex),
    currency: table.currencies[index] as CurrencyIndex,
    homeBranch: table.homeBranches[index] as number,
    owner: table.ownerOf(index as AccountIndex),
    displayName: table.displayNameOf(index as AccountIndex),
    floor: table.floors[index] as bigint,
    openedPosition: table.openedPositions[index] as number,
    openedTimeMs: table.openedTimesMs[index] as number,
  };
}

describe("AccountTable", () => {
  it("finds nothing while it is empty", () => {
    const table = new AccountTable();
    expect(table.count).toBe(0);
    expect(table.findByNumber(1)).toBeUndefined();
    expect(table.findByName("")).toBeUndefined();
    expect(() => table.pop()).toThrow(InvariantError);
  });

  it("opens an account with balance zero and version 1, and keeps all that was said of it", () => {
    const table = new AccountTable();
    expect(table.push(customer(1))).toBe(0);
    expect(entryAt(table, 0)).toEqual(customer(1));
    expect([table.posted[0], table.versions[0]]).toEqual([0n, 1]);
    expect(table.push(internal("cash/1/USD"))).toBe(1);
    expect(entryAt(table, 1)).toEqual(internal("cash/1/USD"));
  });

  it("finds customers by number and internal accounts by name", () => {
    const table = new AccountTable();
    table.push(internal("cash/0/USD"));
    table.push(customer(1));
    table.push(internal("1"));
    table.push(customer(2));
    expect([1, 2, 3].map((number) => table.findByNumber(number))).toEqual([1, 3, undefined]);
    expect(["cash/0/USD", "1", "2", ""].map((name) => table.findByName(name))).toEqual([0, 2, undefined, undefined]);
  });

  it("refuses a number that is not above all others and a name that is taken, and is as before", () => {
    const table = new AccountTable();
    table.push(customer(1));
    table.push(internal("cash/0/USD"));
    for (const entry of [customer(1), customer(-1), internal("cash/0/USD")]) {
      expect(() => table.push(entry)).toThrow(InvariantError);
      expect(table.count).toBe(2);
    }
    expect(table.push(customer(2))).toBe(2);
    expect(table.push(internal("cash/1/USD"))).toBe(3);
  });

  it("leaves numbers out, and finds nobody there", () => {
    const table = new AccountTable();
    table.push(customer(1));
    table.push(customer(200));
    expect([1, 2, 199, 200, 201].map((number) => table.findByNumber(number))).toEqual([
      0,
      undefined,
      undefined,
      1,
      undefined,
    ]);
    table.pop();
    expect(table.findByNumber(200)).toBeUndefined();
    expect(table.push(customer(2))).toBe(1);
    expect(table.findByNumber(2)).toBe(1);
  });

  it("finds an account by its alias, until it is taken away", () => {
    const table = new AccountTable();
    table.push({ ...customer(1), alias: "ada" });
    expect(() => table.push({ ...customer(2), alias: "ada" })).toThrow(InvariantError);
    expect(table.count).toBe(1);
    table.push(customer(2));
    expect([table.findByAlias("ada"), table.findByAlias("Ada"), table.findByAlias("")]).toEqual([
      0,
      undefined,
      undefined,
    ]);
    expect([table.aliasOf(0 as AccountIndex), table.aliasOf(1 as AccountIndex), table.aliasCount]).toEqual([
      "ada",
      "",
      1,
    ]);
    table.pop();
    table.pop();
    expect([table.findByAlias("ada"), table.aliasCount]).toEqual([undefined, 0]);
    table.push({ ...customer(1), alias: "ada", metadata: { k: "v" } });
    expect(table.metadataOf(0 as AccountIndex)).toEqual({ k: "v" });
    table.pop();
    table.push(customer(1));
    expect([table.aliasOf(0 as AccountIndex), table.metadataOf(0 as AccountIndex)]).toEqual(["", {}]);
  });

  it("lets an account have the number that is its alias, beside the sequence", () => {
    const table = new AccountTable();
    table.push({ ...customer(900_000_000_000_000), alias: "900000000000000" });
    table.push(customer(1));
    table.push({ ...customer(7), alias: "7" });
    expect([table.findByNumber(7), table.findByAlias("7"), table.findByNumber(1)]).toEqual([undefined, 2, 1]);
    table.pop();
    expect(table.push(customer(2))).toBe(2);
    expect(table.findByNumber(2)).toBe(2);
  });

  it("forgets what it takes away, and gives its place to another", () => {
    const table = new AccountTable();
    table.push(customer(1));
    table.posted[0] = 5n;
    table.versions[0] = 9;
    table.pop();
    expect(table.findByNumber(1)).toBeUndefined();
    table.push(internal("cash/0/USD"));
    expect([table.posted[0], table.versions[0]]).toEqual([0n, 1]);
    expect(entryAt(table, 0)).toEqual(internal("cash/0/USD"));
    table.pop();
    expect(table.findByName("cash/0/USD")).toBeUndefined();
  });

  it("takes at most 128 bytes an account with an owner of 24 characters, and grows one column at a time", () => {
    const table = new AccountTable();
    const columns = () =>
      [table.types, table.currencies, table.homeBranches, table.numbers, table.posted, table.held, table.floors]
        .concat([table.ceilings, table.states, table.versions, table.openedPositions, table.openedTimesMs] as never)
        .concat([table.guards] as never)
        .map(({ byteLength }) => byteLength);
    let most = 0;
    let before = columns();
    for (let number = 1; number <= 20_000; number++) {
      table.push({ ...customer(number), owner: `owner ${number}`.padEnd(24, "x"), displayName: "" });
      const now = columns();
      expect(now.filter((bytes, i) => bytes !== before[i]).length, `at ${number}`).toBeLessThan(2);
      before = now;
      if (number >= 5_000) most = Math.max(most, table.bytes / number);
    }
    expect(most).toBeLessThan(128);
    expect(most).toBeGreaterThan(82 + 28);
  });

  it("holds the extremes of 64 bits", () => {
    const table = new AccountTable();
    table.push({ ...customer(1), floor: BALANCE_MIN, openedPosition: Number.MAX_SAFE_INTEGER });
    table.posted[0] = AMOUNT_MAX;
    expect([table.posted[0], table.floors[0], table.openedPositions[0]]).toEqual([
      AMOUNT_MAX,
      BALANCE_MIN,
      Number.MAX_SAFE_INTEGER,
    ]);
  });

  it(`keeps everything while it grows and shrinks ${seeded("ledger/account-table.test.ts")}`, () => {
    const random = new Random(SEED);
    const table = new AccountTable();
    const twin: { entry: AccountEntry; posted: bigint }[] = [];
    let customers = 0;
    for (let step = 0; step < 5000; step++) {
      if (twin.length > 0 && random.chance(30)) {
        const gone = twin.pop()?.entry as AccountEntry;
        table.pop();
        if (gone.number !== 0) customers--;
        expect(gone.number === 0 ? table.findByName(gone.name) : table.findByNumber(gone.number)).toBeUndefined();
        continue;
      }
      const entry = random.chance(80) ? customer(++customers) : internal(`cash/${step}`);
      const posted = BigInt(random.word());
      const index = table.push(entry);
      expect(index).toBe(twin.length);
      table.posted[index] = posted;
      twin.push({ entry, posted });
    }
    expect(table.count).toBe(twin.length);
    twin.forEach(({ entry, posted }, index) => {
      expect(entryAt(table, index)).toEqual(entry);
      expect(table.posted[index as AccountIndex]).toBe(posted);
      expect(entry.number === 0 ? table.findByName(entry.name) : table.findByNumber(entry.number)).toBe(index);
    });
    expect(table.findByNumber(customers + 1)).toBeUndefined();
  });
});

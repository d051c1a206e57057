import { describe, expect, it } from "vitest";
import { AccountState, AccountType, type Metadata } from "../account.ts";
import { InvariantError } from "../assert.ts";
import type { AccountIndex, CurrencyIndex } from "../identifiers.ts";
import { AMOUNT_MAX } from "../limits.ts";
import { Random, SEED, seeded } from "../random.test-util.ts";
import { type AccountColumns, type AccountRows, PAGE_ACCOUNTS } from "./account-columns.ts";
import { AccountTable } from "./account-table.ts";

function add(table: AccountTable, alias?: string): void {
  const number = table.count + 1;
  table.push({
    type: AccountType.CHECKING,
    number,
    name: "",
    currency: 0 as CurrencyIndex,
    homeBranch: number % 7,
    owner: `owner ${number}`,
    displayName: number % 3 === 0 ? `display ${number}` : "",
    floor: 0n,
    alias,
    openedPosition: number,
    openedTimeMs: number,
  });
}

/** Read account by account, and column by column. */
function allOf(table: AccountTable): { rows: AccountRows; metadata: Metadata[]; aliases: string[] } {
  const { count } = table;
  const each = <T>(of: (account: AccountIndex) => T) => Array.from({ length: count }, (_, i) => of(i as AccountIndex));
  return {
    rows: {
      types: table.types.slice(0, count),
      currencies: table.currencies.slice(0, count),
      homeBranches: table.homeBranches.slice(0, count),
      numbers: table.numbers.slice(0, count),
      posted: table.posted.slice(0, count),
      held: table.held.slice(0, count),
      floors: table.floors.slice(0, count),
      ceilings: table.ceilings.slice(0, count),
      states: table.states.slice(0, count),
      versions: table.versions.slice(0, count),
      openedPositions: table.openedPositions.slice(0, count),
      openedTimesMs: table.openedTimesMs.slice(0, count),
      names: each((account) => table.nameOf(account)),
      owners: each((account) => table.ownerOf(account)),
      displayNames: each((account) => table.displayNameOf(account)),
    },
    metadata: each((account) => table.metadataOf(account)),
    aliases: each((account) => table.aliasOf(account)),
  };
}

function part(rows: AccountRows, from: number, to: number): AccountRows {
  return Object.fromEntries(Object.entries(rows).map(([name, column]) => [name, column.slice(from, to)])) as never;
}

function change(table: AccountTable, random: Random): void {
  const account = random.below(table.count) as AccountIndex;
  switch (random.below(7)) {
    case 0:
      table.setState(account, random.pick([AccountState.OPEN, AccountState.FROZEN, AccountState.CLOSED]));
      return;
    case 1:
      table.setHeld(account, BigInt(random.below(100)));
      return;
    case 2:
      table.setBounds(account, BigInt(random.word()), random.chance(50) ? undefined : AMOUNT_MAX - 1n);
      return;
    case 3:
      table.setDisplayName(account, random.pick(["", "new", "newer"]));
      return;
    case 4:
      table.setMetadata(account, random.chance(50) ? {} : { key: String(random.below(10)) });
      return;
    default:
      table.beforePosting(account);
      table.posted[account] = BigInt(random.word());
      table.versions[account] = (table.versions[account] as number) + 1;
  }
}

describe("accounts that were frozen", () => {
  it(`stay as they were, however many states there are ${seeded("ledger/frozen-accounts.test.ts")}`, () => {
    const random = new Random(SEED);
    const table = new AccountTable();
    for (let n = 0; n < PAGE_ACCOUNTS + 500; n++) add(table, n % 10 === 0 ? `alias-${n}` : undefined);
    const states: { frozen: AccountColumns; expected: ReturnType<typeof allOf> }[] = [];
    let compared = 0;
    for (let round = 0; round < 120; round++) {
      if (states.length < 4 && random.chance(30)) states.push({ frozen: table.freeze(), expected: allOf(table) });
      for (let changes = random.below(4); changes > 0; changes--) change(table, random);
      for (let more = random.below(20); more > 0; more--) add(table);
      if (random.chance(15) && states.length > 0) {
        const [gone] = states.splice(random.below(states.length), 1);
        gone?.frozen.release();
        gone?.frozen.release();
        expect(() => gone?.frozen.rows(0, 1)).toThrow(InvariantError);
      }
      for (const { frozen, expected } of states) {
        expect(frozen.count).toBe(expected.rows.types.length);
        const from = random.below(frozen.count);
        const to = random.chance(30) ? frozen.count : from + random.below(Math.min(frozen.count - from, 40));
        expect(frozen.rows(from, to)).toEqual(part(expected.rows, from, to));
        const one = random.below(frozen.count) as AccountIndex;
        expect(frozen.metadataOf(one)).toEqual(expected.metadata[one]);
        expect(frozen.aliasOf(one)).toBe(expected.aliases[one]);
        compared++;
      }
    }
    for (const { frozen, expected } of states) {
      expect(frozen.rows(0, frozen.count)).toEqual(expected.rows);
      expect(() => frozen.rows(0, frozen.count + 1)).toThrow(InvariantError);
    }
    expect(compared).toBeGreaterThan(20);
  });

  it("keep a page once, and nothing any more once nobody asks", () => {
    const table = new AccountTable();
    add(table);
    const columns = () =>
      (table as unknown as { newest: { rules: { held: BigInt64Array } } | undefined }).newest?.rules;
    const first = table.freeze();
    const second = table.freeze();
    table.setHeld(0 as AccountIndex, 1n);
    const kept = columns();
    table.setHeld(0 as AccountIndex, 2n);
    expect([columns() === kept, kept?.held]).toEqual([true, BigInt64Array.of(0n)]);
    second.release();
    expect(first.rows(0, 1).held[0], "what the newer one kept").toBe(0n);
    first.release();
    expect(columns()).toBeUndefined();
    const third = table.freeze();
    table.setHeld(0 as AccountIndex, 3n);
    expect(third.rows(0, 1).held[0]).toBe(2n);
  });
});

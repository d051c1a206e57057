import { expect, it } from "vitest";
import { AccountState, AccountType } from "../account.ts";
import { InvariantError } from "../assert.ts";
import type { AccountIndex, CurrencyIndex } from "../identifiers.ts";
import { AMOUNT_MAX } from "../limits.ts";
import { Random, SEED, seeded } from "../random.test-util.ts";
import { Ledger } from "./ledger.ts";

function newLedger(): Ledger {
  const ledger = new Ledger({ hashSeed: 1 });
  ledger.addCurrency({ code: "USD", decimals: 2 });
  ledger.addCurrency({ code: "EUR", decimals: 2 });
  return ledger;
}

it(`takes many accounts in as each would be by itself ${seeded("ledger/account-loader.test.ts")}`, () => {
  const random = new Random(SEED);
  const text = () =>
    random.chance(60)
      ? ""
      : String.fromCharCode(...Array.from({ length: random.below(300) }, () => random.below(0xd800)));
  const big = (chance: number, otherwise: bigint) =>
    random.chance(chance) ? BigInt(random.below(2 ** 31)) * BigInt(random.below(2 ** 31)) : otherwise;
  for (let run = 0; run < 20; run++) {
    const count = 1 + random.below(200);
    const list = <T>(make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i));
    let number = random.below(1_000);
    const rows = {
      types: Uint8Array.from(list(() => random.pick([AccountType.SAVINGS, AccountType.CHECKING]))),
      currencies: Uint32Array.from(list(() => random.below(2))),
      homeBranches: Uint32Array.from(list(() => random.below(5))),
      numbers: Float64Array.from(
        list(() => {
          number += 1 + random.below(3);
          return number;
        }),
      ),
      posted: BigInt64Array.from(list(() => big(90, 0n) - big(20, 0n))),
      held: BigInt64Array.from(list(() => big(30, 0n))),
      floors: BigInt64Array.from(list(() => -big(30, 0n))),
      ceilings: BigInt64Array.from(list(() => big(30, AMOUNT_MAX))),
      states: Uint8Array.from(
        list(() => (random.chance(70) ? AccountState.OPEN : random.pick([AccountState.FROZEN, AccountState.CLOSED]))),
      ),
      versions: Float64Array.from(list(() => 1 + random.below(2 ** 31) * random.below(2 ** 20))),
      openedPositions: Float64Array.from(list(() => random.below(2 ** 31) * random.below(2 ** 20))),
      openedTimesMs: Float64Array.from(list(() => 1_700_000_000_000 + random.below(2 ** 31))),
      names: list(() => ""),
      owners: list(text),
      displayNames: list(text),
    };
    const [single, many] = [newLedger(), newLedger()];
    for (let i = 0; i < count; i++) {
      const entry = {
        type: rows.types[i] as AccountType,
        number: rows.numbers[i] as number,
        name: "",
        currency: rows.currencies[i] as CurrencyIndex,
        homeBranch: rows.homeBranches[i] as number,
        owner: rows.owners[i] as string,
        displayName: rows.displayNames[i] as string,
        floor: rows.floors[i] as bigint,
        ceiling: rows.ceilings[i] === AMOUNT_MAX ? undefined : rows.ceilings[i],
        openedPosition: rows.openedPositions[i] as number,
        openedTimeMs: rows.openedTimesMs[i] as number,
      };
      const index = single.restoreAccount(entry, rows.posted[i] as bigint, rows.versions[i] as number);
      single.restoreState(index, rows.states[i] as AccountState, rows.held[i] as bigint);
    }
    // Room for some of them, in two parts or one.
    many.accounts.reserve(random.below(2 * count));
    const middle = random.below(count + 1);
    many.accountLoader.add(rows, 0, middle);
    many.accountLoader.add(rows, middle, count);
    expect(many.digestBytes()).toEqual(single.digestBytes());
    for (let i = 0; i < count; i++) {
      expect(many.viewAccount(i as AccountIndex)).toEqual(single.viewAccount(i as AccountIndex));
      expect(many.accounts.guards[i]).toBe(single.accounts.guards[i]);
      expect(many.findAccount(String(rows.numbers[i]))).toBe(i);
    }
    // Nothing is taken in of accounts whose numbers are not the next ones.
    expect(() => many.accountLoader.add(rows, 0, 1)).toThrow(InvariantError);
    expect(many.digestBytes()).toEqual(single.digestBytes());
    // The account behind them comes as ever.
    const entry = { type: AccountType.SAVINGS, name: "", currency: 0 as CurrencyIndex, homeBranch: 0, floor: 0n };
    const next = { ...entry, number: number + 1, owner: "o", displayName: "", openedPosition: 1, openedTimeMs: 1 };
    expect(many.addAccount(next)).toBe(single.addAccount(next));
    expect(many.digestBytes()).toEqual(single.digestBytes());
  }
});

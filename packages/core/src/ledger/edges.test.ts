import { describe, expect, it } from "vitest";
import { currencyCodes, currencyDecimals } from "../currency.ts";
import type { AccountIndex } from "../identifiers.ts";
import { AMOUNT_MAX, BALANCE_MIN, EXPIRIES_PER_RECORD_MAX } from "../limits.ts";
import { Random, SEED, seeded } from "../random.test-util.ts";
import { RecordKind } from "../record.ts";
import { apply, totals } from "./apply.ts";
import { decided, deposit, execute, newLedger, open, requestFor, transfer, withdraw } from "./ledger.test-util.ts";
import { checkSums } from "./observe.test-util.ts";
import { Twins } from "./twins.test-util.ts";

const [FIRST, CASH, SECOND] = [0, 1, 2] as unknown as [AccountIndex, AccountIndex, AccountIndex];

describe("amounts at the edges of 64 bits", () => {
  it("fill an account to the last minor unit, and no further", () => {
    const twins = new Twins(1);
    const { accounts } = twins.ledger;
    twins.do(open("JPY"));
    expect(twins.do(deposit("1", AMOUNT_MAX, "JPY")).at(-1)).toBe(`#5 deposit of ${AMOUNT_MAX} from cash/0/JPY to 1`);
    expect([accounts.posted[FIRST], accounts.posted[CASH]]).toEqual([AMOUNT_MAX, -AMOUNT_MAX]);
    expect(twins.do(deposit("1", 1n, "JPY"))[0]).toContain('BALANCE_LIMIT_EXCEEDED {"account":"1"}');
    // One more comes out of the cash of this branch: then it is at its end too.
    twins.do(open("JPY"));
    twins.do(deposit("2", 1n, "JPY"));
    expect(accounts.posted[CASH]).toBe(BALANCE_MIN);
    expect(twins.do(deposit("2", 1n, "JPY"))[0]).toContain('BALANCE_LIMIT_EXCEEDED {"account":"cash/0/JPY"}');
    expect(twins.do(transfer("2", "1", 1n, "JPY"))[0]).toContain('BALANCE_LIMIT_EXCEEDED {"account":"1"}');
    twins.do(withdraw("1", AMOUNT_MAX, "JPY"));
    expect([accounts.posted[FIRST], accounts.posted[CASH], accounts.posted[SECOND]]).toEqual([0n, -1n, 1n]);
    twins.compareEverything();
    checkSums(twins.ledger);
  });

  it("take an overdraft to the lowest balance that there is, and no lower", () => {
    const twins = new Twins(1);
    const { accounts } = twins.ledger;
    const checking = { kind: "openAccount", type: 2, owner: "Ada", displayName: "", currency: "KWD" } as const;
    twins.do({ ...checking, floor: BALANCE_MIN });
    twins.do({ kind: "registerBranch", branch: 1, name: "", address: "" });
    twins.do(withdraw("1", AMOUNT_MAX, "KWD"));
    twins.do(withdraw("1", 1n, "KWD"), { branch: 1 });
    expect([accounts.posted[FIRST], accounts.posted[CASH]]).toEqual([BALANCE_MIN, AMOUNT_MAX]);
    expect(twins.do(withdraw("1", 1n, "KWD"))[0]).toContain('INSUFFICIENT_FUNDS {"account":"1","available":"0.000"');
    expect(twins.do({ kind: "applyInterest", account: "1", rate: 1 })[0]).toContain('"posted":"-9223372036854775.808"');
    // What could be asked for may itself have more than 64 bits.
    twins.do(deposit("1", AMOUNT_MAX, "KWD"));
    twins.do({ ...checking, floor: BALANCE_MIN });
    twins.do(deposit("2", AMOUNT_MAX, "KWD"), { branch: 1 });
    expect(twins.do(withdraw("2", AMOUNT_MAX, "KWD"))[0]).toContain("withdrawal");
    expect(
      twins.do({ kind: "placeHold", account: "2", amount: { currency: "KWD", minor: 1n }, expiresMs: 0 })[0],
    ).toContain('"available":"0.000","currency":"KWD","requested":"0.001"');
    twins.compareEverything();
    checkSums(twins.ledger);
  });

  it("bear interest exactly: nothing is lost where a fraction would have been", () => {
    const twins = new Twins(1);
    twins.do(open("USD"));
    const half = (AMOUNT_MAX - 1n) / 2n;
    twins.do(deposit("1", half));
    expect(twins.do({ kind: "applyInterest", account: "1", rate: 100_000_000 }).at(-1)).toContain(
      `to 1: ${half} from interest/0/USD`,
    );
    expect(twins.ledger.accounts.posted[FIRST]).toBe(AMOUNT_MAX - 1n);
    // A hundredth of a millionth of nearly all there is: 92233720368.54775806 is too much by far, and said so.
    expect(twins.do({ kind: "applyInterest", account: "1", rate: 1 })[0]).toContain("BALANCE_LIMIT_EXCEEDED");
    expect(twins.do({ kind: "applyInterest", account: "1", rate: 0 }).at(-1)).toContain("to 1: 0 from nowhere");
    // In between lies exactly one half, twice: it goes to the even side.
    for (const [whole, interest] of [
      [92_233_710_000n, 92_233_710_000n],
      [92_233_710_001n, 92_233_710_002n],
    ] as const) {
      const balance = whole * 100_000_000n + 50_000_000n;
      twins.do(withdraw("1", (twins.ledger.accounts.posted[FIRST] as bigint) - 1n));
      twins.do(deposit("1", balance - 1n));
      expect(twins.do({ kind: "applyInterest", account: "1", rate: 1 }).at(-1)).toContain(
        `on ${balance} to 1: ${interest} from`,
      );
    }
    twins.compareEverything();
    checkSums(twins.ledger);
  });

  it("are held, captured and reversed whole", () => {
    const twins = new Twins(1);
    const { accounts } = twins.ledger;
    twins.do(open("KWD"));
    twins.do(open("KWD"));
    const amount = { currency: "KWD", minor: AMOUNT_MAX };
    twins.do(deposit("1", AMOUNT_MAX, "KWD"));
    twins.do({ kind: "placeHold", account: "1", amount, expiresMs: 0 });
    const hold = twins.ledger.position;
    expect(twins.do(withdraw("1", 1n, "KWD"))[0]).toContain('"available":"0.000"');
    twins.do({ kind: "captureHold", hold, to: "2" });
    expect([accounts.posted[0], accounts.posted[1], accounts.held[0]]).toEqual([0n, AMOUNT_MAX, 0n]);
    twins.do({ kind: "reverse", transaction: twins.ledger.position });
    expect([accounts.posted[0], accounts.posted[1], accounts.held[0]]).toEqual([AMOUNT_MAX, 0n, 0n]);
    twins.compareEverything();
    checkSums(twins.ledger);
  });
});

describe("currencies", () => {
  it(`of every number of decimals are booked and told alike ${seeded("ledger/edges.test.ts")}`, () => {
    const random = new Random(SEED);
    const twins = new Twins(random.word());
    for (const currency of currencyCodes()) {
      const number = twins.twin.books.lastNumber + 1;
      const account = String(number);
      const minor = BigInt(1 + random.below(2_000_000));
      twins.do({ kind: "openAccount", type: 2, owner: "", displayName: "", currency });
      twins.do(deposit(account, minor, currency));
      twins.do({ kind: "placeHold", account, amount: { currency, minor: 1n + minor / 2n }, expiresMs: 0 });
      const said = twins.do(withdraw(account, minor, currency))[0] as string;
      const places = /"available":"[0-9]+(?:\.([0-9]+))?"/.exec(said);
      expect(places?.[1]?.length ?? 0, said).toBe(currencyDecimals(currency));
      twins.do({ kind: "applyInterest", account, rate: 12_500_000 });
      twins.do(transfer(account, `fees/0/${currency}`, 1n + minor / 8n, currency));
    }
    twins.compareEverything();
    checkSums(twins.ledger);
    expect(twins.ledger.currencies.length).toBe(currencyCodes().length);
  });
});

describe("large numbers of small things", () => {
  it("three million postings of 0.01 sum right", () => {
    const ledger = newLedger();
    execute(ledger, open("USD"));
    execute(ledger, deposit("1", 1n));
    const command = deposit("1", 1n);
    // Millions of remembered ids are another matter; here it is the money. Now and then it is decided anew.
    for (let hundreds = 0; hundreds < 30_000; hundreds++) {
      const [answer] = decided(ledger, requestFor(command));
      if (answer?.kind !== RecordKind.DEPOSIT) throw new Error("a deposit was refused");
      const record = { ...answer, request: undefined };
      for (let one = 0; one < 100; one++) apply(ledger, record);
    }
    // With the first one: 30,000.01 USD, each posting counted.
    expect([ledger.accounts.posted[FIRST], ledger.accounts.posted[CASH]]).toEqual([3_000_001n, -3_000_001n]);
    expect([ledger.accounts.versions[FIRST], ledger.position]).toEqual([3_000_002, 3_000_004]);
    expect([...totals(ledger)]).toEqual([["USD", 0n]]);
    checkSums(ledger);
  }, 120_000);

  it("more holds than one record can end are ended by several, in the order of their times", () => {
    const twins = new Twins(1);
    twins.passTime(1000);
    twins.do(open("USD"));
    twins.do(deposit("1", 1_000_000n));
    const count = EXPIRIES_PER_RECORD_MAX + 5;
    const hold = { kind: "placeHold", account: "1", amount: { currency: "USD", minor: 1n } } as const;
    // Later ones end earlier, many at a time.
    for (let n = count; n > 0; n -= 69)
      twins.do({ kind: "group", items: Array.from({ length: 69 }, () => ({ ...hold, expiresMs: 2000 + n })) });
    twins.do({ ...hold, expiresMs: 2000 + count + 1 });
    expect(twins.preview(2000 + count, requestFor(withdraw("1", 1_000_000n)))[0]).toContain('"available":"9999.99"');
    expect(twins.ledger.holds.count).toBe(count + 1);
    const ended = twins.passTime(2000 + count).map((line) => line.split(" ").length - 2);
    expect(ended).toEqual([EXPIRIES_PER_RECORD_MAX, 5]);
    expect(twins.ledger.accounts.held[FIRST]).toBe(1n);
    twins.compareEverything();
    checkSums(twins.ledger);
  }, 60_000);

  it("holds that are extended again and again end when they were last told to", () => {
    const twins = new Twins(1);
    twins.passTime(1000);
    twins.do(open("USD"));
    twins.do(deposit("1", 100n));
    const hold = { kind: "placeHold", account: "1", amount: { currency: "USD", minor: 1n } } as const;
    for (const expiresMs of [100_001, 100_002, 100_003, 0]) twins.do({ ...hold, expiresMs });
    const placed = [...twins.twin.books.openHolds.keys()];
    for (let n = 1; n <= 1500; n++)
      for (const [i, position] of placed.slice(0, 3).entries())
        twins.do({ kind: "extendHold", hold: position, expiresMs: 100_003 + 3 * n + i });
    expect(twins.ledger.nextExpiryMs()).toBe(104_503);
    expect(twins.passTime(104_502)).toEqual([]);
    expect(twins.passTime(104_504)).toEqual([`#${twins.ledger.position} expired ${placed[0]} ${placed[1]}`]);
    expect(twins.passTime(200_000)).toEqual([`#${twins.ledger.position} expired ${placed[2]}`]);
    expect(twins.ledger.openHoldsOf(FIRST)).toEqual([placed[3]]);
    twins.compareEverything();
  });
});

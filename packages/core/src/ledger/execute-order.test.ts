import { describe, expect, it, vi } from "vitest";
import { AccountType } from "../account.ts";
import { BranchState } from "../branch.ts";
import type { Command } from "../command.ts";
import { hashCommand } from "../command-hash.ts";
import { toHex } from "../identifiers.ts";
import { AMOUNT_MAX, BALANCE_MIN } from "../limits.ts";
import { type MovementOrders, requestOfOrder } from "../movement-orders.ts";
import { OrderHasher } from "../order-hasher.ts";
import { Random, SEED, seeded } from "../random.test-util.ts";
import { type LedgerRecord, RecordKind } from "../record.ts";
import { RecordList } from "../record-list.ts";
import { PAGE_ACCOUNTS } from "./account-columns.ts";
import { apply, unapply } from "./apply.ts";
import { applyAll, mark, rollback } from "./apply-all.ts";
import { OrderExecutor } from "./execute-order.ts";
import { branch, deposit, execute, newLedger, requestFor, withdraw } from "./ledger.test-util.ts";
import type { Ledger } from "./ledger.ts";
import { formatLevelRaised } from "./ledger-bank.test-util.ts";
import { EXACT_BOUND } from "./movements.ts";
import { checkSums } from "./observe.test-util.ts";

const PRINCIPAL = requestFor({ kind: "cancelRequest" }).principal;

interface Row {
  readonly debit?: number;
  readonly credit?: number;
  readonly amount: bigint;
  readonly id?: number;
}

let lastId = 0;

function ordersOf(rows: readonly Row[], changes: Partial<MovementOrders> = {}): MovementOrders {
  return {
    count: rows.length,
    principal: PRINCIPAL,
    branch: 0,
    currencies: ["USD"],
    currencyIndexes: undefined,
    debits: Float64Array.from(rows, ({ debit = 0 }) => debit),
    credits: Float64Array.from(rows, ({ credit = 0 }) => credit),
    amounts: BigInt64Array.from(rows, ({ amount }) => amount),
    requestIds: Int32Array.from(rows.flatMap(({ id = ++lastId }) => [id, 7, 7, 7])),
    ...changes,
  };
}

/** Account 1 with 1,000 of which 300 is held and an overdraft of 50; 2 with a ceiling of 500; 3 with nothing; 4 with 70. */
function ledgerWithBounds(): Ledger {
  const ledger = newLedger();
  apply(ledger, formatLevelRaised(3));
  const open: Command = {
    kind: "openAccount",
    type: AccountType.CHECKING,
    owner: "A",
    displayName: "",
    currency: "USD",
  };
  execute(ledger, { ...open, floor: -50n });
  execute(ledger, { ...open, ceiling: 500n });
  execute(ledger, open);
  execute(ledger, open);
  execute(ledger, deposit("1", 1_000n));
  execute(ledger, deposit("4", 70n));
  execute(ledger, { kind: "placeHold", account: "1", amount: { currency: "USD", minor: 300n }, expiresMs: 0 });
  return ledger;
}

/** A single entry: whoever has many keeps an executor. */
function executeOrder(ledger: Ledger, orders: MovementOrders, index: number, records: RecordList): boolean {
  return new OrderExecutor(ledger, orders, records).execute(index);
}

/** Whether the quick way says yes. Throws when it says no and something has changed, or yes and something is missing. */
function isQuick(ledger: Ledger, row: Row, changes: Partial<MovementOrders> = {}): boolean {
  const list = new RecordList();
  const before = [ledger.position, ledger.requests.count, toHex(ledger.digestBytes())];
  const done = executeOrder(ledger, ordersOf([row], changes), 0, list);
  if (!done) expect([ledger.position, ledger.requests.count, toHex(ledger.digestBytes())]).toEqual(before);
  expect(list.length).toBe(done ? 1 : 0);
  checkSums(ledger);
  return done;
}

describe("OrderExecutor", () => {
  it("goes to every bound, and not beyond", () => {
    const cases: readonly [Row, boolean][] = [
      [{ debit: 1, amount: 751n }, false],
      [{ debit: 1, amount: 750n }, true],
      [{ debit: 1, credit: 3, amount: 751n }, false],
      [{ debit: 1, credit: 3, amount: 750n }, true],
      [{ credit: 2, amount: 501n }, false],
      [{ credit: 2, amount: 500n }, true],
      [{ debit: 1, credit: 2, amount: 501n }, false],
      [{ debit: 1, credit: 2, amount: 500n }, true],
      [{ credit: 3, amount: BigInt(EXACT_BOUND) - 1n }, true],
      [{ credit: 3, amount: BigInt(EXACT_BOUND) }, false],
      [{ credit: 3, amount: AMOUNT_MAX }, false],
      [{ debit: 3, amount: 1n }, false],
      [{ debit: 4, credit: 3, amount: 71n }, false],
      [{ debit: 4, credit: 3, amount: 70n }, true],
      [{ debit: 4, credit: 2, amount: 70n }, true],
    ];
    for (const [row, expected] of cases) expect([row, isQuick(ledgerWithBounds(), row)]).toEqual([row, expected]);
  });

  it("leaves to others what is held beyond what a number can tell apart", () => {
    const ledger = newLedger();
    apply(ledger, formatLevelRaised(3));
    const floor = -(2n ** 60n);
    const account = "1";
    const amount = { currency: "USD", minor: 2n ** 60n - 78n };
    const type = AccountType.CHECKING;
    execute(ledger, { kind: "openAccount", type, owner: "A", displayName: "", currency: "USD", floor });
    execute(ledger, deposit(account, 2n ** 60n));
    execute(ledger, { kind: "placeHold", account, amount, expiresMs: 0 });
    execute(ledger, withdraw(account, 2n ** 60n));
    // 78 are left, and 2^60 − 78 is rounded to a multiple of 128.
    expect(isQuick(ledger, { debit: 1, amount: 100n })).toBe(false);
    const [record] = execute(ledger, withdraw(account, 100n));
    expect(record?.kind).toBe(RecordKind.REJECTED);
  });

  it("leaves alone who and what it does not know", () => {
    const ledger = ledgerWithBounds();
    const row = { credit: 3, amount: 1n };
    execute(ledger, branch(1));
    execute(ledger, branch(2));
    execute(ledger, { kind: "setBranchState", target: 2, state: BranchState.RETIRED });
    expect(isQuick(ledger, row)).toBe(true);
    expect(isQuick(ledger, row, { principal: "nobody yet" })).toBe(false);
    expect(isQuick(ledger, row, { branch: 1 }), "no cash account yet").toBe(false);
    expect(isQuick(ledger, row, { branch: 2 })).toBe(false);
    expect(isQuick(ledger, row, { branch: 3 })).toBe(false);
    expect(isQuick(ledger, { debit: 1, credit: 3, amount: 1n }, { branch: 1 })).toBe(true);
    expect(isQuick(ledger, row, { currencies: ["EUR"] })).toBe(false);
    for (const number of [5, 2 ** 53 - 1, Number.NaN, 1.5, -1])
      expect(isQuick(ledger, { credit: number, amount: 1n })).toBe(false);
    expect(isQuick(ledger, { amount: 1n })).toBe(false);
    for (const amount of [0n, -1n, BALANCE_MIN]) expect(isQuick(ledger, { credit: 3, amount })).toBe(false);
  });

  it("notices what happens between two rows", () => {
    const ledger = ledgerWithBounds();
    execute(ledger, branch(1));
    const rows = Array.from({ length: 6 }, () => ({ credit: 3, amount: 1n }));
    const list = new RecordList();
    const executor = new OrderExecutor(ledger, ordersOf(rows, { branch: 1, currencies: ["USD"] }), list);
    expect(executor.execute(0)).toBe(false);
    execute(ledger, deposit("3", 1n), { branch: 1 });
    expect(executor.execute(0)).toBe(true);
    execute(ledger, { kind: "freezeAccount", account: "3" });
    expect(executor.execute(1)).toBe(false);
    execute(ledger, { kind: "unfreezeAccount", account: "3" });
    expect(executor.execute(1)).toBe(true);
    expect(executor.execute(1), "its id is known").toBe(false);
    execute(ledger, { kind: "setBranchState", target: 1, state: BranchState.RETIRED });
    expect(executor.execute(2)).toBe(false);
    expect(list.slice().map((record) => [record.branch, record.kind])).toEqual([
      [1, 1],
      [1, 1],
    ]);
  });

  it.each(["freezeAccount", "closeAccount", "placeHold", "updateAccount"] as const)(
    "asks more of an account after %s, and no more when that is over",
    (kind) => {
      const ledger = ledgerWithBounds();
      const row = { debit: 4, credit: 3, amount: 70n };
      const account = kind === "closeAccount" ? "3" : "4";
      const amount = { currency: "USD", minor: 1n };
      const hold = ledger.position + 1;
      if (kind === "placeHold") execute(ledger, { kind, account, amount, expiresMs: 0 });
      else if (kind === "updateAccount") execute(ledger, { kind, account, floor: 1n });
      else execute(ledger, { kind, account });
      expect(isQuick(ledger, row)).toBe(false);
      if (kind === "closeAccount") return;
      if (kind === "placeHold") execute(ledger, { kind: "releaseHold", hold });
      else if (kind === "updateAccount") execute(ledger, { kind, account, floor: 0n });
      else execute(ledger, { kind: "unfreezeAccount", account });
      expect(isQuick(ledger, row)).toBe(true);
    },
  );

  it.each<[string, Record<string, bigint>, Row, boolean]>([
    ["a floor that was lifted", { floor: 1n }, { debit: 4, credit: 3, amount: 70n }, false],
    ["a ceiling that was lifted", { ceiling: 80n }, { credit: 4, amount: 11n }, false],
    ["no overdraft any more", { floor: -10n }, { debit: 4, credit: 3, amount: 80n }, true],
  ])("asks as much of an account as before once %s was taken back", (_, limits, row, expected) => {
    const ledger = ledgerWithBounds();
    execute(ledger, { kind: "updateAccount", account: "4", ...limits });
    const [lifted] = execute(ledger, { kind: "updateAccount", account: "4", floor: 0n, ceiling: null });
    unapply(ledger, lifted as LedgerRecord);
    expect(isQuick(ledger, row)).toBe(expected);
  });

  it("notices that a principal was taken back", () => {
    const ledger = ledgerWithBounds();
    const orders = ordersOf([{ credit: 3, amount: 1n }], { principal: "new" });
    const [record] = execute(ledger, deposit("3", 1n), { principal: "new" });
    const list = new RecordList();
    const executor = new OrderExecutor(ledger, orders, list);
    expect(executor.execute(0)).toBe(true);
    unapply(ledger, list.at(0) as LedgerRecord);
    unapply(ledger, record as LedgerRecord);
    expect(executor.execute(0)).toBe(false);
  });

  it("leaves what was frozen of both accounts as it was", () => {
    const ledger = newLedger();
    const open: Command = {
      kind: "openAccount",
      type: AccountType.SAVINGS,
      owner: "A",
      displayName: "",
      currency: "USD",
    };
    for (let n = 0; n < 2 * PAGE_ACCOUNTS; n++) execute(ledger, open);
    const [first, last] = [1, 2 * PAGE_ACCOUNTS];
    for (const number of [first, last]) execute(ledger, deposit(String(number), 10n));
    const list = new RecordList();
    const ways: (() => void)[] = [
      () => expect(executeOrder(ledger, ordersOf([{ debit: first, credit: last, amount: 1n }]), 0, list)).toBe(true),
      () => expect(executeOrder(ledger, ordersOf([{ debit: last, credit: first, amount: 1n }]), 0, list)).toBe(true),
      () => unapply(ledger, list.at(1) as LedgerRecord),
      () => apply(ledger, list.at(1) as LedgerRecord),
      () => rollback(ledger, start, list),
      () => applyAll(ledger, list),
    ];
    const start = mark(ledger);
    for (const way of ways) {
      const { count } = ledger.accounts;
      const frozen = ledger.accounts.freeze();
      const was = frozen.rows(0, count);
      way();
      expect(frozen.rows(0, count)).toEqual(was);
      frozen.release();
    }
  });

  it("has changed nothing when there is no memory left", () => {
    const ledger = ledgerWithBounds();
    const list = new RecordList();
    const executor = new OrderExecutor(ledger, ordersOf([{ credit: 3, amount: 1n }]), list);
    const before = toHex(ledger.digestBytes());
    const failing = [
      vi.spyOn(ledger.requests, "pushAt"),
      vi.spyOn(ledger.movements, "prepare"),
      vi.spyOn(list, "reserve"),
    ];
    for (const spy of failing) {
      spy.mockImplementationOnce(() => {
        throw new RangeError("Array buffer allocation failed");
      });
      expect(() => executor.execute(0)).toThrow(RangeError);
      expect([toHex(ledger.digestBytes()), list.length]).toEqual([before, 0]);
      checkSums(ledger);
    }
    expect(executor.execute(0)).toBe(true);
  });
});

describe("OrderHasher", () => {
  it(`hashes as the command of an entry is hashed ${seeded("ledger/execute-order.test.ts")}`, () => {
    const random = new Random(SEED);
    const numbers = [
      0,
      1,
      9,
      10,
      99,
      100,
      2 ** 31 - 1,
      2 ** 31,
      2 ** 31 + 1,
      10 ** 10,
      10 ** 15 - 1,
      10 ** 15,
      2 ** 53 - 1,
    ];
    const number = () => (random.chance(50) ? random.pick(numbers) : random.below(10 ** random.below(10)));
    const rows = Array.from({ length: 2_000 }, () => ({
      debit: number(),
      credit: number(),
      amount: random.chance(20) ? AMOUNT_MAX : (BigInt(random.below(2 ** 31)) << BigInt(random.below(32))) + 1n,
    }));
    const currencies = ["USD", "EUR", "", "a longer one than there is"];
    for (const currencyIndexes of [undefined, Uint8Array.from(rows, () => random.below(4))]) {
      const orders = ordersOf(rows, { currencies, currencyIndexes });
      const hasher = new OrderHasher(orders);
      for (let i = 0; i < rows.length; i++) {
        const expected = hashCommand(requestOfOrder(orders, i).command);
        const { low, high } = hasher.hash(i);
        expect({ low, high }).toEqual(expected);
      }
    }
  });
});

import type { AccountIndex, Command, GroupItem, Position, RejectionReason } from "@bank/core";
import { AccountType, AMOUNT_MAX, HoldState, RecordKind } from "@bank/core";
import { requestKey } from "./sample-records.test-util.ts";
import { sha256 } from "./sha256.test-util.ts";
import { takeSnapshot } from "./snapshot.ts";
import { deposit, open, pay, randomNumbers, register, withdraw } from "./story.test-util.ts";
import type { Order, TestBank } from "./test-bank.test-util.ts";

const RATES = [0, 1, 2_500_000, 12_500_000, 100_000_000] as const;

export function place(account: string, minor: bigint, expiresMs = 0, currency = "EUR"): Order {
  return { kind: "placeHold", account, amount: { currency, minor }, expiresMs };
}

export function capture(hold: Position, minor?: bigint, to = "", currency = "EUR"): Order {
  return { kind: "captureHold", hold, to, amount: minor === undefined ? undefined : { currency, minor } };
}

export function release(hold: Position): Order {
  return { kind: "releaseHold", hold };
}

export function extend(hold: Position, expiresMs: number): Order {
  return { kind: "extendHold", hold, expiresMs };
}

export function reverse(transaction: Position): Order {
  return { kind: "reverse", transaction };
}

export function interest(account: string, rate: number): Order {
  return { kind: "applyInterest", account, rate };
}

export function group(...items: readonly Order[]): Order {
  return { kind: "group", items: items as readonly GroupItem[] };
}

type Change = Extract<Command, { account: string; kind: `${string}Account` }>["kind"];

export function change(kind: Exclude<Change, "updateAccount">, account: string): Order {
  return { kind, account };
}

/**
 * A bank that begins at format level 1, is raised to level 2 at a restart, and in which then everything happens that
 * level 2 adds: each kind of record, each rejection, each state of accounts and holds; then a random working day.
 */
export function tellFullStory(bank: TestBank, options: { readonly seed: number; readonly batches: number }): void {
  const { ledger } = bank.replay;
  bank.beginEpoch();
  bank.execute(register(1, "Überlingen", ""), register(2, "Second", "http://127.0.0.1:50062"));
  bank.execute(open("EUR"), open("EUR", 1, "Žofie 🏦"), open("JPY", 2, "李雷"));
  bank.execute(deposit("1", 100_000n), { ...deposit("2", 9_530n, "EUR", 1), by: "ops" }, withdraw("2", 1_000_000n));
  const payment = ledger.position + 1;
  bank.execute(pay("1", "2", 20_000n, "EUR", 2), deposit("3", 500n, "JPY", 2));
  bank.beginEpoch(true, 2);
  openAndChange(bank);
  moveAndReverse(bank, payment);
  holdMoney(bank);
  rejectAccounts(bank);
  rejectMovements(bank, payment);
  rejectHolds(bank);
  rejectWhatNoTestCanFill(bank);
  const { position, root } = takeSnapshot(bank.replay, sha256);
  bank.recordRoot(position, root);
  bank.tick();
  workAtEverything(bank, options);
  bank.beginEpoch();
}

/** Accounts 4 to 8, of which number 6 was chosen by its opener. */
function openAndChange(bank: TestBank): void {
  const metadata = { empty: "", constructor: "own", plan: "🏦 gold", 1: "one", 0: "zero" };
  bank.execute(
    {
      ...open("EUR", 1, "Ada"),
      type: AccountType.CHECKING,
      floor: -50_000n,
      alias: "ada@home:main",
      ceiling: 1_000_000n,
    } as Order,
    { ...open("EUR"), alias: "6", metadata: { plan: "basic" } } as Order,
    { ...open("KWD"), metadata } as Order,
    { ...open("EUR"), ceiling: 1n } as Order,
    open("USD", 2),
  );
  bank.execute(
    { kind: "updateAccount", account: "ada@home:main", displayName: "Haushalt", metadata: { a: "1", b: "" } },
    { kind: "updateAccount", account: "6", floor: 0n, ceiling: AMOUNT_MAX - 1n },
    { kind: "updateAccount", account: "6", ceiling: null, metadata: {}, by: "ops" },
    change("freezeAccount", "5"),
    change("closeAccount", "8"),
    change("freezeAccount", "7"),
    change("unfreezeAccount", "7"),
  );
}

function moveAndReverse(bank: TestBank, payment: Position): void {
  const { ledger } = bank.replay;
  const before = ledger.position;
  bank.execute(
    pay("ada@home:main", "6", 30_000n, "EUR", 1),
    pay("1", "fees/2/EUR", 150n),
    interest("2", 12_500_000),
    interest("6", 1),
    interest("3", 2_500_000),
    group(deposit("6", 1_000n), pay("6", "ada@home:main", 400n), { ...open("CHF"), alias: "franken" } as Order),
    group(deposit("1", 5n), withdraw("3", 5_000n, "JPY")),
    { kind: "cancelRequest", by: "ops" },
  );
  // Of the cash that came in, of a transfer between branches, and of fees: each of another kind of account.
  bank.execute(reverse(payment), reverse(before + 1), { ...reverse(before + 3), by: "ops", at: 1 });
}

/** One hold in every state that there is, and captures of every kind. */
function holdMoney(bank: TestBank): void {
  const { ledger } = bank.replay;
  const soon = bank.timeMs + 1_000;
  const first = ledger.position + 1;
  bank.execute(
    place("1", 9_530n),
    place("1", 100n, soon),
    { ...place("2", 700n, soon), by: "ops", at: 1 },
    place("3", 40n, soon, "JPY"),
    place("1", 1n, soon),
  );
  bank.execute(
    capture(first, 5_000n),
    { ...capture(first, 500n, "6"), at: 2 },
    capture(first, 30n, "fees/1/EUR"),
    capture(first),
    release(first + 1),
    capture(first + 2, 699n, "1"),
    extend(first + 3, soon + 1_000),
  );
  bank.execute(group(place("2", 10n), extend(first + 2, soon + 1), capture(first + 3, 1n, "", "JPY")));
  // Money that a capture moved goes back to the account; the hold stays as it is.
  bank.execute(reverse(first + 5), { ...reverse(first + 6), by: "ops" });
  bank.pass(1_000).execute(deposit("1", 1n));
  const frozen = ledger.position + 1;
  bank.execute(
    place("2", 10n, bank.timeMs + 500),
    place("2", 20n, bank.timeMs + 500),
    place("2", 20n),
    change("freezeAccount", "2"),
    release(frozen),
    extend(frozen + 1, bank.timeMs + 1_000),
  );
  bank.pass(1_000).execute(capture(frozen + 2), change("unfreezeAccount", "2"));
}

function rejectAccounts(bank: TestBank): void {
  const update = { kind: "updateAccount" } as const;
  bank.execute(
    { ...open("EUR"), alias: "ada@home:main" } as Order,
    { ...open("EUR"), alias: "1" } as Order,
    { ...update, account: "0", displayName: "x" },
    { ...update, account: "8", displayName: "x" },
    { ...update, account: "1", floor: -1n },
    { ...update, account: "1", floor: AMOUNT_MAX },
    { ...update, account: "1", ceiling: 1n },
    change("unfreezeAccount", "1"),
    change("freezeAccount", "5"),
    change("closeAccount", "1"),
    change("closeAccount", "8"),
    { ...change("freezeAccount", "1"), at: 77 },
  );
}

function rejectMovements(bank: TestBank, payment: Position): void {
  const { ledger } = bank.replay;
  bank.execute(withdraw("ada@home:main", 10_000n, "EUR", 1));
  const reversal = ledger.reversalOf(payment) ?? 0;
  bank.execute(
    deposit("5", 1n, "KWD"),
    deposit("8", 1n, "USD"),
    deposit("7", 2n),
    deposit("1", 1n, "USD"),
    deposit("franken", AMOUNT_MAX, "CHF"),
    deposit("franken", 1n, "CHF"),
    pay("1", "1", 1n),
    withdraw("ada@home:main", 1_000_000n),
    interest("ada@home:main", 12_500_000),
    reverse(payment),
    reverse(reversal),
    reverse(1),
    reverse(1_000_000),
  );
  bank.execute(group(deposit("1", 7n), reverse(reversal)), group(open("EUR"), interest("10", 1)));
}

function rejectHolds(bank: TestBank): void {
  const { ledger } = bank.replay;
  const open = ledger.position + 1;
  bank.execute(place("1", 50n), place("1", 50n, bank.timeMs + 100_000));
  const ended = Array.from({ length: ledger.holds.count }, (_, i) => ledger.holds.viewAt(i)).filter(
    ({ state }) => state !== HoldState.OPEN,
  );
  bank.execute(
    ...ended.map(({ hold }) => capture(hold)),
    capture(999_999),
    place("1", 1_000_000n),
    capture(ledger.position + ended.length + 2),
    capture(open, 51n),
    extend(open, bank.timeMs + 10_000),
    extend(open + 1, 1),
    place("1", 1n, 1),
    place("ada@home:main", 1n),
    change("closeAccount", "1"),
    capture(open, 1n, "1"),
  );
}

/** A ledger that is full is too large for a test; what it would decide is not. */
function rejectWhatNoTestCanFill(bank: TestBank): void {
  const rejections: [RejectionReason, Record<string, string>][] = [
    ["ACCOUNT_LIMIT_EXCEEDED", { accounts: "100000000" }],
    ["TABLE_FULL", { entries: "16000000", table: "aliases" }],
  ];
  bank.append(
    rejections.map(([reason, metadata], i) => ({
      kind: RecordKind.REJECTED,
      principal: "dev",
      branch: 0,
      request: requestKey(0x40 + i),
      rejection: { reason, metadata, item: i + 1 },
    })),
  );
}

/** Orders of all kinds as they come, in batches of 1 to 9; some of them are rejected. */
export function workAtEverything(bank: TestBank, options: { readonly seed: number; readonly batches: number }): void {
  const { ledger } = bank.replay;
  const random = randomNumbers(options.seed);
  const pick = <T>(values: readonly T[]): T => values[random(values.length)] as T;
  const account = (): string => {
    const number = String(1 + random(ledger.nextAccountNumber));
    const index = random(12) === 0 ? random(ledger.accounts.count) : ledger.findCustomerAccount(number);
    if (index === undefined) return number;
    const view = ledger.viewAccount(index as AccountIndex);
    return random(3) > 0 && view.alias !== "" ? view.alias : view.reference;
  };
  const currencyOf = (reference: string) => {
    const index = ledger.findAccount(reference);
    return index === undefined ? "EUR" : ledger.viewAccount(index).currency;
  };
  const other = (currency: string) => {
    let to = account();
    for (let tries = 0; tries < 9 && currencyOf(to) !== currency; tries++) to = account();
    return to;
  };
  const hold = () => {
    const anyHold = () => ledger.holds.viewAt(random(ledger.holds.count));
    let view = anyHold();
    for (let tries = 0; tries < 4 && view.state !== HoldState.OPEN; tries++) view = anyHold();
    return view;
  };
  const soon = () => (random(3) === 0 ? 0 : bank.timeMs + 10 + random(pick([150, 5_000])));
  let aliases = 0;
  const item = (): Order => {
    const of = account();
    const currency = currencyOf(of);
    const minor = BigInt(1 + random(2_000));
    switch (random(24)) {
      case 0:
        return { ...open(pick(["EUR", "JPY", "KWD"])), alias: pick(["", `a${aliases++}`, `${60 + aliases}`]) } as Order;
      case 1:
        return {
          ...open("EUR"),
          type: AccountType.CHECKING,
          floor: -minor,
          ceiling: 4_000n,
          metadata: { batch: "1" },
        } as Order;
      case 2:
        return {
          kind: "updateAccount",
          account: of,
          metadata: pick([{}, { a: String(minor) }]),
          ceiling: pick([null, 9_000n]),
        };
      case 3:
        return change(
          pick(["freezeAccount", "unfreezeAccount", "unfreezeAccount", "unfreezeAccount", "closeAccount"]),
          of,
        );
      case 4:
        return withdraw(of, minor, currency);
      case 5:
      case 6:
        return interest(of, pick(RATES));
      case 7:
      case 8:
        return reverse(Math.max(1, ledger.position - random(60)));
      case 9:
      case 10:
      case 11:
        return place(of, minor, soon(), currency);
      case 12:
      case 13: {
        const { hold: from, account: payer } = hold();
        const held = ledger.viewAccount(payer).currency;
        return capture(from, random(3) === 0 ? undefined : minor / 2n + 1n, random(2) === 0 ? "" : other(held), held);
      }
      case 14:
        return release(hold().hold);
      case 15:
        return extend(hold().hold, bank.timeMs + 50 + random(300));
      case 16:
      case 17:
        return pay(of, other(currency), minor, currency);
      default:
        return deposit(of, 4n * minor, currency, 0);
    }
  };
  const order = (): Order => {
    const at = random(30) === 0 ? 3 : pick([0, 0, 1, 2]);
    const by = pick(["dev", "dev", "ops"]);
    if (random(9) === 0) return { ...group(...Array.from({ length: 1 + random(4) }, item)), at, by };
    return random(40) === 0 ? { kind: "cancelRequest", at, by } : { ...item(), at, by };
  };
  for (let batch = 0; batch < options.batches; batch++) {
    bank.pass(random(40));
    bank.execute(...Array.from({ length: 1 + random(9) }, order));
  }
}

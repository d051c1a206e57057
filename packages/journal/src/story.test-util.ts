import type { AccountIndex, RequestId } from "@bank/core";
import { AccountType, AMOUNT_MAX, BALANCE_MIN, RecordKind } from "@bank/core";
import { countingBytes, transfer } from "./sample-records.test-util.ts";
import { sha256 } from "./sha256.test-util.ts";
import { takeSnapshot } from "./snapshot.ts";
import type { Order, TestBank } from "./test-bank.test-util.ts";

const { SAVINGS, CHECKING } = AccountType;
const CURRENCIES = ["EUR", "USD", "JPY", "KWD"] as const;
const OWNERS = ["Ada", "Žofie 🏦", "李雷", "", "a".repeat(128)] as const;

export function open(currency: string, at = 0, owner = "Ada"): Order {
  return {
    kind: "openAccount",
    type: at % 2 === 0 ? SAVINGS : CHECKING,
    owner,
    displayName: owner,
    currency,
    at,
  };
}

export function deposit(account: string, minor: bigint, currency = "EUR", at = 0): Order {
  return { kind: "deposit", account, amount: { currency, minor }, at };
}

export function withdraw(account: string, minor: bigint, currency = "EUR", at = 0): Order {
  return { kind: "withdraw", account, amount: { currency, minor }, at };
}

export function pay(from: string, to: string, minor: bigint, currency = "EUR", at = 0): Order {
  return { kind: "transfer", from, to, amount: { currency, minor }, at };
}

export function register(branch: number, name: string, address: string): Order {
  return { kind: "registerBranch", branch, name, address };
}

/**
 * A short life of a bank in which everything happens that can stand in a journal: each kind of record, each rejection,
 * several epochs, branches, currencies and principals; then a random working day.
 */
export function tellStory(bank: TestBank, options: { readonly seed: number; readonly batches: number }): void {
  bank.beginEpoch();
  bank.execute(
    register(1, "Überlingen", "http://127.0.0.1:50061"),
    register(2, "Second", ""),
    register(65_535, "", "https://branch.example/\u{1f3e6}"),
  );
  bank.execute(...CURRENCIES.flatMap((currency, i) => [open(currency, i % 3), open(currency, 65_535, OWNERS[i])]));
  bank.execute({ ...deposit("1", 100_000n), by: "ops" }, deposit("2", 5n, "EUR", 1), deposit("5", 1n, "JPY", 65_535));
  bank.execute(withdraw("1", 2_500n, "EUR", 2), pay("1", "2", 12_345n, "EUR", 1), { ...pay("2", "1", 1n), by: "ops" });
  rejectEverything(bank);
  const { position, root } = takeSnapshot(bank.replay, sha256);
  bank.recordRoot(position, root);
  bank.beginEpoch(true);
  bank.execute(register(1, "Überlingen am See", "http://127.0.0.1:50071"));
  workRandomly(bank, options);
  bank.beginEpoch();
}

function rejectEverything(bank: TestBank): void {
  bank.execute(
    open("CHF", 9),
    deposit("999", 1n),
    pay("1", "\u{1f3e6}", 1n),
    pay("1", "1", 1n),
    deposit("1", 1n, "USD"),
    withdraw("2", 1_000_000_000n, "EUR", 1),
    deposit("7", AMOUNT_MAX, "KWD"),
    deposit("7", 1n, "KWD"),
  );
  // A ledger that is full is too large for a test; what it would decide is not.
  const request = { id: countingBytes(0x40, 16) as RequestId, hashLow: -1, hashHigh: 0 };
  const rejection = { reason: "ACCOUNT_LIMIT_EXCEEDED", metadata: { accounts: "100000000" } } as const;
  bank.append([{ kind: RecordKind.REJECTED, principal: "dev", branch: 0, request, rejection }]);
  // Records that answer nobody are not what `decide` gives today, and replay all the same.
  const { debit, credit } = movementBetweenCash(bank);
  bank.append([transfer(undefined, { debit, credit, amount: 3n, principal: "bank", branch: 0 })]);
}

/** Two accounts of one currency that may both go below zero. */
function movementBetweenCash({ replay: { ledger } }: TestBank): { debit: AccountIndex; credit: AccountIndex } {
  const cash = Array.from({ length: ledger.accounts.count }, (_, i) => ledger.viewAccount(i as AccountIndex)).filter(
    ({ floor, currency }) => floor === BALANCE_MIN && currency === "EUR",
  );
  return { debit: cash[0]!.index, credit: cash[1]!.index };
}

/** Orders as they come, in batches of 1 to 9; some of them are rejected. */
export function workRandomly(bank: TestBank, options: { readonly seed: number; readonly batches: number }): void {
  const { ledger } = bank.replay;
  const random = randomNumbers(options.seed);
  const pick = <T>(values: readonly T[]): T => values[random(values.length)] as T;
  const anyAccount = () => String(1 + random(ledger.nextAccountNumber + 1));
  const currencyOf = (reference: string) => {
    const index = ledger.findCustomerAccount(reference);
    return index === undefined ? undefined : ledger.viewAccount(index).currency;
  };
  const order = (): Order => {
    const at = pick([0, 0, 1, 2, 65_535, 3]);
    const account = anyAccount();
    const currency = (random(8) === 0 ? undefined : currencyOf(account)) ?? pick(CURRENCIES);
    const minor = BigInt(1 + random(2_000));
    switch (random(8)) {
      case 0:
        return open(pick(CURRENCIES), at, pick(OWNERS));
      case 1:
        return withdraw(account, minor, currency, at);
      case 2:
      case 3:
        return deposit(account, 4n * minor, currency, at);
      default: {
        let to = anyAccount();
        for (let tries = 0; tries < 6 && currencyOf(to) !== currency; tries++) to = anyAccount();
        return pay(account, to, minor, currency, at);
      }
    }
  };
  for (let batch = 0; batch < options.batches; batch++)
    bank.execute(
      ...Array.from({ length: 1 + random(9) }, () => ({
        ...order(),
        by: pick(["dev", "dev", "dev", "ops", "\u{1f468}\u200d\u{1f4bb}"]),
      })),
    );
}

/**
 * Numbers from 0 to below a bound, the same for the same seed on every machine.
 * Source of the step: mulberry32 by Tommy Ettinger, in the public domain.
 */
export function randomNumbers(seed: number): (bound: number) => number {
  let state = seed | 0;
  return (bound) => {
    state = (state + 0x6d2b_79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
}

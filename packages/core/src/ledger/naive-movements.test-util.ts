import type { ApplyInterest, Deposit, Reverse, Transfer, Withdraw } from "../command.ts";
import { isInternal, type NaiveAccount, type NaiveBooks, naiveDecimal } from "./naive-books.test-util.ts";
import {
  checkCeiling,
  checkCurrency,
  checkFunds,
  checkOpen,
  checkRange,
  checkVersion,
  findCustomer,
  findReceiver,
  internalAccount,
  NaiveNo,
} from "./naive-checks.test-util.ts";
import { told } from "./told.test-util.ts";

export function deposit(books: NaiveBooks, branch: number, command: Deposit): void {
  const account = findCustomer(books, command.account);
  const { currency, minor } = command.amount;
  checkVersion(account, command.expectedVersion);
  checkCurrency(account, currency);
  checkOpen(account);
  checkCeiling(account, minor);
  const cash = internalAccount(books, "cash", branch, currency);
  checkRange(cash, account, minor);
  const line = told.moved("deposit", cash.name, account.name, minor);
  move(books, { line, from: cash, to: account, amount: minor, on: account });
}

export function withdraw(books: NaiveBooks, branch: number, command: Withdraw): void {
  const account = findCustomer(books, command.account);
  const { currency, minor } = command.amount;
  checkVersion(account, command.expectedVersion);
  checkCurrency(account, currency);
  checkOpen(account);
  checkFunds(account, minor, account.floor);
  const cash = internalAccount(books, "cash", branch, currency);
  checkRange(account, cash, minor);
  const line = told.moved("withdrawal", account.name, cash.name, minor);
  move(books, { line, from: account, to: cash, amount: minor, on: account });
}

export function transfer(books: NaiveBooks, command: Transfer): void {
  const from = findCustomer(books, command.from);
  const to = findReceiver(books, command.to);
  if (from.name === to.name) throw new NaiveNo("SAME_ACCOUNT", { account: from.name });
  const { currency, minor } = command.amount;
  checkVersion(from, command.expectedVersion);
  checkCurrency(from, currency);
  checkCurrency(to, currency);
  checkOpen(from, to);
  checkFunds(from, minor, from.floor);
  checkCeiling(to, minor);
  checkRange(from, to, minor);
  const line = told.moved("transfer", from.name, to.name, minor);
  move(books, { line, from, to, amount: minor, on: from });
}

export function reverse(books: NaiveBooks, command: Reverse): void {
  const original = books.transactions.get(command.transaction);
  const transaction = `${command.transaction}`;
  if (original === undefined) throw new NaiveNo("TRANSACTION_NOT_FOUND", { transaction });
  if (original.isReversal) throw new NaiveNo("NOT_REVERSIBLE", { transaction });
  const on = books.account(original.account);
  checkVersion(on, command.expectedVersion);
  if (original.reversedBy !== undefined)
    throw new NaiveNo("ALREADY_REVERSED", { reversal: `${original.reversedBy}`, transaction });
  const { amount } = original;
  const from = books.account(original.to);
  const to = books.account(original.from);
  checkOpen(from, to);
  checkFunds(from, amount, from.floor);
  checkCeiling(to, amount);
  checkRange(from, to, amount);
  const line = told.reversed(original.position, from.name, to.name, amount);
  const reversedBy = move(books, { line, from, to, amount, on, isReversal: true });
  books.putTransaction({ ...original, reversedBy });
}

export function applyInterest(books: NaiveBooks, branch: number, command: ApplyInterest): void {
  const account = findCustomer(books, command.account);
  const { name, currency, posted } = account;
  checkVersion(account, command.expectedVersion);
  checkOpen(account);
  if (posted < 0n)
    throw new NaiveNo("NEGATIVE_BALANCE", { account: name, currency, posted: naiveDecimal(posted, currency) });
  // A rate of 1 is a millionth of a hundredth.
  const amount = halfEven(posted * BigInt(command.rate), 100_000_000n);
  if (amount === 0n) {
    books.say(told.interest(name, command.rate, posted, 0n, "nowhere"));
    return;
  }
  checkCeiling(account, amount);
  const from = internalAccount(books, "interest", branch, currency);
  checkRange(from, account, amount);
  const line = told.interest(name, command.rate, posted, amount, from.name);
  move(books, { line, from, to: account, amount, on: account });
}

interface Move {
  readonly line: string;
  readonly from: NaiveAccount;
  readonly to: NaiveAccount;
  readonly amount: bigint;
  readonly on: NaiveAccount;
  readonly isReversal?: boolean;
}

/** Writes down that money moves. An account of the bank's own that was never used is opened first. Gives the position. */
export function move(books: NaiveBooks, { line, from, to, amount, on, isReversal = false }: Move): number {
  for (const account of [from, to])
    if (isInternal(account) && !books.accounts.has(account.name)) {
      books.useCurrency(account.currency);
      books.say(told.opened(account));
      books.open(account);
    }
  const position = books.say(line);
  books.change(from.name, { posted: from.posted - amount });
  books.change(to.name, { posted: to.posted + amount });
  const names = { from: from.name, to: to.name, account: on.name };
  books.putTransaction({ position, ...names, amount, isReversal, reversedBy: undefined });
  return position;
}

/** Numerator by denominator to the nearest whole, and of two that are as near to the even one. Neither is negative. */
function halfEven(numerator: bigint, denominator: bigint): bigint {
  const below = numerator / denominator;
  const toBelow = numerator - below * denominator;
  const toAbove = (below + 1n) * denominator - numerator;
  if (toBelow !== toAbove) return toBelow < toAbove ? below : below + 1n;
  return below % 2n === 0n ? below : below + 1n;
}

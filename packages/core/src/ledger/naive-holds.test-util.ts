import type { CaptureHold, ExtendHold, PlaceHold, ReleaseHold } from "../command.ts";
import { type NaiveBooks, type NaiveHold, naiveDecimal } from "./naive-books.test-util.ts";
import {
  checkCeiling,
  checkCurrency,
  checkFunds,
  checkOpen,
  checkRange,
  checkVersion,
  findCustomer,
  findHold,
  findReceiver,
  internalAccount,
  NaiveNo,
} from "./naive-checks.test-util.ts";
import { move } from "./naive-movements.test-util.ts";
import { type ToldHold, told } from "./told.test-util.ts";

/** How many holds one record can end. */
const EXPIRIES_PER_RECORD = 10_000;

export function placeHold(books: NaiveBooks, command: PlaceHold): void {
  const account = findCustomer(books, command.account);
  const { currency, minor } = command.amount;
  const { expiresMs } = command;
  checkVersion(account, command.expectedVersion);
  checkCurrency(account, currency);
  checkOpen(account);
  if (expiresMs !== 0) checkLater(expiresMs, books.timeMs);
  const floor = account.floor ?? 0n;
  checkFunds(account, minor, floor > 0n ? floor : 0n);
  const hold = { account: account.name, amount: minor, captured: 0n, expiresMs, state: "open" } as const;
  const position = books.say(told.hold("placed", words({ ...hold, position: books.position + 1 })));
  books.putHold({ ...hold, position });
  books.change(account.name);
}

export function captureHold(books: NaiveBooks, branch: number, command: CaptureHold): void {
  const hold = findHold(books, command.hold);
  const account = books.account(hold.account);
  const { currency } = account;
  const receiver = command.to === "" ? undefined : findReceiver(books, command.to);
  if (receiver?.name === account.name) throw new NaiveNo("SAME_ACCOUNT", { account: account.name });
  checkVersion(account, command.expectedVersion);
  checkNotEnded(hold);
  const amountCurrency = command.amount?.currency ?? currency;
  checkCurrency(account, amountCurrency);
  const to = receiver ?? internalAccount(books, "cash", branch, currency);
  checkCurrency(to, amountCurrency);
  checkOpen(account, to);
  const remaining = hold.amount - hold.captured;
  const amount = command.amount?.minor ?? remaining;
  if (amount > remaining)
    throw new NaiveNo("HOLD_AMOUNT_EXCEEDED", {
      currency,
      hold: `${hold.position}`,
      remaining: naiveDecimal(remaining, currency),
      requested: naiveDecimal(amount, currency),
    });
  checkCeiling(to, amount);
  checkRange(account, to, amount);
  const captured = hold.captured + amount;
  const after: NaiveHold = { ...hold, captured, state: captured === hold.amount ? "captured" : "open" };
  books.putHold(after);
  const line = told.captured(words(after), to.name, amount);
  move(books, { line, from: account, to, amount, on: account });
}

export function releaseHold(books: NaiveBooks, command: ReleaseHold): void {
  const hold = findHold(books, command.hold);
  checkVersion(books.account(hold.account), command.expectedVersion);
  checkNotEnded(hold);
  books.say(told.hold("released", words(hold)));
  books.putHold({ ...hold, state: "released" });
  books.change(hold.account);
}

export function extendHold(books: NaiveBooks, command: ExtendHold): void {
  const hold = findHold(books, command.hold);
  const { expiresMs } = command;
  checkVersion(books.account(hold.account), command.expectedVersion);
  checkNotEnded(hold);
  if (hold.expiresMs === 0) throw new NaiveNo("HOLD_NEVER_EXPIRES", { hold: `${hold.position}` });
  checkLater(expiresMs, hold.expiresMs);
  const after = { ...hold, expiresMs };
  books.say(told.hold("extended", words(after)));
  books.putHold(after);
  books.change(hold.account);
}

/** Ends the holds whose time has come, the earliest first; of one time, the first placed first. */
export function expireHolds(books: NaiveBooks): void {
  const due = [...books.openHolds.values()]
    .filter(({ expiresMs }) => expiresMs !== 0 && expiresMs <= books.timeMs)
    .sort((a, b) => a.expiresMs - b.expiresMs || a.position - b.position);
  for (let from = 0; from < due.length; from += EXPIRIES_PER_RECORD) {
    const holds = due.slice(from, from + EXPIRIES_PER_RECORD);
    books.say(told.expired(holds.map(({ position }) => position)));
    for (const hold of holds) {
      books.putHold({ ...hold, state: "expired" });
      books.change(hold.account);
    }
  }
}

function checkNotEnded({ position, state }: NaiveHold): void {
  if (state !== "open") throw new NaiveNo("HOLD_ENDED", { hold: `${position}`, state });
}

function checkLater(expiresMs: number, earliestMs: number): void {
  if (expiresMs > earliestMs) return;
  throw new NaiveNo("EXPIRY_NOT_LATER", { earliest: dateText(earliestMs), expires_at: dateText(expiresMs) });
}

function dateText(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

function words({ position, account, amount, captured, expiresMs }: NaiveHold): ToldHold {
  return { hold: position, account, held: amount, captured, expiresMs };
}

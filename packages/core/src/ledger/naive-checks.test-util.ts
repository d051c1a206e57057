import {
  isInternal,
  type NaiveAccount,
  type NaiveBooks,
  type NaiveHold,
  naiveDecimal,
} from "./naive-books.test-util.ts";

const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);

/** No, and why. */
export class NaiveNo extends Error {
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(reason: string, metadata: Readonly<Record<string, string>> = {}) {
    super(reason);
    this.reason = reason;
    this.metadata = metadata;
  }
}

/** The customer's account that is named. */
export function findCustomer(books: NaiveBooks, reference: string): NaiveAccount {
  const account = books.customer(reference);
  if (account === undefined) throw new NaiveNo("ACCOUNT_NOT_FOUND", { account: reference });
  return account;
}

/** Where money can be sent: a customer's account, or one for fees, at a branch and in a currency that the bank has. */
export function findReceiver(books: NaiveBooks, reference: string): NaiveAccount {
  const fees = /^fees\/(0|[1-9][0-9]*)\/([A-Z][A-Z][A-Z])$/.exec(reference);
  if (fees === null) return findCustomer(books, reference);
  const [branch, currency] = [Number(fees[1]), String(fees[2])];
  if ((branch !== 0 && !books.branches.has(branch)) || !books.currencies.has(currency))
    throw new NaiveNo("ACCOUNT_NOT_FOUND", { account: reference });
  return internalAccount(books, "fees", branch, currency);
}

/** One of the bank's own accounts as it is, or as it would be opened. */
export function internalAccount(
  books: NaiveBooks,
  type: "cash" | "interest" | "fees",
  branch: number,
  currency: string,
): NaiveAccount {
  const name = `${type}/${branch}/${currency}`;
  const nobody = { alias: "", owner: "", displayName: "", metadata: {}, floor: undefined, ceiling: undefined };
  const empty = { posted: 0n, held: 0n, state: "open", version: 1 } as const;
  return books.accounts.get(name) ?? { name, type, branch, currency, ...nobody, ...empty };
}

export function findHold(books: NaiveBooks, position: number): NaiveHold {
  const hold = books.holds.get(position);
  if (hold === undefined) throw new NaiveNo("HOLD_NOT_FOUND", { hold: `${position}` });
  return hold;
}

export function checkVersion(account: NaiveAccount, expected: number | undefined): void {
  const { name, version } = account;
  if (expected !== undefined && expected !== version)
    throw new NaiveNo("STALE_VERSION", { account: name, expected_version: `${expected}`, version: `${version}` });
}

export function checkCurrency(account: NaiveAccount, currency: string): void {
  if (account.currency === currency) return;
  const metadata = { account: account.name, account_currency: account.currency, amount_currency: currency };
  throw new NaiveNo("CURRENCY_MISMATCH", metadata);
}

export function checkNotClosed(...accounts: readonly NaiveAccount[]): void {
  for (const { name, state } of accounts)
    if (state === "closed") throw new NaiveNo("ACCOUNT_CLOSED", { account: name });
}

export function checkNotFrozen(...accounts: readonly NaiveAccount[]): void {
  for (const { name, state } of accounts)
    if (state === "frozen") throw new NaiveNo("ACCOUNT_FROZEN", { account: name });
}

export function checkOpen(...accounts: readonly NaiveAccount[]): void {
  checkNotClosed(...accounts);
  checkNotFrozen(...accounts);
}

export function availableOf(account: NaiveAccount): bigint {
  return account.posted - account.held;
}

/** Whether an account can do without an amount, and still has this much. What is available is what could be asked for. */
export function checkFunds(account: NaiveAccount, amount: bigint, leastLeft: bigint | undefined): void {
  if (leastLeft === undefined || availableOf(account) - amount >= leastLeft) return;
  const { name, currency } = account;
  throw new NaiveNo("INSUFFICIENT_FUNDS", {
    account: name,
    available: naiveDecimal(availableOf(account) - leastLeft, currency),
    currency,
    requested: naiveDecimal(amount, currency),
  });
}

export function checkCeiling(account: NaiveAccount, amount: bigint): void {
  const { name, ceiling, currency, posted } = account;
  if (ceiling === undefined || posted + amount <= ceiling) return;
  throw new NaiveNo("CEILING_EXCEEDED", {
    account: name,
    ceiling: naiveDecimal(ceiling, currency),
    currency,
    posted: naiveDecimal(posted, currency),
    requested: naiveDecimal(amount, currency),
  });
}

/** Whether 64 bits hold both balances: the customer's is looked at first, then the bank's own. */
export function checkRange(from: NaiveAccount, to: NaiveAccount, amount: bigint): void {
  const checked = [
    { account: from, posted: from.posted - amount },
    { account: to, posted: to.posted + amount },
  ];
  for (const internal of [false, true])
    for (const { account, posted } of checked)
      if (isInternal(account) === internal && (posted < MIN || posted > MAX))
        throw new NaiveNo("BALANCE_LIMIT_EXCEEDED", { account: account.name });
}

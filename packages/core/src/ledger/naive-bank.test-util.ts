import type { Command, Request } from "../command.ts";
import { toHex } from "../identifiers.ts";

const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);

/** Decimals of the currencies that the twin knows. */
const DECIMALS: ReadonlyMap<string, number> = new Map([
  ["USD", 2],
  ["EUR", 2],
  ["JPY", 0],
  ["KWD", 3],
  ["CHF", 2],
]);

interface NaiveAccount {
  readonly currency: string;
  readonly balance: bigint;
  /** Movements, and its opening. */
  readonly changes: number;
}

/**
 * The bank once more, as its rules read: maps of balances and a list of answers, without a journal, indexes, records or
 * undo. Nothing in here is taken from the ledger that it is compared with.
 */
export class NaiveBank {
  /** By number, as a text. */
  readonly customers = new Map<string, NaiveAccount>();
  /** By `<branch>/<currency>`. */
  readonly cash = new Map<string, NaiveAccount>();
  readonly branches = new Set([0]);
  private readonly answers = new Map<string, { readonly body: string; readonly answer: string }>();

  /** What the caller is told, in one line. */
  submit(request: Request): string {
    const { command } = request;
    const malformed = problemOf(command);
    if (malformed !== undefined) return `refused ${malformed}`;
    const key = `${request.principal} ${toHex(request.id)}`;
    const body = JSON.stringify(command, (_, value) => (typeof value === "bigint" ? `${value}` : value));
    const earlier = this.answers.get(key);
    if (earlier !== undefined) return earlier.body === body ? `again: ${earlier.answer}` : "refused REQUEST_ID_REUSED";
    const answer = this.run(request.branch, command);
    this.answers.set(key, { body, answer });
    return answer;
  }

  copy(): NaiveBank {
    const copy = new NaiveBank();
    for (const [number, account] of this.customers) copy.customers.set(number, account);
    for (const [name, account] of this.cash) copy.cash.set(name, account);
    for (const branch of this.branches) copy.branches.add(branch);
    for (const [key, answer] of this.answers) copy.answers.set(key, answer);
    return copy;
  }

  private run(branch: number, command: Command): string {
    if (command.kind === "registerBranch") {
      this.branches.add(command.branch);
      return `branch ${command.branch}`;
    }
    if (!this.branches.has(branch)) return "rejected BRANCH_NOT_FOUND";
    if (command.kind === "openAccount") {
      const number = String(this.customers.size + 1);
      this.customers.set(number, { currency: command.currency, balance: 0n, changes: 1 });
      return `account ${number}`;
    }
    const { currency, minor } = command.amount;
    const named = command.kind === "transfer" ? [command.from, command.to] : [command.account];
    for (const number of named) if (!this.customers.has(number)) return `rejected ACCOUNT_NOT_FOUND ${number}`;
    if (command.kind === "transfer" && command.from === command.to) return "rejected SAME_ACCOUNT";
    for (const number of named)
      if (this.customers.get(number)?.currency !== currency) return `rejected CURRENCY_MISMATCH ${number}`;

    const till = `${branch}/${currency}`;
    const inTill = this.cash.get(till) ?? { currency, balance: 0n, changes: 1 };
    const first = this.customers.get(named[0] as string) as NaiveAccount;
    if (command.kind === "deposit") {
      if (!fits(first.balance + minor) || !fits(inTill.balance - minor)) return "rejected BALANCE_LIMIT_EXCEEDED";
      this.cash.set(till, changed(inTill, -minor));
      this.customers.set(command.account, changed(first, minor));
      return `moved ${minor}`;
    }
    if (first.balance < minor) return `rejected INSUFFICIENT_FUNDS ${decimal(first.balance, currency)}`;
    if (command.kind === "withdraw") {
      if (!fits(inTill.balance + minor)) return "rejected BALANCE_LIMIT_EXCEEDED";
      this.customers.set(command.account, changed(first, -minor));
      this.cash.set(till, changed(inTill, minor));
      return `moved ${minor}`;
    }
    const second = this.customers.get(command.to) as NaiveAccount;
    if (!fits(second.balance + minor)) return "rejected BALANCE_LIMIT_EXCEEDED";
    this.customers.set(command.from, changed(first, -minor));
    this.customers.set(command.to, changed(second, minor));
    return `moved ${minor}`;
  }
}

function changed(account: NaiveAccount, by: bigint): NaiveAccount {
  return { currency: account.currency, balance: account.balance + by, changes: account.changes + 1 };
}

function fits(balance: bigint): boolean {
  return balance >= MIN && balance <= MAX;
}

/** `12.34`, by division and remainder. */
function decimal(minor: bigint, currency: string): string {
  const decimals = DECIMALS.get(currency) as number;
  const unit = 10n ** BigInt(decimals);
  return decimals === 0 ? `${minor}` : `${minor / unit}.${(minor % unit).toString().padStart(decimals, "0")}`;
}

function problemOf(command: Command): string | undefined {
  if (command.kind === "registerBranch") return undefined;
  if (command.kind === "openAccount") return DECIMALS.has(command.currency) ? undefined : "UNKNOWN_CURRENCY";
  if (command.amount.minor < 1n || command.amount.minor > MAX) return "INVALID_AMOUNT";
  return DECIMALS.has(command.amount.currency) ? undefined : "UNKNOWN_CURRENCY";
}

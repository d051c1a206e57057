import type { AccountType, InternalAccountType } from "../account.ts";
import { AccountState, internalAccountName, parseFeesAccountName, AccountType as Types } from "../account.ts";
import { assert } from "../assert.ts";
import type { Versioned } from "../command.ts";
import { currencyDecimals } from "../currency.ts";
import type { AccountIndex, BranchNumber, CurrencyIndex, Position } from "../identifiers.ts";
import { ACCOUNTS_MAX, AMOUNT_MAX, BALANCE_MIN } from "../limits.ts";
import type { Money } from "../money.ts";
import { fitsBalance, formatAmount } from "../money.ts";
import { RefusalError, type RejectionReason } from "../reasons.ts";
import type { AccountOpenedRecord, LedgerRecord, RequestKey } from "../record.ts";
import { RecordKind } from "../record.ts";
import type { CurrencyEntry } from "./entries.ts";
import type { Ledger } from "./ledger.ts";

/** The record at a position of the journal; undefined when there is none yet. */
export type RecordLookup = (position: Position) => LedgerRecord | undefined;

/** Who decides what for whom. */
export interface DecisionContext {
  readonly ledger: Ledger;
  readonly principal: string;
  readonly branch: BranchNumber;
  /** Undefined for an item of a group: the group's own record answers. */
  readonly request: RequestKey | undefined;
  readonly lookup: RecordLookup;
}

/**
 * Thrown inside a decision, and caught where it began: a rejection ends it wherever it is noticed. It is no `Error`: the
 * stack that an `Error` collects takes longer than the decision.
 */
export class Rejected {
  readonly reason: RejectionReason;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(reason: RejectionReason, metadata: Readonly<Record<string, string>>) {
    this.reason = reason;
    this.metadata = metadata;
  }
}

/** Where money goes: an account that there is, or one of the bank's own that its first use opens. */
export type Receiver = AccountIndex | InternalAccount;

export interface InternalAccount {
  readonly type: InternalAccountType;
  readonly branch: BranchNumber;
  readonly currency: CurrencyIndex;
}

/**
 * The making of one decision: collects its records, and asks the questions that several commands share. Every
 * `require…` throws `Rejected`; what is prepared for a success is prepared behind the last of them.
 */
export class Decision {
  readonly ledger: Ledger;
  readonly context: DecisionContext;
  readonly records: LedgerRecord[] = [];

  constructor(context: DecisionContext) {
    this.ledger = context.ledger;
    this.context = context;
  }

  // Records

  /** Adds the record that answers. */
  answer(record: LedgerRecord): LedgerRecord[] {
    this.records.push(record);
    return this.records;
  }

  /** What the answering record has in common with all others. */
  answering(): { principal: string; branch: BranchNumber; request: RequestKey | undefined } {
    const { principal, branch, request } = this.context;
    return { principal, branch, request };
  }

  /** The parts of an opening that most accounts share. */
  account(type: AccountType, currency: CurrencyIndex): Omit<AccountOpenedRecord, "principal" | "branch" | "request"> {
    return {
      kind: RecordKind.ACCOUNT_OPENED,
      account: this.nextAccount(),
      type,
      number: 0,
      name: "",
      currency,
      homeBranch: this.context.branch,
      owner: "",
      displayName: "",
      floor: 0n,
    };
  }

  defineCurrency(code: string): CurrencyIndex {
    const decimals = currencyDecimals(code);
    assert(decimals !== undefined, `currency ${code} was checked`);
    const currency = this.ledger.currencies.length as CurrencyIndex;
    this.records.push({ ...this.supporting(), kind: RecordKind.CURRENCY_DEFINED, currency, code, decimals });
    return currency;
  }

  /** Index of the receiver, opened if need be; room for it was required before. */
  indexOf(receiver: Receiver): AccountIndex {
    if (typeof receiver === "number") return receiver;
    const { type, branch, currency } = receiver;
    const opened: AccountOpenedRecord = {
      ...this.supporting(),
      ...this.account(type, currency),
      homeBranch: branch,
      name: this.nameOf(receiver),
      floor: BALANCE_MIN,
    };
    this.records.push(opened);
    return opened.account;
  }

  // Accounts

  /** A customer's account. */
  requireAccount(reference: string): AccountIndex {
    const account = this.ledger.findCustomerAccount(reference);
    if (account === undefined) throw new Rejected("ACCOUNT_NOT_FOUND", { account: reference });
    return account;
  }

  /** Whom a transfer may go to: a customer's account, or one for fees. */
  requireReceiver(reference: string): Receiver {
    const fees = parseFeesAccountName(reference);
    if (fees === undefined) return this.requireAccount(reference);
    const currency = this.ledger.currencyIndex(fees.currency);
    if (currency === undefined || !this.ledger.hasBranch(fees.branch))
      throw new Rejected("ACCOUNT_NOT_FOUND", { account: reference });
    return this.internal(Types.FEES, fees.branch, currency);
  }

  /** One of the bank's own accounts, whether it is open already or not. */
  internal(type: InternalAccountType, branch: BranchNumber, currency: CurrencyIndex): Receiver {
    return this.ledger.findInternalAccount(type, branch, currency) ?? { type, branch, currency };
  }

  /** The account of this type at the request's branch, in the currency of `account`. */
  internalBeside(type: InternalAccountType, account: AccountIndex): Receiver {
    return this.internal(type, this.context.branch, this.ledger.accounts.currencies[account] as CurrencyIndex);
  }

  /** Throws: `RefusalError` STALE_VERSION. */
  requireVersion(account: AccountIndex, { expectedVersion }: Versioned): void {
    const version = this.ledger.accounts.versions[account] as number;
    if (expectedVersion === undefined || expectedVersion === version) return;
    throw new RefusalError("STALE_VERSION", {
      account: this.ledger.referenceOf(account),
      expected_version: String(expectedVersion),
      version: String(version),
    });
  }

  /** Neither closed nor frozen; of two, a closed one is told first. */
  requireOpen(first: Receiver, second: Receiver = first): void {
    if (this.isOpen(first) && this.isOpen(second)) return;
    for (const [state, reason] of [
      [AccountState.CLOSED, "ACCOUNT_CLOSED"],
      [AccountState.FROZEN, "ACCOUNT_FROZEN"],
    ] as const)
      for (const account of [first, second])
        if (typeof account === "number" && this.ledger.accounts.states[account] === state)
          throw new Rejected(reason, { account: this.ledger.referenceOf(account) });
  }

  requireCurrency(receiver: Receiver, amount: Money): void {
    const currency = this.currencyOf(receiver);
    if (currency.code === amount.currency) return;
    throw new Rejected("CURRENCY_MISMATCH", {
      account: this.referenceOf(receiver),
      account_currency: currency.code,
      amount_currency: amount.currency,
    });
  }

  // Money

  /** The posted balance less what is held. */
  available(account: AccountIndex): bigint {
    const { posted, held } = this.ledger.accounts;
    return (posted[account] as bigint) - (held[account] as bigint);
  }

  /** @param floor what has to stay. */
  requireFunds(account: AccountIndex, amount: bigint, floor: bigint): void {
    const spendable = this.available(account) - floor;
    if (amount <= spendable) return;
    throw new Rejected("INSUFFICIENT_FUNDS", {
      account: this.ledger.referenceOf(account),
      ...this.amounts(account, { available: spendable, requested: amount }),
    });
  }

  requireBelowCeiling(receiver: Receiver, amount: bigint): void {
    if (typeof receiver !== "number") return;
    const ceiling = this.ledger.accounts.ceilings[receiver] as bigint;
    const posted = this.ledger.accounts.posted[receiver] as bigint;
    // What no ceiling stands for is the end of the range, which is told as that.
    if (posted + amount <= ceiling || ceiling === AMOUNT_MAX) return;
    throw new Rejected("CEILING_EXCEEDED", {
      account: this.ledger.referenceOf(receiver),
      ...this.amounts(receiver, { ceiling, posted, requested: amount }),
    });
  }

  /** Both balances stay within 64 bits, and there is room for the accounts that are opened for it. */
  requireRange(from: Receiver, to: Receiver, amount: bigint): void {
    // Of a deposit the customer's own balance is named before the cash that it comes from.
    if (!fitsBalance(this.posted(to) + amount)) throw this.outOfRange(to);
    if (!fitsBalance(this.posted(from) - amount)) throw this.outOfRange(from);
    if (typeof from !== "number" || typeof to !== "number") this.requireRoomForAccount();
  }

  requireRoomForAccount(): void {
    const { count } = this.ledger.accounts;
    if (count >= ACCOUNTS_MAX) throw new Rejected("ACCOUNT_LIMIT_EXCEEDED", { accounts: String(count) });
  }

  requireRoom(table: string, entries: number, max: number): void {
    if (entries >= max) throw new Rejected("TABLE_FULL", { entries: String(entries), table });
  }

  /** Amounts of an account's currency as texts, with the currency. */
  amounts(account: AccountIndex, amounts: Readonly<Record<string, bigint>>): Record<string, string> {
    const { code, decimals } = this.currencyOf(account);
    const texts = Object.entries(amounts).map(([name, minor]) => [name, formatAmount(minor, decimals)]);
    return { ...Object.fromEntries(texts), currency: code };
  }

  private isOpen(receiver: Receiver): boolean {
    return typeof receiver !== "number" || this.ledger.accounts.states[receiver] === AccountState.OPEN;
  }

  private referenceOf(receiver: Receiver): string {
    return typeof receiver === "number" ? this.ledger.referenceOf(receiver) : this.nameOf(receiver);
  }

  private nameOf({ type, branch, currency }: InternalAccount): string {
    return internalAccountName(type, branch, (this.ledger.currencies[currency] as CurrencyEntry).code);
  }

  private currencyOf(receiver: Receiver): CurrencyEntry {
    const index = typeof receiver === "number" ? this.ledger.accounts.currencies[receiver] : receiver.currency;
    return this.ledger.currencies[index as number] as CurrencyEntry;
  }

  private posted(receiver: Receiver): bigint {
    return typeof receiver === "number" ? (this.ledger.accounts.posted[receiver] as bigint) : 0n;
  }

  private outOfRange(receiver: Receiver): Rejected {
    return new Rejected("BALANCE_LIMIT_EXCEEDED", { account: this.referenceOf(receiver) });
  }

  /** Behind those that this very decision opens. */
  private nextAccount(): AccountIndex {
    const opened = this.records.reduce((sum, { kind }) => sum + (kind === RecordKind.ACCOUNT_OPENED ? 1 : 0), 0);
    return (this.ledger.accounts.count + opened) as AccountIndex;
  }

  private supporting(): { principal: string; branch: BranchNumber; request: undefined } {
    return { principal: this.context.principal, branch: this.context.branch, request: undefined };
  }
}

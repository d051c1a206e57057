import type { AccountType } from "../account.ts";
import { cashAccountName, AccountType as Types } from "../account.ts";
import { assert } from "../assert.ts";
import { checkCommand } from "../check-command.ts";
import type { OpenAccount, RegisterBranch, Request } from "../command.ts";
import type { CommandHash } from "../command-hash.ts";
import { currencyDecimals } from "../currency.ts";
import type { AccountIndex, CurrencyIndex } from "../identifiers.ts";
import { ACCOUNTS_MAX, AMOUNT_MAX, BALANCE_MIN } from "../limits.ts";
import type { Money } from "../money.ts";
import { fitsBalance, formatAmount } from "../money.ts";
import type { RejectionReason } from "../reasons.ts";
import type { AccountOpenedRecord, LedgerRecord, MovementRecord, RequestKey } from "../record.ts";
import { RecordKind } from "../record.ts";
import type { Ledger } from "./ledger.ts";

/**
 * Decides one request that was never answered before: reads the state, changes nothing, and gives the records that
 * carry out the decision. The last of them answers the request, by its effect or by a rejection; those before it define
 * what the last one needs (a currency, a branch's cash account).
 *
 * Rejections are checked in the order of the catalogue: branch, accounts, same account, currency, funds, range, room for
 * one more account.
 * Throws: `InvariantError` for a command that `checkCommand` refuses.
 */
export function decide(ledger: Ledger, request: Request, hash: CommandHash): LedgerRecord[] {
  const { command } = request;
  assert(checkCommand(command) === undefined, "only a command that was checked is decided");
  const decision = new Decision(ledger, request, hash);
  if (command.kind === "registerBranch") return decision.registerBranch(command);
  if (!ledger.hasBranch(request.branch)) return decision.reject("BRANCH_NOT_FOUND", { branch: String(request.branch) });
  switch (command.kind) {
    case "openAccount":
      return decision.openAccount(command);
    case "deposit":
      return decision.deposit(command.account, command.amount);
    case "withdraw":
      return decision.withdraw(command.account, command.amount);
    case "transfer":
      return decision.transfer(command.from, command.to, command.amount);
  }
}

/** The making of one decision: collects the records, with what they have in common. */
class Decision {
  private readonly records: LedgerRecord[] = [];
  private readonly ledger: Ledger;
  private readonly request: Request;
  private readonly key: RequestKey;

  constructor(ledger: Ledger, request: Request, hash: CommandHash) {
    this.ledger = ledger;
    this.request = request;
    this.key = { id: request.id, hashLow: hash.low, hashHigh: hash.high };
  }

  registerBranch(command: RegisterBranch): LedgerRecord[] {
    const { branch: number, name, address } = command;
    return this.answer({ ...this.answering(), kind: RecordKind.BRANCH_REGISTERED, number, name, address });
  }

  openAccount(command: OpenAccount): LedgerRecord[] {
    if (this.accountLimitReached()) return this.rejectAccountLimit();
    const currency = this.ledger.currencyIndex(command.currency) ?? this.defineCurrency(command.currency);
    return this.answer({
      ...this.answering(),
      ...this.account(command.type, currency),
      number: this.ledger.nextAccountNumber,
      owner: command.owner,
      displayName: command.displayName,
    });
  }

  deposit(reference: string, amount: Money): LedgerRecord[] {
    const account = this.ledger.findCustomerAccount(reference);
    if (account === undefined) return this.reject("ACCOUNT_NOT_FOUND", { account: reference });
    if (!this.hasCurrency(account, amount)) return this.rejectCurrency(account, amount);
    if (!fitsBalance(this.posted(account) + amount.minor)) return this.rejectRange(account);
    const cash = this.cashAccount(account);
    if (cash === undefined) return this.rejectAccountLimit();
    return this.move(RecordKind.DEPOSIT, cash, account, amount.minor);
  }

  withdraw(reference: string, amount: Money): LedgerRecord[] {
    const account = this.ledger.findCustomerAccount(reference);
    if (account === undefined) return this.reject("ACCOUNT_NOT_FOUND", { account: reference });
    if (!this.hasCurrency(account, amount)) return this.rejectCurrency(account, amount);
    if (!this.hasFunds(account, amount.minor)) return this.rejectFunds(account, amount.minor);
    const cash = this.cashAccount(account);
    if (cash === undefined) return this.rejectAccountLimit();
    return this.move(RecordKind.WITHDRAWAL, account, cash, amount.minor);
  }

  transfer(fromReference: string, toReference: string, amount: Money): LedgerRecord[] {
    const from = this.ledger.findCustomerAccount(fromReference);
    if (from === undefined) return this.reject("ACCOUNT_NOT_FOUND", { account: fromReference });
    const to = this.ledger.findCustomerAccount(toReference);
    if (to === undefined) return this.reject("ACCOUNT_NOT_FOUND", { account: toReference });
    if (from === to) return this.reject("SAME_ACCOUNT", { account: fromReference });
    if (!this.hasCurrency(from, amount)) return this.rejectCurrency(from, amount);
    if (!this.hasCurrency(to, amount)) return this.rejectCurrency(to, amount);
    if (!this.hasFunds(from, amount.minor)) return this.rejectFunds(from, amount.minor);
    return this.move(RecordKind.TRANSFER, from, to, amount.minor);
  }

  reject(reason: RejectionReason, metadata: Readonly<Record<string, string>>): LedgerRecord[] {
    assert(this.records.length === 0, "a rejection comes alone: nothing was prepared for a success");
    return this.answer({ ...this.answering(), kind: RecordKind.REJECTED, rejection: { reason, metadata } });
  }

  private move(
    kind: MovementRecord["kind"],
    debit: AccountIndex,
    credit: AccountIndex,
    amount: bigint,
  ): LedgerRecord[] {
    if (!fitsBalance(this.posted(debit) - amount)) return this.rejectRange(debit);
    if (!fitsBalance(this.posted(credit) + amount)) return this.rejectRange(credit);
    const { principal, branch } = this.request;
    this.records.push({ kind, principal, branch, request: this.key, debit, credit, amount });
    return this.records;
  }

  private answer(record: LedgerRecord): LedgerRecord[] {
    this.records.push(record);
    return this.records;
  }

  private answering(): { principal: string; branch: number; request: RequestKey } {
    return { principal: this.request.principal, branch: this.request.branch, request: this.key };
  }

  private supporting(): { principal: string; branch: number; request: undefined } {
    return { principal: this.request.principal, branch: this.request.branch, request: undefined };
  }

  private account(
    type: AccountType,
    currency: CurrencyIndex,
  ): Omit<AccountOpenedRecord, "principal" | "branch" | "request"> {
    return {
      kind: RecordKind.ACCOUNT_OPENED,
      account: this.ledger.accounts.count as AccountIndex,
      type,
      number: 0,
      name: "",
      currency,
      homeBranch: this.request.branch,
      owner: "",
      displayName: "",
      floor: 0n,
    };
  }

  private defineCurrency(code: string): CurrencyIndex {
    const decimals = currencyDecimals(code);
    assert(decimals !== undefined, `currency ${code} was checked`);
    const currency = this.ledger.currencies.length as CurrencyIndex;
    this.records.push({ ...this.supporting(), kind: RecordKind.CURRENCY_DEFINED, currency, code, decimals });
    return currency;
  }

  /** The branch's cash account in the currency of `account`, opened here if need be; undefined when the table is full. */
  private cashAccount(account: AccountIndex): AccountIndex | undefined {
    const currency = this.ledger.accounts.currencies[account] as CurrencyIndex;
    const known = this.ledger.findCashAccount(this.request.branch, currency);
    if (known !== undefined) return known;
    if (this.accountLimitReached()) return undefined;
    const code = this.ledger.currencies[currency]?.code as string;
    const opened: AccountOpenedRecord = {
      ...this.supporting(),
      ...this.account(Types.CASH, currency),
      name: cashAccountName(this.request.branch, code),
      floor: BALANCE_MIN,
    };
    this.records.push(opened);
    return opened.account;
  }

  private hasCurrency(account: AccountIndex, amount: Money): boolean {
    return this.ledger.currencyIndex(amount.currency) === this.ledger.accounts.currencies[account];
  }

  /**
   * A cash account that this very decision opens is behind the end of the table, and holds nothing: whatever is moved
   * from or to it stays in range.
   */
  private posted(account: AccountIndex): bigint {
    return account < this.ledger.accounts.count ? (this.ledger.accounts.posted[account] as bigint) : 0n;
  }

  private hasFunds(account: AccountIndex, amount: bigint): boolean {
    return amount <= this.available(account);
  }

  private available(account: AccountIndex): bigint {
    return (this.ledger.accounts.posted[account] as bigint) - (this.ledger.accounts.floors[account] as bigint);
  }

  private accountLimitReached(): boolean {
    return this.ledger.accounts.count >= ACCOUNTS_MAX;
  }

  private rejectAccountLimit(): LedgerRecord[] {
    return this.reject("ACCOUNT_LIMIT_EXCEEDED", { accounts: String(this.ledger.accounts.count) });
  }

  private rejectCurrency(account: AccountIndex, amount: Money): LedgerRecord[] {
    return this.reject("CURRENCY_MISMATCH", {
      account: this.ledger.referenceOf(account),
      account_currency: this.ledger.currencies[this.ledger.accounts.currencies[account] as number]?.code as string,
      amount_currency: amount.currency,
    });
  }

  private rejectFunds(account: AccountIndex, requested: bigint): LedgerRecord[] {
    const { currency, decimals, reference } = this.ledger.viewAccount(account);
    return this.reject("INSUFFICIENT_FUNDS", {
      account: reference,
      available: formatAmount(this.available(account), decimals),
      currency,
      requested: formatAmount(requested, decimals),
    });
  }

  private rejectRange(account: AccountIndex): LedgerRecord[] {
    return this.reject("BALANCE_LIMIT_EXCEEDED", { account: this.ledger.referenceOf(account) });
  }
}

assert(AMOUNT_MAX + BALANCE_MIN === -1n, "amounts and balances share one 64-bit range");

import type { AccountView } from "../account.ts";
import { AccountType, isCustomerType } from "../account.ts";
import { assert } from "../assert.ts";
import type { AccountIndex, BranchNumber, CurrencyIndex, Position, RequestId } from "../identifiers.ts";
import { BRANCH_NUMBER_MAX } from "../limits.ts";
import { AccountTable } from "./account-table.ts";
import { RequestTable } from "./request-table.ts";
import { Digest, TermHasher } from "./term-hasher.ts";

export interface CurrencyEntry {
  readonly code: string;
  readonly decimals: number;
}

export interface BranchEntry {
  readonly name: string;
  readonly address: string;
}

/** A term of one writer. It ends where the next begins. */
export interface EpochEntry {
  readonly number: number;
  /** 16 random bytes. */
  readonly id: Uint8Array;
  /** Position of its epoch record. */
  readonly firstPosition: Position;
  readonly lossAccepted: boolean;
}

export interface StateRootEntry {
  readonly position: Position;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/** Kinds of entries in the digest. Their numbers are for ever. */
const Term = {
  ACCOUNT: 1,
  BALANCE: 2,
  REQUEST: 3,
  PRINCIPAL: 4,
  CURRENCY: 5,
  BRANCH: 6,
  EPOCH: 7,
  COUNTERS: 8,
} as const;

/**
 * The state of the bank at one position. Everything that decides a future answer is in here, and in its digest.
 *
 * This class holds the tables and answers questions about them; `decide` reads it, and only `apply`, `unapply` and the
 * snapshot loader change it.
 */
export class Ledger {
  /** Position of the last applied record. */
  position: Position = 0;
  /** Journal time of the last batch, Unix milliseconds. */
  timeMs = 0;
  /** The number that the next customer account gets. */
  nextAccountNumber = 1;
  readonly accounts = new AccountTable();
  readonly requests: RequestTable;
  readonly currencies: CurrencyEntry[] = [];
  readonly branches = new Map<BranchNumber, BranchEntry>();
  readonly epochs: EpochEntry[] = [];
  readonly principals: string[] = [];
  root: StateRootEntry | undefined;
  private readonly principalIndexes = new Map<string, number>();
  private readonly currencyIndexes = new Map<string, CurrencyIndex>();
  /** Cash accounts by branch and currency. */
  private readonly cashAccounts = new Map<number, AccountIndex>();
  private readonly digest = new Digest();
  private readonly term = new TermHasher();
  /** As far as `forgetUndo` was told. No state: it decides no answer. */
  private committedPosition: Position = 0;
  private readonly undoSteps: { readonly position: Position; readonly revert: () => void }[] = [];

  /** @param hashSeed any 32 bits, different in each process; it changes no outcome. */
  constructor(options: { readonly hashSeed: number }) {
    this.requests = new RequestTable(options.hashSeed);
  }

  // Questions

  /** 16 bytes: the additive checksum of everything in this ledger. */
  digestBytes(): Uint8Array {
    const term = this.term.begin(Term.COUNTERS).integer(this.position).integer(this.timeMs);
    term.integer(this.nextAccountNumber).integer(this.root?.position ?? 0);
    if (this.root !== undefined) term.bytes(this.root.root);
    return this.digest.bytesWith(term.finish());
  }

  /** The customer account that a caller names by its number; undefined when there is none. */
  findCustomerAccount(reference: string): AccountIndex | undefined {
    if (!/^[1-9][0-9]{0,14}$/.test(reference)) return undefined;
    return this.accounts.findByNumber(Number(reference));
  }

  /** Any account that a reader names: by number, or an internal one by name. */
  findAccount(reference: string): AccountIndex | undefined {
    return this.findCustomerAccount(reference) ?? this.accounts.findByName(reference);
  }

  /** How people call an account: its number, or an internal account's name. */
  referenceOf(account: AccountIndex): string {
    const number = this.accounts.numbers[account] as number;
    return number === 0 ? (this.accounts.names[account] as string) : String(number);
  }

  /** A copy of one account. */
  viewAccount(account: AccountIndex): AccountView {
    const table = this.accounts;
    assert(account >= 0 && account < table.count, `account index ${account} exists`);
    const currencyIndex = table.currencies[account] as CurrencyIndex;
    const { code, decimals } = this.currencies[currencyIndex] as CurrencyEntry;
    return {
      index: account,
      number: table.numbers[account] as number,
      reference: this.referenceOf(account),
      type: table.types[account] as AccountView["type"],
      owner: table.owners[account] as string,
      displayName: table.displayNames[account] as string,
      currency: code,
      currencyIndex,
      decimals,
      homeBranch: table.homeBranches[account] as number,
      posted: table.posted[account] as bigint,
      floor: table.floors[account] as bigint,
      version: table.versions[account] as number,
      openedPosition: table.openedPositions[account] as number,
      openedTimeMs: table.openedTimesMs[account] as number,
    };
  }

  isCustomerAccount(account: AccountIndex): boolean {
    return isCustomerType(this.accounts.types[account] as AccountView["type"]);
  }

  /** The account in which a branch's cash of one currency is booked; undefined before its first movement. */
  findCashAccount(branch: BranchNumber, currency: CurrencyIndex): AccountIndex | undefined {
    return this.cashAccounts.get(cashKey(branch, currency));
  }

  currencyIndex(code: string): CurrencyIndex | undefined {
    return this.currencyIndexes.get(code);
  }

  /** Whether commands may be booked there: the head office always, others once registered. */
  hasBranch(branch: BranchNumber): boolean {
    return branch === 0 || this.branches.has(branch);
  }

  /** Registered branches by ascending number, without the head office. */
  branchNumbers(): BranchNumber[] {
    return [...this.branches.keys()].sort((a, b) => a - b);
  }

  /** The epoch that writes now; undefined before the first. */
  currentEpoch(): EpochEntry | undefined {
    return this.epochs.at(-1);
  }

  /** Number of the remembered request with this key; -1 when it was never answered. */
  findRequest(principal: string, id: RequestId): number {
    const index = this.principalIndexes.get(principal);
    return index === undefined ? -1 : this.requests.find(index, id);
  }

  // Changes, for `apply`, `unapply` and the snapshot loader

  /** Adds to a posted balance and counts the change. */
  post(account: AccountIndex, delta: bigint, versionStep: 1 | -1): void {
    const { posted, versions } = this.accounts;
    this.digest.subtract(this.balanceTerm(account));
    posted[account] = (posted[account] as bigint) + delta;
    versions[account] = (versions[account] as number) + versionStep;
    this.digest.add(this.balanceTerm(account));
  }

  addAccount(entry: Parameters<AccountTable["push"]>[0]): AccountIndex {
    const index = this.accounts.push(entry);
    if (entry.type === AccountType.CASH) this.cashAccounts.set(cashKey(entry.homeBranch, entry.currency), index);
    this.digest.add(this.accountTerm(index));
    this.digest.add(this.balanceTerm(index));
    return index;
  }

  removeNewestAccount(): void {
    const index = (this.accounts.count - 1) as AccountIndex;
    this.digest.subtract(this.balanceTerm(index));
    this.digest.subtract(this.accountTerm(index));
    if (this.accounts.types[index] === AccountType.CASH) {
      const branch = this.accounts.homeBranches[index] as number;
      this.cashAccounts.delete(cashKey(branch, this.accounts.currencies[index] as CurrencyIndex));
    }
    this.accounts.pop();
  }

  /** Sets balance and version as a snapshot has them. */
  restoreBalance(account: AccountIndex, posted: bigint, version: number): void {
    this.digest.subtract(this.balanceTerm(account));
    this.accounts.posted[account] = posted;
    this.accounts.versions[account] = version;
    this.digest.add(this.balanceTerm(account));
  }

  addRequest(principal: number, id: RequestId, position: Position, hashLow: number, hashHigh: number): void {
    this.requests.push(principal, id, position, hashLow, hashHigh);
    this.digest.add(this.requestTerm(principal, id, position, hashLow, hashHigh));
  }

  removeNewestRequest(): void {
    const { principal, id, position, hashLow, hashHigh } = this.requests.entryAt(this.requests.count - 1);
    this.digest.subtract(this.requestTerm(principal, id, position, hashLow, hashHigh));
    this.requests.pop();
  }

  /** Index of a principal, given at its first request. */
  internPrincipal(name: string): number {
    const known = this.principalIndexes.get(name);
    if (known !== undefined) return known;
    const index = this.principals.push(name) - 1;
    this.principalIndexes.set(name, index);
    this.digest.add(this.term.begin(Term.PRINCIPAL).word(index).text(name).finish());
    this.undo(() => {
      this.principals.pop();
      this.principalIndexes.delete(name);
      this.digest.subtract(this.term.begin(Term.PRINCIPAL).word(index).text(name).finish());
    });
    return index;
  }

  addCurrency(entry: CurrencyEntry): void {
    const index = (this.currencies.push(entry) - 1) as CurrencyIndex;
    this.currencyIndexes.set(entry.code, index);
    this.digest.add(this.currencyTerm(index, entry));
  }

  removeNewestCurrency(): void {
    const entry = this.currencies.pop();
    assert(entry !== undefined, "there is a currency to take away");
    this.currencyIndexes.delete(entry.code);
    this.digest.subtract(this.currencyTerm(this.currencies.length as CurrencyIndex, entry));
  }

  /** Sets or, with undefined, removes a branch. */
  setBranch(branch: BranchNumber, entry: BranchEntry | undefined): void {
    const previous = this.branches.get(branch);
    if (previous !== undefined) this.digest.subtract(this.branchTerm(branch, previous));
    if (entry === undefined) {
      this.branches.delete(branch);
    } else {
      this.branches.set(branch, entry);
      this.digest.add(this.branchTerm(branch, entry));
    }
  }

  addEpoch(entry: EpochEntry): void {
    this.epochs.push(entry);
    this.digest.add(this.epochTerm(entry));
  }

  removeNewestEpoch(): void {
    const entry = this.epochs.pop();
    assert(entry !== undefined, "there is an epoch to take away");
    this.digest.subtract(this.epochTerm(entry));
  }

  /** Remembers how to take back a change of the record that is being applied. */
  undo(revert: () => void): void {
    this.undoSteps.push({ position: this.position, revert });
  }

  /** Whether the newest record can still be taken back. */
  canRevertRecord(): boolean {
    return this.position > this.committedPosition;
  }

  /** Takes back what `undo` remembered for the record at the current position, newest first. */
  revertRecord(): void {
    for (let step = this.undoSteps.at(-1); step?.position === this.position; step = this.undoSteps.at(-1)) {
      this.undoSteps.pop();
      step.revert();
    }
  }

  /** Forgets how to take back what is committed. Without it the memory of every change stays. */
  forgetUndo(committed: Position): void {
    this.committedPosition = Math.max(this.committedPosition, committed);
    const keep = this.undoSteps.findIndex((step) => step.position > committed);
    this.undoSteps.splice(0, keep === -1 ? this.undoSteps.length : keep);
  }

  // Entries of the digest

  private balanceTerm(account: AccountIndex): TermHasher {
    return this.term
      .begin(Term.BALANCE)
      .word(account)
      .int64(this.accounts.posted[account] as bigint)
      .integer(this.accounts.versions[account] as number)
      .finish();
  }

  private accountTerm(account: AccountIndex): TermHasher {
    const table = this.accounts;
    return this.term
      .begin(Term.ACCOUNT)
      .word(account)
      .word(table.types[account] as number)
      .word(table.currencies[account] as number)
      .word(table.homeBranches[account] as number)
      .integer(table.numbers[account] as number)
      .int64(table.floors[account] as bigint)
      .integer(table.openedPositions[account] as number)
      .integer(table.openedTimesMs[account] as number)
      .text(table.names[account] as string)
      .text(table.owners[account] as string)
      .text(table.displayNames[account] as string)
      .finish();
  }

  private requestTerm(principal: number, id: RequestId, position: Position, low: number, high: number): TermHasher {
    return this.term.begin(Term.REQUEST).word(principal).bytes(id).integer(position).word(low).word(high).finish();
  }

  private currencyTerm(index: CurrencyIndex, entry: CurrencyEntry): TermHasher {
    return this.term.begin(Term.CURRENCY).word(index).text(entry.code).word(entry.decimals).finish();
  }

  private branchTerm(branch: BranchNumber, entry: BranchEntry): TermHasher {
    return this.term.begin(Term.BRANCH).word(branch).text(entry.name).text(entry.address).finish();
  }

  private epochTerm(entry: EpochEntry): TermHasher {
    const term = this.term.begin(Term.EPOCH).integer(entry.number).bytes(entry.id);
    return term
      .integer(entry.firstPosition)
      .word(entry.lossAccepted ? 1 : 0)
      .finish();
  }
}

function cashKey(branch: BranchNumber, currency: CurrencyIndex): number {
  return currency * (BRANCH_NUMBER_MAX + 1) + branch;
}

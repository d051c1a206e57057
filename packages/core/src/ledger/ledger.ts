import type { AccountView, InternalAccountType } from "../account.ts";
import { type AccountState, AccountType, isCustomerType, numberOfAlias } from "../account.ts";
import { assert } from "../assert.ts";
import { BranchState } from "../branch.ts";
import type { HoldView } from "../hold.ts";
import type { AccountIndex, BranchNumber, CurrencyIndex, Position, RequestId } from "../identifiers.ts";
import { AMOUNT_MAX, BRANCH_NUMBER_MAX } from "../limits.ts";
import { AccountLoader } from "./account-loader.ts";
import { type AccountEntry, AccountTable } from "./account-table.ts";
import { AccountTerms } from "./account-terms.ts";
import type {
  AccountDetails,
  BranchEntry,
  CurrencyEntry,
  DurabilityEntry,
  EpochEntry,
  StateRootEntry,
} from "./entries.ts";
import { HoldTable } from "./hold-table.ts";
import { Movements } from "./movements.ts";
import { type RequestColumns, RequestTable } from "./request-table.ts";
import { addTermSum, requestTermsOf, type TermSum } from "./request-terms.ts";
import { Digest } from "./term-hasher.ts";
import { Terms } from "./terms.ts";

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
  /** The number that the next customer account gets: no account has it, and no alias is it. */
  nextAccountNumber = 1;
  /** What may stand in the journal: see `FORMAT_LEVEL_MAX`. */
  formatLevel = 1;
  readonly accounts = new AccountTable();
  readonly requests: RequestTable;
  readonly holds = new HoldTable();
  /** Position of the reversal by that of the movement that it takes back. */
  readonly reversals = new Map<Position, Position>();
  readonly currencies: CurrencyEntry[] = [];
  readonly branches = new Map<BranchNumber, BranchEntry>();
  readonly epochs: EpochEntry[] = [];
  readonly principals: string[] = [];
  root: StateRootEntry | undefined;
  /** Movements as columns have them. */
  readonly movements: Movements;
  /** Counts every change of principals, currencies, branches and the bank's own accounts, taking back included. */
  tableChanges = 0;
  private durabilityEntry: DurabilityEntry = { copies: 0, members: [], position: 0 };
  private readonly principalIndexes = new Map<string, number>();
  private readonly currencyIndexes = new Map<string, CurrencyIndex>();
  /** The bank's own accounts by type, branch and currency. */
  private readonly internalAccounts = new Map<number, AccountIndex>();
  private readonly digest = new Digest();
  private readonly terms = new Terms();
  /** Accounts as a snapshot has them, many at once. */
  readonly accountLoader = new AccountLoader(this.accounts, this.digest);
  private readonly accountTerms = new AccountTerms(this.accounts, this.digest, this.terms);
  /** As far as `forgetUndo` was told. No state: it decides no answer. */
  private committedPosition: Position = 0;
  private readonly undoSteps: { readonly position: Position; readonly revert: () => void }[] = [];

  /** @param hashSeed any 32 bits, different in each process; it changes no outcome. */
  constructor(options: { readonly hashSeed: number }) {
    this.requests = new RequestTable(options.hashSeed);
    this.movements = new Movements(this.accounts, this.requests, this.digest);
  }

  // Questions

  /** 16 bytes: the additive checksum of everything in this ledger. */
  digestBytes(): Uint8Array {
    const { position, timeMs, nextAccountNumber, formatLevel, root } = this;
    const counters = { position, timeMs, nextAccountNumber, formatLevel, root: root?.root };
    return this.digest.bytesWith(this.terms.counters({ ...counters, rootPosition: root?.position ?? 0 }));
  }

  /** The customer account that a caller names by its number or alias; undefined when there is none. */
  findCustomerAccount(reference: string): AccountIndex | undefined {
    const number = numberOfAlias(reference);
    const account = number === undefined ? undefined : this.accounts.findByNumber(number);
    return account ?? this.accounts.findByAlias(reference);
  }

  /** Any account that a reader names: by number, or an internal one by name. */
  findAccount(reference: string): AccountIndex | undefined {
    return this.findCustomerAccount(reference) ?? this.accounts.findByName(reference);
  }

  /** How people call an account: its number, or an internal account's name. */
  referenceOf(account: AccountIndex): string {
    const number = this.accounts.numbers[account] as number;
    return number === 0 ? this.accounts.nameOf(account) : String(number);
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
      alias: table.aliasOf(account),
      state: table.states[account] as AccountView["state"],
      type: table.types[account] as AccountView["type"],
      owner: table.ownerOf(account),
      displayName: table.displayNameOf(account),
      metadata: table.metadataOf(account),
      currency: code,
      currencyIndex,
      decimals,
      homeBranch: table.homeBranches[account] as number,
      posted: table.posted[account] as bigint,
      held: table.held[account] as bigint,
      floor: table.floors[account] as bigint,
      ceiling: table.ceilings[account] === AMOUNT_MAX ? undefined : (table.ceilings[account] as bigint),
      version: table.versions[account] as number,
      openedPosition: table.openedPositions[account] as number,
      openedTimeMs: table.openedTimesMs[account] as number,
    };
  }

  /** The number of the next customer account, if it gets this alias: an alias of digits is the number itself. */
  numberFor(alias: string): number {
    return numberOfAlias(alias) ?? this.nextAccountNumber;
  }

  isCustomerAccount(account: AccountIndex): boolean {
    return isCustomerType(this.accounts.types[account] as AccountView["type"]);
  }

  /** A branch's own account of this type and currency; undefined before its first use. */
  findInternalAccount(
    type: InternalAccountType,
    branch: BranchNumber,
    currency: CurrencyIndex,
  ): AccountIndex | undefined {
    return this.internalAccounts.get(internalKey(type, branch, currency));
  }

  /** The hold that was placed at this position; undefined when none was. */
  viewHold(hold: Position): HoldView | undefined {
    const index = this.holds.find(hold);
    return index === -1 ? undefined : this.holds.viewAt(index);
  }

  /** Identities of the open holds of an account, ascending. */
  openHoldsOf(account: AccountIndex): readonly Position[] {
    return this.holds.openOf(account);
  }

  /** Up to `limit` of them, beginning with the first that is not below `from`. */
  openHoldsFrom(account: AccountIndex, from: Position, limit: number): readonly Position[] {
    return this.holds.openFrom(account, from, limit);
  }

  /** Journal time at which the next open hold ends by itself; undefined when none does. */
  nextExpiryMs(): number | undefined {
    return this.holds.nextExpiryMs();
  }

  /** Position of the reversal of a movement; undefined when it was not reversed. */
  reversalOf(original: Position): Position | undefined {
    return this.reversals.get(original);
  }

  currencyIndex(code: string): CurrencyIndex | undefined {
    return this.currencyIndexes.get(code);
  }

  /** What a write must reach before it counts as committed. */
  get durability(): DurabilityEntry {
    return this.durabilityEntry;
  }

  /** Whether a copy of this branch counts towards durability. */
  isCounted(branch: BranchNumber): boolean {
    return this.durabilityEntry.members.some((member) => member.branch === branch);
  }

  /** Whether there is such a branch: the head office always, others once registered. */
  hasBranch(branch: BranchNumber): boolean {
    return branch === 0 || this.branches.has(branch);
  }

  /** Whether nothing is booked there any more. */
  isRetired(branch: BranchNumber): boolean {
    return branch !== 0 && this.branches.get(branch)?.state === BranchState.RETIRED;
  }

  /** Registered branches by ascending number, retired ones too, without the head office. */
  branchNumbers(): BranchNumber[] {
    return [...this.branches.keys()].sort((a, b) => a - b);
  }

  /** The epoch that writes now; undefined before the first. */
  currentEpoch(): EpochEntry | undefined {
    return this.epochs.at(-1);
  }

  /** Undefined for one who was never answered. */
  principalIndex(name: string): number | undefined {
    return this.principalIndexes.get(name);
  }

  /** Number of the remembered request with this key; -1 when it was never answered. */
  findRequest(principal: string, id: RequestId): number {
    const index = this.principalIndex(principal);
    return index === undefined ? -1 : this.requests.find(index, id);
  }

  // Changes, for `apply`, `unapply` and the snapshot loader

  /** Adds to a posted balance and counts the change. */
  post(account: AccountIndex, delta: bigint, versionStep: 1 | -1): void {
    this.accounts.beforePosting(account);
    const { posted, versions } = this.accounts;
    this.accountTerms.subtractBalance(account);
    posted[account] = (posted[account] as bigint) + delta;
    versions[account] = (versions[account] as number) + versionStep;
    this.accountTerms.addBalance(account);
  }

  /** Adds to what open holds keep back; counts no change. */
  keepBack(account: AccountIndex, delta: bigint): void {
    this.accounts.beforeChange(account);
    this.accountTerms.subtractHeld(account);
    this.accounts.setHeld(account, (this.accounts.held[account] as bigint) + delta);
    this.accountTerms.addHeld(account);
  }

  addAccount(entry: AccountEntry): AccountIndex {
    const index = this.accounts.push(entry);
    const { type, homeBranch, currency } = entry;
    if (!isCustomerType(type)) this.setInternalAccount(internalKey(type, homeBranch, currency), index);
    this.accountTerms.add(index);
    this.accountTerms.addBalance(index);
    return index;
  }

  /** As `addAccount`, with balance and version as a snapshot has them. */
  restoreAccount(entry: AccountEntry, posted: bigint, version: number): AccountIndex {
    const index = this.accounts.push(entry);
    const { type, homeBranch, currency } = entry;
    if (!isCustomerType(type)) this.setInternalAccount(internalKey(type, homeBranch, currency), index);
    this.accounts.posted[index] = posted;
    this.accounts.versions[index] = version;
    this.accountTerms.add(index);
    this.accountTerms.addBalance(index);
    return index;
  }

  /** Takes the newest account away, as it was when it was opened. */
  removeNewestAccount(): void {
    const { accounts } = this;
    const index = (accounts.count - 1) as AccountIndex;
    this.accountTerms.subtractBalance(index);
    this.accountTerms.subtract(index);
    const type = accounts.types[index] as AccountType;
    const branch = accounts.homeBranches[index] as number;
    if (!isCustomerType(type))
      this.setInternalAccount(internalKey(type, branch, accounts.currencies[index] as CurrencyIndex), undefined);
    accounts.pop();
  }

  private setInternalAccount(key: number, index: AccountIndex | undefined): void {
    this.tableChanges++;
    if (index === undefined) this.internalAccounts.delete(key);
    else this.internalAccounts.set(key, index);
  }

  /** Sets balance and version as a snapshot has them. */
  restoreBalance(account: AccountIndex, posted: bigint, version: number): void {
    const { accounts } = this;
    accounts.beforePosting(account);
    this.accountTerms.subtractBalance(account);
    accounts.posted[account] = posted;
    accounts.versions[account] = version;
    this.accountTerms.addBalance(account);
  }

  /** Sets state and holding as a snapshot has them. */
  restoreState(account: AccountIndex, state: AccountState, held: bigint): void {
    this.setState(account, state);
    this.accountTerms.subtractHeld(account);
    this.accounts.setHeld(account, held);
    this.accountTerms.addHeld(account);
  }

  /** Counts no change. */
  setState(account: AccountIndex, state: AccountState): void {
    this.accounts.beforeChange(account);
    this.accountTerms.subtract(account);
    this.accounts.setState(account, state);
    this.accountTerms.add(account);
  }

  /** Changes what can be changed of an account; counts no change. */
  setDetails(account: AccountIndex, details: AccountDetails): void {
    const { accounts } = this;
    accounts.beforeChange(account);
    this.accountTerms.subtract(account);
    accounts.setDisplayName(account, details.displayName);
    accounts.setBounds(account, details.floor, details.ceiling);
    accounts.setMetadata(account, details.metadata);
    this.accountTerms.add(account);
  }

  addHold(view: HoldView): void {
    this.holds.push(view);
    this.digest.add(this.terms.hold(view));
  }

  removeNewestHold(): void {
    this.digest.subtract(this.terms.hold(this.holds.viewAt(this.holds.count - 1)));
    this.holds.pop();
  }

  changeHold(index: number, to: Pick<HoldView, "captured" | "expiresMs" | "state">): void {
    this.digest.subtract(this.terms.hold(this.holds.viewAt(index)));
    this.holds.change(index, to);
    this.digest.add(this.terms.hold(this.holds.viewAt(index)));
  }

  addReversal(original: Position, reversal: Position): void {
    this.reversals.set(original, reversal);
    this.digest.add(this.terms.reversal(original, reversal));
  }

  removeReversal(original: Position): void {
    const reversal = this.reversals.get(original);
    assert(reversal !== undefined, "there is a reversal to take away");
    this.reversals.delete(original);
    this.digest.subtract(this.terms.reversal(original, reversal));
  }

  /** Forgotten again when the record that it is of is taken back. */
  addRequest(principal: number, id: RequestId, position: Position, hashLow: number, hashHigh: number): void {
    this.requests.push(principal, id, position, hashLow, hashHigh);
    this.digest.add(this.terms.request(principal, id, position, hashLow, hashHigh));
  }

  /** As `addRequest`, many at once: for whoever loads a state. @param terms their sum, where it is worked out already. */
  addRequests(columns: RequestColumns, terms: TermSum = requestTermsOf(columns)): void {
    this.requests.pushAll(columns);
    addTermSum(this.digest, terms);
  }

  private removeNewestRequest(): void {
    const { principal, id, position, hashLow, hashHigh } = this.requests.entryAt(this.requests.count - 1);
    this.digest.subtract(this.terms.request(principal, id, position, hashLow, hashHigh));
    this.requests.pop();
  }

  /** Index of a principal, given at its first request. */
  internPrincipal(name: string): number {
    const known = this.principalIndexes.get(name);
    if (known !== undefined) return known;
    this.tableChanges++;
    const index = this.principals.push(name) - 1;
    this.principalIndexes.set(name, index);
    this.digest.add(this.terms.principal(index, name));
    this.undo(() => {
      this.tableChanges++;
      this.principals.pop();
      this.principalIndexes.delete(name);
      this.digest.subtract(this.terms.principal(index, name));
    });
    return index;
  }

  addCurrency(entry: CurrencyEntry): void {
    this.tableChanges++;
    const index = (this.currencies.push(entry) - 1) as CurrencyIndex;
    this.currencyIndexes.set(entry.code, index);
    this.digest.add(this.terms.currency(index, entry));
  }

  removeNewestCurrency(): void {
    this.tableChanges++;
    const entry = this.currencies.pop();
    assert(entry !== undefined, "there is a currency to take away");
    this.currencyIndexes.delete(entry.code);
    this.digest.subtract(this.terms.currency(this.currencies.length as CurrencyIndex, entry));
  }

  /** Sets or, with undefined, removes a branch. */
  setBranch(branch: BranchNumber, entry: BranchEntry | undefined): void {
    this.tableChanges++;
    const previous = this.branches.get(branch);
    if (previous !== undefined) this.subtractBranchTerms(branch, previous);
    if (entry === undefined) {
      this.branches.delete(branch);
    } else {
      this.branches.set(branch, entry);
      this.digest.add(this.terms.branch(branch, entry));
      if (entry.state !== BranchState.ACTIVE) this.digest.add(this.terms.branchState(branch, entry.state));
    }
  }

  private subtractBranchTerms(branch: BranchNumber, entry: BranchEntry): void {
    this.digest.subtract(this.terms.branch(branch, entry));
    if (entry.state !== BranchState.ACTIVE) this.digest.subtract(this.terms.branchState(branch, entry.state));
  }

  setDurability(entry: DurabilityEntry): void {
    const { durabilityEntry: previous } = this;
    if (previous.position > 0) this.digest.subtract(this.terms.durability(previous));
    this.durabilityEntry = entry;
    if (entry.position > 0) this.digest.add(this.terms.durability(entry));
  }

  addEpoch(entry: EpochEntry): void {
    this.epochs.push(entry);
    this.digest.add(this.terms.epoch(entry));
    const { number, promotedFrom } = entry;
    if (promotedFrom !== undefined) this.digest.add(this.terms.promotion(number, promotedFrom));
  }

  removeNewestEpoch(): void {
    const entry = this.epochs.pop();
    assert(entry !== undefined, "there is an epoch to take away");
    this.digest.subtract(this.terms.epoch(entry));
    const { number, promotedFrom } = entry;
    if (promotedFrom !== undefined) this.digest.subtract(this.terms.promotion(number, promotedFrom));
  }

  /** Remembers how to take back a change of the record that is being applied. */
  undo(revert: () => void): void {
    this.undoSteps.push({ position: this.position, revert });
  }

  /** Whether the newest record can still be taken back. */
  canRevertRecord(): boolean {
    return this.position > this.committedPosition;
  }

  /** Takes back the memory of the request at the current position, and what `undo` remembered there, newest first. */
  revertRecord(): void {
    const newest = this.requests.count - 1;
    if (newest >= 0 && this.requests.positionOf(newest) === this.position) this.removeNewestRequest();
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
}

function internalKey(type: InternalAccountType, branch: BranchNumber, currency: CurrencyIndex): number {
  return (currency * (AccountType.FEES + 1) + type) * (BRANCH_NUMBER_MAX + 1) + branch;
}

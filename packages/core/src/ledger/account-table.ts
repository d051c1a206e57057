import { AccountState, type AccountType, type Metadata } from "../account.ts";
import { assert } from "../assert.ts";
import type { AccountIndex, BranchNumber, CurrencyIndex, Position } from "../identifiers.ts";
import { AMOUNT_MAX } from "../limits.ts";
import { type AccountColumns, type AccountRows, NO_METADATA, PAGE_BITS } from "./account-columns.ts";
import { FrozenAccounts } from "./frozen-accounts.ts";
import { grown } from "./grown.ts";
import { SparseColumn } from "./sparse-column.ts";
import { TextColumn } from "./text-column.ts";

/** What an account's opening says. */
export interface AccountEntry {
  readonly type: AccountType;
  readonly number: number;
  readonly name: string;
  readonly currency: CurrencyIndex;
  readonly homeBranch: BranchNumber;
  readonly owner: string;
  readonly displayName: string;
  readonly floor: bigint;
  /** Undefined for none. */
  readonly ceiling?: bigint | undefined;
  /** Undefined for none. */
  readonly alias?: string | undefined;
  /** Undefined for none. */
  readonly metadata?: Metadata | undefined;
  readonly openedPosition: Position;
  readonly openedTimeMs: number;
}

/** No index of an account: there are at most 100 million. */
const NO_ACCOUNT = 0xffff_ffff;
/** Columns begin with a little more than each other, by less than they grow, and so never come to be full together. */
const FIRST_CAPACITY = 128;

/** Of a guard: a movement has to look at more than the balance. */
export const IS_SPECIAL = 0x8000_0000;

/**
 * Accounts by index, in columns: numbers in typed arrays, so that a million of them are a few dozen megabytes and a
 * movement touches no object.
 *
 * A column grows by an eighth when it is full, and no two of them at the same moment: no call waits for more than one to
 * be moved. What is written to `posted` and `versions` is announced by `beforePosting`, and what to `held`, `floors`,
 * `ceilings` and `states` by `beforeChange`, so that a frozen state keeps what it shows.
 */
export class AccountTable {
  private length = 0;
  /** How many accounts have room in every column. */
  private room = 0;
  types = new Uint8Array(FIRST_CAPACITY + 0);
  currencies = new Uint32Array(FIRST_CAPACITY + 1);
  homeBranches = new Uint32Array(FIRST_CAPACITY + 2);
  numbers = new Float64Array(FIRST_CAPACITY + 3);
  posted = new BigInt64Array(FIRST_CAPACITY + 4);
  postedWords = new Int32Array(this.posted.buffer);
  held = new BigInt64Array(FIRST_CAPACITY + 5);
  heldWords = new Int32Array(this.held.buffer);
  floors = new BigInt64Array(FIRST_CAPACITY + 6);
  floorWords = new Int32Array(this.floors.buffer);
  /** `AMOUNT_MAX` for none. */
  ceilings = new BigInt64Array(FIRST_CAPACITY + 7);
  ceilingWords = new Int32Array(this.ceilings.buffer);
  states = new Uint8Array(FIRST_CAPACITY + 8);
  versions = new Float64Array(FIRST_CAPACITY + 9);
  openedPositions = new Float64Array(FIRST_CAPACITY + 10);
  openedTimesMs = new Float64Array(FIRST_CAPACITY + 11);
  /** Its currency, plus `IS_SPECIAL` unless it is open, has floor 0 and no ceiling, and nothing is held on it. */
  guards = new Uint32Array(FIRST_CAPACITY + 12);
  /** Of internal accounts. */
  private readonly names = new SparseColumn<string>();
  private readonly owners = new TextColumn();
  private readonly displayNames = new SparseColumn<string>();
  /** Index of the account with number n at n − 1: a `Map` ends at 16.7 million entries, and takes ten times the memory. */
  private indexesByNumber = new Uint32Array(64).fill(NO_ACCOUNT);
  /** Of those that the sequence gave. */
  private highestNumber = 0;
  private readonly byName = new Map<string, AccountIndex>();
  private readonly byAlias = new Map<string, AccountIndex>();
  private readonly aliases = new SparseColumn<string>();
  private readonly metadata = new SparseColumn<Metadata>();
  /** The state that was frozen last, until all are released: the older ones read in it what they have not themselves. */
  private newest: FrozenAccounts | undefined;
  private unreleased = 0;
  private freezes = 0;
  /** By page: how many freezes there had been when it was last kept aside, or had no need to be. */
  private balancesKeptAt = new Uint32Array(1);
  private rulesKeptAt = new Uint32Array(1);

  get count(): number {
    return this.length;
  }

  /** Bytes of memory that columns and owners take: all that an account has that has no name, alias or metadata. */
  get bytes(): number {
    const columns = [...this.columns(), this.indexesByNumber, this.balancesKeptAt, this.rulesKeptAt];
    return columns.reduce((sum, { byteLength }) => sum + byteLength, 0) + this.owners.bytes;
  }

  /**
   * Adds an account with balance zero and version 1.
   * Throws: `InvariantError`, with nothing changed, unless its number is its alias or above all others of the sequence, or
   * its name is new, and its alias too.
   */
  push(entry: AccountEntry): AccountIndex {
    const index = this.length as AccountIndex;
    const { alias, metadata, number } = entry;
    const isChosen = alias !== undefined && alias === String(number);
    if (number === 0) assert(!this.byName.has(entry.name), `internal account ${entry.name} is new`);
    else assert(isChosen || number > this.highestNumber, `account number ${number} comes next`);
    assert(alias === undefined || !this.byAlias.has(alias), `alias ${alias} is new`);
    // What can fail comes first: an account is there as a whole, or not at all.
    if (index >= this.room) this.grow(index + 1);
    this.names.set(index, entry.name === "" ? undefined : entry.name);
    this.displayNames.set(index, entry.displayName === "" ? undefined : entry.displayName);
    this.aliases.set(index, alias);
    this.setMetadata(index, metadata ?? NO_METADATA);
    this.owners.put(index, entry.owner);
    if (number === 0) this.byName.set(entry.name, index);
    else if (!isChosen) this.setNumber(number, index);
    if (alias !== undefined) this.byAlias.set(alias, index);
    this.types[index] = entry.type;
    this.currencies[index] = entry.currency;
    this.homeBranches[index] = entry.homeBranch;
    this.numbers[index] = entry.number;
    this.posted[index] = 0n;
    this.held[index] = 0n;
    this.floors[index] = entry.floor;
    this.ceilings[index] = entry.ceiling ?? AMOUNT_MAX;
    this.states[index] = AccountState.OPEN;
    this.versions[index] = 1;
    this.openedPositions[index] = entry.openedPosition;
    this.openedTimesMs[index] = entry.openedTimeMs;
    this.setGuard(index);
    this.length++;
    return index;
  }

  /**
   * Adds customers' accounts that have neither alias nor metadata, with what the columns say: rows `from` to before `to`.
   * Throws: `InvariantError`, with nothing changed, unless their numbers ascend above all others of the sequence.
   */
  pushRows(rows: AccountRows, from: number, to: number): void {
    const { length: index } = this;
    let newest = this.highestNumber;
    for (let i = from; i < to; i++) {
      const number = rows.numbers[i] as number;
      assert(number > newest, `account number ${number} comes next`);
      newest = number;
    }
    if (index + to - from > this.room) this.reserve(index + to - from);
    this.types.set(rows.types.subarray(from, to), index);
    this.currencies.set(rows.currencies.subarray(from, to), index);
    this.homeBranches.set(rows.homeBranches.subarray(from, to), index);
    this.numbers.set(rows.numbers.subarray(from, to), index);
    this.posted.set(rows.posted.subarray(from, to), index);
    this.held.set(rows.held.subarray(from, to), index);
    this.floors.set(rows.floors.subarray(from, to), index);
    this.ceilings.set(rows.ceilings.subarray(from, to), index);
    this.states.set(rows.states.subarray(from, to), index);
    this.versions.set(rows.versions.subarray(from, to), index);
    this.openedPositions.set(rows.openedPositions.subarray(from, to), index);
    this.openedTimesMs.set(rows.openedTimesMs.subarray(from, to), index);
    for (let i = from, account = index as AccountIndex; i < to; i++, account++) {
      const displayName = rows.displayNames[i] as string;
      this.displayNames.set(account, displayName === "" ? undefined : displayName);
      // Where accounts were taken away, theirs may still be there.
      this.names.set(account, undefined);
      this.aliases.set(account, undefined);
      this.metadata.set(account, undefined);
      this.owners.put(account, rows.owners[i] as string);
      this.setNumber(rows.numbers[i] as number, account);
      this.setGuard(account);
    }
    this.length += to - from;
  }

  /** Takes memory for so many accounts at once, and no column grows before they are there. */
  reserve(accounts: number): void {
    this.grow(accounts);
    if (accounts > this.indexesByNumber.length)
      this.indexesByNumber = grown(
        new Uint32Array(accounts).fill(NO_ACCOUNT, this.indexesByNumber.length),
        this.indexesByNumber,
      );
  }

  /** Takes the newest account away again. */
  pop(): void {
    assert(this.length > 0, "there is an account to take away");
    const index = --this.length as AccountIndex;
    const number = this.numbers[index] as number;
    const alias = this.aliasOf(index);
    if (number === 0) this.byName.delete(this.nameOf(index));
    else if (alias !== String(number)) this.forgetNumber(number);
    this.byAlias.delete(alias);
  }

  /**
   * The account that got this number from the sequence. One whose alias is its number is found by that.
   *
   * @param number a positive integer.
   */
  findByNumber(number: number): AccountIndex | undefined {
    if (number > this.highestNumber) return undefined;
    const index = this.indexesByNumber[number - 1] as number;
    return index === NO_ACCOUNT ? undefined : (index as AccountIndex);
  }

  /** As `findByNumber`, with −1 for none. */
  indexOfNumber(number: number): number {
    return this.findByNumber(number) ?? -1;
  }

  findByAlias(alias: string): AccountIndex | undefined {
    return this.byAlias.get(alias);
  }

  /** Whether any account has an alias. */
  get hasAliases(): boolean {
    return this.byAlias.size > 0;
  }

  /** Index of its currency, from where a movement looks anyway. */
  currencyOf(account: number): number {
    return (this.guards[account] as number) & ~IS_SPECIAL;
  }

  /** Of an internal account; empty for a customer's. */
  nameOf(account: AccountIndex): string {
    return this.names.at(account) ?? "";
  }

  ownerOf(account: AccountIndex): string {
    return this.owners.at(account);
  }

  displayNameOf(account: AccountIndex): string {
    return this.displayNames.at(account) ?? "";
  }

  /** Empty for none. */
  aliasOf(account: AccountIndex): string {
    return this.aliases.at(account) ?? "";
  }

  /** How many accounts have one. */
  get aliasCount(): number {
    return this.byAlias.size;
  }

  metadataOf(account: AccountIndex): Metadata {
    return this.metadata.at(account) ?? NO_METADATA;
  }

  /**
   * All accounts as they are now, at once, however many there are. What never changes of an account is lent, not copied:
   * it stays as long as none of them is taken away again.
   */
  freeze(): AccountColumns {
    const { displayNames, metadata } = this;
    const frozen = new FrozenAccounts(this, { displayNames: displayNames.freeze(), metadata: metadata.freeze() });
    this.newest?.continueWith(frozen);
    this.newest = frozen;
    this.freezes++;
    this.unreleased++;
    return frozen;
  }

  /** For a frozen state that is not asked any more, once. */
  released(): void {
    this.unreleased--;
    if (this.unreleased === 0) this.newest = undefined;
  }

  /** To be called before `posted` or `versions` of an account change. Throws where there is no memory, with nothing changed. */
  beforePosting(account: number): void {
    const page = account >>> PAGE_BITS;
    if (this.balancesKeptAt[page] === this.freezes) return;
    this.newest?.keepBalances(page);
    this.balancesKeptAt[page] = this.freezes;
  }

  /** To be called before `held`, `floors`, `ceilings` or `states` of an account change. Throws as `beforePosting`. */
  beforeChange(account: number): void {
    const page = account >>> PAGE_BITS;
    if (this.rulesKeptAt[page] === this.freezes) return;
    this.newest?.keepRules(page);
    this.rulesKeptAt[page] = this.freezes;
  }

  setState(account: AccountIndex, state: AccountState): void {
    this.beforeChange(account);
    this.states[account] = state;
    this.setGuard(account);
  }

  setHeld(account: AccountIndex, held: bigint): void {
    this.beforeChange(account);
    this.held[account] = held;
    this.setGuard(account);
  }

  /** @param ceiling undefined for none. */
  setBounds(account: AccountIndex, floor: bigint, ceiling: bigint | undefined): void {
    this.beforeChange(account);
    this.floors[account] = floor;
    this.ceilings[account] = ceiling ?? AMOUNT_MAX;
    this.setGuard(account);
  }

  setDisplayName(account: AccountIndex, displayName: string): void {
    this.displayNames.set(account, displayName === "" ? undefined : displayName);
  }

  setMetadata(account: AccountIndex, metadata: Metadata): void {
    const isEmpty = Object.keys(metadata).length === 0;
    this.metadata.set(account, isEmpty ? undefined : Object.freeze({ ...metadata }));
  }

  findByName(name: string): AccountIndex | undefined {
    return this.byName.get(name);
  }

  private setNumber(number: number, index: AccountIndex): void {
    // Numbers that are aliases are left out of the sequence, so there may be more numbers than accounts.
    const { length } = this.indexesByNumber;
    if (number > length) {
      const capacity = Math.max(number, larger(length));
      this.indexesByNumber = grown(new Uint32Array(capacity).fill(NO_ACCOUNT, length), this.indexesByNumber);
    }
    this.indexesByNumber[number - 1] = index;
    this.highestNumber = number;
  }

  private forgetNumber(number: number): void {
    this.indexesByNumber[number - 1] = NO_ACCOUNT;
    do this.highestNumber--;
    while (this.highestNumber > 0 && this.indexesByNumber[this.highestNumber - 1] === NO_ACCOUNT);
  }

  private columns(): readonly { readonly length: number; readonly byteLength: number }[] {
    const { types, currencies, homeBranches, numbers, posted, held, floors, ceilings } = this;
    const { states, versions, openedPositions, openedTimesMs, guards } = this;
    const bounded = [currencies, homeBranches, numbers, posted, held, floors, ceilings];
    return [types, ...bounded, states, versions, openedPositions, openedTimesMs, guards];
  }

  private setGuard(account: AccountIndex): void {
    const { states, held, floors, ceilings } = this;
    const isPlain =
      states[account] === AccountState.OPEN &&
      held[account] === 0n &&
      floors[account] === 0n &&
      ceilings[account] === AMOUNT_MAX;
    this.guards[account] = (this.currencies[account] as number) + (isPlain ? 0 : IS_SPECIAL);
  }

  /**
   * Makes room for so many accounts in each column that has it not. One that is full grows by an eighth; where there is to be
   * more room than that, each gets a little more than the one before, so that they are not full together the next time.
   */
  private grow(accounts: number): void {
    const step = Math.ceil(larger(accounts) - accounts) / this.columns().length;
    let columns = 0;
    const roomOf = (column: { readonly length: number }) => {
      columns++;
      if (column.length >= accounts) return 0;
      return column.length === accounts - 1 ? larger(column.length) : accounts + Math.floor(columns * step);
    };
    let room = roomOf(this.types);
    if (room > 0) this.types = grown(new Uint8Array(room), this.types);
    room = roomOf(this.currencies);
    if (room > 0) this.currencies = grown(new Uint32Array(room), this.currencies);
    room = roomOf(this.homeBranches);
    if (room > 0) this.homeBranches = grown(new Uint32Array(room), this.homeBranches);
    room = roomOf(this.numbers);
    if (room > 0) this.numbers = grown(new Float64Array(room), this.numbers);
    room = roomOf(this.posted);
    if (room > 0) {
      this.posted = grown(new BigInt64Array(room), this.posted);
      this.postedWords = new Int32Array(this.posted.buffer);
    }
    room = roomOf(this.held);
    if (room > 0) {
      this.held = grown(new BigInt64Array(room), this.held);
      this.heldWords = new Int32Array(this.held.buffer);
    }
    room = roomOf(this.floors);
    if (room > 0) {
      this.floors = grown(new BigInt64Array(room), this.floors);
      this.floorWords = new Int32Array(this.floors.buffer);
    }
    room = roomOf(this.ceilings);
    if (room > 0) {
      this.ceilings = grown(new BigInt64Array(room), this.ceilings);
      this.ceilingWords = new Int32Array(this.ceilings.buffer);
    }
    room = roomOf(this.states);
    if (room > 0) this.states = grown(new Uint8Array(room), this.states);
    room = roomOf(this.versions);
    if (room > 0) this.versions = grown(new Float64Array(room), this.versions);
    room = roomOf(this.openedPositions);
    if (room > 0) this.openedPositions = grown(new Float64Array(room), this.openedPositions);
    room = roomOf(this.openedTimesMs);
    if (room > 0) this.openedTimesMs = grown(new Float64Array(room), this.openedTimesMs);
    room = roomOf(this.guards);
    if (room > 0) this.guards = grown(new Uint32Array(room), this.guards);
    const capacity = Math.max(...this.columns().map((column) => column.length));
    const pages = (capacity >>> PAGE_BITS) + 1;
    if (pages > this.rulesKeptAt.length) {
      this.balancesKeptAt = grown(new Uint32Array(pages), this.balancesKeptAt);
      this.rulesKeptAt = grown(new Uint32Array(pages), this.rulesKeptAt);
    }
    this.room = Math.min(...this.columns().map((column) => column.length));
  }
}

/** What a full column grows to. */
function larger(capacity: number): number {
  return capacity + Math.ceil(capacity / 8);
}

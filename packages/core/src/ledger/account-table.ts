import { AccountState, type AccountType, type Metadata } from "../account.ts";
import { assert } from "../assert.ts";
import type { AccountIndex, BranchNumber, CurrencyIndex, Position } from "../identifiers.ts";
import { AMOUNT_MAX } from "../limits.ts";
import { grown } from "./grown.ts";

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

/** All accounts as they were at one moment. */
export type AccountColumns = Readonly<
  Pick<
    AccountTable,
    | "count"
    | "types"
    | "currencies"
    | "homeBranches"
    | "numbers"
    | "posted"
    | "held"
    | "floors"
    | "ceilings"
    | "states"
    | "versions"
    | "openedPositions"
    | "openedTimesMs"
    | "names"
    | "owners"
    | "aliasOf"
    | "metadataOf"
  > & { readonly displayNames: readonly string[] }
>;

/** No index of an account: there are at most 100 million. */
const NO_ACCOUNT = 0xffff_ffff;
const NO_METADATA: Metadata = Object.freeze({});

/**
 * Accounts by index, in columns: numbers in typed arrays, so that a million of them are a few dozen megabytes and a
 * movement touches no object.
 */
export class AccountTable {
  private length = 0;
  types = new Uint8Array(64);
  currencies = new Uint32Array(64);
  homeBranches = new Uint32Array(64);
  numbers = new Float64Array(64);
  posted = new BigInt64Array(64);
  postedWords = new Int32Array(this.posted.buffer);
  held = new BigInt64Array(64);
  heldWords = new Int32Array(this.held.buffer);
  floors = new BigInt64Array(64);
  floorWords = new Int32Array(this.floors.buffer);
  /** `AMOUNT_MAX` for none. */
  ceilings = new BigInt64Array(64);
  ceilingWords = new Int32Array(this.ceilings.buffer);
  states = new Uint8Array(64);
  versions = new Float64Array(64);
  openedPositions = new Float64Array(64);
  openedTimesMs = new Float64Array(64);
  readonly names: string[] = [];
  readonly owners: string[] = [];
  readonly displayNames: string[] = [];
  /** Index of the account with number n at n − 1: a `Map` ends at 16.7 million entries, and takes ten times the memory. */
  private indexesByNumber = new Uint32Array(64).fill(NO_ACCOUNT);
  /** Of those that the sequence gave. */
  private highestNumber = 0;
  private readonly byName = new Map<string, AccountIndex>();
  private readonly byAlias = new Map<string, AccountIndex>();
  /** Empty for none. */
  private readonly aliases: string[] = [];
  private readonly metadata: Metadata[] = [];

  get count(): number {
    return this.length;
  }

  /**
   * Adds an account with balance zero and version 1.
   * Throws: `InvariantError`, with nothing changed, unless its number is its alias or above all others of the sequence, or
   * its name is new, and its alias too.
   */
  push(entry: AccountEntry): AccountIndex {
    const index = this.length as AccountIndex;
    const { alias, metadata, number } = entry;
    const isChosen = alias === String(number);
    if (number === 0) assert(!this.byName.has(entry.name), `internal account ${entry.name} is new`);
    else assert(isChosen || number > this.highestNumber, `account number ${number} comes next`);
    assert(alias === undefined || !this.byAlias.has(alias), `alias ${alias} is new`);
    // What can fail comes first: an account is there as a whole, or not at all.
    if (this.length === this.types.length) this.grow();
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
    this.names.push(entry.name);
    this.owners.push(entry.owner);
    this.displayNames.push(entry.displayName);
    this.aliases.push(alias ?? "");
    this.metadata.push(frozen(metadata ?? NO_METADATA));
    this.length++;
    return index;
  }

  /** Takes the newest account away again. */
  pop(): void {
    assert(this.length > 0, "there is an account to take away");
    const index = --this.length as AccountIndex;
    const number = this.numbers[index] as number;
    const alias = this.aliasOf(index);
    if (number === 0) this.byName.delete(this.names[index] as string);
    else if (alias !== String(number)) this.forgetNumber(number);
    this.byAlias.delete(alias);
    this.aliases.pop();
    this.metadata.pop();
    this.names.pop();
    this.owners.pop();
    this.displayNames.pop();
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

  /** Empty for none. */
  aliasOf(account: AccountIndex): string {
    return this.aliases[account] ?? "";
  }

  /** How many accounts have one. */
  get aliasCount(): number {
    return this.byAlias.size;
  }

  metadataOf(account: AccountIndex): Metadata {
    return this.metadata[account] ?? NO_METADATA;
  }

  /**
   * All accounts as they are now. What never changes of an account is lent, not copied: it stays as long as none of them
   * is taken away again.
   */
  freeze(): AccountColumns {
    const { length: count, types, currencies, homeBranches, numbers, openedPositions, openedTimesMs } = this;
    const metadata = this.metadata.slice();
    return {
      count,
      types,
      currencies,
      homeBranches,
      numbers,
      openedPositions,
      openedTimesMs,
      posted: this.posted.slice(0, count),
      held: this.held.slice(0, count),
      floors: this.floors.slice(0, count),
      ceilings: this.ceilings.slice(0, count),
      states: this.states.slice(0, count),
      versions: this.versions.slice(0, count),
      names: this.names,
      owners: this.owners,
      displayNames: this.displayNames.slice(),
      aliasOf: (account) => this.aliasOf(account),
      metadataOf: (account) => metadata[account] ?? NO_METADATA,
    };
  }

  /** To be called before a column of an account changes. */
  beforeChange(_account: number): void {
    // Nothing is kept aside yet.
  }

  setMetadata(account: AccountIndex, metadata: Metadata): void {
    this.metadata[account] = frozen(metadata);
  }

  findByName(name: string): AccountIndex | undefined {
    return this.byName.get(name);
  }

  private setNumber(number: number, index: AccountIndex): void {
    // Numbers that are aliases are left out of the sequence, so there may be more numbers than accounts.
    let capacity = this.indexesByNumber.length;
    while (capacity < number) capacity *= 2;
    if (capacity > this.indexesByNumber.length)
      this.indexesByNumber = grown(new Uint32Array(capacity).fill(NO_ACCOUNT), this.indexesByNumber);
    this.indexesByNumber[number - 1] = index;
    this.highestNumber = number;
  }

  private forgetNumber(number: number): void {
    this.indexesByNumber[number - 1] = NO_ACCOUNT;
    do this.highestNumber--;
    while (this.highestNumber > 0 && this.indexesByNumber[this.highestNumber - 1] === NO_ACCOUNT);
  }

  private grow(): void {
    const capacity = this.types.length * 2;
    this.types = grown(new Uint8Array(capacity), this.types);
    this.currencies = grown(new Uint32Array(capacity), this.currencies);
    this.homeBranches = grown(new Uint32Array(capacity), this.homeBranches);
    this.numbers = grown(new Float64Array(capacity), this.numbers);
    this.posted = grown(new BigInt64Array(capacity), this.posted);
    this.postedWords = new Int32Array(this.posted.buffer);
    this.held = grown(new BigInt64Array(capacity), this.held);
    this.heldWords = new Int32Array(this.held.buffer);
    this.floors = grown(new BigInt64Array(capacity), this.floors);
    this.floorWords = new Int32Array(this.floors.buffer);
    this.ceilings = grown(new BigInt64Array(capacity), this.ceilings);
    this.ceilingWords = new Int32Array(this.ceilings.buffer);
    this.states = grown(new Uint8Array(capacity), this.states);
    this.versions = grown(new Float64Array(capacity), this.versions);
    this.openedPositions = grown(new Float64Array(capacity), this.openedPositions);
    this.openedTimesMs = grown(new Float64Array(capacity), this.openedTimesMs);
  }
}

/** A copy that nobody changes; one object stands for all that are empty. */
function frozen(metadata: Metadata): Metadata {
  return Object.keys(metadata).length === 0 ? NO_METADATA : Object.freeze({ ...metadata });
}

import type { AccountType } from "../account.ts";
import { assert } from "../assert.ts";
import type { AccountIndex, BranchNumber, CurrencyIndex, Position } from "../identifiers.ts";

/** The fixed part of an account: what its opening said. */
export interface AccountEntry {
  readonly type: AccountType;
  readonly number: number;
  readonly name: string;
  readonly currency: CurrencyIndex;
  readonly homeBranch: BranchNumber;
  readonly owner: string;
  readonly displayName: string;
  readonly floor: bigint;
  readonly openedPosition: Position;
  readonly openedTimeMs: number;
}

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
  floors = new BigInt64Array(64);
  versions = new Float64Array(64);
  openedPositions = new Float64Array(64);
  openedTimesMs = new Float64Array(64);
  readonly names: string[] = [];
  readonly owners: string[] = [];
  readonly displayNames: string[] = [];
  /** Index of the account with number n at n − 1: a `Map` ends at 16.7 million entries, and takes ten times the memory. */
  private indexesByNumber = new Uint32Array(64);
  private customers = 0;
  private readonly byName = new Map<string, AccountIndex>();

  get count(): number {
    return this.length;
  }

  /**
   * Adds an account with balance zero and version 1.
   * Throws: `InvariantError`, with nothing changed, unless its number is the next one or its name is new.
   */
  push(entry: AccountEntry): AccountIndex {
    const index = this.length as AccountIndex;
    if (entry.number !== 0)
      assert(entry.number === this.customers + 1, `account number ${entry.number} is the next one`);
    else assert(!this.byName.has(entry.name), `internal account ${entry.name} is new`);
    if (this.length === this.types.length) this.grow();
    this.types[index] = entry.type;
    this.currencies[index] = entry.currency;
    this.homeBranches[index] = entry.homeBranch;
    this.numbers[index] = entry.number;
    this.posted[index] = 0n;
    this.floors[index] = entry.floor;
    this.versions[index] = 1;
    this.openedPositions[index] = entry.openedPosition;
    this.openedTimesMs[index] = entry.openedTimeMs;
    this.names.push(entry.name);
    this.owners.push(entry.owner);
    this.displayNames.push(entry.displayName);
    if (entry.number !== 0) this.indexesByNumber[this.customers++] = index;
    else this.byName.set(entry.name, index);
    this.length++;
    return index;
  }

  /** Takes the newest account away again. */
  pop(): void {
    assert(this.length > 0, "there is an account to take away");
    const index = --this.length;
    if (this.numbers[index] !== 0) this.customers--;
    else this.byName.delete(this.names[index] as string);
    this.names.pop();
    this.owners.pop();
    this.displayNames.pop();
  }

  /** @param number a positive integer. */
  findByNumber(number: number): AccountIndex | undefined {
    return number <= this.customers ? (this.indexesByNumber[number - 1] as AccountIndex) : undefined;
  }

  findByName(name: string): AccountIndex | undefined {
    return this.byName.get(name);
  }

  private grow(): void {
    const capacity = this.types.length * 2;
    this.indexesByNumber = grown(new Uint32Array(capacity), this.indexesByNumber);
    this.types = grown(new Uint8Array(capacity), this.types);
    this.currencies = grown(new Uint32Array(capacity), this.currencies);
    this.homeBranches = grown(new Uint32Array(capacity), this.homeBranches);
    this.numbers = grown(new Float64Array(capacity), this.numbers);
    this.posted = grown(new BigInt64Array(capacity), this.posted);
    this.floors = grown(new BigInt64Array(capacity), this.floors);
    this.versions = grown(new Float64Array(capacity), this.versions);
    this.openedPositions = grown(new Float64Array(capacity), this.openedPositions);
    this.openedTimesMs = grown(new Float64Array(capacity), this.openedTimesMs);
  }
}

function grown<T extends { set(source: T): void }>(larger: T, smaller: T): T {
  larger.set(smaller);
  return larger;
}

import { type AccountIndex, assert, type CurrencyIndex, type Position } from "@bank/core";
import { DamagedReportsError } from "./errors.ts";

/** A hold that is open, as its row says. */
export interface OpenHold {
  readonly account: AccountIndex;
  /** What it was placed for, in minor units. */
  readonly held: bigint;
  readonly captured: bigint;
  /** Unix milliseconds; 0 for never. */
  readonly expiresMs: number;
  readonly placedMs: number;
}

/** Where the tables end. */
export interface ReportsHead {
  /** 16 bytes; undefined while no record was ever written. */
  readonly bankId: Uint8Array | undefined;
  readonly position: Position;
  /** 32 bytes; empty at position 0. */
  readonly chainHash: Uint8Array;
  /** 16 bytes; empty at position 0. */
  readonly epochId: Uint8Array;
  readonly epoch: number;
  /** Journal time, Unix milliseconds. */
  readonly timeMs: number;
}

const FIRST_ACCOUNTS = 1_024;

/** What has to be known of what is written already to write more: balances, currencies and open holds. Some 34 bytes an account. */
export class ProjectedState {
  head: ReportsHead;
  /** Codes, in the order of their first use. */
  readonly currencies: string[] = [];
  /** By the position at which they were placed. */
  readonly holds = new Map<Position, OpenHold>();
  accountCount = 0;
  /** Index of each account's currency. */
  currencyOf = new Uint16Array(FIRST_ACCOUNTS);
  posted = new BigInt64Array(FIRST_ACCOUNTS);
  held = new BigInt64Array(FIRST_ACCOUNTS);
  /** Changes of each account; 1 after its opening. */
  versions = new Float64Array(FIRST_ACCOUNTS);

  constructor(head: ReportsHead) {
    this.head = head;
  }

  /** Throws: `DamagedReportsError` unless it is the next one. */
  addAccount(
    account: number,
    row: {
      readonly currency: CurrencyIndex;
      readonly posted: bigint;
      readonly held: bigint;
      readonly version: number;
    },
  ): void {
    if (account !== this.accountCount)
      throw new DamagedReportsError(`the tables have ${this.accountCount} accounts, and the next one is ${account}`);
    if (this.currencies[row.currency] === undefined)
      throw new DamagedReportsError(`account ${account} has a currency that the tables do not have`);
    if (account === this.posted.length) this.grow();
    this.accountCount++;
    this.currencyOf[account] = row.currency;
    this.posted[account] = row.posted;
    this.held[account] = row.held;
    this.versions[account] = row.version;
  }

  /** Throws: `DamagedReportsError` for an account that the tables do not have. */
  requireAccount(account: number): void {
    if (account >= this.accountCount)
      throw new DamagedReportsError(`a record names account ${account}, and the tables have ${this.accountCount}`);
  }

  /** Throws: `DamagedReportsError` for a hold that is not open. */
  requireHold(hold: Position): OpenHold {
    const found = this.holds.get(hold);
    if (found === undefined) throw new DamagedReportsError(`a record changes hold ${hold}, which is not open here`);
    return found;
  }

  codeOf(currency: number): string {
    const code = this.currencies[currency];
    assert(code !== undefined, "the currency of an account is known");
    return code;
  }

  private grow(): void {
    const size = 2 * this.posted.length;
    const [currencyOf, posted, held, versions] = [this.currencyOf, this.posted, this.held, this.versions];
    this.currencyOf = new Uint16Array(size);
    this.posted = new BigInt64Array(size);
    this.held = new BigInt64Array(size);
    this.versions = new Float64Array(size);
    this.currencyOf.set(currencyOf);
    this.posted.set(posted);
    this.held.set(held);
    this.versions.set(versions);
  }
}

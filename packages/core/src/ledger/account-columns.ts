import type { Metadata } from "../account.ts";
import type { AccountIndex } from "../identifiers.ts";

export const NO_METADATA: Metadata = Object.freeze({});

/** What is kept aside of a frozen table before it changes is kept in pages of so many accounts. */
export const PAGE_BITS = 10;
export const PAGE_ACCOUNTS = 1 << PAGE_BITS;

/** Accounts that follow each other, in columns that begin with the first of them. */
export interface AccountRows {
  readonly types: Uint8Array<ArrayBuffer>;
  readonly currencies: Uint32Array<ArrayBuffer>;
  readonly homeBranches: Uint32Array<ArrayBuffer>;
  /** 0 for an internal account. */
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly posted: BigInt64Array<ArrayBuffer>;
  readonly held: BigInt64Array<ArrayBuffer>;
  readonly floors: BigInt64Array<ArrayBuffer>;
  /** `AMOUNT_MAX` for none. */
  readonly ceilings: BigInt64Array<ArrayBuffer>;
  readonly states: Uint8Array<ArrayBuffer>;
  readonly versions: Float64Array<ArrayBuffer>;
  readonly openedPositions: Float64Array<ArrayBuffer>;
  readonly openedTimesMs: Float64Array<ArrayBuffer>;
  readonly names: string[];
  readonly owners: string[];
  readonly displayNames: string[];
}

/** All accounts as they were at one moment. */
export interface AccountColumns {
  readonly count: number;
  /** A copy of the accounts `from` to before `to`. */
  rows(from: number, to: number): AccountRows;
  /** Empty for none. */
  aliasOf(account: AccountIndex): string;
  metadataOf(account: AccountIndex): Metadata;
  /** To be called when nothing is asked for any more: until then what changes is kept. Idempotent. */
  release(): void;
}

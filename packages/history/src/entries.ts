/** Entries of one account in the order of their positions. An entry is a change of the account's balances. */
export interface Entries {
  readonly length: number;
  position(index: number): number;
  /** Posted balance behind it, in minor units. */
  posted(index: number): bigint;
  /** Held balance behind it, in minor units. */
  held(index: number): bigint;
  /** How the posted balance changed, in minor units. */
  change(index: number): bigint;
  /** `RecordKind` of the transaction; 0 for a change of holds that moved no money. */
  kind(index: number): number;
  /** The account on the other side; 0 where no money moved. */
  counterparty(index: number): number;
}

/** Index of the last entry up to a position; -1 where there is none. */
export function lastUpTo(entries: Entries, position: number): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (entries.position(middle) <= position) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Entries of many accounts, in columns that are as long as each other; what they say is said at `Entries`. */
export interface EntryColumns {
  readonly positions: Float64Array;
  readonly posted: BigInt64Array;
  readonly held: BigInt64Array;
  /** The same, as two words each. */
  readonly heldWords: Int32Array;
  readonly changes: BigInt64Array;
  readonly counterparties: Uint32Array;
  readonly kinds: Uint8Array;
}

/** Entries of one account in the order of their positions: `indexes` says from `begin` on where they stand. */
export interface OrderedEntries {
  readonly columns: EntryColumns;
  readonly indexes: Int32Array;
  readonly begin: number;
}

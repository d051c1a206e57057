import type { Metadata } from "../account.ts";
import { assert } from "../assert.ts";
import type { AccountIndex } from "../identifiers.ts";
import { type AccountColumns, type AccountRows, NO_METADATA, PAGE_ACCOUNTS } from "./account-columns.ts";
import type { AccountTable } from "./account-table.ts";
import type { FrozenSparseColumn } from "./sparse-column.ts";

/** Of the accounts of a page, what changes. */
type ChangingRows = Pick<AccountRows, "posted" | "held" | "floors" | "ceilings" | "states" | "versions">;

/**
 * All accounts as they were at one moment. Nothing is copied at that moment: the table keeps a page aside before it changes
 * it for the first time afterwards. It does so for the newest of several frozen states only; where an older one has nothing
 * of its own, a page is what the next one has.
 *
 * What never changes of an account is lent, not copied: it stays as long as none of them is taken away again.
 */
export class FrozenAccounts implements AccountColumns {
  readonly count: number;
  private readonly table: AccountTable;
  private readonly displayNames: FrozenSparseColumn<string>;
  private readonly metadata: FrozenSparseColumn<Metadata>;
  private readonly pages = new Map<number, ChangingRows>();
  private next: FrozenAccounts | undefined;
  private isReleased = false;

  constructor(
    table: AccountTable,
    columns: {
      readonly displayNames: FrozenSparseColumn<string>;
      readonly metadata: FrozenSparseColumn<Metadata>;
    },
  ) {
    this.table = table;
    this.count = table.count;
    this.displayNames = columns.displayNames;
    this.metadata = columns.metadata;
  }

  rows(from: number, to: number): AccountRows {
    assert(!this.isReleased, "what was released is not read any more");
    assert(from >= 0 && from <= to && to <= this.count, "the accounts exist");
    const { table } = this;
    const texts = (text: (account: AccountIndex) => string) => {
      const column: string[] = [];
      for (let account = from as AccountIndex; account < to; account++) column.push(text(account));
      return column;
    };
    return {
      ...this.changing(from, to),
      types: table.types.slice(from, to),
      currencies: table.currencies.slice(from, to),
      homeBranches: table.homeBranches.slice(from, to),
      numbers: table.numbers.slice(from, to),
      openedPositions: table.openedPositions.slice(from, to),
      openedTimesMs: table.openedTimesMs.slice(from, to),
      names: texts((account) => table.nameOf(account)),
      owners: texts((account) => table.ownerOf(account)),
      displayNames: texts((account) => this.displayNames.at(account) ?? ""),
    };
  }

  aliasOf(account: AccountIndex): string {
    return this.table.aliasOf(account);
  }

  metadataOf(account: AccountIndex): Metadata {
    return this.metadata.at(account) ?? NO_METADATA;
  }

  release(): void {
    if (this.isReleased) return;
    this.isReleased = true;
    this.table.released();
  }

  /** For the table: a page is about to change. */
  keep(page: number): void {
    const from = page * PAGE_ACCOUNTS;
    if (from < this.count) this.pages.set(page, copyOf(this.table, from, Math.min(from + PAGE_ACCOUNTS, this.count)));
  }

  /** For the table: what changes from now on is kept by another. */
  continueWith(next: FrozenAccounts): void {
    this.next = next;
  }

  private changing(from: number, to: number): ChangingRows {
    const rows: ChangingRows = {
      posted: new BigInt64Array(to - from),
      held: new BigInt64Array(to - from),
      floors: new BigInt64Array(to - from),
      ceilings: new BigInt64Array(to - from),
      states: new Uint8Array(to - from),
      versions: new Float64Array(to - from),
    };
    for (let at = from; at < to; ) {
      const page = Math.floor(at / PAGE_ACCOUNTS);
      const end = Math.min((page + 1) * PAGE_ACCOUNTS, to);
      const kept = this.kept(page);
      // What was kept begins with the page, the table with its first account.
      const first = kept === undefined ? at : at - page * PAGE_ACCOUNTS;
      copyInto(rows, at - from, kept ?? this.table, first, first + end - at);
      at = end;
    }
    return rows;
  }

  /** Undefined for a page that has not changed since. */
  private kept(page: number): ChangingRows | undefined {
    for (let state: FrozenAccounts | undefined = this; state !== undefined; state = state.next) {
      const rows = state.pages.get(page);
      if (rows !== undefined) return rows;
    }
    return undefined;
  }
}

function copyOf(table: AccountTable, from: number, to: number): ChangingRows {
  return {
    posted: table.posted.slice(from, to),
    held: table.held.slice(from, to),
    floors: table.floors.slice(from, to),
    ceilings: table.ceilings.slice(from, to),
    states: table.states.slice(from, to),
    versions: table.versions.slice(from, to),
  };
}

function copyInto(to: ChangingRows, at: number, source: ChangingRows, first: number, last: number): void {
  to.posted.set(source.posted.subarray(first, last), at);
  to.held.set(source.held.subarray(first, last), at);
  to.floors.set(source.floors.subarray(first, last), at);
  to.ceilings.set(source.ceilings.subarray(first, last), at);
  to.states.set(source.states.subarray(first, last), at);
  to.versions.set(source.versions.subarray(first, last), at);
}

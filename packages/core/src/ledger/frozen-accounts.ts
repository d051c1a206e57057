import type { Metadata } from "../account.ts";
import { assert } from "../assert.ts";
import type { AccountIndex } from "../identifiers.ts";
import { type AccountColumns, type AccountRows, NO_METADATA, PAGE_ACCOUNTS } from "./account-columns.ts";
import type { AccountTable } from "./account-table.ts";
import type { FrozenSparseColumn } from "./sparse-column.ts";

/** What a movement changes of an account. */
type Balances = Pick<AccountRows, "posted" | "versions">;

/** What else changes of it. */
type Rules = Pick<AccountRows, "held" | "floors" | "ceilings" | "states">;

/** Columns of the length of the table, of which only some pages are filled: the others take no memory. */
type Kept<Columns> = Columns & { readonly isKept: Uint8Array };

/**
 * All accounts as they were at one moment. Nothing is copied at that moment: the table has a page kept aside before it
 * changes it for the first time afterwards, its balances and all else by themselves. It does so for the newest of several
 * frozen states only; where an older one has nothing of its own, a page is what the next one has.
 *
 * What never changes of an account is lent, not copied: it stays as long as none of them is taken away again.
 */
export class FrozenAccounts implements AccountColumns {
  readonly count: number;
  private readonly table: AccountTable;
  private readonly displayNames: FrozenSparseColumn<string>;
  private readonly metadata: FrozenSparseColumn<Metadata>;
  private balances: Kept<Balances> | undefined;
  private rules: Kept<Rules> | undefined;
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

  /** For the table: balances of a page are about to change. */
  keepBalances(page: number): void {
    const { count, table } = this;
    const [from, to] = this.bounds(page);
    if (from >= count) return;
    this.balances ??= {
      isKept: this.newPages(),
      posted: new BigInt64Array(count),
      versions: new Float64Array(count),
    };
    copyBalances(table, this.balances, from, to, from);
    this.balances.isKept[page] = 1;
  }

  /** For the table: something else of a page is about to change. */
  keepRules(page: number): void {
    const { count, table } = this;
    const [from, to] = this.bounds(page);
    if (from >= count) return;
    this.rules ??= {
      isKept: this.newPages(),
      held: new BigInt64Array(count),
      floors: new BigInt64Array(count),
      ceilings: new BigInt64Array(count),
      states: new Uint8Array(count),
    };
    copyRules(table, this.rules, from, to, from);
    this.rules.isKept[page] = 1;
  }

  /** For the table: what changes from now on is kept by another. */
  continueWith(next: FrozenAccounts): void {
    this.next = next;
  }

  private changing(from: number, to: number): Balances & Rules {
    const rows = {
      posted: new BigInt64Array(to - from),
      versions: new Float64Array(to - from),
      held: new BigInt64Array(to - from),
      floors: new BigInt64Array(to - from),
      ceilings: new BigInt64Array(to - from),
      states: new Uint8Array(to - from),
    };
    for (let at = from; at < to; ) {
      const page = Math.floor(at / PAGE_ACCOUNTS);
      const end = Math.min((page + 1) * PAGE_ACCOUNTS, to);
      copyBalances(this.balancesOf(page), rows, at, end, at - from);
      copyRules(this.rulesOf(page), rows, at, end, at - from);
      at = end;
    }
    return rows;
  }

  /** What has not changed since lies in the table. */
  private balancesOf(page: number): Balances {
    for (let state: FrozenAccounts | undefined = this; state !== undefined; state = state.next)
      if (state.balances?.isKept[page] === 1) return state.balances;
    return this.table;
  }

  private rulesOf(page: number): Rules {
    for (let state: FrozenAccounts | undefined = this; state !== undefined; state = state.next)
      if (state.rules?.isKept[page] === 1) return state.rules;
    return this.table;
  }

  private bounds(page: number): [from: number, to: number] {
    return [page * PAGE_ACCOUNTS, Math.min((page + 1) * PAGE_ACCOUNTS, this.count)];
  }

  private newPages(): Uint8Array {
    return new Uint8Array(Math.ceil(this.count / PAGE_ACCOUNTS));
  }
}

function copyBalances(source: Balances, target: Balances, from: number, to: number, at: number): void {
  target.posted.set(source.posted.subarray(from, to), at);
  target.versions.set(source.versions.subarray(from, to), at);
}

function copyRules(source: Rules, target: Rules, from: number, to: number, at: number): void {
  target.held.set(source.held.subarray(from, to), at);
  target.floors.set(source.floors.subarray(from, to), at);
  target.ceilings.set(source.ceilings.subarray(from, to), at);
  target.states.set(source.states.subarray(from, to), at);
}

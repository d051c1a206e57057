import type { AccountIndex, BranchNumber, Position, RecordKind } from "@bank/core";

/** A transaction as the projection keeps it: a record that moved money. */
export interface ProjectedTransaction {
  readonly position: Position;
  readonly kind: RecordKind;
  readonly debit: AccountIndex;
  readonly credit: AccountIndex;
  /** Minor units. */
  readonly amount: bigint;
  readonly branch: BranchNumber;
  /** Journal time, Unix milliseconds. */
  readonly timeMs: number;
  /** 16 bytes: the request that it answers; of an item of a group, the group's. Undefined for none. */
  readonly requestId: Uint8Array | undefined;
  /** Of a reversal the position of its original, of a capture the hold; undefined for the others. */
  readonly reference: Position | undefined;
  /** The reversal that took it back, as of the state that was asked for. */
  readonly reversedBy: Position | undefined;
}

/** A transaction in the history of one account. */
export interface AccountEntry extends ProjectedTransaction {
  /** Posted balance of the account behind it, in minor units. */
  readonly postedAfter: bigint;
}

/** Balances of one account at one position. */
export interface ProjectedBalance {
  /** Minor units. */
  readonly posted: bigint;
  /** Minor units. */
  readonly held: bigint;
  /** Journal time of the position, Unix milliseconds. */
  readonly timeMs: number;
}

/** Which transactions of an account a page holds. */
export interface ListQuery {
  readonly account: AccountIndex;
  /** The state that the whole list is of: nothing behind it is shown. */
  readonly upper: Position;
  readonly oldestFirst: boolean;
  /** Where the page before ended, as it said; undefined for the first page. */
  readonly cursor: Position | undefined;
  /** At least 1. */
  readonly pageSize: number;
  readonly filter: ListFilter;
  /**
   * What the ledger says of the account at `upper`, where the asker knows it. A projection that says otherwise is
   * damaged.
   */
  readonly expected: { readonly posted: bigint; readonly held: bigint } | undefined;
}

/** Only transactions that fulfil all that is said. */
export interface ListFilter {
  /** Not before this journal time, Unix milliseconds. */
  readonly fromMs?: number | undefined;
  /** Before this journal time, Unix milliseconds. */
  readonly beforeMs?: number | undefined;
  /** Empty or left out for all. */
  readonly kinds?: readonly RecordKind[] | undefined;
  /** Minor units. */
  readonly amountMin?: bigint | undefined;
  /** Minor units. */
  readonly amountMax?: bigint | undefined;
  /** The account on the other side. */
  readonly counterparty?: AccountIndex | undefined;
}

/** A page of the history of one account. */
export interface HistoryPage {
  /** In the order that was asked for. May be fewer than the page size, even none, on a page that is not the last. */
  readonly entries: readonly AccountEntry[];
  /** The `cursor` of the next page; undefined on the last. */
  readonly next: Position | undefined;
  /** Journal time of `upper`, Unix milliseconds. */
  readonly timeMs: number;
}

/** Everything that can be asked of a projection: arguments and answer by name. */
export interface Queries {
  readonly list: { readonly asked: ListQuery; readonly answer: HistoryPage };
  /** One transaction as of `upper`; undefined where that position moved no money. */
  readonly transaction: {
    readonly asked: { readonly position: Position; readonly upper: Position };
    readonly answer: ProjectedTransaction | undefined;
  };
  readonly balance: {
    readonly asked: { readonly account: AccountIndex; readonly position: Position };
    readonly answer: ProjectedBalance;
  };
  /** The last position whose journal time is not behind the moment; 0 before the first. */
  readonly positionAt: { readonly asked: { readonly timeMs: number }; readonly answer: Position };
}

export type QueryName = keyof Queries;

/** One question with its arguments. */
export type Query = {
  readonly [Name in QueryName]: { readonly name: Name; readonly asked: Queries[Name]["asked"] };
}[QueryName];

import { type AccountIndex, type LedgerRecord, type Position, RecordKind } from "@bank/core";
import type { WholeJournal } from "./whole-journal.ts";

/** Records that became durable together. */
export interface NaiveBatch {
  readonly timeMs: number;
  readonly records: readonly LedgerRecord[];
}

/** Only transactions that fulfil all that is said. */
export interface NaiveFilter {
  readonly fromMs?: number | undefined;
  readonly beforeMs?: number | undefined;
  /** Empty for all. */
  readonly kinds?: readonly RecordKind[] | undefined;
  readonly amountMin?: bigint | undefined;
  readonly amountMax?: bigint | undefined;
  readonly counterparty?: AccountIndex | undefined;
}

/** Which transactions of an account to list. */
export interface NaiveList {
  readonly account: AccountIndex;
  /** The state that the list is of. */
  readonly upper: Position;
  readonly oldestFirst: boolean;
  readonly filter: NaiveFilter;
}

export interface NaiveTransaction {
  readonly position: Position;
  readonly kind: RecordKind;
  readonly debit: AccountIndex;
  readonly credit: AccountIndex;
  readonly amount: bigint;
  readonly branch: number;
  readonly timeMs: number;
  readonly requestId: Uint8Array | undefined;
  /** Of a reversal its original, of a capture its hold. */
  readonly reference: Position | undefined;
}

interface NaiveBalance {
  readonly posted: bigint;
  readonly held: bigint;
}

const NOTHING: NaiveBalance = { posted: 0n, held: 0n };

/**
 * The simplest history there is: a list of all transactions, and the balances of all accounts at every position. It
 * shares no code with the projection, whose answers it checks.
 */
export class NaiveHistory {
  private readonly transactions: NaiveTransaction[] = [];
  /** Balances of the accounts at each position; index 0 is the beginning. */
  private readonly states: ReadonlyMap<AccountIndex, NaiveBalance>[] = [new Map()];
  private readonly times: number[] = [0];
  /** What is left of each open hold. */
  private readonly holds = new Map<Position, { readonly account: AccountIndex; readonly left: bigint }>();

  /** The history of a journal that was read from its beginning. */
  static of({ records, batchSizes }: WholeJournal): NaiveHistory {
    const history = new NaiveHistory();
    let from = 0;
    for (const size of batchSizes) {
      const batch = records.slice(from, from + size);
      history.add({ timeMs: batch[0]?.timeMs ?? 0, records: batch.map(({ record }) => record) });
      from += size;
    }
    return history;
  }

  get position(): Position {
    return this.states.length - 1;
  }

  add({ records, timeMs }: NaiveBatch): void {
    records.forEach((record, i) => {
      this.addRecord(record, timeMs, requestOf(records, i));
    });
  }

  balance(account: AccountIndex, position: Position): NaiveBalance & { readonly timeMs: number } {
    const balance = this.states[position]?.get(account) ?? NOTHING;
    return { ...balance, timeMs: this.times[position] as number };
  }

  /** The last position whose time is not behind the moment. */
  positionAt(timeMs: number): Position {
    let last = 0;
    for (const [position, time] of this.times.entries()) if (time <= timeMs) last = position;
    return last;
  }

  /** The transaction at a position, as of another. */
  transaction(
    position: Position,
    upper: Position,
  ): (NaiveTransaction & { readonly reversedBy: Position | undefined }) | undefined {
    const found = this.transactions.find((transaction) => transaction.position === position);
    if (found === undefined || position > upper) return undefined;
    const reversal = this.transactions.find(
      (other) => other.kind === RecordKind.REVERSAL && other.reference === position && other.position <= upper,
    );
    return { ...found, reversedBy: reversal?.position };
  }

  list({ account, upper, oldestFirst, filter }: NaiveList) {
    const { fromMs, beforeMs, kinds = [], amountMin, amountMax, counterparty } = filter;
    const found = this.transactions.filter((transaction) => {
      const { debit, credit, amount, timeMs, kind } = transaction;
      if (transaction.position > upper || (debit !== account && credit !== account)) return false;
      if (fromMs !== undefined && timeMs < fromMs) return false;
      if (beforeMs !== undefined && timeMs >= beforeMs) return false;
      if (kinds.length > 0 && !kinds.includes(kind)) return false;
      if (amountMin !== undefined && amount < amountMin) return false;
      if (amountMax !== undefined && amount > amountMax) return false;
      return counterparty === undefined || (debit === account ? credit : debit) === counterparty;
    });
    if (!oldestFirst) found.reverse();
    return found.map((transaction) => ({
      ...transaction,
      reversedBy: this.transaction(transaction.position, upper)?.reversedBy,
      postedAfter: this.balance(account, transaction.position).posted,
    }));
  }

  private addRecord(record: LedgerRecord, timeMs: number, requestId: Uint8Array | undefined): void {
    const position = this.states.length;
    const state = new Map(this.states.at(-1));
    this.states.push(state);
    this.times.push(timeMs);
    const change = (account: AccountIndex, posted: bigint, held: bigint) => {
      const before = state.get(account) ?? NOTHING;
      state.set(account, { posted: before.posted + posted, held: before.held + held });
    };
    const move = (debit: AccountIndex, credit: AccountIndex, amount: bigint, reference?: Position) => {
      const { kind, branch } = record;
      this.transactions.push({ position, kind, debit, credit, amount, branch, timeMs, requestId, reference });
      change(debit, -amount, 0n);
      change(credit, amount, 0n);
    };
    const take = (hold: Position, amount: bigint | undefined) => {
      const found = this.holds.get(hold);
      if (found === undefined) throw new Error(`there is no open hold ${hold}`);
      const { account, left } = found;
      const taken = amount ?? left;
      change(account, 0n, -taken);
      this.holds.set(hold, { account, left: left - taken });
    };
    switch (record.kind) {
      case RecordKind.DEPOSIT:
      case RecordKind.WITHDRAWAL:
      case RecordKind.TRANSFER:
        move(record.debit, record.credit, record.amount);
        break;
      case RecordKind.REVERSAL:
        move(record.debit, record.credit, record.amount, record.original);
        break;
      case RecordKind.INTEREST_APPLIED:
        if (record.paidFrom !== undefined) move(record.paidFrom, record.account, record.amount);
        break;
      case RecordKind.HOLD_PLACED:
        this.holds.set(position, { account: record.account, left: record.held });
        change(record.account, 0n, record.held);
        break;
      case RecordKind.HOLD_CAPTURED:
        move(record.account, record.credit, record.amount, record.hold);
        take(record.hold, record.amount);
        break;
      case RecordKind.HOLD_RELEASED:
        take(record.hold, undefined);
        break;
      case RecordKind.HOLDS_EXPIRED:
        for (const hold of record.holds) take(hold, undefined);
        break;
      default:
        break;
    }
  }
}

/** The request of a record: its own, or that of the first group behind it that reaches back to it. */
function requestOf(records: readonly LedgerRecord[], index: number): Uint8Array | undefined {
  const own = records[index]?.request?.id;
  if (own !== undefined) return own;
  for (const [i, record] of records.entries())
    if (i > index && record.kind === RecordKind.GROUP_COMMITTED && i - record.records <= index)
      return record.request?.id;
  return undefined;
}

import { type AccountIndex, type LedgerRecord, type Position, RecordKind } from "@bank/core";
import type { ListFilter } from "./queries.ts";
import type { TestBatch } from "./random-journal.test-util.ts";

interface NaiveTransaction {
  position: Position;
  kind: RecordKind;
  debit: AccountIndex;
  credit: AccountIndex;
  amount: bigint;
  branch: number;
  timeMs: number;
  requestId: Uint8Array | undefined;
  reference: Position | undefined;
}

interface NaiveBalance {
  posted: bigint;
  held: bigint;
}

/** Which transactions of an account to list. */
export interface NaiveList {
  readonly account: AccountIndex;
  readonly upper: Position;
  readonly oldestFirst: boolean;
  readonly filter: ListFilter;
}

/**
 * The simplest history there is: a list of all transactions, and the balances of all accounts at every position. It
 * shares no code with the projection, whose answers it checks.
 */
export class NaiveHistory {
  private readonly transactions: NaiveTransaction[] = [];
  /** Balances of the accounts at each position; index 0 is the beginning. */
  private readonly states: Map<AccountIndex, NaiveBalance>[] = [new Map()];
  private readonly times: number[] = [0];
  /** What is left of each open hold. */
  private readonly holds = new Map<Position, { account: AccountIndex; left: bigint }>();

  get position(): Position {
    return this.states.length - 1;
  }

  add({ records, timeMs }: TestBatch): void {
    records.forEach((record, i) => {
      this.addRecord(record, timeMs, requestOf(records, i));
    });
  }

  balance(account: AccountIndex, position: Position): NaiveBalance & { timeMs: number } {
    const { posted, held } = this.states[position]!.get(account) ?? { posted: 0n, held: 0n };
    return { posted, held, timeMs: this.times[position]! };
  }

  positionAt(timeMs: number): Position {
    let last = 0;
    for (let position = 1; position <= this.position; position++) if (this.times[position]! <= timeMs) last = position;
    return last;
  }

  transaction(position: Position, upper: Position) {
    const found = this.transactions.find((transaction) => transaction.position === position);
    if (found === undefined || position > upper) return undefined;
    const reversedBy = this.transactions.find(
      (other) => other.kind === RecordKind.REVERSAL && other.reference === position && other.position <= upper,
    )?.position;
    return { ...found, reversedBy };
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
    return found.map(({ position }) => ({
      ...this.transaction(position, upper)!,
      postedAfter: this.balance(account, position).posted,
    }));
  }

  private addRecord(record: LedgerRecord, timeMs: number, requestId: Uint8Array | undefined): void {
    const position = this.states.length;
    const state = new Map(this.states.at(-1));
    this.states.push(state);
    this.times.push(timeMs);
    const change = (account: AccountIndex, posted: bigint, held: bigint) => {
      const before = state.get(account) ?? { posted: 0n, held: 0n };
      state.set(account, { posted: before.posted + posted, held: before.held + held });
    };
    const move = (debit: AccountIndex, credit: AccountIndex, amount: bigint, reference?: Position) => {
      const { kind, branch } = record;
      this.transactions.push({ position, kind, debit, credit, amount, branch, timeMs, requestId, reference });
      change(debit, -amount, 0n);
      change(credit, amount, 0n);
    };
    const endHold = (hold: Position) => {
      const { account, left } = this.holds.get(hold)!;
      change(account, 0n, -left);
      this.holds.delete(hold);
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
        if (record.amount > 0n) move(record.paidFrom!, record.account, record.amount);
        break;
      case RecordKind.HOLD_PLACED:
        this.holds.set(position, { account: record.account, left: record.held });
        change(record.account, 0n, record.held);
        break;
      case RecordKind.HOLD_CAPTURED: {
        move(record.account, record.credit, record.amount, record.hold);
        change(record.account, 0n, -record.amount);
        const hold = this.holds.get(record.hold)!;
        hold.left -= record.amount;
        if (hold.left === 0n) endHold(record.hold);
        break;
      }
      case RecordKind.HOLD_RELEASED:
        endHold(record.hold);
        break;
      case RecordKind.HOLDS_EXPIRED:
        for (const hold of record.holds) endHold(hold);
        break;
    }
  }
}

/** The request of a record: its own, or that of the first group behind it that reaches back to it. */
function requestOf(records: readonly LedgerRecord[], index: number): Uint8Array | undefined {
  for (let i = index; i < records.length; i++) {
    const record = records[i]!;
    if (i === index && record.request !== undefined) return record.request.id;
    if (record.kind === RecordKind.GROUP_COMMITTED && i - record.records <= index) return record.request?.id;
  }
  return undefined;
}

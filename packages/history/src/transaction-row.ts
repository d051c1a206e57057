import type { AccountIndex, BranchNumber, Position, RecordKind } from "@bank/core";
import { ensure } from "./errors.ts";
import type { ProjectedTransaction } from "./queries.ts";
import { seal, unseal } from "./sealed-bytes.ts";

/**
 * Transactions in one row, little-endian: checksum (4 bytes), how many (2), which columns differ (1), then columns: position
 * less that of the first (4 each), debit (4), credit (4), amount (8), and those that mostly are the same for all, once where they
 * are and else for each: kind (1), branch (4), time (8), whether there is a request id (1), reference (8, 0 for none); at last
 * the request ids (16 each), where there are any. Two such rows of the usual kind go on a page of SQLite's.
 */
export const TRANSACTIONS_PER_ROW = 104;
const HEADER_BYTES = 7;
/** How far the positions in a row may be from each other. */
const ROW_POSITIONS_MAX = 2 ** 32;

/** Bytes of each column; the second five are those that may be the same for all. */
const OWN_WIDTHS = [4, 4, 4, 8] as const;
const SHARED_WIDTHS = [1, 4, 8, 1, 8] as const;
const ID_BYTES = 16;

/** A transaction as it is added, besides its request. */
export type NewTransaction = Omit<ProjectedTransaction, "requestId" | "reversedBy" | "amount">;

/** A transaction as it is found, without what may become of it. */
export type FoundTransaction = Omit<ProjectedTransaction, "reversedBy">;

/** A row's bytes under its key. */
export interface WrittenRow {
  readonly firstPosition: Position;
  readonly bytes: Uint8Array;
}

/** Gathers transactions that follow each other for one row. */
export class TransactionRowWriter {
  private count = 0;
  private firstPosition: Position = 0;
  private readonly positions = new Uint32Array(TRANSACTIONS_PER_ROW);
  private readonly debits = new Uint32Array(TRANSACTIONS_PER_ROW);
  private readonly credits = new Uint32Array(TRANSACTIONS_PER_ROW);
  private readonly amounts = new BigInt64Array(TRANSACTIONS_PER_ROW);
  private readonly kinds = new Uint8Array(TRANSACTIONS_PER_ROW);
  private readonly branches = new Uint32Array(TRANSACTIONS_PER_ROW);
  private readonly times = new Float64Array(TRANSACTIONS_PER_ROW);
  private readonly answers = new Uint8Array(TRANSACTIONS_PER_ROW);
  private readonly references = new Float64Array(TRANSACTIONS_PER_ROW);
  private readonly ids = new Uint8Array(ID_BYTES * TRANSACTIONS_PER_ROW);
  private readonly own = [this.positions, this.debits, this.credits, this.amounts] as const;
  private readonly shared = [this.kinds, this.branches, this.times, this.answers, this.references] as const;

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** Whether a row without this position is to be taken first. */
  isFullFor(position: Position): boolean {
    if (this.count === 0) return false;
    return this.count === TRANSACTIONS_PER_ROW || position - this.firstPosition >= ROW_POSITIONS_MAX;
  }

  /**
   * Adds a transaction.
   *
   * @param amounts and `at`: where the amount stands. To hand it on by itself would put it into memory of its own.
   * @param ids and `idAt`: where the request id stands; no id where there is nothing.
   */
  add(added: NewTransaction, amounts: BigInt64Array, at: number, ids: Uint8Array | undefined, idAt: number): void {
    const i = this.count++;
    if (i === 0) this.firstPosition = added.position;
    this.positions[i] = added.position - this.firstPosition;
    this.debits[i] = added.debit;
    this.credits[i] = added.credit;
    this.amounts[i] = amounts[at] as bigint;
    this.kinds[i] = added.kind;
    this.branches[i] = added.branch;
    this.times[i] = added.timeMs;
    this.references[i] = added.reference ?? 0;
    this.answers[i] = ids === undefined ? 0 : 1;
    const to = ID_BYTES * i;
    for (let byte = 0; byte < ID_BYTES; byte++)
      this.ids[to + byte] = ids === undefined ? 0 : (ids[idAt + byte] as number);
  }

  /** All that was added, and nothing is gathered then. */
  take(): WrittenRow {
    const { count, firstPosition } = this;
    ensure(count > 0, "a row of transactions has some");
    const parts: Uint8Array[] = this.own.map((column) => bytesOf(column, count));
    let mixed = 0;
    for (const [i, column] of this.shared.entries()) {
      const isMixed = !isSame(column, count);
      if (isMixed) mixed |= 1 << i;
      parts.push(bytesOf(column, isMixed ? count : 1));
    }
    if (this.answers.subarray(0, count).includes(1)) parts.push(this.ids.subarray(0, ID_BYTES * count));
    const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, HEADER_BYTES));
    const view = new DataView(bytes.buffer);
    view.setUint16(4, count, true);
    view.setUint8(6, mixed);
    let at = HEADER_BYTES;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    seal(bytes, { account: 0, position: firstPosition });
    this.count = 0;
    return { firstPosition, bytes };
  }
}

/** Transactions as they were read from a row. */
export class TransactionRow {
  private readonly view: DataView;
  private readonly bytes: Uint8Array;
  private readonly firstPosition: Position;
  private readonly count: number;
  private readonly mixed: number;
  /** Where each column begins, the shared ones behind the others, and at last the request ids. */
  private readonly begins: readonly number[];

  /** Throws: `DamagedHistoryError` unless the bytes are a row that was written for this position. */
  constructor(bytes: Uint8Array, firstPosition: Position) {
    this.view = unseal(bytes, { account: 0, position: firstPosition });
    this.bytes = bytes;
    this.firstPosition = firstPosition;
    ensure(this.bytes.length > HEADER_BYTES, "a row of transactions has some");
    this.count = this.view.getUint16(4, true);
    this.mixed = this.view.getUint8(6);
    let at = HEADER_BYTES;
    const begins: number[] = [];
    for (const width of OWN_WIDTHS) at = begins.push(at) && at + width * this.count;
    for (const [i, width] of SHARED_WIDTHS.entries())
      at = begins.push(at) && at + width * (this.isMixed(i) ? this.count : 1);
    begins.push(at);
    this.begins = begins;
    const ids = this.bytes.length - at;
    ensure(this.count > 0 && (ids === 0 || ids === ID_BYTES * this.count), "a row of transactions is whole");
  }

  /** The transaction at a position; undefined where there is none. */
  at(position: Position): FoundTransaction | undefined {
    const i = this.indexOf(position);
    if (i === undefined) return undefined;
    const { view } = this;
    const idAt = this.place(9, i, ID_BYTES);
    const hasId = view.getUint8(this.sharedPlace(3, i)) === 1;
    const reference = view.getFloat64(this.sharedPlace(4, i), true);
    return {
      position,
      kind: view.getUint8(this.sharedPlace(0, i)) as RecordKind,
      debit: view.getUint32(this.place(1, i, 4), true) as AccountIndex,
      credit: view.getUint32(this.place(2, i, 4), true) as AccountIndex,
      amount: view.getBigInt64(this.place(3, i, 8), true),
      branch: view.getUint32(this.sharedPlace(1, i), true) as BranchNumber,
      timeMs: view.getFloat64(this.sharedPlace(2, i), true),
      requestId: hasId ? new Uint8Array(this.bytes.subarray(idAt, idAt + ID_BYTES)) : undefined,
      reference: reference === 0 ? undefined : reference,
    };
  }

  private indexOf(position: Position): number | undefined {
    const wanted = position - this.firstPosition;
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.view.getUint32(this.place(0, middle, 4), true) < wanted) low = middle + 1;
      else high = middle;
    }
    if (low === this.count || this.view.getUint32(this.place(0, low, 4), true) !== wanted) return undefined;
    return low;
  }

  private place(column: number, index: number, width: number): number {
    return (this.begins[column] as number) + width * index;
  }

  private sharedPlace(column: number, index: number): number {
    return this.place(OWN_WIDTHS.length + column, this.isMixed(column) ? index : 0, SHARED_WIDTHS[column] as number);
  }

  private isMixed(column: number): boolean {
    return ((this.mixed >> column) & 1) === 1;
  }
}

type Column = Uint8Array | Uint32Array | Float64Array | BigInt64Array;

function bytesOf(column: Column, count: number): Uint8Array {
  return new Uint8Array(column.buffer, 0, column.BYTES_PER_ELEMENT * count);
}

function isSame(column: Uint8Array | Uint32Array | Float64Array, count: number): boolean {
  for (let i = 1; i < count; i++) if (column[i] !== column[0]) return false;
  return true;
}

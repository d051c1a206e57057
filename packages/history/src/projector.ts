import type { DatabaseSync, StatementSync } from "node:sqlite";
import {
  type AccountIndex,
  type Actor,
  type HoldsExpiredRecord,
  type LedgerRecord,
  type Position,
  postingOf,
  RecordKind,
  type RecordList,
} from "@bank/core";
import type { Batch } from "@bank/journal";
import { type Accounts, indexInPage } from "./accounts.ts";
import { int64, integer } from "./columns.ts";
import { type EntryReader, rowKey } from "./entry-reader.ts";
import { ENTRIES_PER_ROW, EntryRowWriter, ROW_POSITIONS_MAX } from "./entry-row.ts";
import { ensure } from "./errors.ts";
import type { AccountEntries, RecentEntries } from "./recent-entries.ts";
import { RowInserter } from "./row-inserter.ts";
import { TransactionRowWriter } from "./transaction-row.ts";

/** Accounts whose entries are written before the clock is looked at again. */
const ACCOUNTS_BETWEEN_LOOKS = 10;

/**
 * Turns records into rows. Runs inside a transaction of the caller's. Entries wait in memory until `writeEntries`; everything
 * else is in the tables when `project` returns.
 */
export class Projector {
  private readonly recent: RecentEntries;
  private readonly accounts: Accounts;
  private readonly row = new TransactionRowWriter();
  private readonly entryRow = new EntryRowWriter();
  private readonly entryRows: RowInserter;
  private readonly transactionRows: RowInserter;
  private readonly batchRows: RowInserter;
  private readonly insertReversal: StatementSync;
  private readonly insertHold: StatementSync;
  private readonly updateHold: StatementSync;
  private readonly deleteHold: StatementSync;
  /** Set while some of what waited is in rows, and some is not. */
  private draining: Generator<AccountEntries> | undefined;
  /** One amount, where it does not stand in a column. */
  private readonly amount = new BigInt64Array(1);

  constructor(database: DatabaseSync, { recent, accounts }: EntryReader) {
    this.recent = recent;
    this.accounts = accounts;
    this.transactionRows = new RowInserter(database, "transactions", 2);
    this.entryRows = new RowInserter(database, "entries", 3);
    this.batchRows = new RowInserter(database, "batches", 2);
    this.insertReversal = database.prepare("INSERT INTO reversals VALUES (?, ?)");
    this.insertHold = database.prepare("INSERT INTO holds VALUES (?, ?, ?)");
    this.updateHold = database.prepare("UPDATE holds SET remaining = ? WHERE position = ? AND account = ?");
    this.deleteHold = database.prepare("DELETE FROM holds WHERE position = ? RETURNING account, remaining");
  }

  /**
   * Adds batches that follow each other.
   * Throws: `DamagedHistoryError`; SQLite's errors. Then the caller takes back the rows, and nothing may be added or written any
   * more; what was added before can be read.
   */
  project(batches: readonly Batch[]): void {
    for (const [i, batch] of batches.entries()) this.projectBatch(batch, batches[i + 1]);
    this.takeRow();
    this.transactionRows.flush();
    this.batchRows.flush();
  }

  /**
   * Puts the entries that wait in memory into rows, account after account, until all are there or the moment is over, and says
   * whether all are. Either way each stands in a row or in memory. Nothing may be added before all are in rows.
   *
   * @param untilMs by `performance.now()`.
   */
  writeEntries(untilMs: number): boolean {
    this.draining ??= this.recent.drain();
    for (let written = 1; ; written++) {
      const { value, done } = this.draining.next();
      if (done === true) break;
      this.writeAccount(value);
      if (written % ACCOUNTS_BETWEEN_LOOKS === 0 && performance.now() >= untilMs) {
        this.entryRows.flush();
        return false;
      }
    }
    this.entryRows.flush();
    this.draining = undefined;
    return true;
  }

  private writeAccount({ account, entries }: AccountEntries): void {
    const { rows } = this.accounts.page(account);
    const inPage = indexInPage(account);
    const { indexes, columns } = entries;
    const positionAt = (i: number) => columns.positions[indexes[i] as number] as number;
    for (let from = entries.begin; from < indexes.length; ) {
      const first = positionAt(from);
      let to = Math.min(from + ENTRIES_PER_ROW, indexes.length);
      while (positionAt(to - 1) - first >= ROW_POSITIONS_MAX) to--;
      const row = rows[inPage] as number;
      this.entryRows.add(rowKey(account, row), first, this.entryRow.write(account, entries, from, to));
      rows[inPage] = row + 1;
      from = to;
    }
  }

  /** @param next batch of the same transaction, if there is one. */
  private projectBatch({ header, records }: Batch, next: Batch | undefined): void {
    const { firstPosition, timeMs } = header;
    const groupIds = groupIdsOf(records);
    const ids = new Uint8Array(records.requestIds.buffer, records.requestIds.byteOffset);
    const idOf = (i: number): RequestIdPlace => {
      if (records.answers[i] === 1) return { ids, at: 16 * i };
      return { ids: groupIds?.get(i), at: 0 };
    };
    for (let i = 0; i < records.length; i++) {
      const position = firstPosition + i;
      if ((records.kinds[i] as number) <= RecordKind.TRANSFER) {
        this.projectMovement(records, i, { position, timeMs, requestId: idOf(i) });
        continue;
      }
      const record = records.others.get(i) as LedgerRecord;
      this.projectTransaction(record, { position, timeMs, requestId: idOf(i) });
      this.projectHold(record, position);
    }
    // Of batches of one time the last says when all of them were.
    if (next?.header.timeMs !== timeMs) this.batchRows.add(firstPosition + records.length - 1, timeMs);
  }

  /** A row of columns, of which no record is made: nearly all there is to project are movements. */
  private projectMovement(records: RecordList, i: number, { position, timeMs, requestId }: Place): void {
    const debit = records.debits[i] as AccountIndex;
    const credit = records.credits[i] as AccountIndex;
    const kind = records.kinds[i] as RecordKind;
    const { branch } = records.actors[records.actorIndexes[i] as number] as Actor;
    const { amounts } = records;
    const transaction = { position, kind, debit, credit, branch, timeMs, reference: undefined };
    if (this.row.isFullFor(position)) this.takeRow();
    this.row.add(transaction, amounts, i, requestId.ids, requestId.at);
    this.recent.move(transaction, debit, credit, amounts, i);
  }

  private projectTransaction(record: LedgerRecord, { position, timeMs, requestId }: Place): void {
    const posting = postingOf(record);
    if (posting === undefined) return;
    const { debit, credit, amount } = posting;
    const { kind, branch } = record;
    const transaction = { position, kind, debit, credit, branch, timeMs, reference: referenceOf(record) };
    this.amount[0] = amount;
    if (this.row.isFullFor(position)) this.takeRow();
    this.row.add(transaction, this.amount, 0, requestId.ids, requestId.at);
    if (kind === RecordKind.REVERSAL) this.insertReversal.run(record.original, position);
    const held = kind === RecordKind.HOLD_CAPTURED ? -amount : 0n;
    this.recent.change(debit, transaction, { posted: -amount, held, counterparty: credit });
    this.recent.change(credit, transaction, { posted: amount, held: 0n, counterparty: debit });
  }

  private takeRow(): void {
    if (this.row.isEmpty) return;
    const { firstPosition, bytes } = this.row.take();
    this.transactionRows.add(firstPosition, bytes);
  }

  /** What a record does to holds besides moving their money. */
  private projectHold(record: LedgerRecord, position: Position): void {
    switch (record.kind) {
      case RecordKind.HOLD_PLACED:
        this.insertHold.run(position, record.account, record.held);
        this.hold(record.account, position, record.held);
        return;
      case RecordKind.HOLD_CAPTURED: {
        const remaining = record.held - record.captured;
        if (remaining === 0n) this.endHold(record.hold);
        else {
          const { changes } = this.updateHold.run(remaining, record.hold, record.account);
          ensure(Number(changes) === 1, `hold ${record.hold} of account ${record.account} is open`);
        }
        return;
      }
      case RecordKind.HOLD_RELEASED:
        this.endHold(record.hold);
        this.hold(record.account, position, record.captured - record.held);
        return;
      case RecordKind.HOLDS_EXPIRED:
        this.expireHolds(record, position);
        return;
    }
  }

  /** One entry for each account, however many of its holds end here. */
  private expireHolds({ holds }: HoldsExpiredRecord, position: Position): void {
    const freed = new Map<AccountIndex, bigint>();
    for (const hold of holds) {
      const { account, remaining } = this.endHold(hold);
      freed.set(account, (freed.get(account) ?? 0n) + remaining);
    }
    for (const [account, amount] of freed) this.hold(account, position, -amount);
  }

  private endHold(hold: Position): { readonly account: AccountIndex; readonly remaining: bigint } {
    const row = this.deleteHold.get(hold);
    ensure(row !== undefined, `hold ${hold} is open`);
    return { account: integer(row, "account") as AccountIndex, remaining: int64(row, "remaining") };
  }

  /** A change of what is held, without a transaction. */
  private hold(account: AccountIndex, position: Position, held: bigint): void {
    this.recent.change(account, { position, kind: 0 }, { posted: 0n, held, counterparty: 0 });
  }
}

/** What a transaction refers to: a reversal to its original, a capture to its hold. */
function referenceOf(record: LedgerRecord): Position | undefined {
  if (record.kind === RecordKind.REVERSAL) return record.original;
  return record.kind === RecordKind.HOLD_CAPTURED ? record.hold : undefined;
}

/** Which record it is, and what it belongs to. */
interface Place {
  readonly position: Position;
  readonly timeMs: number;
  /** Of its own request, or of that of its group. */
  readonly requestId: RequestIdPlace;
}

/** Where the bytes of a request id stand; nowhere for none. */
interface RequestIdPlace {
  readonly ids: Uint8Array | undefined;
  readonly at: number;
}

/** The request of the group that a record is in, by index; undefined where there is no group. */
function groupIdsOf(records: RecordList): Map<number, Uint8Array> | undefined {
  let ids: Map<number, Uint8Array> | undefined;
  for (const [at, record] of records.others) {
    if (record.kind !== RecordKind.GROUP_COMMITTED || record.request === undefined) continue;
    ids ??= new Map();
    for (let i = at - record.records; i < at; i++) ids.set(i, record.request.id);
  }
  return ids;
}

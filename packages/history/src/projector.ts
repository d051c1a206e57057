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
import { Balances } from "./balances.ts";
import { int64, integer } from "./columns.ts";
import { EntryColumns } from "./entry-columns.ts";
import { ensure } from "./errors.ts";
import { RowInserter } from "./row-inserter.ts";

/** Turns records into rows. Runs inside a transaction of the caller's, and after a failure it must not be used again. */
export class Projector {
  private readonly balances: Balances;
  private readonly transactions: RowInserter;
  private readonly entryRows: RowInserter;
  private readonly insertReversal: StatementSync;
  private readonly insertBatch: StatementSync;
  private readonly insertHold: StatementSync;
  private readonly updateHold: StatementSync;
  private readonly deleteHold: StatementSync;
  /** Of the call that runs now, in the order of their positions. */
  private readonly entries = new EntryColumns();

  constructor(database: DatabaseSync) {
    const newest = database.prepare(
      "SELECT posted, held FROM entries WHERE account = ? ORDER BY position DESC LIMIT 1",
    );
    this.balances = new Balances((account) => {
      const row = newest.get(account);
      return row === undefined ? { posted: 0n, held: 0n } : { posted: int64(row, "posted"), held: int64(row, "held") };
    });
    this.transactions = new RowInserter(database, "transactions", 9);
    this.entryRows = new RowInserter(database, "entries", 4);
    this.insertReversal = database.prepare("INSERT INTO reversals VALUES (?, ?)");
    this.insertBatch = database.prepare("INSERT INTO batches VALUES (?, ?)");
    this.insertHold = database.prepare("INSERT INTO holds VALUES (?, ?, ?)");
    this.updateHold = database.prepare("UPDATE holds SET remaining = ? WHERE position = ? AND account = ?");
    this.deleteHold = database.prepare("DELETE FROM holds WHERE position = ? RETURNING account, remaining");
  }

  /** Adds the rows of batches that follow each other. Throws: `DamagedHistoryError`; SQLite's errors. */
  project(batches: readonly Batch[]): void {
    this.entries.clear();
    for (const batch of batches) this.projectBatch(batch);
    this.transactions.flush();
    // By account, so that neighbours go to the same page.
    this.entries.visitByAccount((account, position, posted, held) =>
      this.entryRows.add(account, position, posted, held),
    );
    this.entryRows.flush();
  }

  private projectBatch({ header, records }: Batch): void {
    const { firstPosition, timeMs } = header;
    const groupIds = groupIdsOf(records);
    for (let i = 0; i < records.length; i++) {
      const position = firstPosition + i;
      const requestId = records.answers[i] === 1 ? idAt(records, i) : (groupIds?.get(i) ?? null);
      if ((records.kinds[i] as number) <= RecordKind.TRANSFER) {
        this.projectMovement(records, i, { position, timeMs, requestId });
        continue;
      }
      const record = records.others.get(i) as LedgerRecord;
      this.projectTransaction(record, { position, timeMs, requestId });
      this.projectHold(record, position);
    }
    this.insertBatch.run(firstPosition + records.length - 1, timeMs);
  }

  /** A row of columns, of which no record is made: nearly all there is to project are movements. */
  private projectMovement(records: RecordList, i: number, { position, timeMs, requestId }: Place): void {
    const debit = records.debits[i] as AccountIndex;
    const credit = records.credits[i] as AccountIndex;
    const amount = records.amounts[i] as bigint;
    const { branch } = records.actors[records.actorIndexes[i] as number] as Actor;
    this.transactions.add(position, records.kinds[i] as number, debit, credit, amount, branch, timeMs, requestId, null);
    this.change(debit, position, -amount, 0n);
    this.change(credit, position, amount, 0n);
  }

  private projectTransaction(record: LedgerRecord, { position, timeMs, requestId }: Place): void {
    const posting = postingOf(record);
    if (posting === undefined) return;
    const { debit, credit, amount } = posting;
    const { kind, branch } = record;
    const reference = referenceOf(record) ?? null;
    this.transactions.add(position, kind, debit, credit, amount, branch, timeMs, requestId, reference);
    if (kind === RecordKind.REVERSAL) this.insertReversal.run(record.original, position);
    this.change(debit, position, -amount, kind === RecordKind.HOLD_CAPTURED ? -amount : 0n);
    this.change(credit, position, amount, 0n);
  }

  /** What a record does to holds besides moving their money. */
  private projectHold(record: LedgerRecord, position: Position): void {
    switch (record.kind) {
      case RecordKind.HOLD_PLACED:
        this.insertHold.run(position, record.account, record.held);
        this.change(record.account, position, 0n, record.held);
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
        this.change(record.account, position, 0n, record.captured - record.held);
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
    for (const [account, amount] of freed) this.change(account, position, 0n, -amount);
  }

  private endHold(hold: Position): { readonly account: AccountIndex; readonly remaining: bigint } {
    const row = this.deleteHold.get(hold);
    ensure(row !== undefined, `hold ${hold} is open`);
    return { account: integer(row, "account") as AccountIndex, remaining: int64(row, "remaining") };
  }

  private change(account: AccountIndex, position: Position, posted: bigint, held: bigint): void {
    const after = this.balances.add(account, posted, held);
    if (after.held < 0n) ensure(false, `account ${account} does not hold less than nothing`);
    this.entries.push(account, position, after.posted, after.held);
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
  /** Of its own request, or of that of its group; null for none. */
  readonly requestId: Uint8Array | null;
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

/** The id of the request that a record answers: a view. */
function idAt({ requestIds }: RecordList, index: number): Uint8Array {
  return new Uint8Array(requestIds.buffer, requestIds.byteOffset + 16 * index, 16);
}

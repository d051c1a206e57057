import type { DatabaseSync, StatementSync } from "node:sqlite";
import {
  type AccountIndex,
  type HoldsExpiredRecord,
  type LedgerRecord,
  type Position,
  postingOf,
  RecordKind,
  type Records,
} from "@bank/core";
import type { Batch } from "@bank/journal";
import { type Balance, Balances } from "./balances.ts";
import { int64, integer } from "./columns.ts";
import { ensure } from "./errors.ts";

interface Entry extends Balance {
  readonly account: AccountIndex;
  readonly position: Position;
}

/** Turns records into rows. Runs inside a transaction of the caller's, and after a failure it must not be used again. */
export class Projector {
  private readonly balances: Balances;
  private readonly insertTransaction: StatementSync;
  private readonly insertReversal: StatementSync;
  private readonly insertEntry: StatementSync;
  private readonly insertBatch: StatementSync;
  private readonly insertHold: StatementSync;
  private readonly updateHold: StatementSync;
  private readonly deleteHold: StatementSync;
  /** Of the call that runs now, in the order of their positions. */
  private entries: Entry[] = [];

  constructor(database: DatabaseSync) {
    const newest = database.prepare(
      "SELECT posted, held FROM entries WHERE account = ? ORDER BY position DESC LIMIT 1",
    );
    this.balances = new Balances((account) => {
      const row = newest.get(account);
      return row === undefined ? { posted: 0n, held: 0n } : { posted: int64(row, "posted"), held: int64(row, "held") };
    });
    this.insertTransaction = database.prepare("INSERT INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    this.insertReversal = database.prepare("INSERT INTO reversals VALUES (?, ?)");
    this.insertEntry = database.prepare("INSERT INTO entries VALUES (?, ?, ?, ?)");
    this.insertBatch = database.prepare("INSERT INTO batches VALUES (?, ?)");
    this.insertHold = database.prepare("INSERT INTO holds VALUES (?, ?, ?)");
    this.updateHold = database.prepare("UPDATE holds SET remaining = ? WHERE position = ? AND account = ?");
    this.deleteHold = database.prepare("DELETE FROM holds WHERE position = ? RETURNING account, remaining");
  }

  /** Adds the rows of batches that follow each other. Throws: `DamagedHistoryError`; SQLite's errors. */
  project(batches: readonly Batch[]): void {
    this.entries = [];
    for (const batch of batches) this.projectBatch(batch);
    // By account, so that neighbours go to the same page; the sort is stable, so positions stay in their order.
    this.entries.sort((a, b) => a.account - b.account);
    for (const { account, position, posted, held } of this.entries)
      this.insertEntry.run(account, position, posted, held);
  }

  private projectBatch({ header, records }: Batch): void {
    const { firstPosition, timeMs } = header;
    const requestIds = requestIdsOf(records);
    let i = 0;
    for (const record of records) {
      const position = firstPosition + i;
      this.projectTransaction(record, position, timeMs, requestIds[i]);
      this.projectHold(record, position);
      i++;
    }
    this.insertBatch.run(firstPosition + records.length - 1, timeMs);
  }

  private projectTransaction(
    record: LedgerRecord,
    position: Position,
    timeMs: number,
    requestId: Uint8Array | undefined,
  ): void {
    const posting = postingOf(record);
    if (posting === undefined) return;
    const { debit, credit, amount } = posting;
    const { kind, branch } = record;
    const reference = referenceOf(record) ?? null;
    this.insertTransaction.run(position, kind, debit, credit, amount, branch, timeMs, requestId ?? null, reference);
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
    ensure(after.held >= 0n, `account ${account} does not hold less than nothing`);
    this.entries.push({ account, position, posted: after.posted, held: after.held });
  }
}

/** What a transaction refers to: a reversal to its original, a capture to its hold. */
function referenceOf(record: LedgerRecord): Position | undefined {
  if (record.kind === RecordKind.REVERSAL) return record.original;
  return record.kind === RecordKind.HOLD_CAPTURED ? record.hold : undefined;
}

/** The request that each record belongs to: its own, or that of the group that it is in. */
function requestIdsOf(records: Records): (Uint8Array | undefined)[] {
  const ids: (Uint8Array | undefined)[] = [];
  let i = 0;
  for (const record of records) {
    ids.push(record.request?.id);
    if (record.kind === RecordKind.GROUP_COMMITTED) ids.fill(record.request?.id, i - record.records, i);
    i++;
  }
  return ids;
}

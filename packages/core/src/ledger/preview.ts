import type { Request } from "../command.ts";
import { hashCommand } from "../command-hash.ts";
import type { Position } from "../identifiers.ts";
import type { LedgerRecord } from "../record.ts";
import { apply, beginBatch } from "./apply.ts";
import { mark, rollback } from "./apply-all.ts";
import { decide, dueHolds } from "./decide.ts";
import type { RecordLookup } from "./decision.ts";
import type { Ledger } from "./ledger.ts";

/**
 * What would happen if a request that was never answered were carried out now: runs it on the ledger, shows it to
 * `render` while the ledger is as it would be, and takes everything back.
 *
 * Throws: what `decide` throws; `InvariantError` when the ledger could not be brought back, and must not be used any
 * more.
 *
 * @param timeMs journal time at which it would be carried out; the last batch's where that is later.
 * @param render gets the records as `decide` gives them, and the position that the first of them would have.
 */
export function preview<T>(
  ledger: Ledger,
  timeMs: number,
  request: Request,
  lookup: RecordLookup,
  render: (records: readonly LedgerRecord[], firstPosition: Position) => T,
): T {
  const start = mark(ledger);
  const applied: LedgerRecord[] = [];
  const run = (record: LedgerRecord) => {
    apply(ledger, record);
    applied.push(record);
  };
  try {
    beginBatch(ledger, Math.max(timeMs, ledger.timeMs));
    for (let due = dueHolds(ledger); due !== undefined; due = dueHolds(ledger)) run(due);
    const firstPosition = ledger.position + 1;
    const records = decide(ledger, request, hashCommand(request.command), lookup);
    for (const record of records) run(record);
    return render(records, firstPosition);
  } finally {
    rollback(ledger, start, applied);
  }
}

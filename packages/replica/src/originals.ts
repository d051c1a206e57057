import { assert, BATCH_RECORDS_MAX, type Ledger, type LedgerRecord, originalsOf, type Position } from "@bank/core";
import type { JournalStore } from "@bank/store";
import type { Job } from "./job.ts";
import { readBatchAt } from "./stored-records.ts";

/** Stored batches that are read for the requests of one batch … */
export const ORIGINAL_BATCHES_MAX = 64;
/** … and about what they take together. */
const ORIGINAL_BYTES_MAX = 16 * 1024 * 1024;

/**
 * The earlier records that reversals are decided by, fetched from the store for the requests at the front of the queue.
 * They are kept until their requests are executed, so that no stored batch is read twice for the same requests.
 */
export class Originals {
  private readonly store: JournalStore;
  private fetched: ReadonlyMap<Position, LedgerRecord> = new Map();

  constructor(store: JournalStore) {
    this.store = store;
  }

  /** What is here, by position. */
  get records(): ReadonlyMap<Position, LedgerRecord> {
    return this.fetched;
  }

  /**
   * Fetches what the front of the queue needs, as far as it is committed and within bounds, the first that is lacking in
   * any case: a group may take several calls. Forgets what nobody needs any more. Resolves with whether it fetched
   * anything. Rejects as `readBatchAt`.
   *
   * @param ledger at the committed position.
   */
  async fetch(queue: readonly Job[], ledger: Ledger): Promise<boolean> {
    const wanted = wantedBy(queue, ledger);
    const found = new Map<Position, LedgerRecord>();
    for (const position of wanted) {
      const record = this.fetched.get(position);
      if (record !== undefined) found.set(position, record);
    }
    this.fetched = found;
    if (found.size === wanted.size) return false;
    await this.read(wanted, found);
    return true;
  }

  forget(): void {
    if (this.fetched.size > 0) this.fetched = new Map();
  }

  private async read(wanted: ReadonlySet<Position>, found: Map<Position, LedgerRecord>): Promise<void> {
    const ascending = Float64Array.from(wanted).sort();
    let batches = 0;
    let bytes = 0;
    for (const position of wanted) {
      if (found.has(position)) continue;
      if (batches >= ORIGINAL_BATCHES_MAX || bytes >= ORIGINAL_BYTES_MAX) return;
      const read = await readBatchAt(this.store, position);
      const { header, records } = read.batch;
      batches++;
      bytes += read.bytes;
      // Everything that is wanted of it, for whichever request.
      for (let at = lowerBound(ascending, header.firstPosition); at < ascending.length; at++) {
        const other = ascending[at] as Position;
        const record = records[other - header.firstPosition];
        if (record === undefined) break;
        found.set(other, record);
      }
      assert(found.has(position), `the batch has a record at position ${position}`);
    }
  }
}

/** Positions in the order of the requests that want them, for about as many requests as a batch can execute. */
function wantedBy(queue: readonly Job[], ledger: Ledger): ReadonlySet<Position> {
  const wanted = new Set<Position>();
  let passed = 0;
  for (const job of queue) {
    if (passed >= BATCH_RECORDS_MAX) break;
    passed += job.requests.length - job.next;
    if (!job.needsOriginals || job.cancelled) continue;
    for (let i = job.next; i < job.requests.length && wanted.size < BATCH_RECORDS_MAX; i++)
      for (const position of originalsFor(job, i, ledger)) wanted.add(position);
  }
  return wanted;
}

function originalsFor(job: Job, index: number, ledger: Ledger): readonly Position[] {
  const request = job.requests[index];
  if (request === undefined || job.refusals[index] !== undefined) return [];
  const positions = originalsOf(request.command).filter((position) => position > 0 && position <= ledger.position);
  // What was answered before is not decided again.
  return positions.length === 0 || ledger.findRequest(request.principal, request.id) >= 0 ? [] : positions;
}

/** Index of the first number that is not less. */
function lowerBound(ascending: Float64Array, least: number): number {
  let from = 0;
  let to = ascending.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((ascending[middle] as number) < least) from = middle + 1;
    else to = middle;
  }
  return from;
}

import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { type AccountIndex, type LedgerRecord, type Position, RecordKind, requestIdFromBytes } from "@bank/core";
import { History, type HistoryJournal, type JournalBatch } from "@bank/history";
import { encodeFrame } from "@bank/journal";
import { nodePlatform, silentLog } from "@bank/node";

/** Accounts that the transfers go between. */
const ACCOUNTS = 1_000;

/** Frames in memory for as long as nobody has followed them: a journal without an end and without a past. */
class EndlessJournal implements HistoryJournal {
  position: Position = 0;
  private readonly batches: JournalBatch[] = [];
  private more = Promise.withResolvers<void>();
  private chainHash: Uint8Array = new Uint8Array(32);

  /** Adds a batch of so many transfers, round robin as those of the bank's load. */
  grow(transfers: number): void {
    const firstPosition = this.position + 1;
    const records = Array.from({ length: transfers }, (_, i) => transfer(firstPosition + i));
    const header = { epochId: new Uint8Array(16), digestAfter: new Uint8Array(16), timeMs: Date.now() };
    const frame = encodeFrame({ ...header, firstPosition, committedPosition: this.position }, records);
    this.chainHash = new Uint8Array(createHash("sha256").update(this.chainHash).update(frame).digest());
    this.position += transfers;
    this.batches.push({ lastPosition: this.position, frame, chainHash: this.chainHash });
    this.more.resolve();
    this.more = Promise.withResolvers();
  }

  async *follow(_after: Position, signal: AbortSignal): AsyncGenerator<JournalBatch> {
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    while (!signal.aborted) {
      const batch = this.batches.shift();
      if (batch !== undefined) yield batch;
      else await Promise.race([this.more.promise, aborted]);
    }
    throw signal.reason;
  }

  async head(): Promise<{ chainHash: undefined; epochId: undefined }> {
    return { chainHash: undefined, epochId: undefined };
  }
}

function transfer(number: number): LedgerRecord {
  return {
    kind: RecordKind.TRANSFER,
    principal: "dev",
    branch: 0,
    request: { id: requestIdFromBytes(new Uint8Array(randomBytes(16))), hashLow: 0, hashHigh: 0 },
    debit: (number % ACCOUNTS) as AccountIndex,
    credit: ((number + 1) % ACCOUNTS) as AccountIndex,
    amount: 1n,
  };
}

/** A history on the disk, in its thread, as a server has it. */
export class HistoryLoad {
  private readonly journal = new EndlessJournal();
  private readonly history: History;

  /** @param folder without a history. */
  constructor(folder: string) {
    const { journal } = this;
    const platform = nodePlatform(silentLog);
    this.history = new History({ journal, file: join(folder, "history.db"), start: "eager", platform });
  }

  /** Resolves once it is open. */
  ready(): Promise<void> {
    return this.history.whenProjected(0, AbortSignal.timeout(30_000));
  }

  /** Puts a batch of so many transfers into the journal, and resolves once they are projected. */
  async project(transfers: number): Promise<void> {
    this.journal.grow(transfers);
    await this.history.whenProjected(this.journal.position, AbortSignal.timeout(60_000));
  }

  close(): Promise<void> {
    return this.history.close();
  }
}

import { type Position, toHex } from "@bank/core";
import { decodeHeader, JournalFormatError, type ReceivedFrame } from "@bank/journal";
import { Backoff, errorText, type Platform } from "@bank/replica";
import { StoreError, StoreVersionError } from "@bank/store/errors";
import { isServerError, NotSentError, type PostgresPlace } from "@bank/store/postgres";
import { BatchQueue } from "./batch-queue.ts";
import { DamagedReportsError, REBUILD, ReportsMismatchError, ReportsTakenError } from "./errors.ts";
import type { JournalProof, ReportJournal } from "./report-journal.ts";
import { continues, ReportTables } from "./report-tables.ts";

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;
/** How often the tables are told that they are followed, while nothing comes. */
const BEAT_EVERY_MS = 5_000;
/** How often the log says how far the tables are while they are behind. */
const TELL_EVERY_MS = 10_000;

/** What no other try helps against: somebody has to do something. */
const FINAL = [ReportsMismatchError, ReportsTakenError, DamagedReportsError, JournalFormatError, StoreVersionError];

/** Classes of errors: features, passwords, databases, schemas, and rights or names. */
const REFUSALS = ["0A", "28", "3D", "3F", "42"];

export interface ReporterOptions {
  readonly journal: ReportJournal;
  readonly into: PostgresPlace;
  readonly platform: Pick<Platform, "delay" | "random" | "monotonicMs" | "sha256" | "log">;
  /** How often the tables are told that they are followed, while nothing comes. */
  readonly beatEveryMs?: number;
}

/** Keeps tables up with a journal. */
export class Reporter {
  private readonly options: ReporterOptions;
  /** Up to here all is written. */
  position: Position = 0;
  /** The last position that came, committed or not. */
  received: Position = 0;
  private toldMs: number;

  constructor(options: ReporterOptions) {
    this.options = options;
    this.toldMs = options.platform.monotonicMs();
  }

  /**
   * Follows the journal until the signal aborts: then it resolves. What comes between, on either side, is tried again.
   * Rejects with: `ReportsMismatchError`, `ReportsTakenError`, `DamagedReportsError`, `JournalFormatError`, `StoreVersionError`;
   * where the database cannot be reached or refuses the first try, why it does.
   */
  async follow(signal: AbortSignal): Promise<void> {
    const { platform, into } = this.options;
    let tables: ReportTables | undefined;
    let wasOpen = false;
    const backoff = new Backoff(platform, { minMs: RETRY_MIN_MS, maxMs: RETRY_MAX_MS });
    while (!signal.aborted) {
      const before = this.position;
      try {
        tables ??= await this.open();
        wasOpen = true;
        await this.fill(tables, signal, undefined);
        throw new Error("the journal's stream ended");
      } catch (error) {
        await tables?.close();
        tables = undefined;
        if (signal.aborted) return;
        if (FINAL.some((kind) => error instanceof kind) || (!wasOpen && isRefusal(error))) throw error;
        platform.log.warn("the reports wait", { into: into.name, position: this.position, problem: errorText(error) });
      }
      if (this.position > before) backoff.reset();
      await backoff.wait(signal).catch(() => {
        // Only the signal ends the wait early, and the loop looks at it.
      });
    }
    await tables?.close();
  }

  /**
   * Empties the tables and fills them up to where the journal ends at the beginning of this. Gives that position.
   * Rejects with: what `follow` rejects with, and whatever goes wrong: what was written stays, and `follow` goes on from there.
   */
  async rebuild(signal: AbortSignal): Promise<Position> {
    const { journal, into, platform } = this.options;
    // First, so that nothing is removed where there is nothing to fill it with.
    const { position } = await journal.proof(0, signal);
    const tables = await ReportTables.open(into, { sha256: platform.sha256, empty: true });
    this.position = 0;
    try {
      if (position > 0) await this.fill(tables, signal, position);
    } finally {
      await tables.close();
    }
    return this.position;
  }

  private async open(): Promise<ReportTables> {
    const { into, platform } = this.options;
    const tables = await ReportTables.open(into, { sha256: platform.sha256 });
    this.position = tables.writtenPosition;
    return tables;
  }

  /** @param until the position behind which it stops; undefined for never. */
  private async fill(tables: ReportTables, signal: AbortSignal, until: Position | undefined): Promise<void> {
    const { journal } = this.options;
    const { head } = tables;
    const proof = await journal.proof(head.position, signal);
    this.requireSame(tables, proof);
    const queue = new BatchQueue();
    const leaving = new AbortController();
    const receiving = receive(
      journal.follow({ ...head, bankId: proof.bankId }, AbortSignal.any([signal, leaving.signal])),
      queue,
      until,
      (position) => {
        this.received = position;
      },
    );
    try {
      await this.write(tables, proof, queue, receiving);
    } finally {
      leaving.abort(new Error("nothing more is written"));
      queue.fail(leaving.signal.reason);
      await receiving.done;
    }
  }

  /** Throws: `ReportsMismatchError`; an error where it may be so only for now. */
  private requireSame({ head }: ReportTables, { bankId, position, chainHash }: JournalProof): void {
    const { journal, into } = this.options;
    if (head.bankId !== undefined && toHex(head.bankId) !== toHex(bankId))
      throw new ReportsMismatchError(
        `${into.name} has the reports of bank ${toHex(head.bankId)}, and ${journal.name} is the journal of bank ${toHex(bankId)}. ${REBUILD}`,
      );
    // A branch may be behind, and a bank that has just begun does not know yet how far its journal is committed.
    if (position < head.position)
      throw new Error(
        `${journal.name} goes to position ${position}, and ${into.name} to ${head.position}: it is waited for. If the bank has lost what is beyond, and goes on without: ${REBUILD}`,
      );
    if (!continues(head, chainHash))
      throw new ReportsMismatchError(
        `${into.name} goes to position ${head.position} with chain hash ${toHex(head.chainHash)}, and ${journal.name} has ` +
          `${chainHash === undefined ? "no batch that ends there" : toHex(chainHash)}: it is not the journal that they were made of. ${REBUILD}`,
      );
  }

  /** Projects what comes while what came before is written. */
  private async write(
    tables: ReportTables,
    { bankId }: JournalProof,
    queue: BatchQueue,
    receiving: Receiving,
  ): Promise<void> {
    let writing: Promise<void> = Promise.resolve();
    const beats = setInterval(() => queue.nudge(), this.options.beatEveryMs ?? BEAT_EVERY_MS);
    try {
      for (;;) {
        const frames = await queue.take();
        if (frames === undefined) break;
        for (const frame of frames) tables.project(bankId, frame);
        await writing;
        writing =
          frames.length === 0
            ? tables.beat(receiving.committed)
            : tables.write(receiving.committed).then(() => this.advanced(tables, receiving));
        // It may fail while nothing comes.
        writing.catch((error: unknown) => queue.fail(error));
      }
    } finally {
      clearInterval(beats);
      await writing;
    }
  }

  private advanced({ writtenPosition }: ReportTables, { committed }: Receiving): void {
    const { platform, into } = this.options;
    this.position = writtenPosition;
    const now = platform.monotonicMs();
    if (committed <= writtenPosition || now - this.toldMs < TELL_EVERY_MS) return;
    this.toldMs = now;
    platform.log.info("the reports catch up", { into: into.name, position: writtenPosition, journal: committed });
  }
}

/** Whether the database was not reached, or refuses what is asked: an operator who has just started this is to hear of it. */
function isRefusal(error: unknown): boolean {
  if (isServerError(error)) return REFUSALS.includes(error.code.slice(0, 2));
  return error instanceof StoreError || error instanceof NotSentError;
}

interface Receiving {
  /** How far the journal is known to be committed. */
  committed: Position;
  /** Resolves when nothing more is received. */
  done: Promise<void>;
}

/** Hands on what is committed. What a stream brings beyond waits, and is forgotten with the stream. */
function receive(
  steps: ReturnType<ReportJournal["follow"]>,
  queue: BatchQueue,
  until: Position | undefined,
  onReceived: (position: Position) => void,
): Receiving {
  const receiving: Receiving = { committed: 0, done: Promise.resolve() };
  const run = async () => {
    const held: { readonly lastPosition: Position; readonly received: ReceivedFrame }[] = [];
    for await (const { received, committedPosition } of steps) {
      receiving.committed = Math.max(receiving.committed, committedPosition);
      if (received !== undefined) {
        const { firstPosition, count } = decodeHeader(received.frame);
        const lastPosition = firstPosition + count - 1;
        held.push({ lastPosition, received });
        onReceived(lastPosition);
      }
      for (let next = held[0]; next !== undefined && next.lastPosition <= receiving.committed; next = held[0]) {
        held.shift();
        await queue.push(next.received);
        if (until !== undefined && next.lastPosition >= until) return;
      }
    }
  };
  receiving.done = run().then(
    () => queue.end(),
    (error: unknown) => queue.fail(error),
  );
  return receiving;
}

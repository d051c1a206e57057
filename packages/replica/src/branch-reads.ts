import type { Session } from "@bank/core";
import {
  bytesEqual,
  checkSession,
  invalidSession,
  type Ledger,
  type Position,
  RefusalError,
  sessionAt,
} from "@bank/core";
import type { Replay } from "@bank/journal";
import { abortable } from "./abortable.ts";
import type { BankContact } from "./bank-contact.ts";
import type { Consistency, ReadResult } from "./consistency.ts";
import { epochNumberAt } from "./journal-head.ts";
import { lostSession } from "./lost-session.ts";
import type { PositionWatch } from "./position-watch.ts";
import type { ReadIndex } from "./read-gate.ts";

/** The copy that is read. */
export interface Copy {
  readonly applied: PositionWatch;
  /** Throws: `RefusalError` NOT_READY while there is nothing that could be shown. */
  ready(): Replay;
}

/** Reads at a branch: finds out what the state must hold, waits until it does, and says how old it may be. */
export class BranchReads {
  private readonly copy: Copy;
  private readonly contact: BankContact;

  constructor(copy: Copy, contact: BankContact) {
    this.copy = copy;
    this.contact = contact;
  }

  /** Rejects with `RefusalError`. */
  async read<T>(consistency: Consistency, query: (ledger: Ledger) => T, signal?: AbortSignal): Promise<ReadResult<T>> {
    await this.whenSatisfied(consistency, signal);
    const { ledger, bankId } = this.copy.ready();
    const value = query(ledger);
    const { position, epochs } = ledger;
    const stalenessMs = this.contact.freshness.stalenessMs(ledger);
    return {
      value,
      position,
      stalenessMs: stalenessMs === undefined ? undefined : Math.ceil(stalenessMs),
      session: sessionAt(bankId, epochs, position),
      connected: this.contact.isConnected(position),
      epoch: epochNumberAt(epochs, position),
    };
  }

  /** Resolves once a position that the bank has committed is shown. Rejects with `RefusalError`. */
  async whenShown(position: Position, signal: AbortSignal | undefined): Promise<void> {
    const { applied } = this.copy;
    if (position <= applied.current) return;
    const { down } = this.contact.watch;
    try {
      await applied.reached(position, signal === undefined ? down : AbortSignal.any([signal, down]));
    } catch (cause) {
      if (cause instanceof RefusalError) throw cause;
      if (down.aborted && signal?.aborted !== true) throw this.contact.unreachable("NOT_APPLIED", cause);
      const { current } = applied;
      const waiting_for = `position ${position} (this branch shows ${current}: ${position - current} are missing)`;
      throw new RefusalError("DEADLINE_EXCEEDED", { waiting_for }, "NOT_APPLIED", { cause });
    }
  }

  /** Behind this, the state of this very turn is as the reader asks. */
  private async whenSatisfied(consistency: Consistency, signal: AbortSignal | undefined): Promise<void> {
    switch (consistency.mode) {
      case "local":
        return;
      case "linearizable":
        // What is lost or false is told also where the bank cannot be asked.
        if (consistency.session !== undefined) this.neededBy(consistency.session);
        return this.linearizable(consistency.session, signal);
      case "session":
        return this.session(consistency.session, signal);
      case "bounded":
        return this.bounded(consistency, signal);
      case "position":
        if (consistency.session !== undefined) await this.session(consistency.session, signal);
        return this.position(consistency.position, signal);
    }
  }

  private async linearizable(session: Session | undefined, signal: AbortSignal | undefined): Promise<void> {
    const index = await this.readIndex(signal);
    await this.whenShown(index.position, signal);
    this.requireHistoryOf(index);
    if (session !== undefined) this.settle(session, index.position);
  }

  private async session(session: Session, signal: AbortSignal | undefined): Promise<void> {
    const known = this.neededBy(session);
    if (known !== undefined && known <= this.copy.applied.current) return;
    // Either this branch is behind, or the token names what does not exist: the bank knows.
    const index = await this.readIndex(signal);
    await this.whenShown(Math.min(known ?? index.position, index.position), signal);
    // An epoch may have begun meanwhile that says otherwise: what seems to be beyond the journal's end may be lost.
    this.settle(session, index.position);
  }

  private async bounded(
    { maxStalenessMs, session }: Extract<Consistency, { mode: "bounded" }>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (session !== undefined) await this.session(session, signal);
    const staleness = () => this.contact.freshness.stalenessMs(this.copy.ready().ledger);
    const isFresh = () => (staleness() ?? Number.POSITIVE_INFINITY) <= maxStalenessMs;
    if (isFresh()) return;
    try {
      await this.linearizable(undefined, signal);
    } catch (cause) {
      if (!(cause instanceof RefusalError) || cause.refusal.reason !== "BANK_UNREACHABLE") throw cause;
      // The answer may have come before the link was lost.
      if (isFresh()) return;
      const stalenessMs = staleness();
      const metadata = {
        branch: this.contact.branch,
        max_staleness_ms: String(maxStalenessMs),
        staleness_ms: stalenessMs === undefined ? "unknown" : String(Math.ceil(stalenessMs)),
      };
      throw new RefusalError("STALENESS_BOUND_EXCEEDED", metadata, "NOT_APPLIED", { cause });
    }
  }

  private async position(asked: Position, signal: AbortSignal | undefined): Promise<void> {
    if (asked <= this.copy.applied.current) return;
    const index = await this.readIndex(signal);
    if (asked > index.position)
      throw new RefusalError("POSITION_IN_FUTURE", { asked: String(asked), position: String(index.position) });
    await this.whenShown(asked, signal);
  }

  private async readIndex(signal: AbortSignal | undefined): Promise<ReadIndex> {
    const waitingFor = () => `the bank to say how far it is (this branch shows position ${this.copy.applied.current})`;
    return abortable(
      this.contact.readIndex(),
      signal,
      () => new RefusalError("DEADLINE_EXCEEDED", { waiting_for: waitingFor() }),
    );
  }

  /** An answer of an epoch that is not in the table at its own position came from another history. */
  private requireHistoryOf({ epochId }: ReadIndex): void {
    if (!this.copy.ready().ledger.epochs.some(({ id }) => bytesEqual(id, epochId)))
      throw new RefusalError("NOT_READY", { problem: "the bank answered for an epoch that its journal does not have" });
  }

  /** Throws: `RefusalError` where a session saw what is not in the journal up to the position that the bank committed. */
  private settle(session: Session, committed: Position): void {
    const needed = this.neededBy(session);
    if (needed === undefined) throw lostSession(session, this.copy.ready().ledger.epochs);
    if (needed > committed) throw notThere(needed, committed);
  }

  /** The position that the session needs; undefined when its epoch is not known here. Throws: `RefusalError`. */
  private neededBy(session: Session): Position | undefined {
    const { bankId, ledger } = this.copy.ready();
    const check = checkSession(session, bankId, ledger.epochs);
    return check.kind === "needs" ? check.position : undefined;
  }
}

function notThere(needed: Position, committed: Position): RefusalError {
  return invalidSession(`it names position ${needed}, and the journal ends at ${committed}`);
}

import type { Position } from "@bank/core";
import type { JournalStore } from "@bank/store";
import type { CallLimit } from "./branch-writes.ts";
import type { FollowerState, OpenJournal } from "./follower.ts";
import type { MemberReport, Propagation, PropagationAsked } from "./member.ts";
import type { MovementsAnswer, MovementsCall } from "./movements-call.ts";
import type { Platform } from "./platform.ts";
import type { ReadIndex } from "./read-gate.ts";

/** How a branch reaches its bank. Every call rejects when the bank cannot be reached. */
export interface BankLink<Command, CommandResult extends { readonly position: Position }> {
  readonly openJournal: OpenJournal;
  readonly isDivergence: (error: unknown) => boolean;
  /**
   * The read index, and a sign of life: tells of this copy first, then of those that follow it. Rejects with
   * `RefusalError` only where somebody answered.
   */
  probe(members: readonly MemberReport[], signal: AbortSignal): Promise<ReadIndex>;
  /** Tells of this copy first, then of those that follow it, and asks nothing. */
  report(members: readonly MemberReport[], signal: AbortSignal): Promise<void>;
  /** Waits until a committed position has spread so far, or the time is nearly over: tells how far it has come. */
  awaitPropagation(position: Position, asked: PropagationAsked, limit: CallLimit): Promise<Propagation>;
  /** One result for each command, in order. */
  submit(commands: readonly Command[], limit: CallLimit): Promise<readonly CommandResult[]>;
  /** One answer for each call, in order. */
  submitMovements(calls: readonly MovementsCall[], limit: CallLimit): Promise<readonly MovementsAnswer[]>;
  /** A committed position whose journal time is later than this moment, Unix milliseconds. */
  passTime(timeMs: number, limit: CallLimit): Promise<Position>;
  /** Drops the connection, which may be half open: what comes next connects anew. */
  reset(reason: Error): void;
}

export interface BranchOptions<Command, CommandResult extends { readonly position: Position }> {
  /** Branches that this replica serves. */
  readonly branchNumbers: readonly number[];
  /** 16 bytes: made once for each data folder. */
  readonly copyId: Uint8Array;
  /** Whom it follows, as a URL; for people. */
  readonly upstream: string;
  /** Not opened yet; `BranchReplica` opens and closes it. */
  readonly store: JournalStore;
  readonly platform: Platform;
  readonly link: BankLink<Command, CommandResult>;
  readonly snapshotEveryRecords: number;
  /** How long what is shown may wait until it is saved, while nobody waits for that: 200 ms where it is not said, 0 for at once. */
  readonly saveWithinMs?: number;
  /** False where the store is no disk. */
  readonly onDisk?: boolean;
  /** Whether the store has the journal from its first record on; left out where it always does. */
  readonly isWhole?: () => boolean;
  /** How far its history is projected, for its reports; left out where it keeps none. */
  readonly historyPosition?: () => Position | undefined;
  readonly onStateChange: (state: FollowerState) => void;
  /** Called once when the copy is no use any more, though it is no evidence of loss: see `FollowerOptions.onContradicted`. */
  readonly onContradicted: () => void;
  /** Called once if the replica cannot go on; the process should stop and start again. */
  readonly onFatal: (error: unknown) => void;
}

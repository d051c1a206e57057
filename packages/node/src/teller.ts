import type { BranchNumber, BranchState, Ledger, Position, RequestId, Session } from "@bank/core";
import type { History } from "@bank/history";
import type { CommandOutcome } from "@bank/proto";
import type { CallLimit, Consistency, Member, Propagation, PropagationAsked, RequestStatus } from "@bank/replica";
import type { CommandCase, MovementColumns } from "@bank/rpc";
import type { MovementsDone } from "./movement-replies.ts";
import type { TimedResult } from "./timed-read.ts";

/** How current a server is. */
export interface Currency {
  readonly durablePosition: Position;
  readonly connected: boolean;
  /** undefined while no history is kept. */
  readonly historyPosition: Position | undefined;
}

/** What a server says of itself, next to that. */
export interface OwnStatus extends Currency {
  /** The newest position that it knows to be committed. */
  readonly newestPosition: Position;
  /** Upper bound on the age of what it shows; undefined when it does not know. */
  readonly stalenessMs: number | undefined;
  /** 16 bytes. */
  readonly copyId: Uint8Array;
  /** How many copies follow it directly. */
  readonly followers: number;
  /** Whom it follows, as a URL; empty at the bank. */
  readonly upstream: string;
}

/** A copy that follows a server, directly or through others, as that has heard of it. */
export interface FollowingCopy extends Pick<Member, "report" | "connectedSinceMs"> {
  /** How long ago it said so, in milliseconds. */
  readonly ageMs: number;
}

/**
 * What the public services need of whoever serves them. The bank and every branch are tellers, so that customers find
 * the same services everywhere.
 */
export interface Teller {
  /** Where commands are booked; 0 at the bank itself. */
  readonly branch: BranchNumber;
  /** Where the bank listens, as a URL. */
  readonly bankUrl: string;
  /** Throws: `RefusalError` NOT_READY before a branch has reached its bank for the first time. */
  readonly bankId: Uint8Array;
  /**
   * One outcome for each command, in order, once this server shows them.
   * Rejects with `RefusalError` when nothing is known of any of them.
   */
  execute(
    commands: readonly CommandCase[],
    call: CallLimit & { readonly session: string },
  ): Promise<readonly CommandOutcome[]>;
  /**
   * Movements in columns, likewise. Rejects with `RefusalError`, or with what the bank said, when nothing of the call was
   * begun, or nothing is known of it.
   */
  executeMovements(message: MovementColumns, call: CallLimit & { readonly session: string }): Promise<MovementsDone>;
  /** Rejects with `RefusalError`. */
  read<T>(consistency: Consistency, query: (ledger: Ledger) => T, signal: AbortSignal): Promise<TimedResult<T>>;
  /**
   * What became of a request of this server's customers. Rejects with `RefusalError`.
   *
   * @param consistency of the state in which its answer is looked for.
   */
  outcomeOf(consistency: Consistency, id: RequestId, signal: AbortSignal): Promise<TimedResult<RequestStatus>>;
  /**
   * Resolves once this server shows a position whose journal time is later than the moment, and gives it.
   * Rejects with `RefusalError`, TIME_IN_FUTURE for one.
   *
   * @param timeMs Unix milliseconds.
   */
  passTime(timeMs: number, limit: CallLimit): Promise<Position>;
  /** The ledger for what never changes once it is there: names, currencies. Throws: `RefusalError` NOT_READY. */
  readonly ledger: Ledger;
  /**
   * The history of the journal that led to this ledger.
   * Throws: `RefusalError` NOT_READY where that journal was put aside meanwhile.
   */
  historyOf(ledger: Ledger): History;
  /** Journal time of a position that this server shows, Unix milliseconds; undefined before the first. */
  timeAt(position: Position, signal: AbortSignal): Promise<number | undefined>;
  /** Where this branch is in its life, as far as is known here; undefined before it is registered. */
  branchState(): BranchState | undefined;
  /**
   * How far a committed position has spread, once it is as far as asked, or the time is nearly over. Never rejects.
   */
  awaitPropagation(position: Position, asked: PropagationAsked, limit: CallLimit): Promise<Propagation>;
  /** Whether this server shows a committed position. */
  shows(position: Position): boolean;
  /**
   * What a reader of this position has seen; undefined where it is not shown here, and nobody says of which epoch it is.
   *
   * @param epochId as the bank says it, 16 bytes.
   */
  sessionAt(position: Position, epochId?: Uint8Array): Session | undefined;
  /** Branches that this server hosts; for these it knows how current they are. */
  readonly hosted: ReadonlySet<BranchNumber>;
  /** Whether it has a live link to the bank, as `currency` says it. */
  readonly isConnected: boolean;
  /** How current this server is. */
  currency(): Currency;
  /** The same, and what else is told of a server. */
  status(): OwnStatus;
  /** The copies that follow it and are connected. */
  followers(): readonly FollowingCopy[];
}

/**
 * Copies as they were heard of.
 *
 * @param nowMs by the monotonic clock that they were heard by.
 */
export function heardAgo(members: readonly Member[], nowMs: number): readonly FollowingCopy[] {
  return members.map(({ report, connectedSinceMs, heardMs }) => ({
    report,
    connectedSinceMs,
    ageMs: Math.max(0, nowMs - heardMs),
  }));
}

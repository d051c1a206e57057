import {
  ANONYMOUS_PRINCIPAL,
  type BranchNumber,
  type BranchState,
  type Ledger,
  type Position,
  RefusalError,
  type RequestId,
  type Session,
} from "@bank/core";
import type { History } from "@bank/history";
import type { CommandOutcome, ForwardedCommand } from "@bank/proto";
import {
  type BranchReplica,
  type CallLimit,
  type Consistency,
  needsWholeJournal,
  type Platform,
  type Propagation,
  type PropagationAsked,
  type RequestStatus,
} from "@bank/replica";
import {
  type CommandCase,
  decodeMovementsReply,
  decodeSession,
  encodeMovements,
  encodeSession,
  forwardedCommand,
  type MovementColumns,
  ordersOf,
  requireOrders,
} from "@bank/rpc";
import type { StoreGap } from "@bank/store";
import type { ForwardedOutcome } from "./bank-link.ts";
import type { MovementsDone } from "./movement-replies.ts";
import type { RequestsUnderWay } from "./requests-under-way.ts";
import { type Currency, type FollowingCopy, heardAgo, type OwnStatus, type Teller } from "./teller.ts";
import { type TimedResult, timedOutcome, timedRead } from "./timed-read.ts";

export type Branch = BranchReplica<ForwardedCommand, ForwardedOutcome>;

/** What the branches that one replica hosts have in common. */
export interface BranchHost {
  readonly bankUrl: string;
  readonly hosted: ReadonlySet<BranchNumber>;
  /** The replica of the moment: another one after the journal was put aside. */
  replica(): Branch;
  /** The history of its journal. */
  history(): History;
  readonly platform: Pick<Platform, "monotonicMs">;
  /** What of the journal is still being fetched; undefined when it is whole. */
  readonly gap: StoreGap | undefined;
  /** Resolves once the bank knows these branches, so that commands can be booked here. */
  whenRegistered(signal: AbortSignal): Promise<void>;
  /** Requests that are on their way to the bank and back. */
  readonly underWay: RequestsUnderWay;
}

/** Serves customers at one branch. */
export class BranchTeller implements Teller {
  readonly branch: BranchNumber;
  private readonly host: BranchHost;

  constructor(branch: BranchNumber, host: BranchHost) {
    this.branch = branch;
    this.host = host;
  }

  get bankUrl(): string {
    return this.host.bankUrl;
  }

  get hosted(): ReadonlySet<BranchNumber> {
    return this.host.hosted;
  }

  get bankId(): Uint8Array {
    const { bankId } = this.host.replica();
    if (bankId === undefined)
      throw new RefusalError("NOT_READY", { problem: "this branch has never reached its bank" });
    return bankId;
  }

  async execute(
    commands: readonly CommandCase[],
    call: CallLimit & { readonly session: string },
  ): Promise<readonly CommandOutcome[]> {
    const session = wellFormed(call.session);
    const forwarded = commands.map((command) => forwardedCommand(this.branch, command, session));
    return this.host.underWay.during(forwarded, async () => {
      await this.host.whenRegistered(call.signal);
      const results = await this.host.replica().submit(forwarded, call.signal, call.timeoutMs);
      return results.map(({ outcome }) => outcome);
    });
  }

  async executeMovements(
    message: MovementColumns,
    call: CallLimit & { readonly session: string },
  ): Promise<MovementsDone> {
    const { branch } = this;
    // What is malformed goes no further.
    requireOrders(ordersOf(message, { principal: ANONYMOUS_PRINCIPAL, branch }));
    const calls = [{ branch, session: wellFormed(call.session), movements: encodeMovements(message) }];
    return this.host.underWay.duringMovements(calls, async () => {
      await this.host.whenRegistered(call.signal);
      const [answer] = await this.host.replica().submitMovements(calls, call.signal, call.timeoutMs);
      if (answer === undefined) throw new Error("a call has an answer");
      const { result, position, epochId } = answer;
      if (result instanceof Error) throw result;
      return { reply: decodeMovementsReply(result), position, epochId };
    });
  }

  read<T>(consistency: Consistency, query: (ledger: Ledger) => T, signal: AbortSignal): Promise<TimedResult<T>> {
    return timedRead(this.host.replica(), consistency, query, signal);
  }

  /** What is under way through this very server is known here before the bank has said anything about it. */
  async outcomeOf(consistency: Consistency, id: RequestId, signal: AbortSignal): Promise<TimedResult<RequestStatus>> {
    const isUnderWay = this.host.underWay.has(id);
    // Without the bank, which would be asked in vain: the answer is on its way from there.
    const asked = isUnderWay && consistency.mode === "linearizable" ? LOCAL : consistency;
    const replica = this.host.replica();
    const told = await replica.outcomeOf(asked, ANONYMOUS_PRINCIPAL, id, signal);
    const found = await timedOutcome(replica, told, signal);
    return isUnderWay && found.value.kind === "notSeen" ? { ...found, value: { kind: "inProgress" } } : found;
  }

  passTime(timeMs: number, { signal, timeoutMs }: CallLimit): Promise<Position> {
    return this.host.replica().passTime(timeMs, signal, timeoutMs);
  }

  get ledger(): Ledger {
    return this.host.replica().ledger;
  }

  awaitPropagation(position: Position, asked: PropagationAsked, limit: CallLimit): Promise<Propagation> {
    return this.host.replica().awaitPropagation(position, asked, limit);
  }

  shows(position: Position): boolean {
    return position <= this.host.replica().appliedPosition;
  }

  sessionAt(position: Position, epochId?: Uint8Array): Session | undefined {
    const replica = this.host.replica();
    if (position <= replica.appliedPosition) return replica.sessionAt(position);
    // A write that was answered before it shows here may be of an epoch that this branch has not heard of: a token of the
    // wrong epoch would be told that it is lost, and without one a session would not find its own write.
    const { bankId } = replica;
    return epochId === undefined || bankId === undefined ? undefined : { bankId, seen: [{ epochId, position }] };
  }

  async timeAt(position: Position, signal: AbortSignal): Promise<number | undefined> {
    return (await this.host.replica().recordAt(position, signal))?.timeMs;
  }

  branchState(): BranchState | undefined {
    const replica = this.host.replica();
    return replica.bankId === undefined ? undefined : replica.ledger.branches.get(this.branch)?.state;
  }

  historyOf(ledger: Ledger): History {
    if (this.host.replica().ledger !== ledger)
      throw new RefusalError("NOT_READY", { problem: "its journal was put aside, and a new copy begins" });
    const { gap } = this.host;
    if (gap !== undefined) throw needsWholeJournal(gap);
    // It is of what is on the disk, and whoever asks waits until it has what is shown.
    this.host.replica().saveNow();
    return this.host.history();
  }

  get isConnected(): boolean {
    return this.host.replica().connected;
  }

  currency(): Currency {
    const replica = this.host.replica();
    return {
      durablePosition: replica.savedPosition,
      connected: replica.connected,
      historyPosition: this.host.history().projectedPosition,
    };
  }

  status(): OwnStatus {
    const replica = this.host.replica();
    const { stalenessMs, copyId, followers, upstream } = replica.report();
    const newestPosition = replica.committedPosition;
    return { ...this.currency(), newestPosition, stalenessMs, copyId, followers, upstream };
  }

  followers(): readonly FollowingCopy[] {
    return heardAgo(this.host.replica().followers, this.host.platform.monotonicMs());
  }
}

const LOCAL: Consistency = { mode: "local" };

/**
 * A session token as the bank will read it, of bounded length: it goes along with each of many commands, and with those
 * of other customers in the same call. Throws: `RefusalError` SESSION_INVALID.
 */
function wellFormed(token: string): string {
  if (token === "") return "";
  try {
    return encodeSession(decodeSession(token));
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error;
    // The session is no part of a request: an earlier try may have been carried out.
    throw new RefusalError(error.refusal.reason, error.refusal.metadata, "OUTCOME_UNKNOWN", { cause: error });
  }
}

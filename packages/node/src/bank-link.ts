import {
  bytesEqual,
  FORMAT_LEVEL_MAX,
  type Position,
  REFUSALS,
  type Reason,
  RefusalError,
  type RefusalReason,
  toHex,
} from "@bank/core";
import { decodeHeader, type ReceivedFrame } from "@bank/journal";
import { type CommandOutcome, type ForwardedCommand, JournalService, ReplicationService } from "@bank/proto";
import type {
  BankLink,
  CallLimit,
  FollowedBatch,
  MemberReport,
  MovementsAnswer,
  MovementsCall,
  OpenJournal,
  Propagation,
  PropagationAsked,
  ReadIndex,
  SnapshotPart,
} from "@bank/replica";
import {
  connectToServer,
  type EpochTold,
  epochTeller,
  failureFromConnectError,
  LOSS_ACCEPTED_HEADER,
  type ServerConnection,
  submitCalls,
} from "@bank/rpc";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { answerFrom, callMessage, submitRows } from "./forwarded-movements.ts";
import type { CopyHead } from "./given-up.ts";
import { reportMessage } from "./member-messages.ts";
import { propagationFrom, propagationMode } from "./propagation-messages.ts";

/** An outcome as the replica handles it. */
export interface ForwardedOutcome {
  readonly position: Position;
  readonly outcome: CommandOutcome;
}

/** How far a server's journal goes, with the proof of it. */
export interface RemoteHead extends CopyHead {
  /** 16 bytes. */
  readonly bankId: Uint8Array;
  /** Chain hash at the position, 32 bytes. */
  readonly chainHash: Uint8Array;
  /** 16 bytes: branches that one server hosts have one copy of the journal. */
  readonly copyId: Uint8Array;
  /** Number of the newest epoch that it knows to have begun; 0 where it does not say. */
  readonly newestEpoch: number;
  /** Whether it says that it is the bank itself. */
  readonly isBank: boolean;
}

/** A forwarded call that takes longer than this has lost its answer. */
const SUBMIT_TIMEOUT_MS = 30_000;
/** What a server asks of a follower's patience at a registration. */
const REGISTER_TIMEOUT_MS = 5_000;

/** What a follower says of itself. */
export interface FollowerSelf {
  /** The newest acceptance of a loss in its own journal, as `newestAcceptance` gives it. */
  acceptedLoss(): Uint8Array | undefined;
  /** 16 bytes: made once for each data folder. */
  copyId(): Uint8Array;
  /** The bank whose journal it has, 16 bytes; undefined for none yet. */
  bankId(): Uint8Array | undefined;
  /** The highest epoch that it knows, told with every call; undefined for none. */
  epoch(): EpochTold | undefined;
}

/** The bank, or a branch, as those who follow it reach it. */
export class RemoteJournal implements BankLink<ForwardedCommand, ForwardedOutcome> {
  readonly url: string;
  private readonly follower: string;
  private readonly self: FollowerSelf | undefined;
  private readonly connection: ServerConnection;
  private readonly journal: Client<typeof JournalService>;
  private readonly replication: Client<typeof ReplicationService>;
  /** The server is of the release before this one, which has no probes. */
  private isOlder = false;
  /** The server is of a release that takes no movements in columns. */
  private takesNoColumns = false;

  /**
   * @param follower who asks, for people: "branch 2".
   * @param self undefined for one that keeps no copy.
   */
  constructor(url: string, follower: string, self?: FollowerSelf) {
    this.url = url;
    this.follower = follower;
    this.self = self;
    this.connection = connectToServer(url, { interceptors: [epochTeller(() => self?.epoch())] });
    this.journal = createClient(JournalService, this.connection.transport);
    this.replication = createClient(ReplicationService, this.connection.transport);
  }

  readonly openJournal: OpenJournal = (from, signal) => this.follow(from, signal);

  readonly isDivergence = (error: unknown): boolean => reasonOf(error) === "JOURNAL_DIVERGED";

  /** Whether an operator has given up what this follower has and the bank lacks. */
  static isAcceptedLoss(error: unknown): boolean {
    return error instanceof ConnectError && error.metadata.get(LOSS_ACCEPTED_HEADER) === "true";
  }

  /**
   * A bank of the release before this one cannot be told anything: its position is the read index then, and it never hears
   * that anybody is connected to it, so that nobody is.
   */
  async probe(members: readonly MemberReport[], signal: AbortSignal): Promise<ReadIndex> {
    if (!this.isOlder) {
      try {
        const message = { members: members.map(reportMessage) };
        const answer = await this.journal.probe(message, { signal });
        this.requireOwn(answer.bankId);
        const { position, epochId, epoch, connectedMs } = answer;
        return { position: Number(position), epochId, epoch: Number(epoch), connectedMs };
      } catch (error) {
        if (!isUnimplemented(error)) throw refusalOfAnswer(error);
        await this.requireBank(signal);
        this.isOlder = true;
      }
    }
    const { bankId, position, epochId } = await this.head(signal);
    this.requireOwn(bankId);
    return { position, epochId, epoch: 0, connectedMs: 0 };
  }

  /** Another bank's positions and epochs say nothing about this one's. Throws: `RefusalError` JOURNAL_DIVERGED. */
  requireOwn(bankId: Uint8Array): void {
    const own = this.self?.bankId();
    if (own !== undefined && !bytesEqual(own, bankId))
      throw new RefusalError("JOURNAL_DIVERGED", {
        problem: `${this.url} is of another bank: ${toHex(bankId)}, and ${this.follower} of ${toHex(own)}`,
      });
  }

  /** Forgets of which release the server is: it may have been replaced. */
  meetAnew(): void {
    this.isOlder = false;
    this.takesNoColumns = false;
  }

  /** A branch of an older release knows only how far its own copy goes, which is no read index. */
  private async requireBank(signal: AbortSignal): Promise<void> {
    try {
      await this.replication.passTime({ timeMs: 0n }, { signal });
    } catch (error) {
      if (!isUnimplemented(error)) throw error;
      throw new Error(`${this.url} is a branch of an older release, which cannot be followed: it passes nothing on`, {
        cause: error,
      });
    }
  }

  /** Tells of the members, and asks nothing. Rejects where the server is of the release before this one. */
  async report(members: readonly MemberReport[], signal: AbortSignal): Promise<void> {
    await this.journal.probe({ members: members.map(reportMessage), reportsOnly: true }, { signal });
  }

  async awaitPropagation(
    position: Position,
    asked: PropagationAsked,
    { signal, timeoutMs }: CallLimit,
  ): Promise<Propagation> {
    const { propagation } = await this.replication.awaitPropagation(
      { position: BigInt(position), mode: propagationMode(asked), copies: asked.mode === "quorum" ? asked.copies : 0 },
      { signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) },
    );
    if (propagation === undefined) throw new ConnectError("the bank did not say how far it has spread", Code.Internal);
    return propagationFrom(propagation);
  }

  /** How far this journal goes. */
  async head(signal: AbortSignal): Promise<RemoteHead> {
    const head = await this.journal.getPosition({}, { signal });
    const { bankId, copyId, chainHash, epochId, acceptedLoss, isBank } = head;
    const [position, newestEpoch] = [Number(head.position), Number(head.newestEpoch)];
    return { bankId, copyId, position, chainHash, epochId, acceptedLoss, newestEpoch, isBank };
  }

  /** The chain hash at a position; undefined where no batch of this journal ends there. */
  async chainHashAt(position: Position, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const { chainHash } = await this.journal.getPosition({ atPosition: BigInt(position) }, { signal });
    return chainHash.length === 0 ? undefined : chainHash;
  }

  /** In as many calls as the bank takes at once, one after the other. */
  async submit(
    commands: readonly ForwardedCommand[],
    { signal, timeoutMs = SUBMIT_TIMEOUT_MS }: CallLimit,
  ): Promise<readonly ForwardedOutcome[]> {
    const all: ForwardedOutcome[] = [];
    // Each call gets what those before it have left.
    const untilMs = performance.now() + timeoutMs;
    for (const call of submitCalls(commands)) {
      try {
        const leftMs = Math.max(1, Math.floor(untilMs - performance.now()));
        const { outcomes } = await this.replication.submit({ commands: call }, { signal, timeoutMs: leftMs });
        for (const outcome of outcomes) all.push({ position: Number(outcome.position), outcome });
      } catch (error) {
        const refusal = refusalOfBank(error)?.refusal;
        if (refusal === undefined) throw error;
        // It speaks for its own call: what an earlier one did is not told any more.
        const outcome = all.length > 0 ? "OUTCOME_UNKNOWN" : refusal.outcome;
        throw new RefusalError(refusal.reason, refusal.metadata, outcome, { cause: error });
      }
    }
    return all;
  }

  /** In one call; to a server of the release before this one as ordinary commands, one call after the other. */
  async submitMovements(
    calls: readonly MovementsCall[],
    { signal, timeoutMs = SUBMIT_TIMEOUT_MS }: CallLimit,
  ): Promise<readonly MovementsAnswer[]> {
    const untilMs = performance.now() + timeoutMs;
    if (!this.takesNoColumns) {
      try {
        const request = { calls: calls.map(callMessage) };
        const { outcomes } = await this.replication.submitMovements(request, { signal, timeoutMs });
        return outcomes.map(answerFrom);
      } catch (error) {
        if (!isUnimplemented(error)) throw refusalOfBank(error) ?? error;
        this.takesNoColumns = true;
      }
    }
    const answers: MovementsAnswer[] = [];
    for (const call of calls) {
      const leftMs = Math.max(1, Math.floor(untilMs - performance.now()));
      const answer = await submitRows(call, { signal, timeoutMs: leftMs }, async (commands, limit) =>
        (await this.submit(commands, limit)).map(({ outcome }) => outcome),
      );
      answers.push(answer);
    }
    return answers;
  }

  /** Lets journal time pass the moment, Unix milliseconds. Rejects with `RefusalError` where the bank refuses. */
  async passTime(timeMs: number, { signal, timeoutMs }: CallLimit): Promise<Position> {
    try {
      const limit = timeoutMs === undefined ? { signal } : { signal, timeoutMs };
      const { position } = await this.replication.passTime({ timeMs: BigInt(timeMs) }, limit);
      return Number(position);
    } catch (error) {
      throw refusalOfBank(error) ?? error;
    }
  }

  /** Announces a branch. Rejects when the bank cannot be reached or does not write. */
  async registerBranch(branch: {
    readonly branch: number;
    readonly name: string;
    readonly address: string;
    /** Which copy serves it, empty where it does not say; this one where it is left out. */
    readonly copyId?: Uint8Array;
  }): Promise<Position> {
    // An older bank would take no name for the name.
    const name = branch.name === "" && this.isOlder ? `branch ${branch.branch}` : branch.name;
    const copyId = branch.copyId ?? this.self?.copyId() ?? new Uint8Array(0);
    const { position } = await this.replication.registerBranch(
      { ...branch, name, copyId },
      { timeoutMs: REGISTER_TIMEOUT_MS },
    );
    return Number(position);
  }

  /**
   * A snapshot of a later position: its header, then its pages. Rejects where there is none: see `isWithoutSnapshot`.
   *
   * @param bankId 16 bytes; undefined for a follower that belongs to no bank yet.
   */
  async *fetchSnapshot(
    bankId: Uint8Array | undefined,
    after: Position,
    signal: AbortSignal,
  ): AsyncGenerator<SnapshotPart, void, undefined> {
    const request = { bankId: bankId ?? new Uint8Array(0), afterPosition: BigInt(after) };
    for await (const { part } of this.journal.fetchSnapshot(request, { signal })) {
      if (part.case === "header") yield { kind: "header", header: part.value };
      if (part.case === "page") yield { kind: "page", page: part.value };
    }
  }

  /** Whether this error of `fetchSnapshot` says that there is none to begin from. */
  static isWithoutSnapshot(error: unknown): boolean {
    return reasonOf(error) === "SNAPSHOT_NOT_FOUND" || isUnimplemented(error);
  }

  /** Committed batches behind one position and up to another, both ends of batches. */
  async *fetchBatches(
    bankId: Uint8Array,
    after: Position,
    last: Position,
    signal: AbortSignal,
  ): AsyncGenerator<ReceivedFrame, void, undefined> {
    const request = { bankId, afterPosition: BigInt(after), lastPosition: BigInt(last) };
    for await (const { frame, chainHash } of this.journal.fetchBatches(request, { signal })) yield { frame, chainHash };
  }

  /** Drops the connection, which may be half open, and every call on it; the next call opens a new one. */
  reset(reason: Error): void {
    this.connection.reset(reason.message);
  }

  close(): void {
    this.connection.close();
  }

  private async *follow(...[from, signal]: Parameters<OpenJournal>): AsyncGenerator<FollowedBatch> {
    const acceptedLoss = this.self?.acceptedLoss();
    const stream = this.journal.follow(
      {
        afterPosition: BigInt(from.position),
        chainHash: from.position === 0 ? new Uint8Array(0) : from.chainHash,
        bankId: from.bankId ?? new Uint8Array(0),
        epochId: from.epochId ?? new Uint8Array(0),
        follower: this.follower,
        formatLevel: FORMAT_LEVEL_MAX,
        copyId: this.self?.copyId() ?? new Uint8Array(0),
        ...(acceptedLoss === undefined ? {} : { acceptedLoss }),
      },
      { signal },
    );
    let bankId: Uint8Array | undefined;
    for await (const { frame, chainHash, committedPosition, reportPosition, echo, bankId: told } of stream) {
      bankId ??= told;
      if (bankId.length !== 16) throw new ConnectError("the journal's stream does not say whose it is", Code.Internal);
      const header = frame.length === 0 ? undefined : decodeHeader(frame);
      yield {
        bankId,
        committedPosition: Number(committedPosition),
        reportPosition: Number(reportPosition),
        echo: Number(echo),
        received: header === undefined ? undefined : { frame, chainHash },
        lastPosition: header === undefined ? 0 : header.firstPosition + header.count - 1,
      };
    }
  }
}

/** The reason of a refusal that a server gave; undefined for any other error. */
export function reasonOf(error: unknown): Reason | undefined {
  if (error instanceof RefusalError) return error.refusal.reason;
  return error instanceof ConnectError ? (failureFromConnectError(error)?.reason as Reason | undefined) : undefined;
}

function isUnimplemented(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.Unimplemented;
}

/** Whoever refuses a probe is there: it is told from a probe that nobody answered. */
function refusalOfAnswer(error: unknown): unknown {
  const failure = error instanceof ConnectError ? failureFromConnectError(error) : undefined;
  if (failure === undefined) return error;
  const { outcome: _, ...metadata } = failure.metadata;
  const reason = Object.hasOwn(REFUSALS, failure.reason) ? (failure.reason as RefusalReason) : "INTERNAL";
  return new RefusalError(reason, metadata, "NOT_APPLIED", { cause: error });
}

/** A refusal that the bank itself gave to a whole call. Its word on the outcome stands; anything else is unknown. */
function refusalOfBank(error: unknown): RefusalError | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  const failure = failureFromConnectError(error);
  if (failure === undefined) return undefined;
  const { outcome, ...metadata } = failure.metadata;
  switch (failure.reason) {
    case "OVERLOADED":
    case "NOT_READY":
    case "NOT_LEADER":
    case "LOSS_DETECTED":
    case "STORE_REFUSED":
    case "STORE_FULL":
    case "TIME_IN_FUTURE":
    case "FORMAT_LEVEL_TOO_LOW":
    case "DEADLINE_EXCEEDED":
    case "TOO_FEW_BRANCHES":
    case "EPOCH_SUPERSEDED":
      return new RefusalError(failure.reason, metadata, outcome === "NOT_APPLIED" ? "NOT_APPLIED" : "OUTCOME_UNKNOWN", {
        cause: error,
      });
    default:
      return undefined;
  }
}

import { type Position, RefusalError } from "@bank/core";
import { decodeHeader } from "@bank/journal";
import { type CommandOutcome, type ForwardedCommand, JournalService, ReplicationService } from "@bank/proto";
import type {
  BankLink,
  FollowedBatch,
  MemberReport,
  OpenJournal,
  Propagation,
  PropagationAsked,
  ReadIndex,
} from "@bank/replica";
import {
  connectToServer,
  failureFromConnectError,
  LOSS_ACCEPTED_HEADER,
  type ServerConnection,
  submitCalls,
} from "@bank/rpc";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
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
}

/** A forwarded call that takes longer than this has lost its answer. */
const SUBMIT_TIMEOUT_MS = 30_000;
/** What a server asks of a follower's patience at a registration. */
const REGISTER_TIMEOUT_MS = 5_000;

/** The bank, or a branch, as those who follow it reach it. */
export class RemoteJournal implements BankLink<ForwardedCommand, ForwardedOutcome> {
  readonly url: string;
  private readonly follower: string;
  private readonly acceptedLoss: () => Uint8Array | undefined;
  private readonly connection: ServerConnection;
  private readonly journal: Client<typeof JournalService>;
  private readonly replication: Client<typeof ReplicationService>;

  /**
   * @param follower who asks, for people: "branch 2".
   * @param acceptedLoss the newest acceptance of a loss in the follower's own journal, as `newestAcceptance` gives it.
   */
  constructor(url: string, follower: string, acceptedLoss: () => Uint8Array | undefined = () => undefined) {
    this.url = url;
    this.follower = follower;
    this.acceptedLoss = acceptedLoss;
    this.connection = connectToServer(url);
    this.journal = createClient(JournalService, this.connection.transport);
    this.replication = createClient(ReplicationService, this.connection.transport);
  }

  readonly openJournal: OpenJournal = (from, signal) => this.follow(from, signal);

  readonly isDivergence = (error: unknown): boolean =>
    error instanceof ConnectError && failureFromConnectError(error)?.reason === "JOURNAL_DIVERGED";

  /** Whether an operator has given up what this follower has and the bank lacks. */
  static isAcceptedLoss(error: unknown): boolean {
    return error instanceof ConnectError && error.metadata.get(LOSS_ACCEPTED_HEADER) === "true";
  }

  async probe(members: readonly MemberReport[], signal: AbortSignal): Promise<ReadIndex> {
    const answer = await this.journal.probe({ members: members.map(reportMessage) }, { signal });
    const { position, epochId, epoch, connectedMs } = answer;
    return { position: Number(position), epochId, epoch: Number(epoch), connectedMs };
  }

  async awaitPropagation(position: Position, asked: PropagationAsked, signal: AbortSignal): Promise<Propagation> {
    const { propagation } = await this.replication.awaitPropagation(
      { position: BigInt(position), mode: propagationMode(asked), copies: asked.mode === "quorum" ? asked.copies : 0 },
      { signal },
    );
    if (propagation === undefined) throw new ConnectError("the bank did not say how far it has spread", Code.Internal);
    return propagationFrom(propagation);
  }

  /** How far this journal goes. */
  async head(signal: AbortSignal): Promise<RemoteHead> {
    const head = await this.journal.getPosition({}, { signal });
    const { bankId, copyId, chainHash, epochId, acceptedLoss } = head;
    return { bankId, copyId, position: Number(head.position), chainHash, epochId, acceptedLoss };
  }

  /** The chain hash at a position; undefined where no batch of this journal ends there. */
  async chainHashAt(position: Position, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const { chainHash } = await this.journal.getPosition({ atPosition: BigInt(position) }, { signal });
    return chainHash.length === 0 ? undefined : chainHash;
  }

  /** In as many calls as the bank takes at once, one after the other. */
  async submit(commands: readonly ForwardedCommand[]): Promise<readonly ForwardedOutcome[]> {
    const all: ForwardedOutcome[] = [];
    for (const call of submitCalls(commands)) {
      try {
        const { outcomes } = await this.replication.submit({ commands: call }, { timeoutMs: SUBMIT_TIMEOUT_MS });
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

  /** Lets journal time pass the moment, Unix milliseconds. Rejects with `RefusalError` where the bank refuses. */
  async passTime(timeMs: number, signal: AbortSignal): Promise<Position> {
    try {
      const { position } = await this.replication.passTime({ timeMs: BigInt(timeMs) }, { signal });
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
  }): Promise<Position> {
    const { position } = await this.replication.registerBranch(branch, { timeoutMs: REGISTER_TIMEOUT_MS });
    return Number(position);
  }

  close(): void {
    this.connection.close();
  }

  private async *follow(...[from, signal]: Parameters<OpenJournal>): AsyncGenerator<FollowedBatch> {
    const acceptedLoss = this.acceptedLoss();
    const stream = this.journal.follow(
      {
        afterPosition: BigInt(from.position),
        chainHash: from.position === 0 ? new Uint8Array(0) : from.chainHash,
        bankId: from.bankId ?? new Uint8Array(0),
        epochId: from.epochId ?? new Uint8Array(0),
        follower: this.follower,
        ...(acceptedLoss === undefined ? {} : { acceptedLoss }),
      },
      { signal },
    );
    let bankId: Uint8Array | undefined;
    for await (const { frame, chainHash, committedPosition, bankId: told } of stream) {
      bankId ??= told;
      if (bankId.length !== 16) throw new ConnectError("the journal's stream does not say whose it is", Code.Internal);
      const header = frame.length === 0 ? undefined : decodeHeader(frame);
      yield {
        bankId,
        committedPosition: Number(committedPosition),
        received: header === undefined ? undefined : { frame, chainHash },
        lastPosition: header === undefined ? 0 : header.firstPosition + header.count - 1,
      };
    }
  }
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
    case "LOSS_DETECTED":
    case "STORE_REFUSED":
    case "TIME_IN_FUTURE":
    case "FORMAT_LEVEL_TOO_LOW":
      return new RefusalError(failure.reason, metadata, outcome === "NOT_APPLIED" ? "NOT_APPLIED" : "OUTCOME_UNKNOWN", {
        cause: error,
      });
    default:
      return undefined;
  }
}

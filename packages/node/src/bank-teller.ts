import {
  ANONYMOUS_PRINCIPAL,
  BranchState,
  type Ledger,
  type Position,
  RefusalError,
  type Request,
  type RequestId,
  type Session,
} from "@bank/core";
import type { History } from "@bank/history";
import { type CommandOutcome, CommandOutcomeSchema, type ForwardedCommand } from "@bank/proto";
import type {
  BankReplica,
  CallLimit,
  Consistency,
  Outcome,
  Platform,
  Propagation,
  PropagationAsked,
  RequestStatus,
} from "@bank/replica";
import {
  type Asked,
  type CommandCase,
  decodeSession,
  failureFromRefusal,
  forwardedCommand,
  outcomeFromFailure,
  outcomeFromRecord,
  requestFromForwarded,
  resultFromPreview,
} from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import { anyCopies, connectedCopies } from "./counted-copies.ts";
import { type Currency, type FollowingCopy, heardAgo, type OwnStatus, type Teller } from "./teller.ts";
import { type TimedResult, timedOutcome, timedRead } from "./timed-read.ts";

/** Serves customers at the bank itself: the head office, branch 0. */
export class BankTeller implements Teller {
  readonly branch = 0;
  readonly hosted: ReadonlySet<number> = new Set([0]);
  private readonly bank: BankReplica;
  private readonly history: History;
  private readonly url: () => string;
  private readonly copyId: Uint8Array;
  private readonly platform: Pick<Platform, "monotonicMs">;

  constructor(options: {
    readonly bank: BankReplica;
    readonly history: History;
    /** Where the bank listens; asked only once it does. */
    readonly url: () => string;
    /** 16 bytes. */
    readonly copyId: Uint8Array;
    readonly platform: Pick<Platform, "monotonicMs">;
  }) {
    this.bank = options.bank;
    this.history = options.history;
    this.url = options.url;
    this.copyId = options.copyId;
    this.platform = options.platform;
  }

  get bankUrl(): string {
    return this.url();
  }

  get bankId(): Uint8Array {
    return this.bank.bankId;
  }

  execute(
    commands: readonly CommandCase[],
    call: CallLimit & { readonly session: string },
  ): Promise<readonly CommandOutcome[]> {
    const forwarded = commands.map((command) => forwardedCommand(this.branch, command, call.session));
    return this.executeForwarded(forwarded, ANONYMOUS_PRINCIPAL, call.signal);
  }

  /**
   * Commands with the branches where they are booked: one outcome for each, in order. What is only to be previewed is
   * previewed in its turn, behind what comes before it.
   * Rejects with `RefusalError` when nothing is known of any of them.
   */
  async executeForwarded(
    commands: readonly ForwardedCommand[],
    principal: string,
    signal: AbortSignal,
  ): Promise<readonly CommandOutcome[]> {
    const outcomes: CommandOutcome[] = new Array(commands.length);
    const waiting: Numbered[] = [];
    let isFirst = true;
    const submitWaiting = async () => {
      const batch = waiting.splice(0);
      if (batch.length === 0) return;
      const made = await this.submit(batch, signal, isFirst);
      for (const [i, { index }] of batch.entries()) outcomes[index] = made[i] as CommandOutcome;
      isFirst = false;
    };
    for (const [index, command] of commands.entries()) {
      const asked = this.check(command, principal);
      if (asked instanceof RefusalError) {
        outcomes[index] = refused(asked);
      } else if (asked.validateOnly) {
        await submitWaiting();
        outcomes[index] = await this.preview(asked.request, signal);
        isFirst = false;
      } else {
        waiting.push({ index, request: asked.request });
      }
    }
    await submitWaiting();
    return outcomes;
  }

  read<T>(consistency: Consistency, query: (ledger: Ledger) => T, signal: AbortSignal): Promise<TimedResult<T>> {
    return timedRead(this.bank, consistency, query, signal);
  }

  awaitPropagation(position: Position, asked: PropagationAsked, { signal }: CallLimit): Promise<Propagation> {
    return this.bank.awaitPropagation(position, asked, signal);
  }

  shows(position: Position): boolean {
    return position <= this.bank.committedPosition;
  }

  sessionAt(position: Position): Session | undefined {
    return this.bank.sessionAt(position);
  }

  async timeAt(position: Position, signal: AbortSignal): Promise<number | undefined> {
    return (await this.bank.recordAt(position, signal))?.timeMs;
  }

  branchState(): BranchState {
    return BranchState.ACTIVE;
  }

  historyOf(): History {
    return this.history;
  }

  currency(): Currency {
    const { committedPosition: durablePosition } = this.bank;
    return {
      durablePosition,
      connected: this.bank.currency.connected,
      historyPosition: this.history.projectedPosition,
    };
  }

  status(): OwnStatus {
    const { bank, copyId } = this;
    return {
      ...this.currency(),
      newestPosition: bank.committedPosition,
      stalenessMs: bank.currency.stalenessMs,
      copyId,
      followers: bank.feed.followers,
      upstream: "",
    };
  }

  followers(): readonly FollowingCopy[] {
    return heardAgo(this.bank.members.connected(), this.platform.monotonicMs());
  }

  async outcomeOf(consistency: Consistency, id: RequestId, signal: AbortSignal): Promise<TimedResult<RequestStatus>> {
    if (consistency.mode !== "local" && consistency.session !== undefined) this.bank.checkSession(consistency.session);
    const found = await this.bank.outcomeOf(ANONYMOUS_PRINCIPAL, id, signal);
    return timedOutcome(this.bank, found, signal);
  }

  passTime(timeMs: number, { signal }: CallLimit): Promise<Position> {
    return this.bank.passTime(timeMs, signal);
  }

  get ledger(): Ledger {
    return this.bank.ledger;
  }

  /** What is asked for, or why it cannot be. */
  private check(command: ForwardedCommand, principal: string): Asked | RefusalError {
    let asked: Asked | undefined;
    try {
      asked = requestFromForwarded(command, principal, (branches, id) =>
        this.bank.ledger.findRequest(principal, id) >= 0
          ? anyCopies(branches)
          : connectedCopies(branches, this.bank.members.connected()),
      );
      if (command.session !== "") this.bank.checkSession(decodeSession(command.session));
      return asked;
    } catch (error) {
      if (!(error instanceof RefusalError)) throw error;
      // The session is no part of a request: an earlier try, with another token or none, may have been carried out.
      const isKnown = asked !== undefined && this.bank.ledger.findRequest(principal, asked.request.id) >= 0;
      const { reason, metadata } = error.refusal;
      return isKnown ? new RefusalError(reason, metadata, "OUTCOME_UNKNOWN", { cause: error }) : error;
    }
  }

  /** @param isFirst nothing was done for this call before, so that a refusal may speak for all of it. */
  private async submit(batch: readonly Numbered[], signal: AbortSignal, isFirst: boolean): Promise<CommandOutcome[]> {
    try {
      const requests = batch.map(({ request }) => request);
      const outcomes = await this.bank.submit(requests, { signal });
      return outcomes.map((outcome) => this.outcomeMessage(outcome));
    } catch (error) {
      if (isFirst || !(error instanceof RefusalError)) throw error;
      return batch.map(() => refused(error));
    }
  }

  private async preview(request: Request, signal: AbortSignal): Promise<CommandOutcome> {
    try {
      const preview = await this.bank.preview(
        request,
        (records, _, timeMs, ledger) => resultFromPreview(ledger, records, timeMs),
        signal,
      );
      if (preview.kind !== "previewed") return this.outcomeMessage(preview);
      return create(CommandOutcomeSchema, { position: BigInt(preview.position), result: preview.value });
    } catch (error) {
      if (!(error instanceof RefusalError)) throw error;
      return refused(error);
    }
  }

  private outcomeMessage(outcome: Outcome): CommandOutcome {
    if (outcome.kind === "refused") return refused(outcome.error, outcome.position);
    return outcomeFromRecord(this.bank.ledger, outcome);
  }
}

/** A request with its place in the call. */
interface Numbered {
  readonly index: number;
  readonly request: Request;
}

function refused(error: RefusalError, position: Position = 0): CommandOutcome {
  return outcomeFromFailure(failureFromRefusal(error), position);
}

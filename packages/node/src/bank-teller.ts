import {
  ANONYMOUS_PRINCIPAL,
  type BranchNumber,
  BranchState,
  type Ledger,
  type MovementOrders,
  type Position,
  RefusalError,
  type Request,
  type RequestId,
  requestOfOrder,
  type Session,
} from "@bank/core";
import type { History } from "@bank/history";
import { type CommandOutcome, CommandOutcomeSchema, type ForwardedCommand } from "@bank/proto";
import {
  type BankReplica,
  type CallLimit,
  type Consistency,
  epochAt,
  type MovementsAnswer,
  type MovementsCall,
  type Outcome,
  type Platform,
  type Propagation,
  type PropagationAsked,
  type RequestStatus,
} from "@bank/replica";
import {
  type Asked,
  type CommandCase,
  type CopiesOf,
  commandOfForwarded,
  decodeSession,
  encodeMovementsReply,
  failureFromRefusal,
  type MovementColumns,
  ordersOf,
  outcomeFromFailure,
  outcomeFromRecord,
  requestFromCommand,
  resultFromPreview,
} from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import { anyCopies, connectedCopies } from "./counted-copies.ts";
import { columnsOf, refusedCall } from "./forwarded-movements.ts";
import { type MovementsDone, replyFromOrders } from "./movement-replies.ts";
import { type Currency, type FollowingCopy, heardAgo, type OwnStatus, type Teller } from "./teller.ts";
import { type TimedResult, timedOutcome, timedRead } from "./timed-read.ts";

const NO_EPOCH = new Uint8Array(0);

/** Serves customers at the bank itself: the head office, branch 0. */
export class BankTeller implements Teller {
  readonly branch = 0;
  readonly hosted: ReadonlySet<number> = new Set([0]);
  private readonly bank: BankReplica;
  private readonly history: History;
  private readonly url: () => string;
  private readonly copyId: Uint8Array;
  private readonly platform: Pick<Platform, "monotonicMs">;
  /** Refusals for more than what stands in the request alone. */
  private readonly refusedByState = new WeakSet<Asked | RefusalError>();

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
    const { branch } = this;
    const { session, signal } = call;
    const principal = ANONYMOUS_PRINCIPAL;
    const check = this.checker(principal);
    return this.executeAsked(
      commands.map((command) => check(() => command, branch, session)),
      signal,
    );
  }

  async executeMovements(
    message: MovementColumns,
    { session, signal }: CallLimit & { readonly session: string },
  ): Promise<MovementsDone> {
    const orders = ordersOf(message, { principal: ANONYMOUS_PRINCIPAL, branch: this.branch });
    return this.executeOrders(orders, session, signal);
  }

  /**
   * Movements in columns, with the branch where they are booked. Never rejects with a `RefusalError`: that is the answer. The
   * ledger's order is that of the calls.
   */
  async executeForwardedMovements(
    call: MovementsCall,
    principal: string,
    signal: AbortSignal,
  ): Promise<MovementsAnswer> {
    try {
      const { branch, session } = call;
      const orders = ordersOf(columnsOf(call), { principal, branch });
      const { reply, position } = await this.executeOrders(orders, session, signal);
      const epochId = epochAt(this.bank.ledger.epochs, position) ?? NO_EPOCH;
      return { result: encodeMovementsReply(reply), position, epochId };
    } catch (error) {
      if (error instanceof RefusalError) return refusedCall(error);
      throw error;
    }
  }

  private async executeOrders(orders: MovementOrders, session: string, signal: AbortSignal): Promise<MovementsDone> {
    await this.checkSessionOf(orders, session, signal);
    const done = await this.bank.submitOrders(orders, { signal });
    const { position } = done;
    return { reply: replyFromOrders(this.bank.ledger, done, orders.branch), position };
  }

  /** The session is no part of what is asked: an earlier try of a row may have been carried out. */
  private async checkSessionOf(orders: MovementOrders, session: string, signal: AbortSignal): Promise<void> {
    if (this.sessionRefusal(session) === undefined) return;
    const refusal = await this.confirmed(() => this.sessionRefusal(session), signal);
    if (refusal === undefined) return;
    const { ledger } = this.bank;
    const rows = Array.from({ length: orders.count }, (_, row) => requestOfOrder(orders, row));
    throw rows.some(({ principal, id }) => ledger.findRequest(principal, id) >= 0) ? unknown(refusal) : refusal;
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
    const check = this.checker(principal);
    return this.executeAsked(
      commands.map((command) => check(() => commandOfForwarded(command), command.branch, command.session)),
      signal,
    );
  }

  private async executeAsked(
    commands: readonly (Asked | RefusalError)[],
    signal: AbortSignal,
  ): Promise<readonly CommandOutcome[]> {
    if (!commands.every(isToBeDone)) {
      // What the bank knows is held against a command only by who is the bank still.
      if (commands.some((asked) => this.refusedByState.has(asked))) await this.confirmed(() => undefined, signal);
      return this.executeInTurn(commands, signal);
    }
    return this.submit(
      commands.map(({ request }) => request),
      signal,
    );
  }

  private async executeInTurn(
    commands: readonly (Asked | RefusalError)[],
    signal: AbortSignal,
  ): Promise<readonly CommandOutcome[]> {
    const outcomes: CommandOutcome[] = new Array(commands.length);
    const waiting: Numbered[] = [];
    let isFirst = true;
    const submitWaiting = async () => {
      const batch = waiting.splice(0);
      if (batch.length === 0) return;
      const requests = batch.map(({ request }) => request);
      try {
        const made = await this.submit(requests, signal);
        for (const [i, { index }] of batch.entries()) outcomes[index] = made[i] as CommandOutcome;
      } catch (error) {
        // Only of the first that is done for a call may a refusal speak for all of it.
        if (isFirst || !(error instanceof RefusalError)) throw error;
        for (const { index } of batch) outcomes[index] = refused(error);
      }
      isFirst = false;
    };
    for (const [index, asked] of commands.entries()) {
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

  get isConnected(): boolean {
    return this.bank.currency.connected;
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
    const session = consistency.mode === "local" ? undefined : consistency.session;
    if (session !== undefined) await this.bank.requireSession(session, signal);
    const found = await this.bank.outcomeOf(ANONYMOUS_PRINCIPAL, id, signal);
    return timedOutcome(this.bank, found, signal);
  }

  passTime(timeMs: number, { signal }: CallLimit): Promise<Position> {
    return this.bank.passTime(timeMs, signal);
  }

  get ledger(): Ledger {
    return this.bank.ledger;
  }

  /** For the commands of one call: what each asks for, or why it cannot be. */
  private checker(
    principal: string,
  ): (command: () => CommandCase, branch: BranchNumber, session: string) => Asked | RefusalError {
    const { bank } = this;
    const copiesOf: CopiesOf = (branches, id) => {
      if (bank.ledger.findRequest(principal, id) >= 0) return anyCopies(branches);
      try {
        return connectedCopies(branches, bank.members.connected());
      } catch (error) {
        throw this.byState(error);
      }
    };
    // Mostly one caller's, or none.
    let token = "";
    let lost: RefusalError | undefined;
    return (command, branch, session) => {
      try {
        const asked = requestFromCommand(command(), { principal, branch }, copiesOf);
        if (session !== token) {
          token = session;
          lost = this.sessionRefusal(session);
        }
        if (lost === undefined) return asked;
        // The session is no part of a request: an earlier try, with another token or none, may have been carried out.
        return this.byState(bank.ledger.findRequest(principal, asked.request.id) >= 0 ? unknown(lost) : lost);
      } catch (error) {
        if (!(error instanceof RefusalError)) throw error;
        return error;
      }
    };
  }

  /** What is wrong with a session token; undefined for none, and for one that is as it should be. */
  private sessionRefusal(token: string): RefusalError | undefined {
    if (token === "") return undefined;
    try {
      this.bank.checkSession(decodeSession(token));
      return undefined;
    } catch (error) {
      if (error instanceof RefusalError) return error;
      throw error;
    }
  }

  private byState<E>(error: E): E {
    if (error instanceof RefusalError) this.refusedByState.add(error);
    return error;
  }

  /** What is found once it is sure that this was still the bank. Where it is not, nothing is known of earlier tries. */
  private async confirmed<T>(find: () => T, signal: AbortSignal): Promise<T> {
    try {
      await this.bank.confirmBank(signal);
    } catch (error) {
      throw error instanceof RefusalError ? unknown(error) : error;
    }
    return find();
  }

  private submit(requests: readonly Request[], signal: AbortSignal): Promise<CommandOutcome[]> {
    return this.bank
      .submit(requests, { signal })
      .then((outcomes) => outcomes.map((outcome) => this.outcomeMessage(outcome)));
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

function isToBeDone(asked: Asked | RefusalError): asked is Asked {
  return !(asked instanceof RefusalError) && !asked.validateOnly;
}

/** The same of what may have been carried out by an earlier try. */
function unknown(error: RefusalError): RefusalError {
  const { reason, metadata } = error.refusal;
  return new RefusalError(reason, metadata, "OUTCOME_UNKNOWN", { cause: error });
}

function refused(error: RefusalError, position: Position = 0): CommandOutcome {
  return outcomeFromFailure(failureFromRefusal(error), position);
}

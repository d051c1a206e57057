import { ANONYMOUS_PRINCIPAL, type Ledger, type Position, RefusalError, type Request, type Session } from "@bank/core";
import type { CommandOutcome, ForwardedCommand } from "@bank/proto";
import type { BankReplica, Consistency, Outcome, ReadResult } from "@bank/replica";
import {
  type CommandCase,
  decodeSession,
  failureFromRefusal,
  forwardedCommand,
  outcomeFromFailure,
  outcomeFromRecord,
  requestFromForwarded,
} from "@bank/rpc";
import type { Teller } from "./teller.ts";

/** Serves customers at the bank itself: the head office, branch 0. */
export class BankTeller implements Teller {
  readonly branch = 0;
  readonly hosted: ReadonlySet<number> = new Set([0]);
  private readonly bank: BankReplica;
  private readonly url: () => string;

  /** @param url where the bank listens; asked only once it does. */
  constructor(bank: BankReplica, url: () => string) {
    this.bank = bank;
    this.url = url;
  }

  get bankUrl(): string {
    return this.url();
  }

  get bankId(): Uint8Array {
    return this.bank.bankId;
  }

  execute(
    commands: readonly CommandCase[],
    call: { readonly signal: AbortSignal; readonly session: string },
  ): Promise<readonly CommandOutcome[]> {
    const forwarded = commands.map((command) => forwardedCommand(this.branch, command, call.session));
    return this.executeForwarded(forwarded, ANONYMOUS_PRINCIPAL, call.signal);
  }

  /** Commands with the branches where they are booked: one outcome for each, in order. Rejects with `RefusalError`. */
  async executeForwarded(
    commands: readonly ForwardedCommand[],
    principal: string,
    signal: AbortSignal,
  ): Promise<readonly CommandOutcome[]> {
    const checked = commands.map((command) => this.check(command, principal));
    const requests = checked.filter((item): item is Request => !(item instanceof RefusalError));
    const outcomes = requests.length === 0 ? [] : await this.bank.submit(requests, { signal });
    let next = 0;
    return checked.map((item) =>
      item instanceof RefusalError ? refused(item) : this.outcomeMessage(outcomes[next++] as Outcome),
    );
  }

  async checkSession(session: Session): Promise<void> {
    this.bank.checkSession(session);
  }

  read<T>(consistency: Consistency, query: (ledger: Ledger) => T, signal: AbortSignal): Promise<ReadResult<T>> {
    return this.bank.read(consistency, query, signal);
  }

  sessionAt(position: Position): Session | undefined {
    return this.bank.sessionAt(position);
  }

  currency(): { readonly durablePosition: Position; readonly connected: boolean } {
    return { durablePosition: this.bank.committedPosition, connected: true };
  }

  /** The request, or why it cannot be one. */
  private check(command: ForwardedCommand, principal: string): Request | RefusalError {
    let request: Request | undefined;
    try {
      request = requestFromForwarded(command, principal);
      if (command.session !== "") this.bank.checkSession(decodeSession(command.session));
      return request;
    } catch (error) {
      if (!(error instanceof RefusalError)) throw error;
      // The session is no part of a request: an earlier try, with another token or none, may have been carried out.
      const isKnown = request !== undefined && this.bank.ledger.findRequest(principal, request.id) >= 0;
      const { reason, metadata } = error.refusal;
      return isKnown ? new RefusalError(reason, metadata, "OUTCOME_UNKNOWN", { cause: error }) : error;
    }
  }

  private outcomeMessage(outcome: Outcome): CommandOutcome {
    if (outcome.kind === "refused") return refused(outcome.error);
    return outcomeFromRecord(this.bank.ledger, outcome);
  }
}

function refused(error: RefusalError): CommandOutcome {
  return outcomeFromFailure(failureFromRefusal(error));
}

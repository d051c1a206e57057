import type {
  HistoryRecorder,
  Movement,
  PropagationAsked,
  ReadConsistency,
  ReadOutcome,
  WriteAction,
  WriteOutcome,
} from "@bank/checker";
import {
  type AskedPropagation,
  type BankClient,
  BankError,
  type Consistency,
  type Done,
  type GroupCommand,
  type MutationOptions,
  type ReadInfo,
} from "@bank/client";
import { sessionPosition } from "./session-position.ts";

/** Where a call goes, and in which session. */
export interface Place {
  readonly client: BankClient;
  /** Undefined where the SDK chooses. */
  readonly server: string | undefined;
  readonly session: string;
  readonly timeoutMs: number;
}

/** A write, and where its request id comes from. */
export interface Write extends Place {
  readonly request: string;
  readonly action: WriteAction;
  readonly asked?: PropagationAsked | undefined;
  readonly propagation: AskedPropagation;
  /** How an action is sent that does not say it by itself. */
  readonly send?: ((client: BankClient, options: MutationOptions) => Promise<Done>) | undefined;
}

const CURRENCY = "USD";
/** More accounts than there are. */
const PAGE_SIZE = 1_000;

/** Calls of one client, each noted when it is sent and when it is answered. */
export class Calls {
  private readonly name: string;
  private readonly recorder: HistoryRecorder;
  private readonly onNever: (problem: string) => void;

  /** @param onNever told of failures that no customer should ever see here. */
  constructor(name: string, recorder: HistoryRecorder, onNever: (problem: string) => void) {
    this.name = name;
    this.recorder = recorder;
    this.onNever = onNever;
  }

  async write({ client, server, session, timeoutMs, request, action, asked, propagation, send }: Write) {
    const end = this.recorder.write({ client: this.name, server, session, request, propagation: asked, ...action });
    const options = { requestId: request, timeoutMs, propagation };
    const sent = send === undefined ? sendAction(client, action, options) : send(client, options);
    const outcome = await sent.then(done, (error: unknown) => this.failed(error, server));
    end(outcome);
    return outcome;
  }

  /**
   * Asks what became of a request, which is a try of it that changes nothing: what is told is the answer, and where
   * nothing is told nothing is known.
   */
  async outcome(call: Place & Pick<Write, "request" | "action">): Promise<WriteOutcome> {
    const { client, server, session, timeoutMs, request, action } = call;
    const end = this.recorder.write({ client: this.name, server, session, request, ...action });
    const told = await client.outcome(request, { timeoutMs }).then(
      (outcome): WriteOutcome => {
        const token = sessionPosition(outcome.session);
        switch (outcome.state) {
          case "committed":
            return { status: "ok", position: outcome.answeredPosition, session: token, replayed: true };
          case "rejected": {
            const { answeredPosition: position, error } = outcome;
            return { status: "rejected", reason: error.reason, position, session: token, replayed: true };
          }
          default:
            return { status: "unknown", reason: outcome.state };
        }
      },
      (error: unknown): WriteOutcome => ({ status: "unknown", reason: this.checked(error, server).reason }),
    );
    end(told);
    return told;
  }

  async balance(at: Place, account: string, consistency: ReadConsistency): Promise<ReadOutcome> {
    const { client, server, session, timeoutMs } = at;
    const call = { client: this.name, server, session, kind: "balance", accounts: [account], consistency } as const;
    const end = this.recorder.read(call);
    const outcome = await client.balance(account, { consistency: asked(consistency), timeoutMs }).then(
      (reading) => shown(reading, [reading.posted.minor]),
      (error: unknown) => this.failedRead(error, server),
    );
    end(outcome);
    return outcome;
  }

  /** All accounts at one position. */
  async total(at: Place, accounts: readonly string[], consistency: ReadConsistency): Promise<ReadOutcome> {
    const { client, server, session, timeoutMs } = at;
    const end = this.recorder.read({ client: this.name, server, session, kind: "total", accounts, consistency });
    const options = { consistency: asked(consistency), timeoutMs, pageSize: PAGE_SIZE };
    const outcome = await client.listAccountsPage(options).then(
      (page) => {
        const balanceOf = (name: string) => page.accounts.find(({ number }) => number === name)?.posted.minor ?? -1n;
        return shown(page, accounts.map(balanceOf));
      },
      (error: unknown) => this.failedRead(error, server),
    );
    end(outcome);
    return outcome;
  }

  private failed(error: unknown, server: string | undefined): WriteOutcome {
    const { outcome, reason } = this.checked(error, server);
    switch (outcome) {
      case "REJECTED":
        return { status: "rejected", reason };
      case "NOT_APPLIED":
        return { status: "notApplied", reason };
      case "OUTCOME_UNKNOWN":
        return { status: "unknown", reason };
    }
  }

  private failedRead(error: unknown, server: string | undefined): ReadOutcome {
    return { status: "notApplied", reason: this.checked(error, server).reason };
  }

  /** Throws what is no failure of a call. */
  private checked(error: unknown, server: string | undefined): BankError {
    if (!(error instanceof BankError)) throw error;
    if (NEVER.includes(error.reason)) {
      const asked = server === undefined ? "" : ` at ${server}`;
      this.onNever(`${this.name} was told${asked}, ${performance.now().toFixed(0)} ms: ${error.message}`);
    }
    return error;
  }
}

/** Nothing that a session has seen is ever lost here, and no request is malformed. */
const NEVER: readonly string[] = ["SESSION_LOST", "SESSION_INVALID", "INVALID_REQUEST", "UNEXPECTED_REPLY", "INTERNAL"];

function sendAction(client: BankClient, action: WriteAction, options: MutationOptions): Promise<Done> {
  switch (action.kind) {
    case "deposit":
      return client.deposit(action.account, money(action.amount), options);
    case "withdraw":
      return client.withdraw(action.account, money(action.amount), options);
    case "transfer":
      return client.transfer(action.from, action.to, money(action.amount), options);
    case "group":
      return client.executeGroup(
        action.items.map((item) => {
          if (item.kind === "other") throw new Error("groups here only move money");
          return command(item);
        }),
        options,
      );
    default:
      throw new Error(`${action.kind} is sent by its caller`);
  }
}

function command(movement: Movement): GroupCommand {
  return { ...movement, amount: money(movement.amount) };
}

function money(minor: bigint) {
  return { currency: CURRENCY, minor };
}

function asked(consistency: ReadConsistency): Consistency {
  if (consistency.mode === "time") return { mode: "time", time: new Date(consistency.timeMs) };
  return consistency;
}

function shown({ position, session, stalenessMs, connected }: ReadInfo, balances: readonly bigint[]): ReadOutcome {
  return { status: "ok", position, balances, session: sessionPosition(session), stalenessMs, connected };
}

/**
 * What was answered, at the position of its own record. The answer's position is that of a state which has the record:
 * movements that were gathered into one call share it, and their token names it.
 */
function done(answer: Done & { readonly transaction?: { readonly position: number } }): WriteOutcome {
  const { session, replayed, propagation } = answer;
  const position = answer.transaction?.position ?? answer.position;
  const token = sessionPosition(session);
  if (propagation === undefined) return { status: "ok", position, session: token, replayed };
  // Who is missing may still be catching up, and not call itself connected: that does not contradict what was reached.
  const { satisfied, copiesReached: copies } = propagation;
  return { status: "ok", position, session: token, replayed, propagation: { satisfied, copies } };
}

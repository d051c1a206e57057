import { randomUUID } from "node:crypto";
import { parseRequestId, RefusalError } from "@bank/core";
import type { ReadInfo as WireReadInfo } from "@bank/proto";
import {
  CONSISTENCY_HEADER,
  EPOCH_HEADER,
  formatConsistency,
  formatEpoch,
  formatPropagation,
  PROPAGATION_HEADER,
  type ReadConsistency,
  SESSION_HEADER,
  type WritePropagation,
} from "@bank/rpc";
import { ConnectError } from "@connectrpc/connect";
import type { ClientSession } from "./client-session.ts";
import type { Server } from "./connections.ts";
import type { EpochMemory } from "./epoch-memory.ts";
import { type Head, propagationOf, readConsistencyOf, readInfoOf, writePropagationOf } from "./messages/index.ts";
import { type Attempt, type RetryPolicy, withRetries } from "./retry.ts";
import type { ServerPool } from "./server-pool.ts";
import type { CallOptions, Done, MutationOptions, ReadOptions, WriteOptions } from "./types/index.ts";

/** The longest deadline that a server takes. */
export const TIMEOUT_MAX_MS = 300_000;

export interface CallerOptions {
  readonly pool: ServerPool;
  readonly session: ClientSession;
  readonly epochs: EpochMemory;
  readonly timeoutMs: number;
  readonly consistency: ReadConsistency;
  readonly propagation: WritePropagation;
  readonly retry: RetryPolicy;
  /** Ends every call. */
  readonly lifetime: AbortSignal;
}

/** How one try is sent: Connect's call options. */
export interface Sending {
  readonly headers: Record<string, string>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

interface Reply {
  readonly readInfo?: WireReadInfo | undefined;
}

interface MutationReply extends Reply {
  readonly replayed: boolean;
}

/** What one try is, and how it is sent. */
type Try<R> = Parameters<Attempt<unknown>>[0] & {
  /** Of a read. */
  readonly consistency?: ReadConsistency;
  /** Of a write. */
  readonly propagation?: WritePropagation;
  /** Whether the state that a reply names contains all that the carried session saw. */
  readonly isBeyondSession: (reply: R) => boolean;
};

/** Calls servers: carries the session there and back, and tries again where that may help. */
export class Caller {
  readonly options: CallerOptions;

  constructor(options: CallerOptions) {
    checkTimeout(options.timeoutMs);
    this.options = options;
  }

  /** The server that the next call goes to first. */
  get server(): Server {
    return this.options.pool.first;
  }

  /** Rejects with: `BankError`; `TypeError` and `RangeError` for options that are none. */
  async read<R extends Reply, T>(
    options: ReadOptions,
    send: (sending: Sending, server: Server) => Promise<R>,
    translate: (reply: R, server: Server) => T,
  ): Promise<T> {
    const { consistency: asked } = options;
    const consistency = asked === undefined ? this.options.consistency : readConsistencyOf(asked);
    return this.retried({ ...options, mutates: false }, (call) =>
      this.once({ ...call, ...this.consistencyNow(consistency) }, send, translate),
    );
  }

  /**
   * Sends a mutation, or the preview of one. Gives what `translate` makes of the reply, and what every reply says.
   * Rejects with: `BankError`; `TypeError` and `RangeError` for options that are none.
   */
  async mutate<R extends MutationReply, T extends object>(
    options: MutationOptions,
    send: (head: Head, sending: Sending, server: Server) => Promise<R>,
    translate: (reply: R) => T,
  ): Promise<T & Done> {
    const { requestId = randomUUID(), validateOnly: preview = false } = options;
    const head: Head = { requestId, validateOnly: preview };
    const propagation = this.propagationOf(options);
    return this.retried({ ...options, mutates: !preview, requestId }, async (call) => {
      checkRequestId(requestId);
      return this.once(
        // What is done now comes after all that the session saw; a repeated answer may be older.
        { ...call, propagation, isBeyondSession: ({ replayed }: R) => !replayed },
        async (sending, server) => send(head, sending, server),
        (reply) => {
          const { replayed, readInfo } = reply;
          const done = { requestId, replayed, preview, ...readInfoOf(readInfo), propagation: propagationOf(readInfo) };
          return { ...translate(reply), ...done };
        },
      );
    });
  }

  /** How far a write should spread. Throws: `TypeError`, `RangeError`. */
  propagationOf({ propagation }: WriteOptions): WritePropagation {
    return propagation === undefined ? this.options.propagation : writePropagationOf(propagation);
  }

  /**
   * Tries `attempt` until it has an answer that counts.
   *
   * @param call.ending ends it in place of `signal` and the client's own end, of which it knows.
   */
  async retried<T>(
    call: CallOptions & {
      readonly mutates: boolean;
      readonly requestId?: string | undefined;
      readonly ending?: AbortSignal;
    },
    attempt: Attempt<T>,
  ): Promise<T> {
    const { pool, retry: policy, lifetime, timeoutMs: defaultMs } = this.options;
    const { mutates, requestId, signal: own, timeoutMs = defaultMs, ending } = call;
    checkTimeout(timeoutMs);
    const signal = ending ?? (own === undefined ? lifetime : AbortSignal.any([lifetime, own]));
    return withRetries({ pool, policy, timeoutMs, signal, mutates, requestId }, attempt);
  }

  /** One try. */
  async once<R extends Reply, T>(
    call: Try<R>,
    send: (sending: Sending, server: Server) => Promise<R>,
    translate: (reply: R, server: Server) => T,
  ): Promise<T> {
    const { server, timeoutMs, signal, isBeyondSession } = call;
    const carried = call.consistency?.mode === "local" ? undefined : this.options.session.token;
    let reply: R;
    try {
      reply = await send({ headers: this.headers(call, carried), timeoutMs, signal }, server);
    } catch (error) {
      this.observeFailure(error);
      throw error;
    }
    const value = translate(reply, server);
    if (reply.readInfo !== undefined) this.observe(reply.readInfo, isBeyondSession(reply) ? carried : undefined);
    return value;
  }

  private headers(call: Try<never>, carried: string | undefined): Record<string, string> {
    const { consistency, propagation } = call;
    const { known: epoch } = this.options.epochs;
    const headers: Record<string, string> = {};
    if (carried !== undefined) headers[SESSION_HEADER] = carried;
    if (consistency !== undefined) headers[CONSISTENCY_HEADER] = formatConsistency(consistency);
    // A server of the release before need not know that there is anything to ask for.
    if (propagation !== undefined && propagation.mode !== "bank")
      headers[PROPAGATION_HEADER] = formatPropagation(propagation);
    if (epoch !== undefined) headers[EPOCH_HEADER] = formatEpoch(epoch);
    return headers;
  }

  /** How a read is sent with the session as it is now. */
  private consistencyNow(asked: ReadConsistency): Pick<Try<Reply>, "consistency" | "isBeyondSession"> {
    // A session that has seen nothing yet is satisfied by any state.
    const isNew = asked.mode === "session" && this.options.session.token === undefined;
    const consistency: ReadConsistency = isNew ? { mode: "local" } : asked;
    // These are read from a state that contains the carried session, which the server has checked; a state of the past
    // contains less.
    const checks = ["linearizable", "session", "bounded"].includes(consistency.mode);
    return { consistency, isBeyondSession: () => checks };
  }

  /** A reply with another bank's token is not the answer that was asked for, and whatever it did stands somewhere else. */
  private observe(info: WireReadInfo, covered: string | undefined): void {
    try {
      if (info.session !== "") this.options.session.observe(info.session, covered);
      this.options.epochs.observe(info);
    } catch (cause) {
      if (!(cause instanceof RefusalError)) throw cause;
      const { reason, metadata } = cause.refusal;
      throw new RefusalError(reason, metadata, "OUTCOME_UNKNOWN", { cause });
    }
  }

  /** A failure too may tell what the server had seen: a rejection stands in the journal. */
  private observeFailure(error: unknown): void {
    const seen = error instanceof ConnectError ? error.metadata.get(SESSION_HEADER) : null;
    if (seen === null || seen === "") return;
    try {
      this.options.session.observe(seen);
    } catch (problem) {
      // The failure itself says more than that the token beside it is not one.
      if (!(problem instanceof RefusalError)) throw problem;
    }
  }
}

/** Throws: `RefusalError` INVALID_REQUEST. */
export function checkRequestId(requestId: string): void {
  if (parseRequestId(requestId) === undefined)
    throw new RefusalError("INVALID_REQUEST", { problem: `the request id ${JSON.stringify(requestId)} is not a UUID` });
}

/** Whether so many milliseconds are a deadline that a server takes. */
export function isTimeout(timeoutMs: number): boolean {
  return timeoutMs >= 1 && timeoutMs <= TIMEOUT_MAX_MS;
}

function checkTimeout(timeoutMs: number): void {
  if (!isTimeout(timeoutMs)) throw new RangeError(`timeoutMs is from 1 to ${TIMEOUT_MAX_MS}, not ${timeoutMs}`);
}

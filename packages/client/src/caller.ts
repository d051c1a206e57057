import { randomUUID } from "node:crypto";
import { parseRequestId, RefusalError } from "@bank/core";
import type { ReadInfo as WireReadInfo } from "@bank/proto";
import { CONSISTENCY_HEADER, type ConsistencyMode, SESSION_HEADER } from "@bank/rpc";
import { ConnectError } from "@connectrpc/connect";
import type { ClientSession } from "./client-session.ts";
import type { Server } from "./connections.ts";
import { type Head, readInfoOf } from "./messages/index.ts";
import { type Attempt, type RetryPolicy, withRetries } from "./retry.ts";
import type { CallOptions, Done, MutationOptions, ReadOptions } from "./types/index.ts";

/** The longest deadline that a server takes. */
export const TIMEOUT_MAX_MS = 300_000;

export interface CallerOptions {
  readonly server: Server;
  readonly session: ClientSession;
  readonly timeoutMs: number;
  readonly consistency: ConsistencyMode;
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

/** Calls one server: carries the session there and back, and tries again where that may help. */
export class Caller {
  readonly options: CallerOptions;

  constructor(options: CallerOptions) {
    checkTimeout(options.timeoutMs);
    this.options = options;
  }

  get server(): Server {
    return this.options.server;
  }

  /** Rejects with: `BankError`; `RangeError` for a timeout out of range. */
  async read<R extends Reply, T>(
    options: ReadOptions,
    send: (sending: Sending) => Promise<R>,
    translate: (reply: R) => T,
  ): Promise<T> {
    const asked = options.consistency ?? this.options.consistency;
    return this.retried({ ...options, mutates: false }, (call) => {
      // A session that has seen nothing yet is satisfied by any state.
      const mode = asked === "session" && this.options.session.token === undefined ? "local" : asked;
      // Whoever checks the carried session reads from a state that contains it; LOCAL looks at none.
      return this.once({ ...call, mode, isBeyondSession: () => mode !== "local" }, send, translate);
    });
  }

  /**
   * Sends a mutation, or the preview of one. Gives what `translate` makes of the reply, and what every reply says.
   * Rejects with: `BankError`; `RangeError` for a timeout out of range.
   */
  async mutate<R extends MutationReply, T extends object>(
    options: MutationOptions,
    send: (head: Head, sending: Sending) => Promise<R>,
    translate: (reply: R) => T,
  ): Promise<T & Done> {
    const { requestId = randomUUID(), validateOnly: preview = false } = options;
    const head: Head = { requestId, validateOnly: preview };
    return this.retried({ ...options, mutates: !preview, requestId }, async (call) => {
      checkRequestId(requestId);
      return this.once(
        // What is done now comes after all that the session saw; a repeated answer may be older.
        { ...call, isBeyondSession: ({ replayed }: R) => !replayed },
        async (sending) => send(head, sending),
        (reply) => {
          const { replayed, readInfo } = reply;
          return { ...translate(reply), requestId, replayed, preview, ...readInfoOf(readInfo) };
        },
      );
    });
  }

  /** Tries `attempt` until it has an answer that counts. */
  async retried<T>(
    call: CallOptions & { readonly mutates: boolean; readonly requestId?: string | undefined },
    attempt: Attempt<T>,
  ): Promise<T> {
    const { server, retry: policy, lifetime, timeoutMs: defaultMs } = this.options;
    const { mutates, requestId, signal: own, timeoutMs = defaultMs } = call;
    checkTimeout(timeoutMs);
    const signal = own === undefined ? lifetime : AbortSignal.any([lifetime, own]);
    return withRetries({ server: server.url, policy, timeoutMs, signal, mutates, requestId }, attempt);
  }

  /** One try. */
  async once<R extends Reply, T>(
    call: {
      readonly timeoutMs: number;
      readonly signal: AbortSignal;
      /** Only of a read. */
      readonly mode?: ConsistencyMode;
      /** Whether the state that a reply names contains all that the carried session saw. */
      readonly isBeyondSession: (reply: R) => boolean;
    },
    send: (sending: Sending) => Promise<R>,
    translate: (reply: R) => T,
  ): Promise<T> {
    const { session } = this.options;
    const { timeoutMs, signal, mode, isBeyondSession } = call;
    const carried = session.token;
    const headers: Record<string, string> = {};
    if (carried !== undefined) headers[SESSION_HEADER] = carried;
    if (mode !== undefined) headers[CONSISTENCY_HEADER] = mode;
    let reply: R;
    try {
      reply = await send({ headers, timeoutMs, signal });
    } catch (error) {
      this.observeFailure(error);
      throw error;
    }
    const value = translate(reply);
    const seen = reply.readInfo?.session;
    if (seen !== undefined && seen !== "") this.observe(seen, isBeyondSession(reply) ? carried : undefined);
    return value;
  }

  /** A reply with another bank's token is not the answer that was asked for, and whatever it did stands somewhere else. */
  private observe(seen: string, covered: string | undefined): void {
    try {
      this.options.session.observe(seen, covered);
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

function checkTimeout(timeoutMs: number): void {
  if (!(timeoutMs >= 1 && timeoutMs <= TIMEOUT_MAX_MS))
    throw new RangeError(`timeoutMs is from 1 to ${TIMEOUT_MAX_MS}, not ${timeoutMs}`);
}

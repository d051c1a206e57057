import { CONSISTENCY_HEADER, EPOCH_HEADER, PROPAGATION_HEADER, SESSION_HEADER, type ServerConnection } from "@bank/rpc";
import { create, type JsonValue, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";

/**
 * What becomes of one try.
 *
 * - `refuse`: no connection can be made.
 * - `lose-request`: the connection breaks before the server has the request; the client cannot know that.
 * - `lose-reply`: the server does what was asked, and then the connection breaks.
 * - `hang`: no answer ever comes.
 * - `late`: the time was up before the answer came.
 * - an error: the server says it.
 */
export type Fault = "serve" | "refuse" | "lose-request" | "lose-reply" | "hang" | "late" | ConnectError;

/** One try as the server's side saw it. */
export interface SeenCall {
  readonly method: string;
  /** The message, in the JSON of protobuf: without what is at its default. */
  readonly message: JsonValue;
  readonly requestId: string | undefined;
  readonly session: string | undefined;
  /** What the headers say. */
  readonly mode: string | undefined;
  readonly propagation: string | undefined;
  readonly epoch: string | undefined;
  readonly timeoutMs: number | undefined;
}

/** A connection that breaks as it is told. */
export class FaultyConnection implements ServerConnection {
  readonly calls: SeenCall[] = [];
  closed = 0;
  /** What becomes of the next tries, in their order; further ones are served. */
  readonly faults: Fault[] = [];
  /** What becomes of every try behind those. */
  afterwards: Fault = "serve";
  /** Waits before a reply is handed over. */
  beforeReply: (call: SeenCall) => Promise<void> = () => Promise.resolve();
  readonly transport: Transport;

  constructor(inner: Transport) {
    this.transport = {
      stream: inner.stream.bind(inner),
      unary: async (method, signal, timeoutMs, header, input, contextValues) => {
        const headers = new Headers(header);
        const call: SeenCall = {
          method: method.name,
          message: toJson(method.input, create(method.input, input)),
          requestId: "requestId" in input ? String((input as { readonly requestId?: unknown }).requestId) : undefined,
          session: headers.get(SESSION_HEADER) ?? undefined,
          mode: headers.get(CONSISTENCY_HEADER) ?? undefined,
          propagation: headers.get(PROPAGATION_HEADER) ?? undefined,
          epoch: headers.get(EPOCH_HEADER) ?? undefined,
          timeoutMs,
        };
        this.calls.push(call);
        const fault = this.faults.shift() ?? this.afterwards;
        if (fault === "refuse") throw connectionRefused();
        if (fault === "lose-request") throw connectionReset();
        if (fault === "hang") return hang(signal, timeoutMs);
        if (fault === "late") throw timedOut();
        if (fault instanceof ConnectError) throw fault;
        const reply = await inner.unary(method, signal, timeoutMs, header, input, contextValues).then(
          (value) => ({ value }),
          (error: unknown) => ({ error }),
        );
        await this.beforeReply(call);
        if (fault === "lose-reply") throw connectionReset();
        if ("error" in reply) throw reply.error;
        return reply.value;
      },
    };
  }

  get methods(): string[] {
    return this.calls.map(({ method }) => method);
  }

  reset(): void {
    // Its calls break as its faults say.
  }

  close(): void {
    this.closed++;
  }
}

/** As connect-node reports that nobody listens. */
export function connectionRefused(): ConnectError {
  const cause = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED", syscall: "connect" });
  const error = new ConnectError("connect ECONNREFUSED", Code.Unavailable);
  error.cause = cause;
  return error;
}

/** As connect-node reports a server that is killed. */
export function connectionReset(): ConnectError {
  const cause = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET", syscall: "read" });
  const error = new ConnectError("read ECONNRESET", Code.Aborted);
  error.cause = cause;
  return error;
}

function timedOut(): ConnectError {
  return new ConnectError("the operation timed out", Code.DeadlineExceeded);
}

function hang(signal: AbortSignal | undefined, timeoutMs: number | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(new ConnectError("canceled", Code.Canceled)));
    setTimeout(() => reject(timedOut()), timeoutMs);
  });
}

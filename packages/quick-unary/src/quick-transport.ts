import type { ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";
import { create, type DescMessage, type DescMethodUnary, type MessageShape } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createContextValues,
  type Interceptor,
  type Transport,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import { createMethodSerializationLookup, createMethodUrl } from "@connectrpc/connect/protocol";
import { requestHeader as connectHeader, contentTypeProto } from "@connectrpc/connect/protocol-grpc";
import { CameUnary } from "./call-objects.ts";
import { CallSignal } from "./call-signal.ts";
import { asConnectError, type ClientAnswer, ClientCall } from "./client-call.ts";
import type { CallCodec } from "./codec.ts";
import { Deadlines, type Expiring } from "./deadlines.ts";
import { endWithMessage } from "./one-message.ts";
import { fieldsOf, QuickHeaders } from "./quick-headers.ts";

type AnyMessage = MessageShape<DescMessage>;
type AnyFn = ReturnType<Interceptor>;

export interface QuickTransportOptions {
  /** `http://host:port`. */
  readonly origin: string;
  readonly interceptors: readonly Interceptor[];
  readonly readMaxBytes: number;
  readonly writeMaxBytes: number;
  /** Of methods whose messages are not written and read in the generated way. Default: none. */
  readonly codecs?: readonly CallCodec[];
  /** Opens a stream. What it rejects with ends the call as it is. */
  readonly open: (path: string, headers: OutgoingHttpHeaders) => Promise<ClientHttp2Stream>;
  /** Says what an answer that was lost on its way ends the call with. */
  readonly lost: (error: ConnectError) => ConnectError;
}

/** What all calls of a method have in common. */
interface ClientMethod {
  readonly path: string;
  readonly url: string;
  readonly serialize: (message: AnyMessage) => Uint8Array;
  readonly parse: (bytes: Uint8Array) => AnyMessage;
}

/** Connect's signals abort without a reason when a call is over; making one for each costs more than it tells. */
const OVER = new DOMException("This operation was aborted", "AbortError");
const PLAIN_OBJECT = Object.prototype;
const OWN_FIELDS: Readonly<Record<string, string>> = {
  // What Connect calls itself.
  "user-agent": connectHeader(true, undefined, undefined).get("user-agent") ?? "",
  "content-type": contentTypeProto,
  te: "trailers",
};

/**
 * Unary calls in gRPC with messages in binary, not compressed, at a fraction of what Connect's transport costs, and with the
 * same outcomes.
 */
export function quickUnaryCalls(options: QuickTransportOptions): Transport["unary"] {
  const { origin, interceptors, open, lost, readMaxBytes, writeMaxBytes, codecs = [] } = options;
  const deadlines = new Deadlines();
  const methods = new Map<DescMethodUnary, ClientMethod>();
  const known = (method: DescMethodUnary): ClientMethod => {
    let found = methods.get(method);
    if (found === undefined) {
      const messages = createMethodSerializationLookup(method, undefined, undefined, { readMaxBytes, writeMaxBytes });
      const codec = codecs.find((each) => each.method === method);
      found = {
        path: createMethodUrl("/", method),
        url: createMethodUrl(origin, method),
        serialize: codec?.encode ?? messages.getI(true).serialize,
        parse: codec === undefined ? messages.getO(true).parse : parserOf(codec),
      };
      methods.set(method, found);
    }
    return found;
  };

  const send = async (request: UnaryRequest, came: UnaryRequest, limit: CallLimit): Promise<UnaryResponse> => {
    const { method } = request;
    const { path: ownPath, url, parse, serialize } = known(method);
    const bytes = serialize(request.message);
    const path = request.url === url ? ownPath : pathOf(request.url, origin);
    const answered = Promise.withResolvers<ClientAnswer<AnyMessage>>();
    let call: ClientCall<AnyMessage> | undefined;
    let aborted: { readonly reason: unknown } | undefined;
    const stopListening = listen(request, came, limit, (reason) => {
      aborted = { reason };
      // It is not waited for a connection that the caller does not wait for.
      if (call === undefined) answered.reject(reason);
      else call.fail(reason);
    });
    open(path, fieldsOf(request.header)).then(
      (stream) => {
        call = new ClientCall(stream, { parse, readMaxBytes, lost }, answered);
        if (aborted !== undefined) call.fail(aborted.reason);
        else endWithMessage(stream, 0, bytes);
      },
      (error: unknown) => answered.reject(lost(asConnectError(error))),
    );
    try {
      const { message, header, trailer } = await answered.promise;
      return { stream: false, service: method.parent, method, message, header, trailer };
    } finally {
      stopListening();
    }
  };

  const unary = async (
    ...[method, signal, timeoutMs, header, message, contextValues]: Parameters<Transport["unary"]>
  ): Promise<UnaryResponse> => {
    const limitMs = timeoutMs === undefined || timeoutMs <= 0 ? undefined : timeoutMs;
    const input = create(method.input, message);
    const requestHeader = headerOf(limitMs, header);
    const limit = new CallLimit(deadlines, signal, limitMs);
    const parts = {
      url: known(method).url,
      header: requestHeader,
      contextValues: contextValues ?? createContextValues(),
      message: input,
    };
    const came: UnaryRequest = new CameUnary(method, parts, limit);
    let next = ((request: UnaryRequest) => send(request, came, limit)) as AnyFn;
    for (let i = interceptors.length - 1; i >= 0; i--) next = (interceptors[i] as Interceptor)(next);
    try {
      const response = await next(came);
      limit.finish(OVER);
      return response as UnaryResponse;
    } catch (reason) {
      const error = limit.isAborted ? ConnectError.from(limit.reason, Code.Canceled) : ConnectError.from(reason);
      limit.finish(error);
      throw error;
    }
  };
  // The types of messages go as far as the caller: in here every method is one of unknown messages.
  return unary as Transport["unary"];
}

/** The signal of one call: it aborts with the caller's, at the deadline, and when the call is over. */
class CallLimit extends CallSignal implements Expiring {
  readonly deadlineMs: number;
  /** Among those that have a deadline. */
  place: number | undefined = undefined;
  private readonly deadlines: Deadlines;
  private readonly outer: AbortSignal | undefined;

  constructor(deadlines: Deadlines, outer: AbortSignal | undefined, timeoutMs: number | undefined) {
    super();
    this.deadlines = deadlines;
    this.outer = outer;
    this.deadlineMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
    if (timeoutMs !== undefined) deadlines.add(this);
    if (outer?.aborted === true) this.abort(outer.reason);
    else outer?.addEventListener("abort", this.onOuterAbort);
  }

  expire(): void {
    this.abort(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  }

  finish(reason: unknown): void {
    this.deadlines.delete(this);
    this.outer?.removeEventListener("abort", this.onOuterAbort);
    this.abort(reason);
  }

  private readonly onOuterAbort = () => this.abort(this.outer?.reason);
}

/**
 * Listens for the end of a call until it is called back. Throws: the reason, where the call has ended.
 *
 * A request that comes as it was made has the limit itself to listen to; one that an interceptor has made, or sent more than
 * once, has a signal.
 */
function listen(
  request: UnaryRequest,
  came: UnaryRequest,
  limit: CallLimit,
  onAbort: (reason: unknown) => void,
): () => void {
  if (request === came && limit.onAbort === undefined) {
    if (limit.isAborted) throw limit.reason;
    limit.onAbort = onAbort;
    return () => {
      limit.onAbort = undefined;
    };
  }
  const { signal } = request;
  signal.throwIfAborted();
  const listener = () => onAbort(signal.reason);
  signal.addEventListener("abort", listener);
  return () => signal.removeEventListener("abort", listener);
}

/** Source: connect 2.2, `protocol/serialization.ts`. */
function parserOf({ decode }: CallCodec): ClientMethod["parse"] {
  return (bytes) => {
    try {
      return decode(bytes);
    } catch (error) {
      throw new ConnectError(`parse binary: ${error instanceof Error ? error.message : String(error)}`, Code.Internal);
    }
  };
}

/** As Connect's `requestHeader`. */
function headerOf(timeoutMs: number | undefined, given: Parameters<Transport["unary"]>[3]): Headers {
  if (given !== undefined && Object.getPrototypeOf(given) !== PLAIN_OBJECT)
    return connectHeader(true, timeoutMs, given);
  const header = new QuickHeaders(
    timeoutMs === undefined ? OWN_FIELDS : { ...OWN_FIELDS, "grpc-timeout": `${timeoutMs}m` },
  );
  for (const name in given as Record<string, string> | undefined)
    if (!isOwnName(name, timeoutMs)) header.set(name, (given as Record<string, string>)[name] ?? "");
  return header;
}

function isOwnName(name: string, timeoutMs: number | undefined): boolean {
  const key = name.toLowerCase();
  return key === "content-type" || key === "te" || (key === "grpc-timeout" && timeoutMs !== undefined);
}

/** Where an interceptor sends a call to. */
export function pathOf(url: string, origin: string): string {
  const { origin: asked, pathname, search } = new URL(url);
  if (asked === origin) return pathname + search;
  const problem = `cannot make a request to ${asked}: the http2 session is connected to ${origin}`;
  throw new ConnectError(problem, Code.Internal);
}

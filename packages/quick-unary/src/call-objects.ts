import type { DescMessage, DescMethodServerStreaming, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import {
  type ContextValues,
  createContextValues,
  type HandlerContext,
  type StreamRequest,
  type UnaryRequest,
} from "@connectrpc/connect";
import type { CallSignal } from "./call-signal.ts";
import { LazySignal } from "./lazy-signal.ts";

type AnyMessage = MessageShape<DescMessage>;

type ContextParts = Pick<
  HandlerContext,
  "protocolName" | "url" | "timeoutMs" | "requestHeader" | "responseHeader" | "responseTrailer"
>;

/** What a handler is given besides the message. */
export class CallContext extends LazySignal implements HandlerContext {
  readonly method: HandlerContext["method"];
  readonly service: HandlerContext["service"];
  readonly requestMethod = "POST";
  readonly values: ContextValues = createContextValues();
  readonly protocolName: string;
  readonly url: string;
  readonly timeoutMs: () => number | undefined;
  readonly requestHeader: Headers;
  readonly responseHeader: Headers;
  readonly responseTrailer: Headers;

  constructor(method: HandlerContext["method"], parts: ContextParts, signal: CallSignal) {
    super(signal);
    this.method = method;
    this.service = method.parent;
    this.protocolName = parts.protocolName;
    this.url = parts.url;
    this.timeoutMs = parts.timeoutMs;
    this.requestHeader = parts.requestHeader;
    this.responseHeader = parts.responseHeader;
    this.responseTrailer = parts.responseTrailer;
  }
}

interface RequestParts {
  readonly url: string;
  readonly header: Headers;
  readonly contextValues: ContextValues;
  readonly message: AnyMessage;
}

/** A request as it came, or was made: before any interceptor. */
export class CameUnary extends LazySignal implements UnaryRequest {
  readonly stream = false;
  readonly service: UnaryRequest["service"];
  readonly method: DescMethodUnary;
  readonly requestMethod = "POST";
  readonly url: string;
  readonly header: Headers;
  readonly contextValues: ContextValues;
  readonly message: AnyMessage;

  constructor(method: DescMethodUnary, parts: RequestParts, signal: { readonly signal: AbortSignal }) {
    super(signal);
    this.service = method.parent;
    this.method = method;
    this.url = parts.url;
    this.header = parts.header;
    this.contextValues = parts.contextValues;
    this.message = parts.message;
  }
}

/** The same for a method that answers with many messages. */
export class CameStream extends LazySignal implements StreamRequest {
  readonly stream = true;
  readonly service: StreamRequest["service"];
  readonly method: DescMethodServerStreaming;
  readonly requestMethod: string;
  readonly url: string;
  readonly header: Headers;
  readonly contextValues: ContextValues;
  readonly message: AsyncIterable<AnyMessage>;

  constructor(method: DescMethodServerStreaming, message: AsyncIterable<AnyMessage>, context: HandlerContext) {
    super(context);
    this.service = method.parent;
    this.method = method;
    this.requestMethod = context.requestMethod;
    this.url = context.url;
    this.header = context.requestHeader;
    this.contextValues = context.values;
    this.message = message;
  }
}

import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type HandlerContext,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import {
  createMethodSerializationLookup,
  createMethodUrl,
  limitSerialization,
  validateUniversalHandlerOptions,
} from "@connectrpc/connect/protocol";
import { CameStream, CameUnary } from "./call-objects.ts";
import type { UnaryCodec } from "./codec.ts";
import { onlyMessage } from "./only-message.ts";
import type { ShortRoute } from "./record-routes.ts";

type AnyMessage = MessageShape<DescMessage>;
type AnyFn = ReturnType<Interceptor>;
/** As Connect's: bytes of one message there and back. What they throw is a `ConnectError`. */
type Serialization = ReturnType<ReturnType<typeof createMethodSerializationLookup>["getI"]>;

/** What Connect calls methods that answer with many messages. */
export const SERVER_STREAMING = "server-streaming";

/** A method, with all that its calls have in common. */
export class QuickMethod {
  readonly route: ShortRoute;
  readonly path: string;
  /** `service/Method`, for reports. */
  readonly name: string;
  readonly options: ReturnType<typeof validateUniversalHandlerOptions>;
  /** Reads requests. */
  readonly input: Serialization;
  /** Writes answers. */
  readonly output: Serialization;
  private authority = "";
  private url: string | undefined;

  constructor(route: ShortRoute, codec?: UnaryCodec) {
    const { method } = route.spec;
    this.route = route;
    this.path = createMethodUrl("/", method);
    this.name = `${method.parent.typeName}/${method.name}`;
    this.options = validateUniversalHandlerOptions(route.options);
    const { binaryOptions, jsonOptions } = this.options;
    const generated = createMethodSerializationLookup(method, binaryOptions, jsonOptions, this.options);
    this.input = generated.getI(true);
    this.output = generated.getO(true);
    if (codec?.decode !== undefined) this.input = limitSerialization(decoding(codec.decode, this.input), this.options);
    if (codec?.encode !== undefined)
      this.output = limitSerialization(encoding(codec.encode, this.output), this.options);
  }

  /**
   * The address that a caller used; undefined where it is none. As Connect's, it is that of the connection, which has no TLS here,
   * whatever scheme the caller names: a proxy in front may have ended it.
   */
  urlAt(authority: string): string | undefined {
    // Callers of one server call it by one name, most often.
    if (authority !== this.authority) {
      this.authority = authority;
      const base = `http://${authority}`;
      this.url = URL.canParse(this.path, base) ? new URL(this.path, base).toString() : undefined;
    }
    return this.url;
  }

  /** Gives the answer of the implementation as the interceptors let it through. Source: connect 2.2, `invoke-implementation.ts`. */
  async invoke(context: HandlerContext, message: AnyMessage): Promise<AnyMessage> {
    const { spec } = this.route;
    if (spec.kind !== "unary") throw new Error(`${this.name} answers with many messages`);
    const service = spec.method.parent;
    const { url, requestHeader: header, values: contextValues } = context;
    const came: UnaryRequest = new CameUnary(spec.method, { url, header, contextValues, message }, context);
    const handle = async (request: UnaryRequest): Promise<UnaryResponse> => ({
      stream: false,
      message: create(spec.method.output, await spec.impl(request.message, contextOf(request, came, context))),
      service,
      method: spec.method,
      header: context.responseHeader,
      trailer: context.responseTrailer,
    });
    const response = await this.intercepted(handle as AnyFn)(came);
    copyHeaders(response.header, context.responseHeader);
    copyHeaders(response.trailer, context.responseTrailer);
    return (response as UnaryResponse).message;
  }

  /**
   * Likewise for a method that answers with many messages.
   *
   * @param message asked for once, when the implementation is to be called; what it throws is what came instead.
   */
  async invokeStream(context: HandlerContext, message: () => AnyMessage): Promise<StreamResponse> {
    const { spec } = this.route;
    if (spec.kind !== "server_streaming") throw new Error(`${this.name} answers with one message`);
    const service = spec.method.parent;
    const came: StreamRequest = new CameStream(spec.method, oneMessage(message), context);
    const handle = async (request: StreamRequest): Promise<StreamResponse> => ({
      stream: true,
      // Whoever sends them makes messages of what are none yet.
      message: spec.impl(
        await onlyMessage(request.message, SERVER_STREAMING),
        contextOf(request, came, context),
      ) as AsyncIterable<AnyMessage>,
      service,
      method: spec.method,
      header: context.responseHeader,
      trailer: context.responseTrailer,
    });
    const response = await this.intercepted(handle as AnyFn)(came);
    copyHeaders(response.header, context.responseHeader);
    return response as StreamResponse;
  }

  private intercepted(handle: AnyFn): AnyFn {
    const { interceptors } = this.options;
    let next = handle;
    for (let i = interceptors.length - 1; i >= 0; i--) next = (interceptors[i] as Interceptor)(next);
    return next;
  }
}

/** As the interceptors have left it. */
function contextOf<T extends UnaryRequest | StreamRequest>(
  request: T,
  came: T,
  context: HandlerContext,
): HandlerContext {
  // To look at the signal would be to make one.
  if (request === came) return context;
  const { service, header, signal, contextValues } = request;
  const isAsItCame =
    header === context.requestHeader &&
    signal === context.signal &&
    contextValues === context.values &&
    service === context.service;
  return isAsItCame ? context : { ...context, service, requestHeader: header, signal, values: contextValues };
}

export function copyHeaders(from: Headers, to: Headers): void {
  if (from === to) return;
  to.forEach((_value, name) => {
    to.delete(name);
  });
  from.forEach((value, name) => {
    to.set(name, value);
  });
}

async function* oneMessage(message: () => AnyMessage): AsyncGenerator<AnyMessage> {
  yield message();
}

function decoding(decode: NonNullable<UnaryCodec["decode"]>, generated: Serialization): Serialization {
  const { serialize } = generated;
  return {
    serialize,
    parse: saying("parse", (bytes: Uint8Array) => {
      const hasOwnBuffer = bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength;
      return decode(hasOwnBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes));
    }),
  };
}

function encoding(encode: NonNullable<UnaryCodec["encode"]>, generated: Serialization): Serialization {
  const { parse } = generated;
  return { parse, serialize: saying("serialize", encode) };
}

/** Says what a codec throws as Connect does where the generated way throws. Source: connect 2.2, `serialization.ts`. */
function saying<From, To>(what: "parse" | "serialize", convert: (from: From) => To): (from: From) => To {
  return (from) => {
    try {
      return convert(from);
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      throw new ConnectError(`${what} binary: ${problem}`, Code.Internal);
    }
  };
}

import { type ClientHttp2Stream, constants } from "node:http2";
import type { DescMessage, DescMethodServerStreaming, MessageShape } from "@bufbuild/protobuf";
import { createContextValues, type StreamResponse, type Transport } from "@connectrpc/connect";
import { createMethodSerializationLookup, createMethodUrl, runStreamingCall } from "@connectrpc/connect/protocol";
import { requestHeader } from "@connectrpc/connect/protocol-grpc";
import { asConnectError } from "./client-call.ts";
import { ClientStream } from "./client-stream.ts";
import { endWithMessage } from "./one-message.ts";
import { onlyMessage } from "./only-message.ts";
import { fieldsOf } from "./quick-headers.ts";
import { pathOf, type QuickTransportOptions } from "./quick-transport.ts";

type AnyMessage = MessageShape<DescMessage>;

/**
 * Calls in gRPC that are answered with a stream of messages in binary, not compressed; with the same outcomes as Connect's, which makes
 * the calls of all other kinds.
 */
export function quickStreamCalls(options: QuickTransportOptions, others: Transport["stream"]): Transport["stream"] {
  const stream = async (
    ...[method, signal, timeoutMs, header, input, contextValues]: Parameters<Transport["stream"]>
  ): Promise<StreamResponse> => {
    if (method.methodKind !== "server_streaming")
      return others(method, signal, timeoutMs, header, input, contextValues);
    const limitMs = timeoutMs === undefined || timeoutMs <= 0 ? undefined : timeoutMs;
    return runStreamingCall<DescMessage, DescMessage>({
      interceptors: [...options.interceptors],
      ...(signal === undefined ? {} : { signal }),
      ...(limitMs === undefined ? {} : { timeoutMs: limitMs }),
      req: {
        stream: true,
        service: method.parent,
        method,
        requestMethod: "POST",
        url: createMethodUrl(options.origin, method),
        header: requestHeader(true, limitMs, header),
        contextValues: contextValues ?? createContextValues(),
        message: input,
      },
      next: async (request) => {
        const { header: fields, url, message, signal: limit } = request;
        const answers = await begin(method, { url, fields, signal: limit, message: await onlyMessage(message, KIND) });
        return {
          ...request,
          header: await answers.header,
          trailer: answers.trailer,
          message: { [Symbol.asyncIterator]: () => answers },
        };
      },
    });
  };
  // The types of messages go as far as the caller: in here every method is one of unknown messages.
  return stream as Transport["stream"];

  async function begin(
    method: DescMethodServerStreaming,
    call: {
      readonly url: string;
      readonly fields: Headers;
      readonly signal: AbortSignal;
      readonly message: AnyMessage;
    },
  ): Promise<ClientStream<AnyMessage>> {
    const { readMaxBytes, writeMaxBytes, origin, lost } = options;
    const messages = createMethodSerializationLookup(method, undefined, undefined, { readMaxBytes, writeMaxBytes });
    const bytes = messages.getI(true).serialize(call.message);
    const stream = await opened(options.open(pathOf(call.url, origin), fieldsOf(call.fields)), call.signal);
    const answers = new ClientStream(stream, { readMaxBytes, parse: messages.getO(true).parse, lost });
    const onAbort = () => answers.abort(call.signal.reason);
    if (call.signal.aborted) onAbort();
    else {
      // The signal is this call's own: it ends with it.
      call.signal.addEventListener("abort", onAbort, { once: true });
      endWithMessage(stream, 0, bytes);
    }
    return answers;
  }

  /** It is not waited for a connection that the caller does not wait for. */
  function opened(opening: Promise<ClientHttp2Stream>, signal: AbortSignal): Promise<ClientHttp2Stream> {
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason);
      if (signal.aborted) onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      opening.then(
        (stream) => {
          signal.removeEventListener("abort", onAbort);
          if (signal.aborted) stream.close(constants.NGHTTP2_CANCEL);
          else resolve(stream);
        },
        (error: unknown) => reject(options.lost(asConnectError(error))),
      );
    });
  }
}

/** What Connect calls methods of this kind. */
const KIND = "server-streaming";

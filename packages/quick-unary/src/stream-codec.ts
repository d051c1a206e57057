import type { DescMessage, DescMethodServerStreaming, MessageShape } from "@bufbuild/protobuf";

/** How the answers of a method that streams them are written, where many get the same ones or they are large. */
export interface StreamCodec {
  readonly method: DescMethodServerStreaming;
  readonly write: (message: MessageShape<DescMessage>) => readonly Uint8Array[];
}

/**
 * A codec for one method.
 *
 * @param write gives a message as gRPC puts it on a stream, its prefix included, in one or more pieces. They are sent as they
 * are, possibly later, and may be given for several streams: nobody changes them any more.
 */
export function streamCodec<I extends DescMessage, O extends DescMessage>(
  method: DescMethodServerStreaming<I, O>,
  write: (message: MessageShape<O>) => readonly Uint8Array[],
): StreamCodec {
  // The types of messages go only as far as the table of methods: there every method is one of unknown messages.
  return { method, write: write as StreamCodec["write"] };
}

import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";

/** How the messages of one method are read and written, where the generated way is too slow for them. */
export interface UnaryCodec {
  readonly method: DescMethodUnary;
  /** Undefined for the generated way. */
  readonly decode: ((bytes: Uint8Array<ArrayBuffer>) => MessageShape<DescMessage>) | undefined;
  /** Undefined for the generated way. */
  readonly encode: ((message: MessageShape<DescMessage>) => Uint8Array<ArrayBuffer>) | undefined;
}

/**
 * A codec for one method. Calls that do not come by the quick path have their messages read in the generated way: a decoded
 * message must be one of the same type and fields.
 *
 * @param codec.decode is given bytes of their own, from the beginning of their buffer: it may keep them, and lay typed
 * arrays over them. What it throws is answered as what the generated way throws.
 * @param codec.encode gives the message as it would be in the generated way, or another encoding of the same message. The
 * bytes belong to the call from then on.
 */
export function unaryCodec<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  codec: {
    readonly decode?: (bytes: Uint8Array<ArrayBuffer>) => MessageShape<I>;
    readonly encode?: (message: MessageShape<O>) => Uint8Array<ArrayBuffer>;
  },
): UnaryCodec {
  // The types of messages go only as far as the table of methods: there every method is one of unknown messages.
  return { method, decode: codec.decode, encode: codec.encode as UnaryCodec["encode"] };
}

/** How a client writes and reads the messages of one method, where the generated way is too slow for them. */
export interface CallCodec {
  readonly method: DescMethodUnary;
  readonly encode: (message: MessageShape<DescMessage>) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => MessageShape<DescMessage>;
}

/**
 * A codec for the calls of one method. What `decode` throws ends the call as what the generated way throws.
 *
 * @param codec.encode gives the message as it would be in the generated way, or another encoding of the same message.
 * @param codec.decode gives a message of the same type and fields.
 */
export function callCodec<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  codec: {
    readonly encode: (message: MessageShape<I>) => Uint8Array;
    readonly decode: (bytes: Uint8Array) => MessageShape<O>;
  },
): CallCodec {
  // As above.
  return { method, encode: codec.encode as CallCodec["encode"], decode: codec.decode };
}

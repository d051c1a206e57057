import type { Http2Stream } from "node:http2";
import type { Compression } from "@connectrpc/connect/protocol";
import {
  pipe,
  transformDecompressEnvelope,
  transformParseEnvelope,
  transformSplitEnvelope,
} from "@connectrpc/connect/protocol";
import { ByteQueue } from "./byte-queue.ts";
import { GrowingBytes } from "./growing-bytes.ts";

/** Before every message: a byte of flags, and the length. */
export const PREFIX_BYTES = 5;
/** Longer messages are given to the socket as they are, and shorter ones copied behind their prefix. */
const COPIED_BYTES_MAX = 16 * 1024;

/**
 * Puts the message together that a stream of gRPC consists of, where it is one, not compressed, and not too long. Anything
 * else is Connect's to read, from the first byte on, so that what is wrong with it is said in the same words.
 */
export class OneMessage {
  private readonly stream: Http2Stream;
  private readonly bytesMax: number;
  private readonly onOdd: (bytes: ByteQueue) => void;
  /** As far as it has come, once its length is known. */
  private message: GrowingBytes | undefined;
  /** Where Connect reads. */
  private odd: ByteQueue | undefined;

  /** @param onOdd called once at most, while bytes are taken or at their end: the bytes are Connect's. */
  constructor(stream: Http2Stream, bytesMax: number, onOdd: (bytes: ByteQueue) => void) {
    this.stream = stream;
    this.bytesMax = bytesMax;
    this.onOdd = onOdd;
  }

  take(piece: Buffer): void {
    const { message, odd } = this;
    if (odd !== undefined) odd.push(piece);
    else if (message === undefined) this.takeFirst(piece);
    else if (piece.length > message.missing) this.giveUp().push(piece);
    else message.push(piece);
  }

  /** The message, as soon as it has come; undefined where Connect reads. */
  get whole(): Uint8Array<ArrayBuffer> | undefined {
    return this.message?.whole;
  }

  /** No more bytes come. Gives the message, in a buffer of its own; undefined where Connect reads. */
  end(): Uint8Array<ArrayBuffer> | undefined {
    const { whole } = this;
    if (whole === undefined) (this.odd ?? this.giveUp()).end();
    return whole;
  }

  private takeFirst(piece: Buffer): void {
    const bytes = piece.length - PREFIX_BYTES;
    const length = bytes < 0 ? Number.POSITIVE_INFINITY : piece.readUInt32BE(1);
    if (piece[0] !== 0 || length < bytes || length > this.bytesMax) {
      this.giveUp().push(piece);
      return;
    }
    this.message = new GrowingBytes(length);
    this.message.push(piece.subarray(PREFIX_BYTES));
  }

  private giveUp(): ByteQueue {
    const queue = new ByteQueue(this.stream);
    const { message } = this;
    if (message !== undefined) {
      const prefix = Buffer.alloc(PREFIX_BYTES);
      prefix.writeUInt32BE(message.length, 1);
      queue.push(Buffer.concat([prefix, message.soFar()]));
    }
    this.odd = queue;
    this.message = undefined;
    this.onOdd(queue);
    return queue;
  }
}

/** The messages in a stream of gRPC, as Connect reads them. */
export function readMessages<T>(
  bytes: AsyncIterable<Uint8Array>,
  compression: Compression | null,
  read: { readonly bytesMax: number; readonly parse: (bytes: Uint8Array) => T },
): AsyncIterable<T> {
  const { bytesMax, parse } = read;
  return pipe(
    bytes,
    transformSplitEnvelope(bytesMax),
    transformDecompressEnvelope(compression, bytesMax),
    transformParseEnvelope({ parse, serialize: unused }),
  );
}

/** A message as gRPC puts it on a stream, in pieces: it is not copied where it is long. */
export function envelopeOf(flags: number, bytes: Uint8Array): readonly Uint8Array[] {
  const isCopied = bytes.length <= COPIED_BYTES_MAX;
  const head = Buffer.allocUnsafe(isCopied ? PREFIX_BYTES + bytes.length : PREFIX_BYTES);
  head[0] = flags;
  head.writeUInt32BE(bytes.length, 1);
  if (!isCopied) return [head, bytes];
  head.set(bytes, PREFIX_BYTES);
  return [head];
}

/** Ends a stream with one message. */
export function endWithMessage(stream: Http2Stream, flags: number, bytes: Uint8Array): void {
  const isCopied = bytes.length <= COPIED_BYTES_MAX;
  const head = Buffer.allocUnsafe(isCopied ? PREFIX_BYTES + bytes.length : PREFIX_BYTES);
  head[0] = flags;
  head.writeUInt32BE(bytes.length, 1);
  if (isCopied) {
    head.set(bytes, PREFIX_BYTES);
    stream.end(head);
  } else {
    stream.cork();
    stream.write(head);
    stream.end(bytes);
  }
}

function unused(): never {
  throw new Error("nothing is written where messages are read");
}

import { connect, type Socket } from "node:net";
import { type AnswerHead, AnswerHeads } from "./answer-heads.ts";
import { encodeFields, type HeaderField } from "./hpack.ts";
import {
  CANCEL,
  errorName,
  FRAME_BYTES_MIN,
  FRAME_HEADER_BYTES,
  FrameFlag,
  FrameType,
  FrameWriter,
  INITIAL_WINDOW_BYTES,
  PREFACE,
  Setting,
  STREAM_MAX,
  WINDOW_BYTES_MAX,
} from "./http2-frames.ts";
import { ENVELOPE_BYTES } from "./wire.ts";

/** What may be under way towards us, on a stream and on the connection. */
const WINDOW_BYTES = 16 * 1024 * 1024;
/** An answer that fills its stream's window would wait for ever: it fails. */
export const ANSWER_BYTES_MAX = WINDOW_BYTES - 1;
const READ_BYTES = 256 * 1024;
const WRITE_BYTES = 64 * 1024;
const NOTHING: Buffer = Buffer.alloc(0);

/** The header block of a method's calls, encoded once for all of them. Throws if it does not fit into one frame. */
export function unaryHeaders(url: string, path: string, more: Readonly<Record<string, string>> = {}): Buffer {
  const fields: HeaderField[] = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", new URL(url).host],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ...Object.entries(more),
  ];
  const block = encodeFields(fields);
  if (block.length > FRAME_BYTES_MIN) throw new Error(`the headers of a call take ${block.length} bytes`);
  return block;
}

/** A call whose stream is open. */
class Call {
  readonly stream: number;
  readonly done: (message: Buffer) => void;
  readonly failed: (error: Error) => void;
  /** What came so far, with the envelope: mostly one part. */
  answer: Buffer | undefined;
  parts: Buffer[] | undefined;
  answerBytes = 0;
  head: AnswerHead | undefined;
  /** What the server takes yet of this stream, while there is something left to send. */
  window: number;
  unsent: Buffer | undefined;

  constructor(stream: number, window: number, done: Call["done"], failed: Call["failed"]) {
    this.stream = stream;
    this.window = window;
    this.done = done;
    this.failed = failed;
  }
}

interface Waiting {
  readonly headers: Buffer;
  readonly frame: Buffer;
  readonly done: (message: Buffer) => void;
  readonly failed: (error: Error) => void;
}

/**
 * Unary gRPC calls over HTTP/2 in clear text on a plain socket: a load shares the machine with what it measures, and Node's
 * own HTTP/2 client costs more for a call than some servers do. What begins in one turn leaves in one write.
 */
export class UnaryConnection {
  private readonly socket: Socket;
  private readonly calls = new Map<number, Call>();
  /** Calls that the server allows no stream for yet. */
  private readonly waiting: Waiting[] = [];
  /** Calls of which the server takes no more yet, in the order in which they began. */
  private readonly blocked = new Set<Call>();
  private readonly writer = new FrameWriter(WRITE_BYTES);
  private readonly heads = new AnswerHeads();
  /** Of a frame that is not complete. */
  private rest = NOTHING;
  /** A block of headers that goes on in further frames. */
  private block: { readonly stream: number; readonly isEnd: boolean; bytes: Buffer } | undefined;
  private nextStream = 1;
  /** Why no further calls begin. */
  private failure: Error | undefined;
  /** Nothing is read any more. */
  private isOver = false;
  private isReading = false;
  private isFlushing = false;
  private unacknowledgedBytes = 0;
  private settled: () => void = () => undefined;
  private refused: (error: Error) => void = () => undefined;
  private areSettingsKnown = false;
  // What the server allows.
  private streamsMax = Number.POSITIVE_INFINITY;
  private frameBytesMax = FRAME_BYTES_MIN;
  private streamWindow = INITIAL_WINDOW_BYTES;
  private window = INITIAL_WINDOW_BYTES;

  private constructor(url: string) {
    const { hostname, port } = new URL(url);
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    // Node takes this option in `connect`, and one buffer for all reads costs nothing for each.
    const onread = { buffer, callback: (length: number) => this.onBytes(buffer.subarray(0, length)) };
    this.socket = connect({ host: hostname, port: Number(port), noDelay: true, onread });
    this.socket.on("error", (error) => this.fail(error));
    this.socket.on("close", () => this.fail(new Error("the connection is gone")));
    this.writer.raw(PREFACE);
    this.writer.settings([
      [Setting.HEADER_TABLE_SIZE, 0],
      [Setting.ENABLE_PUSH, 0],
      [Setting.INITIAL_WINDOW_SIZE, WINDOW_BYTES],
    ]);
    this.writer.number(FrameType.WINDOW_UPDATE, 0, WINDOW_BYTES - INITIAL_WINDOW_BYTES);
    this.flush();
  }

  /** Resolves once the server has said what it allows. Rejects when no server of HTTP/2 is there. */
  static open(url: string): Promise<UnaryConnection> {
    return new Promise((resolve, reject) => {
      const connection = new UnaryConnection(url);
      connection.settled = () => resolve(connection);
      connection.refused = reject;
    });
  }

  /**
   * One unary call. One of the two functions is called, once, later; the message is without its envelope.
   *
   * @param headers what `unaryHeaders` gave.
   * @param frame the message in its envelope. May be written over once the call has ended.
   */
  call(headers: Buffer, frame: Buffer, done: (message: Buffer) => void, failed: (error: Error) => void): void {
    const { failure } = this;
    if (failure !== undefined) {
      process.nextTick(() => failed(failure));
      return;
    }
    if (this.calls.size >= this.streamsMax || this.waiting.length > 0)
      this.waiting.push({ headers, frame, done, failed });
    else this.begin(headers, frame, done, failed);
  }

  /** Whatever is under way fails. Idempotent. */
  close(): void {
    this.fail(new Error("the connection was closed"));
  }

  private begin(headers: Buffer, frame: Buffer, done: Call["done"], failed: Call["failed"]): void {
    const stream = this.nextStream;
    if (stream > STREAM_MAX) throw new Error("a connection has no more streams");
    this.nextStream = stream + 2;
    const call = new Call(stream, this.streamWindow, done, failed);
    this.calls.set(stream, call);
    this.writer.frame(FrameType.HEADERS, FrameFlag.END_HEADERS, stream, headers);
    const { length } = frame;
    if (
      length <= this.frameBytesMax &&
      length <= this.streamWindow &&
      length <= this.window &&
      this.blocked.size === 0
    ) {
      this.window -= length;
      this.writer.frame(FrameType.DATA, FrameFlag.END_STREAM, stream, frame);
    } else {
      call.unsent = frame;
      this.blocked.add(call);
      this.sendBlocked();
    }
    this.flushSoon();
  }

  /** Sends as much as the server takes. */
  private sendBlocked(): void {
    for (const call of this.blocked) {
      let rest = call.unsent as Buffer;
      while (call.unsent !== undefined) {
        const length = Math.min(rest.length, this.frameBytesMax, call.window, this.window);
        if (length <= 0) break;
        const isLast = length === rest.length;
        this.writer.frame(FrameType.DATA, isLast ? FrameFlag.END_STREAM : 0, call.stream, rest, 0, length);
        this.window -= length;
        call.window -= length;
        rest = rest.subarray(length);
        call.unsent = isLast ? undefined : rest;
      }
      if (call.unsent === undefined) this.blocked.delete(call);
      else if (this.window <= 0) return;
    }
  }

  private beginWaiting(): void {
    while (this.waiting.length > 0 && this.calls.size < this.streamsMax && this.failure === undefined) {
      const { headers, frame, done, failed } = this.waiting.shift() as Waiting;
      this.begin(headers, frame, done, failed);
    }
  }

  private flushSoon(): void {
    // What is read is answered in one write, when all of it was read.
    if (this.isReading || this.isFlushing) return;
    this.isFlushing = true;
    process.nextTick(() => {
      this.isFlushing = false;
      this.flush();
    });
  }

  private flush(): void {
    if (this.writer.isEmpty || this.socket.destroyed) return;
    this.socket.write(this.writer.take());
    // What the system has not taken yet is read later.
    if (this.socket.writableLength > 0) this.writer.keep();
  }

  /** @returns that reading goes on. */
  private onBytes(chunk: Buffer): boolean {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    this.isReading = true;
    try {
      const end = this.readFrames(bytes);
      // A copy: the bytes are written over by what comes next.
      this.rest = end === bytes.length ? NOTHING : Buffer.from(bytes.subarray(end));
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
    this.isReading = false;
    this.flush();
    return true;
  }

  /** Gives where the first frame begins that is not complete. */
  private readFrames(bytes: Buffer): number {
    let at = 0;
    while (bytes.length - at >= FRAME_HEADER_BYTES && !this.isOver) {
      const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
      const type = bytes[at + 3] as number;
      if (!this.areSettingsKnown && type !== FrameType.SETTINGS) throw new Error("whoever is there speaks no HTTP/2");
      if (length > FRAME_BYTES_MIN) throw new Error(`the server sent a frame of ${length} bytes`);
      const from = at + FRAME_HEADER_BYTES;
      const to = from + length;
      if (to > bytes.length) break;
      if (!hasLengthOf(type, length)) throw new Error(`the server sent a frame of type ${type} with ${length} bytes`);
      const stream = bytes.readUInt32BE(at + 5) & STREAM_MAX;
      this.onFrame(type, bytes[at + 4] as number, stream, bytes, from, to);
      at = to;
    }
    return at;
  }

  private onFrame(type: number, flags: number, stream: number, bytes: Buffer, from: number, to: number): void {
    if (this.block !== undefined && (type !== FrameType.CONTINUATION || stream !== this.block.stream))
      throw new Error("the server sent something between the parts of a header block");
    switch (type) {
      case FrameType.DATA:
        this.onData(flags, stream, bytes, from, to);
        break;
      case FrameType.HEADERS: {
        let start = from;
        let end = to;
        if ((flags & FrameFlag.PADDED) !== 0) end -= bytes[start++] as number;
        if ((flags & FrameFlag.PRIORITY) !== 0) start += 5;
        if (start > end) throw new Error("the server's header block is all padding");
        const isEnd = (flags & FrameFlag.END_STREAM) !== 0;
        if ((flags & FrameFlag.END_HEADERS) !== 0) this.onHead(stream, isEnd, bytes, start, end);
        else this.block = { stream, isEnd, bytes: Buffer.from(bytes.subarray(start, end)) };
        break;
      }
      case FrameType.CONTINUATION: {
        const { block } = this;
        if (block === undefined) throw new Error("the server goes on with a header block that it had not begun");
        block.bytes = Buffer.concat([block.bytes, bytes.subarray(from, to)]);
        if ((flags & FrameFlag.END_HEADERS) === 0) break;
        this.block = undefined;
        this.onHead(stream, block.isEnd, block.bytes, 0, block.bytes.length);
        break;
      }
      case FrameType.RST_STREAM: {
        const call = this.calls.get(stream);
        const problem = `the server reset its stream: ${errorName(bytes.readUInt32BE(from))}`;
        if (call !== undefined) this.end(call, new Error(problem));
        break;
      }
      case FrameType.SETTINGS:
        if ((flags & FrameFlag.ACK) === 0) this.onSettings(bytes, from, to);
        break;
      case FrameType.PING:
        if ((flags & FrameFlag.ACK) === 0) this.writer.frame(FrameType.PING, FrameFlag.ACK, 0, bytes, from, to);
        break;
      case FrameType.GOAWAY:
        this.onGoAway(bytes, from, to);
        break;
      case FrameType.WINDOW_UPDATE:
        this.onWindowUpdate(stream, bytes.readUInt32BE(from) & WINDOW_BYTES_MAX);
        break;
      case FrameType.PUSH_PROMISE:
        throw new Error("the server pushes, which it was asked not to do");
      default:
      // PRIORITY, and types that are not known, are to be ignored: RFC 9113, 4.1.
    }
  }

  private onData(flags: number, stream: number, bytes: Buffer, from: number, to: number): void {
    // Padding counts as well, and whatever comes for a stream that has ended.
    this.unacknowledgedBytes += to - from;
    if (this.unacknowledgedBytes > WINDOW_BYTES / 2) {
      this.writer.number(FrameType.WINDOW_UPDATE, 0, this.unacknowledgedBytes);
      this.unacknowledgedBytes = 0;
    }
    const call = this.calls.get(stream);
    if (call === undefined) return;
    let start = from;
    let end = to;
    if ((flags & FrameFlag.PADDED) !== 0) end -= bytes[start++] as number;
    if (start > end) throw new Error("the server's data is all padding");
    // A copy: the bytes are written over by what comes next.
    const part = Buffer.allocUnsafe(end - start);
    part.set(bytes.subarray(start, end));
    call.answerBytes += part.length;
    if (call.answer === undefined) call.answer = part;
    else {
      call.parts ??= [call.answer];
      call.parts.push(part);
    }
    if (call.answerBytes > ANSWER_BYTES_MAX) {
      this.writer.number(FrameType.RST_STREAM, stream, CANCEL);
      this.end(call, new Error(`an answer has more than ${ANSWER_BYTES_MAX} bytes`));
    } else if ((flags & FrameFlag.END_STREAM) !== 0) this.end(call, new Error("the call ended without a status"));
  }

  private onHead(stream: number, isEnd: boolean, bytes: Buffer, from: number, to: number): void {
    const head = this.heads.read(bytes, from, to);
    const call = this.calls.get(stream);
    if (call === undefined) return;
    if (call.head === undefined) {
      if (head.httpStatus !== undefined && head.httpStatus < 200) return;
      call.head = head;
      if (head.httpStatus !== 200) this.abandon(call, isEnd, `HTTP ${head.httpStatus}${head.told}`);
      else if (isEnd) this.end(call, problemOf(call, head));
    } else if (isEnd) this.end(call, problemOf(call, head));
    else this.abandon(call, isEnd, "the server sent headers twice");
  }

  /** Fails a call whose stream may not be over. */
  private abandon(call: Call, isEnd: boolean, problem: string): void {
    if (!isEnd) this.writer.number(FrameType.RST_STREAM, call.stream, CANCEL);
    this.end(call, new Error(problem));
  }

  private end(call: Call, problem: Error | undefined): void {
    this.calls.delete(call.stream);
    if (call.unsent !== undefined) {
      // Nobody waits for the rest of the question.
      this.blocked.delete(call);
      this.writer.number(FrameType.RST_STREAM, call.stream, CANCEL);
    }
    if (problem === undefined) call.done((call.answer as Buffer).subarray(ENVELOPE_BYTES));
    else call.failed(problem);
    if (this.waiting.length > 0) this.beginWaiting();
  }

  private onSettings(bytes: Buffer, from: number, to: number): void {
    for (let at = from; at + 6 <= to; at += 6) {
      const value = bytes.readUInt32BE(at + 2);
      switch (bytes.readUInt16BE(at)) {
        case Setting.MAX_CONCURRENT_STREAMS:
          this.streamsMax = value;
          break;
        case Setting.INITIAL_WINDOW_SIZE:
          for (const call of this.blocked) call.window += value - this.streamWindow;
          this.streamWindow = value;
          break;
        case Setting.MAX_FRAME_SIZE:
          this.frameBytesMax = value;
          break;
        default:
        // The size of a table that is not used, and what a client need not keep.
      }
    }
    this.writer.frame(FrameType.SETTINGS, FrameFlag.ACK, 0, bytes, 0, 0);
    this.sendBlocked();
    this.beginWaiting();
    if (this.areSettingsKnown) return;
    this.areSettingsKnown = true;
    this.settled();
  }

  private onWindowUpdate(stream: number, bytes: number): void {
    if (stream === 0) this.window += bytes;
    else {
      // Of a stream that has sent all, nobody needs to know.
      const call = this.calls.get(stream);
      if (call?.unsent !== undefined) call.window += bytes;
    }
    if (this.blocked.size > 0) this.sendBlocked();
  }

  /** Calls that the server still answers go on, unless something is wrong; others fail, and no further ones begin. */
  private onGoAway(bytes: Buffer, from: number, to: number): void {
    const last = bytes.readUInt32BE(from) & STREAM_MAX;
    const told = bytes.toString("latin1", from + 8, to);
    const code = bytes.readUInt32BE(from + 4);
    const problem = new Error(`the server goes away: ${errorName(code)}${told === "" ? "" : `, ${told}`}`);
    if (code !== 0) {
      this.fail(problem);
      return;
    }
    this.failure = problem;
    for (const { failed } of this.waiting.splice(0)) failed(problem);
    for (const call of [...this.calls.values()]) if (call.stream > last) this.end(call, problem);
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.isOver = true;
    this.socket.destroy();
    this.refused(error);
    this.blocked.clear();
    for (const { failed } of this.waiting.splice(0)) failed(this.failure);
    for (const call of [...this.calls.values()]) {
      this.calls.delete(call.stream);
      call.failed(this.failure);
    }
  }
}

/** Whether a frame of that type may be so long. */
function hasLengthOf(type: number, length: number): boolean {
  switch (type) {
    case FrameType.RST_STREAM:
    case FrameType.WINDOW_UPDATE:
      return length === 4;
    case FrameType.PING:
      return length === 8;
    case FrameType.GOAWAY:
      return length >= 8;
    case FrameType.SETTINGS:
      return length % 6 === 0;
    default:
      return true;
  }
}

/** What is wrong with a call that has ended with these trailers; undefined for nothing. */
function problemOf(call: Call, { grpcStatus, told }: AnswerHead): Error | undefined {
  if (grpcStatus !== "0") return new Error(`the call ended with status ${grpcStatus}${told}`);
  if (call.parts !== undefined) call.answer = Buffer.concat(call.parts);
  const { answer } = call;
  if (answer === undefined || answer.length < ENVELOPE_BYTES || answer[0] !== 0)
    return new Error("the call ended well, and without a plain message");
  if (answer.readUInt32BE(1) === answer.length - ENVELOPE_BYTES) return undefined;
  return new Error(`the call ended with ${answer.length} bytes, which are not one message`);
}

import { createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** Types of frames. Source: RFC 9113, section 6. */
export const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8 } as const;
/** Flags of frames; the first is `END_STREAM` or `ACK`. */
export const FLAG = { end: 1, ack: 1, endHeaders: 4 } as const;
/** Error codes of HTTP/2. Source: RFC 9113, section 7. */
export const H2 = { noError: 0, internal: 2, streamClosed: 5, refused: 7, cancel: 8, calm: 11 } as const;

const PREFACE_BYTES = 24;
const HEAD_BYTES = 9;

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** @param settings pairs of identifier and value. */
export function settings(...pairs: readonly (readonly [number, number])[]): Buffer {
  const payload = Buffer.alloc(6 * pairs.length);
  pairs.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, 6 * i);
    payload.writeUInt32BE(value, 6 * i + 2);
  });
  return frame(FRAME.settings, 0, 0, payload);
}

export function goaway(lastStream: number, code: number, debug = ""): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(lastStream, 0);
  payload.writeUInt32BE(code, 4);
  return frame(FRAME.goaway, 0, 0, Buffer.concat([payload, Buffer.from(debug)]));
}

export function reset(stream: number, code: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return frame(FRAME.reset, 0, stream, payload);
}

/** A field of a header as a literal, never indexed. Source: RFC 7541, section 6.2.2. */
function field(name: string, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([Buffer.of(0, name.length), Buffer.from(name), Buffer.of(bytes.length), bytes]);
}

export function headers(stream: number, fields: Readonly<Record<string, string | Buffer>>, flags = 0): Buffer {
  const block = Buffer.concat(Object.entries(fields).map(([name, value]) => field(name, value)));
  return frame(FRAME.headers, FLAG.endHeaders | flags, stream, block);
}

/** The beginning of a gRPC answer. */
export function answerHead(stream: number): Buffer {
  return headers(stream, { ":status": "200", "content-type": "application/grpc+proto" });
}

/** A message of a gRPC answer: bytes of protobuf, with their length before them. */
export function message(stream: number, bytes: Buffer = Buffer.alloc(0)): Buffer {
  const length = Buffer.alloc(5);
  length.writeUInt32BE(bytes.length, 1);
  return frame(FRAME.data, 0, stream, Buffer.concat([length, bytes]));
}

export function answerEnd(stream: number, fields: Readonly<Record<string, string | Buffer>> = {}): Buffer {
  return headers(stream, { "grpc-status": "0", ...fields }, FLAG.end);
}

/** A whole gRPC answer, with an empty message. */
export function answer(stream: number): Buffer {
  return Buffer.concat([answerHead(stream), message(stream), answerEnd(stream)]);
}

/** One client's connection to a raw server. */
export interface RawConnection {
  readonly socket: Socket;
  /** Counted from 0 over the life of the server. */
  readonly number: number;
  /** How many calls have come over it, this one included. */
  calls: number;
  /** When pings came, by `performance.now`. */
  readonly pingsMs: number[];
}

/** What a raw server does. Without a function it does what the protocol asks for, and answers every call. */
export interface RawBehaviour {
  /** Instead of the SETTINGS that a server begins with. */
  readonly onConnect?: (connection: RawConnection) => void;
  /** A call is complete. */
  readonly onCall?: (connection: RawConnection, stream: number) => void;
  /** Takes everything, and never says a word. */
  readonly isMute?: boolean;
}

export interface RawServer {
  readonly url: string;
  readonly port: number;
  /** Those that were ever accepted. */
  readonly connections: readonly RawConnection[];
}

/** A server that speaks HTTP/2 by hand, so that it can say what no library would. */
export async function startRawServer(behaviour: RawBehaviour): Promise<RawServer> {
  const connections: RawConnection[] = [];
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    const connection: RawConnection = { socket, number: connections.length, calls: 0, pingsMs: [] };
    connections.push(connection);
    socket.on("error", () => {
      // A client that resets its connection is as good as one that closes it.
    });
    if (behaviour.onConnect !== undefined) behaviour.onConnect(connection);
    else if (behaviour.isMute !== true) socket.write(settings());
    onFrames(socket, ({ type, flags, stream, payload }) => {
      const isAck = (flags & FLAG.ack) !== 0;
      if ((type === FRAME.data || type === FRAME.headers) && (flags & FLAG.end) !== 0) {
        connection.calls++;
        if (behaviour.isMute === true) return;
        if (behaviour.onCall === undefined) socket.write(answer(stream));
        else behaviour.onCall(connection, stream);
      }
      if (type === FRAME.ping && !isAck) connection.pingsMs.push(performance.now());
      if (isAck || behaviour.isMute === true) return;
      if (type === FRAME.settings) socket.write(frame(FRAME.settings, FLAG.ack, 0));
      if (type === FRAME.ping) socket.write(frame(FRAME.ping, FLAG.ack, 0, payload));
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    for (const { socket } of connections) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return { url: `http://127.0.0.1:${address.port}`, port: address.port, connections };
}

function onFrames(socket: Socket, take: (frame: RawFrame) => void): void {
  let bytes = Buffer.alloc(0);
  let isPastPreface = false;
  socket.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    if (!isPastPreface) {
      if (bytes.length < PREFACE_BYTES) return;
      isPastPreface = true;
      bytes = bytes.subarray(PREFACE_BYTES);
    }
    while (bytes.length >= HEAD_BYTES) {
      const length = HEAD_BYTES + bytes.readUIntBE(0, 3);
      if (bytes.length < length) return;
      const payload = bytes.subarray(HEAD_BYTES, length);
      const [type = 0, flags = 0] = bytes.subarray(3, 5);
      const stream = bytes.readUInt32BE(5);
      bytes = bytes.subarray(length);
      take({ type, flags, stream, payload });
    }
  });
}

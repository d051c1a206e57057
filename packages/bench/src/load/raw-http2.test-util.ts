import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { FRAME_HEADER_BYTES, FrameFlag, FrameType, FrameWriter, PREFACE } from "./http2-frames.ts";

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** Cuts what a socket says into frames. */
export async function* framesOf(socket: Socket, skippedBytes = 0): AsyncGenerator<Frame, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  let toSkip = skippedBytes;
  for await (const chunk of socket) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    if (rest.length < toSkip) continue;
    rest = rest.subarray(toSkip);
    toSkip = 0;
    while (rest.length >= FRAME_HEADER_BYTES) {
      const end = FRAME_HEADER_BYTES + rest.readUIntBE(0, 3);
      if (rest.length < end) break;
      const [type, flags] = [rest[3] as number, rest[4] as number];
      yield { type, flags, stream: rest.readUInt32BE(5), payload: rest.subarray(FRAME_HEADER_BYTES, end) };
      rest = rest.subarray(end);
    }
  }
}

/** A server of one connection, which says exactly what a test has it say. */
export class RawServer {
  readonly url: string;
  /** Everything that the client has sent, in order, but its SETTINGS, their acknowledgement, and the connection's window. */
  readonly received: Frame[] = [];
  /** The client has acknowledged its SETTINGS. */
  isSettled = false;
  private socket: Socket | undefined;
  private readonly close: () => void;
  private heard: () => void = () => undefined;

  private constructor(url: string, close: () => void) {
    this.url = url;
    this.close = close;
  }

  static async start(settings: readonly (readonly [number, number])[] = []): Promise<RawServer> {
    const listener = createServer();
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port } = listener.address() as AddressInfo;
    const server = new RawServer(`http://127.0.0.1:${port}`, () => listener.close());
    listener.once("connection", (socket) => {
      server.socket = socket.setNoDelay();
      socket.on("error", () => undefined);
      server.say((writer) => writer.settings(settings));
      // The client, or the test's end, cuts it off: what came until then has been told.
      server.listen(socket).catch(() => undefined);
    });
    return server;
  }

  private async listen(socket: Socket): Promise<void> {
    for await (const frame of framesOf(socket, PREFACE.length)) {
      if (frame.type === FrameType.SETTINGS && frame.flags === FrameFlag.ACK) this.isSettled = true;
      const isOpening =
        frame.type === FrameType.SETTINGS || (frame.type === FrameType.WINDOW_UPDATE && frame.stream === 0);
      if (!isOpening) this.received.push(frame);
      this.heard();
    }
  }

  /** Waits until that much has come. */
  async has(isThere: (received: readonly Frame[]) => boolean): Promise<void> {
    while (!isThere(this.received))
      await new Promise<void>((resolve) => {
        this.heard = resolve;
      });
  }

  /** Bytes of the message of a stream that have come. */
  bytesOf(stream: number): number {
    const data = this.received.filter((frame) => frame.type === FrameType.DATA && frame.stream === stream);
    return data.reduce((sum, { payload }) => sum + payload.length, 0);
  }

  say(write: (writer: FrameWriter) => void): void {
    this.raw(framed(write));
  }

  raw(bytes: Uint8Array): void {
    this.socket?.write(bytes);
  }

  /** Says something in two parts: the client has read the first, and answered a ping before it, when the second leaves. */
  async sayCut(bytes: Buffer, at: number): Promise<void> {
    const pings = this.pings();
    const ping = framed((writer) => writer.frame(FrameType.PING, 0, 0, Buffer.alloc(8, at)));
    this.raw(Buffer.concat([ping, bytes.subarray(0, at)]));
    await this.has(() => this.pings() > pings);
    this.raw(bytes.subarray(at));
  }

  /** How many pings the client has answered. */
  private pings(): number {
    return this.received.filter(({ type, flags }) => type === FrameType.PING && flags === FrameFlag.ACK).length;
  }

  stop(): void {
    this.socket?.destroy();
    this.close();
  }
}

/** Bytes of frames. */
export function framed(write: (writer: FrameWriter) => void): Buffer {
  const writer = new FrameWriter(1_024);
  write(writer);
  return Buffer.from(writer.take());
}

export const HEADERS_DONE = FrameFlag.END_HEADERS;
export const TRAILERS_DONE = FrameFlag.END_HEADERS | FrameFlag.END_STREAM;

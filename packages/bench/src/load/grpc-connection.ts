import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from "node:http2";
import { ENVELOPE_BYTES } from "./wire.ts";

/** What a stream and a connection may have under way towards us: more than any answer here. */
const WINDOW_BYTES = 16 * 1024 * 1024;

/** gRPC over core HTTP/2, with nothing on top: what a call costs here is what HTTP/2 in Node costs. */
export class GrpcConnection {
  private readonly session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.session = session;
  }

  /** Rejects when nobody listens there. */
  static async open(url: string): Promise<GrpcConnection> {
    const session = connect(url, { settings: { initialWindowSize: WINDOW_BYTES, enablePush: false } });
    await once(session, "connect");
    session.setLocalWindowSize(WINDOW_BYTES);
    // Each call on it is told by itself.
    session.on("error", () => undefined);
    return new GrpcConnection(session);
  }

  /** One unary call. One of the two functions is called, once; the message is without its envelope. */
  call(
    headers: OutgoingHttpHeaders,
    frame: Buffer,
    done: (message: Buffer) => void,
    failed: (error: Error) => void,
  ): void {
    if (this.session.destroyed) {
      failed(new Error("the connection is gone"));
      return;
    }
    const stream = this.session.request(headers);
    const chunks: Buffer[] = [];
    let status: string | undefined;
    let problem = "";
    const told = (trailers: Readonly<Record<string, unknown>>) => {
      const found = trailers["grpc-status"];
      if (trailers[":status"] !== undefined && trailers[":status"] !== 200) problem = `HTTP ${trailers[":status"]}`;
      if (found === undefined) return;
      status = String(found);
      problem = String(trailers["grpc-message"] ?? "");
    };
    stream.on("response", told);
    stream.on("trailers", told);
    stream.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
    });
    stream.on("error", (error) => {
      problem = error.message;
    });
    stream.on("close", () => {
      const bytes = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
      if (status !== "0" || bytes.length < ENVELOPE_BYTES)
        failed(new Error(`the call ended with status ${status}: ${decodeURIComponent(problem)}`));
      else done(bytes.subarray(ENVELOPE_BYTES));
    });
    stream.end(frame);
  }

  /** A stream of messages in both directions. */
  stream(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    return this.session.request(headers);
  }

  close(): void {
    this.session.destroy();
  }
}

/** The headers of a gRPC call. */
export function grpcHeaders(path: string, more: OutgoingHttpHeaders = {}): OutgoingHttpHeaders {
  return { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers", ...more };
}

/** Cuts a stream of bytes into the messages that it carries. */
export class EnvelopeReader {
  private rest: Buffer = Buffer.alloc(0);

  /** Calls the function for each message that is complete now, with where it begins and ends. */
  read(chunk: Buffer, onMessage: (bytes: Buffer, from: number, to: number) => void): void {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    let at = 0;
    while (bytes.length - at >= ENVELOPE_BYTES) {
      const from = at + ENVELOPE_BYTES;
      const to = from + bytes.readUInt32BE(at + 1);
      if (to > bytes.length) break;
      onMessage(bytes, from, to);
      at = to;
    }
    this.rest = bytes.subarray(at);
  }
}

import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { KeepAlive, type PingOptions } from "./keep-alive.ts";

export interface WatchOptions extends PingOptions {
  /** A connection without open streams is closed after this. */
  readonly idleMaxMs: number;
}

/**
 * Ends a client's HTTP/2 connection when the client is gone without a word, so that its streams and what waits to be sent
 * over them are given up. Only while streams are open: without any there is nothing to give up but the connection itself,
 * which ends when nobody has used it for long.
 */
export function watchClient(session: ServerHttp2Session, socket: Socket, options: WatchOptions): void {
  const keepAlive = new KeepAlive({ session, socket }, options, () => {
    session.destroy();
    // The session would first send what it has, and nobody takes it.
    setImmediate(() => socket.destroy());
  });
  let streams = 0;
  let idle: NodeJS.Timeout | undefined;
  const rest = () => {
    keepAlive.stop();
    idle = setTimeout(() => session.close(), options.idleMaxMs).unref();
  };
  rest();
  // One for all streams: Node keeps what listens to a stream for longer than the stream.
  const onStreamClose = () => {
    streams--;
    if (streams === 0 && !session.destroyed) rest();
  };
  session.on("stream", (stream) => {
    if (streams === 0) {
      clearTimeout(idle);
      keepAlive.start();
    }
    streams++;
    stream.on("close", onStreamClose);
  });
  socket.once("close", () => {
    keepAlive.end();
    clearTimeout(idle);
  });
}

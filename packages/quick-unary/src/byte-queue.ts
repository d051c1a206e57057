import type { Http2Stream } from "node:http2";

/** More than this does not wait in memory for those who read. */
const WAITING_BYTES_MAX = 256 * 1024;

/**
 * The bytes that come over a stream, in the pieces in which they came, for those who read it piece by piece. Where they read more slowly
 * than the bytes come, the sender has to wait.
 */
export class ByteQueue implements AsyncIterableIterator<Uint8Array> {
  private readonly stream: Http2Stream;
  private readonly pieces: Uint8Array[] = [];
  private waitingBytes = 0;
  private hasEnded = false;
  private wake: ((result: IteratorResult<Uint8Array>) => void) | undefined;

  constructor(stream: Http2Stream) {
    this.stream = stream;
  }

  push(piece: Uint8Array): void {
    if (this.wake !== undefined) {
      this.give({ done: false, value: piece });
      return;
    }
    this.pieces.push(piece);
    this.waitingBytes += piece.length;
    if (this.waitingBytes > WAITING_BYTES_MAX) this.stream.pause();
  }

  end(): void {
    this.hasEnded = true;
    if (this.wake !== undefined) this.give({ done: true, value: undefined });
  }

  /** Never settles where the stream breaks off: whoever listens to the stream is told of that. */
  next(): Promise<IteratorResult<Uint8Array>> {
    const value = this.pieces.shift();
    if (value !== undefined) {
      this.waitingBytes -= value.length;
      if (this.stream.isPaused()) this.stream.resume();
      return Promise.resolve({ done: false, value });
    }
    if (this.hasEnded) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private give(result: IteratorResult<Uint8Array>): void {
    const { wake } = this;
    this.wake = undefined;
    wake?.(result);
  }
}

/** So many bytes are set aside for whoever promises them; more only as they come. */
export const PROMISED_BYTES_MAX = 64 * 1024;

/**
 * The bytes of a message whose length is known, as far as they have come. Memory is taken for what has come, and not for what
 * was promised: a few bytes can promise megabytes, on every stream of a connection.
 */
export class GrowingBytes {
  /** How many are to come in all. */
  readonly length: number;
  private bytes: Uint8Array<ArrayBuffer>;
  private filled = 0;

  /** @param promisedMax how much is set aside for whoever promises it. */
  constructor(length: number, promisedMax = PROMISED_BYTES_MAX) {
    this.length = length;
    this.bytes = new Uint8Array(Math.min(length, promisedMax));
  }

  /** How many are still to come. */
  get missing(): number {
    return this.length - this.filled;
  }

  /** Memory that is taken now. */
  get capacity(): number {
    return this.bytes.length;
  }

  /** Not more than are missing. */
  push(piece: Uint8Array): void {
    const filled = this.filled + piece.length;
    if (filled > this.bytes.length) this.grow(filled);
    this.bytes.set(piece, this.filled);
    this.filled = filled;
  }

  /** All of them, in a buffer of their own; undefined while some are missing. */
  get whole(): Uint8Array<ArrayBuffer> | undefined {
    return this.missing === 0 ? this.bytes : undefined;
  }

  /** Those that have come. */
  soFar(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.filled);
  }

  /** Twice as much each time, so that none is copied more than once or twice. */
  private grow(needed: number): void {
    const larger = new Uint8Array(Math.min(this.length, Math.max(needed, 2 * this.bytes.length)));
    larger.set(this.soFar());
    this.bytes = larger;
  }
}

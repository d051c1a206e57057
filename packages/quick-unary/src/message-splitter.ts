import { GrowingBytes, PROMISED_BYTES_MAX } from "./growing-bytes.ts";
import { PREFIX_BYTES } from "./one-message.ts";

/** As much, at the most, is set aside for whoever has sent it before. */
const TRUSTED_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Cuts the bytes of a stream of gRPC into its messages. Each is copied once, into bytes of its own: no piece that came stays in
 * memory because some of it does.
 */
export class MessageSplitter {
  private readonly bytesMax: number;
  private readonly onMessage: (bytes: Uint8Array<ArrayBuffer>) => void;
  private readonly prefix = Buffer.alloc(PREFIX_BYTES);
  private prefixed = 0;
  /**
   * Set aside for the next message: whoever has sent long ones sends others as long. What grows is copied, and leaves as much again
   * behind, for which the garbage collector stops everything.
   */
  private trustedBytes = PROMISED_BYTES_MAX;
  /** The one that is coming, once its prefix is here. */
  private message: GrowingBytes | undefined;

  /** @param bytesMax longer messages are not for here. */
  constructor(bytesMax: number, onMessage: (bytes: Uint8Array<ArrayBuffer>) => void) {
    this.bytesMax = bytesMax;
    this.onMessage = onMessage;
  }

  /**
   * Takes what came next. Gives what cannot be read here, from the prefix of a message on: it is compressed, marked as something else,
   * or too long. Nothing is to be given here behind it.
   */
  take(piece: Uint8Array): Uint8Array | undefined {
    let at = 0;
    while (at < piece.length) {
      at += this.message === undefined ? this.takePrefix(piece, at) : this.takeMessage(this.message, piece, at);
      if (this.isOdd()) return Buffer.concat([this.rest(), piece.subarray(at)]);
      const whole = this.message?.whole;
      if (whole !== undefined) this.give(whole);
    }
    return undefined;
  }

  /** What has come of a message that is not whole. */
  rest(): Uint8Array {
    const { prefix, prefixed, message } = this;
    return Buffer.concat([prefix.subarray(0, prefixed), message?.soFar() ?? new Uint8Array(0)]);
  }

  private takePrefix(piece: Uint8Array, from: number): number {
    const count = Math.min(PREFIX_BYTES - this.prefixed, piece.length - from);
    this.prefix.set(piece.subarray(from, from + count), this.prefixed);
    this.prefixed += count;
    if (this.prefixed === PREFIX_BYTES && !this.isOdd())
      this.message = new GrowingBytes(this.length(), this.trustedBytes);
    return count;
  }

  private takeMessage(message: GrowingBytes, piece: Uint8Array, from: number): number {
    const count = Math.min(message.missing, piece.length - from);
    message.push(piece.subarray(from, from + count));
    return count;
  }

  private give(message: Uint8Array<ArrayBuffer>): void {
    this.message = undefined;
    this.prefixed = 0;
    this.trustedBytes = Math.max(this.trustedBytes, Math.min(2 * message.length, TRUSTED_BYTES_MAX));
    this.onMessage(message);
  }

  private isOdd(): boolean {
    return this.prefixed === PREFIX_BYTES && (this.prefix[0] !== 0 || this.length() > this.bytesMax);
  }

  private length(): number {
    return this.prefix.readUInt32BE(1);
  }
}

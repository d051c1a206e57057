import type { Money, ReadInfo } from "@bank/proto";
import type { Message } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";

/** What this writer has no bytes for: the generated way has. */
export class NotPlainError extends Error {
  override readonly name = "NotPlainError";
}

/** One for all: making one takes longer than writing a message. */
export const NOT_PLAIN = new NotPlainError("this message is written in the generated way");
/** No plain message is longer. */
const CAPACITY = 2_048;
const ASCII_MAX = 0x7f;

/**
 * Writes small messages of texts in ASCII and whole numbers, from their end to their beginning: so the length of what is
 * inside is known when it is put before it. What is zero, false or empty is not written, as in proto3. Each function throws
 * `NotPlainError` for what it cannot write; the writer is then to be begun anew.
 */
export class BackWriter {
  private readonly bytes = new Uint8Array(CAPACITY);
  private at = CAPACITY;

  begin(): void {
    this.at = CAPACITY;
  }

  /** A copy of what was written since it was begun. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(this.at);
  }

  /** How many bytes were written since it was begun. */
  get length(): number {
    return CAPACITY - this.at;
  }

  /** Copies them into others, from this place on, which must have room. */
  copyTo(target: Uint8Array, place: number): void {
    target.set(this.bytes.subarray(this.at), place);
  }

  /** Where to say that a message ends, which is written now. */
  get mark(): number {
    return this.at;
  }

  /** What was written since the mark is the message in this field. */
  message(field: number, mark: number): void {
    this.varint(mark - this.at);
    this.tag(field, 2);
  }

  text(field: number, text: string): void {
    const { length } = text;
    if (length === 0) return;
    if (length > this.at) throw NOT_PLAIN;
    this.at -= length;
    const { bytes, at } = this;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > ASCII_MAX) throw NOT_PLAIN;
      bytes[at + i] = code;
    }
    this.varint(length);
    this.tag(field, 2);
  }

  /** From 0 to the largest safe integer. */
  number(field: number, number: number): void {
    if (number === 0) return;
    this.varint(number);
    this.tag(field, 0);
  }

  bigint(field: number, bigint: bigint): void {
    this.number(field, Number(bigint));
  }

  flag(field: number, flag: boolean): void {
    if (flag) this.number(field, 1);
  }

  money(field: number, money: Money | undefined): void {
    if (money === undefined) return;
    const { mark } = this;
    requirePlain(money);
    this.bigint(2, money.amountMinor);
    this.text(1, money.currencyCode);
    this.message(field, mark);
  }

  time(field: number, time: Timestamp | undefined): void {
    if (time === undefined) return;
    const { mark } = this;
    requirePlain(time);
    this.number(2, time.nanos);
    this.bigint(1, time.seconds);
    this.message(field, mark);
  }

  readInfo(field: number, info: ReadInfo | undefined): void {
    if (info === undefined) return;
    const { mark } = this;
    requirePlain(info);
    if (info.propagation !== undefined) throw NOT_PLAIN;
    this.bigint(6, info.epoch);
    this.flag(5, info.connected);
    this.time(4, info.time);
    this.text(3, info.session);
    this.optional(2, info.stalenessMs);
    this.bigint(1, info.position);
    this.message(field, mark);
  }

  /** Written also where it is zero, but not where it is undefined. */
  optional(field: number, bigint: bigint | undefined): void {
    if (bigint === undefined) return;
    this.varint(Number(bigint));
    this.tag(field, 0);
  }

  private tag(field: number, wireType: number): void {
    this.varint(8 * field + wireType);
  }

  private varint(number: number): void {
    if (!(number >= 0 && number <= Number.MAX_SAFE_INTEGER) || this.at < 10) throw NOT_PLAIN;
    const { bytes } = this;
    let length = 1;
    for (let rest = number; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++;
    this.at -= length;
    let rest = number;
    for (let i = 0; i < length; i++) {
      const next = Math.floor(rest / 0x80);
      bytes[this.at + i] = rest - next * 0x80 + (i < length - 1 ? 0x80 : 0);
      rest = next;
    }
  }
}

/** Fields that nobody knows are written in the generated way. */
export function requirePlain(message: Message): void {
  if (message.$unknown !== undefined) throw NOT_PLAIN;
}

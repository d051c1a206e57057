import type { Money } from "@bank/proto";
import { NOT_PLAIN } from "./back-writer.ts";

/** Of texts and messages: a length of one byte. Also the last letter of ASCII. */
const LENGTH_MAX = 0x7f;
/** Of the last seven bits of a safe integer. */
const UNIT_MAX = 2 ** 49;
/** No byte. */
export const END = -1;
const CURRENCY_TAG = 0x0a;
const MINOR_TAG = 0x10;

/**
 * Reads small messages of short texts in ASCII and whole numbers, as plain callers write them. Each function throws
 * `NotPlainError` for anything else; the reader is then to be begun anew.
 */
export class PlainReader {
  private buffer: Buffer = Buffer.alloc(0);
  private at = 0;
  private end = 0;

  begin(bytes: Uint8Array): void {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
    this.end = bytes.byteLength;
  }

  /** The next tag; -1 at the end. */
  tag(): number {
    return this.at < this.end ? this.byte() : END;
  }

  text(): string {
    const length = this.byte();
    const { buffer, at } = this;
    const end = at + length;
    if (length > LENGTH_MAX || end > this.end) throw NOT_PLAIN;
    for (let i = at; i < end; i++) if ((buffer[i] as number) > LENGTH_MAX) throw NOT_PLAIN;
    this.at = end;
    return buffer.toString("latin1", at, end);
  }

  /** Up to the largest safe integer. */
  number(): number {
    let number = 0;
    for (let unit = 1; ; unit *= 0x80) {
      const byte = this.byte();
      number += (byte & 0x7f) * unit;
      if (number > Number.MAX_SAFE_INTEGER || unit > UNIT_MAX) throw NOT_PLAIN;
      if (byte < 0x80) return number;
    }
  }

  /** Where it is written as the one or the other. */
  flag(): boolean {
    const number = this.number();
    if (number > 1) throw NOT_PLAIN;
    return number === 1;
  }

  money(): Money {
    const length = this.byte();
    const outer = this.end;
    this.end = this.at + length;
    if (length > LENGTH_MAX || this.end > outer) throw NOT_PLAIN;
    let [currencyCode, amountMinor] = ["", 0n];
    for (let tag = this.tag(); tag !== END; tag = this.tag()) {
      if (tag === CURRENCY_TAG) currencyCode = this.text();
      else if (tag === MINOR_TAG) amountMinor = BigInt(this.number());
      else throw NOT_PLAIN;
    }
    this.end = outer;
    return { $typeName: "bank.v1.Money", currencyCode, amountMinor };
  }

  private byte(): number {
    if (this.at >= this.end) throw NOT_PLAIN;
    return this.buffer[this.at++] as number;
  }
}

import { JournalFormatError } from "./errors.ts";

/** Goes through bytes of the wire format, and takes nothing but the shortest form of an integer. */
export class WireCursor {
  readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /**
   * An integer of 1, 32 or 64 bits. Above 2^53 the result is near the value; that it is not zero stays exact.
   * Throws: `JournalFormatError` for one that is padded, too large, or reaches beyond `end`.
   */
  varint(bits: 0 | 1 | 32 | 64, end: number): number {
    const first = this.bytes[this.at] as number;
    if (first < 0x80 && bits > 1 && this.at < end) {
      this.at++;
      return first;
    }
    let value = 0;
    let factor = 1;
    for (let length = 1; length <= 10 && this.at < end; length++) {
      const byte = this.bytes[this.at++] as number;
      value += (byte & 0x7f) * factor;
      factor *= 128;
      if (byte >= 0x80) continue;
      if (byte === 0 && length > 1) throw new JournalFormatError("an integer is padded");
      // In ten bytes the last has but one bit left: compared here, since the sum is not exact any more.
      if (length === 10 ? bits < 64 || byte > 1 : value >= 2 ** bits)
        throw new JournalFormatError(`an integer has more than ${bits} bits`);
      return value;
    }
    throw new JournalFormatError("an integer does not end");
  }
}

import { WireType } from "@bufbuild/protobuf/wire";

/** Puts fields together, of which some are long: each byte of those is copied once, and nothing is made larger again and again. */
export class WireWriter {
  private readonly parts: Uint8Array[] = [];
  /** What comes behind the parts, byte by byte. */
  private loose: number[] = [];
  private length = 0;

  /** Bytes as they are. They are read when the writer finishes. */
  raw(bytes: Uint8Array): this {
    if (this.loose.length > 0) {
      this.parts.push(Uint8Array.from(this.loose));
      this.loose = [];
    }
    this.parts.push(bytes);
    this.length += bytes.length;
    return this;
  }

  /** A field that is a run of bytes. */
  field(number: number, bytes: Uint8Array): this {
    this.varint(number * 8 + WireType.LengthDelimited);
    this.varint(bytes.length);
    return this.raw(bytes);
  }

  finish(): Uint8Array<ArrayBuffer> {
    const whole = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.parts) {
      whole.set(part, at);
      at += part.length;
    }
    whole.set(this.loose, at);
    return whole;
  }

  /** Up to 32 bits. */
  private varint(value: number): void {
    let rest = value;
    for (; rest > 0x7f; rest >>>= 7) this.push((rest & 0x7f) | 0x80);
    this.push(rest);
  }

  private push(byte: number): void {
    this.loose.push(byte);
    this.length++;
  }
}

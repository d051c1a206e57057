// Header blocks of HTTP/2 (RFC 7541) for a connection whose tables hold nothing: whoever answers was told that the size
// of its table is 0, so that each block is understood by itself, and what is asked is written out in full.
import { decodeHuffman } from "./hpack-huffman.ts";

export type HeaderField = readonly [name: string, value: string];

/** RFC 7541, appendix A, from index 1 on. */
const STATIC_TABLE: readonly HeaderField[] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  ...["200", "204", "206", "304", "400", "404", "500"].map((status): HeaderField => [":status", status]),
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ...(
    "accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control " +
    "content-disposition content-encoding content-language content-length content-location content-range content-type " +
    "cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since " +
    "last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after " +
    "server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate"
  )
    .split(" ")
    .map((name): HeaderField => [name, ""]),
];

/** Longer numbers than any block here has, and than 32 bits hold. */
const INTEGER_SHIFT_MAX = 21;

/** A request's fields as literals that nobody remembers. Values are of latin1. */
export function encodeFields(fields: readonly HeaderField[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  const length: number[] = [];
  let rest = bytes.length;
  if (rest < 127) length.push(rest);
  else {
    length.push(127);
    rest -= 127;
    for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** Throws for whatever is no block of fields, or refers to a table that holds something. */
export function decodeFields(block: Buffer): HeaderField[] {
  const reader = new BlockReader(block);
  const fields: HeaderField[] = [];
  while (!reader.isAtEnd) {
    const first = reader.peek();
    if ((first & 0x80) !== 0) {
      fields.push(staticField(reader.integer(7)));
    } else if ((first & 0xe0) === 0x20) {
      if (reader.integer(5) !== 0) throw new Error("a header table grows beyond the size that it was allowed");
    } else {
      // With incremental indexing, without, or never: it is all the same where the table holds nothing.
      const index = reader.integer((first & 0xc0) === 0x40 ? 6 : 4);
      const name = index === 0 ? reader.text() : staticField(index)[0];
      fields.push([name, reader.text()]);
    }
  }
  return fields;
}

function staticField(index: number): HeaderField {
  const field = STATIC_TABLE[index - 1];
  if (field === undefined)
    throw new Error(`a header block refers to field ${index} of a table that holds none of its own`);
  return field;
}

class BlockReader {
  private readonly block: Buffer;
  private at = 0;

  constructor(block: Buffer) {
    this.block = block;
  }

  get isAtEnd(): boolean {
    return this.at >= this.block.length;
  }

  peek(): number {
    const byte = this.block[this.at];
    if (byte === undefined) throw new Error("a header block ends inside a field");
    return byte;
  }

  /** @param prefixBits of the first byte belong to it. */
  integer(prefixBits: number): number {
    const full = (1 << prefixBits) - 1;
    let value = this.byte() & full;
    if (value < full) return value;
    for (let shift = 0; ; shift += 7) {
      if (shift > INTEGER_SHIFT_MAX) throw new Error("a number in a header block is too long");
      const byte = this.byte();
      value += (byte & 127) << shift;
      if (byte < 128) return value;
    }
  }

  text(): string {
    const isHuffman = (this.peek() & 0x80) !== 0;
    const length = this.integer(7);
    const end = this.at + length;
    if (end > this.block.length) throw new Error("a header block ends inside a text");
    const bytes = this.block.subarray(this.at, end);
    this.at = end;
    return isHuffman ? decodeHuffman(bytes) : bytes.toString("latin1");
  }

  private byte(): number {
    const byte = this.peek();
    this.at++;
    return byte;
  }
}

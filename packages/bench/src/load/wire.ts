// Protobuf and gRPC by hand, for loads that share the machine with what they measure. Field numbers are those of the
// .proto files; `wire.test.ts` reads everything back with the generated code.
import type { QuickRandom } from "../harness/distribution.ts";
import type { ReadMode } from "./load-plan.ts";

const HEX = Buffer.from("0123456789abcdef");
const UUID_BYTES = 36;
/** Five bytes come before each message of gRPC: whether it is compressed, and its length. */
export const ENVELOPE_BYTES = 5;
const FIELD_BYTES = 0x0a;
const DOLLAR = Buffer.from([0x0a, 3, 0x55, 0x53, 0x44]);

/** `Money` of one cent: USD, 1. */
const ONE_CENT = Buffer.concat([DOLLAR, Buffer.from([0x10, 1])]);

/** A message as gRPC sends it. */
export function envelope(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(ENVELOPE_BYTES + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, ENVELOPE_BYTES);
  return bytes;
}

/** A random UUID as text, of version 4. */
function writeUuid(bytes: Buffer, at: number, random: QuickRandom): number {
  let position = at;
  for (let word = 0; word < 4; word++) {
    let value = random.int32();
    if (word === 1) value = (value & 0xffff_0fff) | 0x4000;
    if (word === 2) value = (value & 0x3fff_ffff) | (0x8000_0000 | 0);
    for (let digit = 28; digit >= 0; digit -= 4) {
      const isGroupEnd = position - at === 8 || position - at === 13 || position - at === 18 || position - at === 23;
      if (isGroupEnd) bytes[position++] = 0x2d;
      bytes[position++] = HEX[(value >>> digit) & 15] as number;
    }
  }
  return position;
}

function writeText(bytes: Buffer, at: number, field: number, text: string): number {
  bytes[at] = (field << 3) | 2;
  bytes[at + 1] = text.length;
  bytes.write(text, at + 2, "latin1");
  return at + 2 + text.length;
}

function writeBytes(bytes: Buffer, at: number, field: number, value: Buffer): number {
  bytes[at] = (field << 3) | 2;
  bytes[at + 1] = value.length;
  bytes.set(value, at + 2);
  return at + 2 + value.length;
}

/** A `DepositRequest` of one cent. */
export function depositRequest(account: number, random: QuickRandom): Buffer {
  const text = String(account);
  const bytes = Buffer.allocUnsafe(2 + UUID_BYTES + 2 + text.length + 2 + ONE_CENT.length);
  bytes[0] = FIELD_BYTES;
  bytes[1] = UUID_BYTES;
  writeBytes(bytes, writeText(bytes, writeUuid(bytes, 2, random), 2, text), 3, ONE_CENT);
  return bytes;
}

/** A `TransferRequest` of one cent. */
export function transferRequest(from: number, to: number, random: QuickRandom): Buffer {
  const paying = String(from);
  const receiving = String(to);
  const bytes = Buffer.allocUnsafe(2 + UUID_BYTES + 4 + paying.length + receiving.length + 2 + ONE_CENT.length);
  bytes[0] = FIELD_BYTES;
  bytes[1] = UUID_BYTES;
  const behindPaying = writeText(bytes, writeUuid(bytes, 2, random), 2, paying);
  writeBytes(bytes, writeText(bytes, behindPaying, 3, receiving), 4, ONE_CENT);
  return bytes;
}

/** A `DepositRequest` of the peers: the same id and account, and one minor unit as a plain number. */
export function peerDepositRequest(account: number, random: QuickRandom): Buffer {
  const text = String(account);
  const bytes = Buffer.allocUnsafe(2 + UUID_BYTES + 2 + text.length + 2);
  bytes[0] = FIELD_BYTES;
  bytes[1] = UUID_BYTES;
  const end = writeText(bytes, writeUuid(bytes, 2, random), 2, text);
  bytes[end] = (3 << 3) | 0;
  bytes[end + 1] = 1;
  return bytes;
}

/** A `GetBalanceRequest`. */
export function balanceRequest(account: number): Buffer {
  const text = String(account);
  const bytes = Buffer.allocUnsafe(2 + text.length);
  writeText(bytes, 0, 1, text);
  return bytes;
}

/** What a call of a pipeline asks for, as the field of `PipelinedCall` or `BatchItem` that carries it. */
export type PipelinedOperation =
  | { readonly kind: "deposit" | "transfer"; readonly request: Buffer }
  | { readonly kind: "balance"; readonly request: Buffer; readonly mode: ReadMode; readonly session: string };

const CALL_ITEM = (10 << 3) | 2;
const CALL_GET_BALANCE = (13 << 3) | 2;
const ITEM_FIELDS = { deposit: (1 << 3) | 2, transfer: (3 << 3) | 2 } as const;

/** A `PipelinedCall` as a field of `PipelineRequest`. */
export function pipelinedCall(id: number, operation: PipelinedOperation): Buffer {
  const { request } = operation;
  const isRead = operation.kind === "balance";
  const texts = isRead ? 4 + operation.mode.length + operation.session.length + 3 : 0;
  const bytes = Buffer.allocUnsafe(request.length + texts + 32);
  // Room for the tag and a length of two bytes comes first.
  let at = 3;
  bytes[at++] = 1 << 3;
  at = writeVarint(bytes, at, id);
  if (operation.kind === "balance") {
    at = writeText(bytes, at, 3, operation.mode);
    if (operation.session !== "") {
      bytes[at++] = (4 << 3) | 2;
      at = writeVarint(bytes, at, operation.session.length);
      at += bytes.write(operation.session, at, "latin1");
    }
    bytes[at++] = CALL_GET_BALANCE;
    at = writeVarint(bytes, at, request.length);
  } else {
    bytes[at++] = CALL_ITEM;
    at = writeVarint(bytes, at, 2 + request.length);
    bytes[at++] = ITEM_FIELDS[operation.kind];
    bytes[at++] = request.length;
  }
  bytes.set(request, at);
  at += request.length;
  bytes[0] = FIELD_BYTES;
  const length = at - 3;
  bytes[1] = (length & 127) | 128;
  bytes[2] = length >>> 7;
  return bytes.subarray(0, at);
}

function writeVarint(bytes: Buffer, at: number, value: number): number {
  let rest = value;
  let position = at;
  while (rest > 127) {
    bytes[position++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  bytes[position++] = rest;
  return position;
}

/** Reads the fields of a message one after the other. */
export class FieldReader {
  /** Of the field that was read last. */
  field = 0;
  /** Its value if it is a number. */
  number = 0;
  /** Where its bytes begin and end, if it is no number. */
  from = 0;
  to = 0;
  private bytes: Uint8Array = new Uint8Array();
  private at = 0;
  private end = 0;

  /** Begins with a message, or with a part of one. */
  begin(bytes: Uint8Array, from = 0, to = bytes.length): this {
    this.bytes = bytes;
    this.at = from;
    this.end = to;
    return this;
  }

  /** Reads the next field; false behind the last. */
  next(): boolean {
    if (this.at >= this.end) return false;
    const tag = this.varint();
    this.field = tag >>> 3;
    switch (tag & 7) {
      case 0:
        this.number = this.varint();
        break;
      case 1:
        this.take(8);
        break;
      case 2:
        this.take(this.varint());
        break;
      case 5:
        this.take(4);
        break;
      default:
        throw new Error(`a field has wire type ${tag & 7}`);
    }
    if (this.at > this.end) throw new Error("a message ends inside a field");
    return true;
  }

  private take(length: number): void {
    this.from = this.at;
    this.at += length;
    this.to = this.at;
  }

  private varint(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) throw new Error("a message ends inside a number");
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
  }
}

/** Columns of an `ExecuteMovementsRequest`, filled anew for each call. */
export class MovementColumns {
  readonly rows: number;
  /** Little-endian words, two for each row. */
  readonly debits: Uint32Array;
  readonly credits: Uint32Array;
  private readonly amounts: Uint32Array;
  private readonly idsHigh: Int32Array;
  private readonly idsLow: Int32Array;
  private readonly ids: "each" | "base";
  private readonly frame: Buffer;

  constructor(rows: number, ids: "each" | "base") {
    this.rows = rows;
    this.ids = ids;
    this.debits = new Uint32Array(2 * rows);
    this.credits = new Uint32Array(2 * rows);
    this.amounts = Uint32Array.from({ length: 2 * rows }, (_, i) => (i % 2 === 0 ? 1 : 0));
    this.idsHigh = new Int32Array(ids === "each" ? 2 * rows : 0);
    this.idsLow = new Int32Array(ids === "each" ? 2 * rows : 0);
    this.frame = Buffer.alloc(ENVELOPE_BYTES + DOLLAR.length + 6 * 5 + 18 + 5 * 8 * rows);
  }

  /** The message in its envelope: the same bytes each time, valid until the next call. */
  encode(random: QuickRandom): Buffer {
    const { frame } = this;
    frame.set(DOLLAR, ENVELOPE_BYTES);
    let at = ENVELOPE_BYTES + DOLLAR.length;
    at = writeColumn(frame, at, 2, this.debits);
    at = writeColumn(frame, at, 3, this.credits);
    at = writeColumn(frame, at, 4, this.amounts);
    if (this.ids === "base") {
      frame[at] = (5 << 3) | 2;
      frame[at + 1] = 16;
      for (let i = 0; i < 4; i++) frame.writeInt32BE(random.int32(), at + 2 + 4 * i);
      at += 18;
    } else {
      for (let i = 0; i < this.idsHigh.length; i++) {
        this.idsHigh[i] = random.int32();
        this.idsLow[i] = random.int32();
      }
      at = writeColumn(frame, at, 6, this.idsHigh);
      at = writeColumn(frame, at, 7, this.idsLow);
    }
    frame[0] = 0;
    frame.writeUInt32BE(at - ENVELOPE_BYTES, 1);
    return frame.subarray(0, at);
  }
}

/** The machine is little-endian, as the columns are. */
function writeColumn(frame: Buffer, at: number, field: number, words: Uint32Array | Int32Array): number {
  frame[at] = (field << 3) | 2;
  const start = writeVarint(frame, at + 1, words.byteLength);
  frame.set(new Uint8Array(words.buffer, words.byteOffset, words.byteLength), start);
  return start + words.byteLength;
}

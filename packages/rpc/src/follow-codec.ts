import { type FollowResponse, JournalService } from "@bank/proto";
import { streamCodec } from "@bank/quick-unary";

/** Before every message of gRPC: a byte of flags, and the length. */
const PREFIX_BYTES = 5;
/** Of a field's tag, or of a length of what is not longer than a message may be. */
const VARINT_BYTES_MAX = 10;
/** Everything but the frame: two fields of bytes, three numbers, and what stands before the frame. */
const FIXED_BYTES_MAX = PREFIX_BYTES + 5 * (1 + VARINT_BYTES_MAX) + (1 + VARINT_BYTES_MAX);
/** Longer frames are sent as they are, and shorter ones copied behind their news: one piece costs less than two. */
const COPIED_BYTES_MAX = 16 * 1024;

/** Numbers of the fields, with their wire types. */
const TAG = { frame: 0x0a, chainHash: 0x12, committedPosition: 0x18, bankId: 0x22, reportPosition: 0x28, echo: 0x30 };

interface Written {
  readonly message: FollowResponse;
  readonly pieces: readonly Uint8Array[];
}

/**
 * Writes the messages of a journal's stream. A frame goes to every follower as it is, behind the few bytes of news; a small one
 * is written once for all followers that are told the same of it, as they are where they all keep up.
 */
export function followCodec() {
  let last: Written | undefined;
  return streamCodec(JournalService.method.follow, (message) => {
    if (last !== undefined && isSame(last.message, message)) return last.pieces;
    const pieces = write(message);
    // News by themselves are as quickly written as compared, and the first message of a stream is its own.
    if (message.frame.length > 0 && message.bankId.length === 0) last = { message, pieces };
    return pieces;
  });
}

function isSame(a: FollowResponse, b: FollowResponse): boolean {
  return (
    a.frame === b.frame &&
    a.chainHash === b.chainHash &&
    a.committedPosition === b.committedPosition &&
    a.reportPosition === b.reportPosition &&
    a.echo === b.echo &&
    b.bankId.length === 0
  );
}

function write(message: FollowResponse): readonly Uint8Array[] {
  const { frame, chainHash, bankId } = message;
  const isCopied = frame.length <= COPIED_BYTES_MAX;
  const room = FIXED_BYTES_MAX + chainHash.length + bankId.length + (isCopied ? frame.length : 0);
  const head = Buffer.allocUnsafe(room);
  let at = PREFIX_BYTES;
  at = writeBytes(head, at, TAG.chainHash, chainHash);
  at = writeNumber(head, at, TAG.committedPosition, message.committedPosition);
  at = writeBytes(head, at, TAG.bankId, bankId);
  at = writeNumber(head, at, TAG.reportPosition, message.reportPosition);
  at = writeNumber(head, at, TAG.echo, message.echo);
  // Fields may stand in any order: the frame is the last, so that it need not be copied. Source: protobuf's encoding, "field order".
  if (isCopied) at = writeBytes(head, at, TAG.frame, frame);
  else {
    head[at++] = TAG.frame;
    at = writeVarint(head, at, frame.length);
  }
  head[0] = 0;
  head.writeUInt32BE(at - PREFIX_BYTES + (isCopied ? 0 : frame.length), 1);
  const begin = head.subarray(0, at);
  return isCopied ? [begin] : [begin, frame];
}

function writeBytes(target: Buffer, from: number, tag: number, bytes: Uint8Array): number {
  if (bytes.length === 0) return from;
  target[from] = tag;
  const at = writeVarint(target, from + 1, bytes.length);
  target.set(bytes, at);
  return at + bytes.length;
}

function writeNumber(target: Buffer, from: number, tag: number, value: bigint): number {
  if (value === 0n) return from;
  target[from] = tag;
  let rest = BigInt.asUintN(64, value);
  let at = from + 1;
  // Positions are below 2^53: what is beyond is written all the same.
  for (; rest > BigInt(Number.MAX_SAFE_INTEGER); rest >>= 7n) target[at++] = Number(rest & 0x7fn) | 0x80;
  return writeVarint(target, at, Number(rest));
}

function writeVarint(target: Buffer, from: number, value: number): number {
  let at = from;
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) target[at++] = (rest & 0x7f) | 0x80;
  target[at++] = rest;
  return at;
}

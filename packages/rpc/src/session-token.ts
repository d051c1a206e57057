import { bytesEqual, invalidSession, RefusalError, type SeenPosition, type Session } from "@bank/core";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";

const VERSION = 1;
const ENTRY_BYTES = 24;
const HEAD_BYTES = 17;
/** A token that names more epochs than this is none of ours. */
const EPOCHS_MAX = 16;
const WORD = 2 ** 32;

/** As text: base64url of version, bank id, and for each epoch its id and position. */
export function encodeSession(session: Session): string {
  const [only] = session.seen;
  return only !== undefined && session.seen.length === 1
    ? lastPrefix.of(session.bankId, only.epochId) + positionText(only.position)
    : encodeWhole(session);
}

/** Letters of base64url that the bank and the epoch make up: 33 bytes, so that the position begins a letter of its own. */
const PREFIX_LETTERS = 44;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** What tokens of one bank and one epoch begin with; nearly all that a server writes are of the same two. */
class Prefix {
  private bankId = new Uint8Array(0);
  private epochId = new Uint8Array(0);
  private text = "";

  of(bankId: Uint8Array, epochId: Uint8Array): string {
    if (!bytesEqual(bankId, this.bankId) || !bytesEqual(epochId, this.epochId)) {
      this.text = encodeWhole({ bankId, seen: [{ epochId, position: 0 }] }).slice(0, PREFIX_LETTERS);
      this.bankId = bankId.slice();
      this.epochId = epochId.slice();
    }
    return this.text;
  }
}

const lastPrefix = new Prefix();

/** The eight bytes of a position, little-endian, as base64url. */
function positionText(position: number): string {
  const low = position >>> 0;
  const high = (position / WORD) >>> 0;
  const [a, b, c, d] = [low & 0xff, (low >>> 8) & 0xff, (low >>> 16) & 0xff, low >>> 24];
  const [e, f, g, h] = [high & 0xff, (high >>> 8) & 0xff, (high >>> 16) & 0xff, high >>> 24];
  return threeBytes(a, b, c) + threeBytes(d, e, f) + threeBytes(g, h, 0).slice(0, 3);
}

function threeBytes(a: number, b: number, c: number): string {
  return (
    (LETTERS[a >>> 2] as string) +
    (LETTERS[((a & 3) << 4) | (b >>> 4)] as string) +
    (LETTERS[((b & 15) << 2) | (c >>> 6)] as string) +
    (LETTERS[c & 63] as string)
  );
}

function encodeWhole(session: Session): string {
  const bytes = new Uint8Array(HEAD_BYTES + ENTRY_BYTES * session.seen.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = VERSION;
  bytes.set(session.bankId, 1);
  session.seen.forEach(({ epochId, position }, i) => {
    bytes.set(epochId, HEAD_BYTES + ENTRY_BYTES * i);
    view.setBigUint64(HEAD_BYTES + ENTRY_BYTES * i + 16, BigInt(position), true);
  });
  return base64Encode(bytes, "url");
}

/** Reads a token. Throws: `RefusalError` SESSION_INVALID. */
export function decodeSession(token: string): Session {
  const bytes = fromBase64url(token);
  const count = (bytes.length - HEAD_BYTES) / ENTRY_BYTES;
  if (bytes[0] !== VERSION) throw invalidSession("it has a version that this server does not know");
  if (!Number.isInteger(count) || count < 1 || count > EPOCHS_MAX) throw invalidSession("it has the wrong length");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const seen: SeenPosition[] = [];
  for (let at = HEAD_BYTES; at < bytes.length; at += ENTRY_BYTES) {
    const position = Number(view.getBigUint64(at + 16, true));
    if (!Number.isSafeInteger(position)) throw invalidSession("it names an impossible position");
    seen.push({ epochId: bytes.slice(at, at + 16), position });
  }
  return { bankId: bytes.slice(1, HEAD_BYTES), seen };
}

function fromBase64url(token: string): Uint8Array {
  try {
    return base64Decode(token);
  } catch (cause) {
    throw new RefusalError("SESSION_INVALID", { problem: "it is not base64url" }, "NOT_APPLIED", { cause });
  }
}

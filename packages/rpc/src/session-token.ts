import { invalidSession, RefusalError, type SeenPosition, type Session } from "@bank/core";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";

const VERSION = 1;
const ENTRY_BYTES = 24;
const HEAD_BYTES = 17;
/** A token that names more epochs than this is none of ours. */
const EPOCHS_MAX = 16;

/** As text: base64url of version, bank id, and for each epoch its id and position. */
export function encodeSession(session: Session): string {
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

import { type RequestId, requestIdFromBytes } from "@bank/core";

/** Random UUIDs, or UUIDs that begin with the time (version 7). */
export type IdKind = "random" | "time-ordered";

/** A hundred thousand ids a second. */
const IDS_PER_MS = 100;
const FIRST_MS = 1_700_000_000_000;

/** Request ids that can be made again: the n-th of a source is always the same, and no two are alike. */
export class IdSource {
  private readonly bytes = requestIdFromBytes(new Uint8Array(16));
  private readonly view = new DataView(this.bytes.buffer);
  private readonly kind: IdKind;
  private readonly seed: number;

  /** @param seed any 32 bits: sources of different seeds share no id in practice. */
  constructor(kind: IdKind, seed: number) {
    this.kind = kind;
    this.seed = seed;
  }

  /** The n-th id. The same bytes each time: whoever keeps it makes a copy. */
  at(n: number): RequestId {
    const { view, seed } = this;
    view.setInt32(0, mixed(n ^ seed));
    view.setInt32(4, mixed(n + 0x9e37_79b9));
    view.setInt32(8, mixed(Math.imul(n, 3) ^ seed));
    view.setInt32(12, mixed(n));
    if (this.kind === "time-ordered") {
      const ms = FIRST_MS + Math.floor(n / IDS_PER_MS);
      view.setUint32(0, Math.floor(ms / 65_536));
      view.setUint16(4, ms % 65_536);
      view.setUint8(6, 0x70 | (view.getUint8(6) & 0x0f));
    } else {
      view.setUint8(6, 0x40 | (view.getUint8(6) & 0x0f));
    }
    view.setUint8(8, 0x80 | (view.getUint8(8) & 0x3f));
    return this.bytes;
  }
}

/** Another 32 bits for each. Source: the finishing step of MurmurHash3 by Austin Appleby, in the public domain. */
function mixed(word: number): number {
  let h = Math.imul(word ^ (word >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
}

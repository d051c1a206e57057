import { getRandomValues } from "node:crypto";
import { formatRequestId, parseRequestId, type RequestId } from "@bank/core";

/** Ids that are made at a time. */
const POOL_IDS = 512;
const VERSION_4 = 0x4000;
const VARIANT = 0x8000_0000;

const pool = new Uint32Array(4 * POOL_IDS);
let next = pool.length;

/** A request id as four big-endian words: columns take it as numbers, and its text is made only when somebody wants it. */
export class RequestWords {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  private written: string | undefined;

  private constructor(words: readonly [number, number, number, number], text: string | undefined) {
    [this.a, this.b, this.c, this.d] = words;
    this.written = text;
  }

  /** A new random UUID (version 4, RFC 9562). */
  static random(): RequestWords {
    if (next === pool.length) {
      getRandomValues(pool);
      next = 0;
    }
    const a = pool[next] as number;
    const b = ((pool[next + 1] as number) & 0xffff_0fff) | VERSION_4;
    const c = ((pool[next + 2] as number) & 0x3fff_ffff) | VARIANT;
    const d = pool[next + 3] as number;
    next += 4;
    return new RequestWords([a, b >>> 0, c >>> 0, d], undefined);
  }

  /** A UUID that the caller gave; undefined for a text that is none. */
  static of(text: string): RequestWords | undefined {
    const id = parseRequestId(text);
    if (id === undefined) return undefined;
    const view = new DataView(id.buffer, id.byteOffset, id.byteLength);
    return new RequestWords([view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)], text);
  }

  /** As the caller wrote it, else in lower case. */
  get text(): string {
    this.written ??= formatRequestId(this.bytes());
    return this.written;
  }

  private bytes(): RequestId {
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    [this.a, this.b, this.c, this.d].forEach((word, i) => {
      view.setUint32(4 * i, word);
    });
    return bytes as RequestId;
  }
}

import { statfsSync } from "node:fs";
import { StoreError, StoreFullError } from "./errors.ts";
import type { StoreRoom } from "./port.ts";

const MIB = 1024 * 1024;

/**
 * No mark is lower: so much must fit behind it for the journal's sake alone. Its log holds up to 48 MiB before it is made to begin anew
 * (`CHECKPOINT_LIMITS.unanswered` pages), what is in it is copied into the file beside it, a branch saves up to 16 MiB at once, and
 * the rest is for pages that are written besides, and for what goes on between two looks.
 */
export const FREE_SPACE_MARK_MIN_BYTES = 128 * MIB;

/** It is looked at again after so long, if anybody asks, in milliseconds. */
export const LOOK_EVERY_MS = 1_000;

/**
 * Each byte of the journal takes so many at the most: one in the log, one in the file, and somewhat more than one in the history's own.
 */
const BYTES_PER_BYTE = 4;

/** It is not looked at more often than once for so many bytes, so that a disk near the mark costs no look with each append. */
const LOOK_BYTES_MIN = MIB;

/** There is room again only once so much more than the mark is free, as a share of it: else each file that comes and goes would tell. */
const MARGIN_SHARE = 1 / 8;

export interface FreeSpaceOptions {
  /** A folder on the disk. */
  readonly folder: string;
  /** Free bytes below which nothing more is to be written. Above 0. */
  readonly markBytes: number;
  /** For tests: in place of `LOOK_EVERY_MS`. */
  readonly lookEveryMs?: number | undefined;
  /** For tests: bytes that a user without privileges could still write on the folder's disk. */
  readonly freeBytes?: ((folder: string) => number) | undefined;
  /** For tests: a monotonic clock, milliseconds. */
  readonly nowMs?: () => number;
}

/**
 * Watches the room on a disk. It has no timer: whoever asks has it look where the last look is a second old, or as much was
 * written since that the mark may be near. So it costs one system call a second, and one for each megabyte at the most.
 */
export class FreeSpace implements StoreRoom {
  readonly #folder: string;
  readonly #markBytes: number;
  readonly #lookEveryMs: number;
  readonly #freeBytes: (folder: string) => number;
  readonly #nowMs: () => number;
  #shortage: string | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #bytesUntilLook = 0;

  constructor(options: FreeSpaceOptions) {
    const { folder, markBytes, freeBytes = freeBytesOf, nowMs = () => performance.now() } = options;
    this.#lookEveryMs = options.lookEveryMs ?? LOOK_EVERY_MS;
    this.#folder = folder;
    this.#markBytes = markBytes;
    this.#freeBytes = freeBytes;
    this.#nowMs = nowMs;
  }

  get shortage(): string | undefined {
    if (this.#bytesUntilLook <= 0 || this.#nowMs() - this.#lookedMs >= this.#lookEveryMs) this.#look();
    return this.#shortage;
  }

  /** So many bytes of the journal, or of a snapshot, were written. */
  wrote(bytes: number): void {
    this.#bytesUntilLook -= bytes;
  }

  /** Throws: `StoreFullError` where there is too little room, with what was to be done. */
  require(what: string): void {
    const { shortage } = this;
    if (shortage !== undefined) throw new StoreFullError(`nothing was stored: cannot ${what}: ${shortage}`);
  }

  #look(): void {
    this.#lookedMs = this.#nowMs();
    let free: number;
    try {
      free = this.#freeBytes(this.#folder);
    } catch (error) {
      // Who does not know does not write: what would fail next is the write itself.
      this.#bytesUntilLook = LOOK_BYTES_MIN;
      this.#shortage = `it cannot be told how much room is left for ${this.#folder}: ${String(error)}`;
      return;
    }
    const needed = this.#markBytes * (this.#shortage === undefined ? 1 : 1 + MARGIN_SHARE);
    this.#bytesUntilLook = Math.max(LOOK_BYTES_MIN, (free - this.#markBytes) / BYTES_PER_BYTE);
    this.#shortage =
      free >= needed
        ? undefined
        : `the disk of ${this.#folder} has ${inMib(free)} MiB left, and writing stops below ${inMib(this.#markBytes)} MiB ` +
          `(--min-free-space): make room, and it goes on by itself from ${inMib(this.#markBytes * (1 + MARGIN_SHARE))} MiB on`;
  }
}

/** Checks a mark as an operator gives it. Throws: `StoreError`. */
export function requireMark(markBytes: number): void {
  if (!Number.isSafeInteger(markBytes) || (markBytes !== 0 && markBytes < FREE_SPACE_MARK_MIN_BYTES))
    throw new StoreError(
      `a mark for free space is 0 for none, or at least ${inMib(FREE_SPACE_MARK_MIN_BYTES)} MiB; ${markBytes} bytes is not`,
    );
}

/** In one system call. Throws: the system's error. */
function freeBytesOf(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

function inMib(bytes: number): string {
  return (Math.floor((bytes / MIB) * 10) / 10).toFixed(1);
}

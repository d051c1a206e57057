import { join } from "node:path";
import { bytesEqual, toHex } from "@bank/core";
import { bytesFromHex, HEX_16, readTextFields, WHOLE_NUMBER, writeTextFields } from "./json-file.ts";

/** Name of the file, beside the journal: it goes where the copy goes whose word it is. */
export const PROMISE_FILE = "promised-epoch.json";

/** What a copy has promised: to take nothing any more from a bank of an epoch before this one. */
export interface EpochPromise {
  /** Number of the epoch. */
  readonly epoch: number;
  /** 16 bytes: the copy that wants to begin it. */
  readonly candidate: Uint8Array;
}

/** The promises of one copy. Each is on disk before anybody learns of it, and none is ever taken back. */
export class EpochPromises {
  private readonly path: string | undefined;
  private newest: EpochPromise | undefined;

  /**
   * Throws: an `Error` that says what to do where the file is damaged.
   *
   * @param folder where the journal lies; undefined for one in memory, whose copy ends with its process.
   */
  constructor(folder: string | undefined) {
    this.path = folder === undefined ? undefined : join(folder, PROMISE_FILE);
    this.newest = this.path === undefined ? undefined : read(this.path);
  }

  /** The promise that stands; undefined for none. */
  get given(): EpochPromise | undefined {
    return this.newest;
  }

  /** The number of the highest epoch that was promised; 0 for none. */
  get epoch(): number {
    return this.newest?.epoch ?? 0;
  }

  /**
   * Gives the promise, durably, unless one for a later epoch stands, or one for this epoch to another candidate.
   * Idempotent. Throws the system's errors: then it is not given.
   *
   * @returns whether it stands.
   */
  give(asked: EpochPromise): boolean {
    const { given } = this;
    if (given !== undefined && given.epoch >= asked.epoch)
      return given.epoch === asked.epoch && bytesEqual(given.candidate, asked.candidate);
    if (this.path !== undefined) {
      const fields = { epoch: String(asked.epoch), candidate: toHex(asked.candidate) };
      writeTextFields(this.path, fields);
    }
    this.newest = { epoch: asked.epoch, candidate: asked.candidate.slice() };
    return true;
  }
}

function read(path: string): EpochPromise | undefined {
  const fields = readTextFields(path, { epoch: WHOLE_NUMBER, candidate: HEX_16 }, MEANING);
  return fields && { epoch: Number(fields.epoch), candidate: bytesFromHex(fields.candidate) };
}

const MEANING =
  "It says from which banks this copy of the journal takes nothing any more, which may not be forgotten. Begin a new copy: " +
  "move the whole folder away, and start again.";

import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { nextLine } from "@bank/core";
import { syncFolder } from "./durable-file.ts";
import { readTextFields, WHOLE_NUMBER, writeTextFields } from "./json-file.ts";

/** Remembers, in a bank's data folder, that another bank has taken its place. */
export class SupersededFile {
  readonly path: string;

  constructor(dataDir: string) {
    this.path = join(dataDir, "superseded.json");
  }

  /**
   * Throws: `SupersededError` where the bank of this folder was replaced. A bank whose disk went back hears of its own later
   * starts as if they were another's: it was not replaced once its journal has them again.
   *
   * @param epoch the number of the newest epoch in the journal.
   */
  check(epoch: number): void {
    const superseded = this.read();
    if (superseded === undefined) return;
    const { newer } = superseded;
    if (newer > epoch || newer >= nextLine(superseded.epoch)) throw new SupersededError(this.path, superseded);
    this.remove();
  }

  /** A branch knows of a newer bank: remembers it. Throws: `SupersededError`. */
  found(superseded: Superseded): never {
    this.write(superseded);
    throw this.errorOf(superseded);
  }

  /** What a bank ends with that is told of a newer one while it serves. */
  errorOf(superseded: Superseded): SupersededError {
    return new SupersededError(this.path, superseded);
  }

  /** Throws: an `Error` where it is damaged. */
  read(): Superseded | undefined {
    const fields = readTextFields(this.path, { epoch: WHOLE_NUMBER, newer: WHOLE_NUMBER }, MEANING);
    return fields && { epoch: Number(fields.epoch), newer: Number(fields.newer) };
  }

  /** Durable when it returns. Throws the system's errors. */
  write({ epoch, newer }: Superseded): void {
    const fields = { epoch: String(epoch), newer: String(newer), at: new Date().toISOString() };
    writeTextFields(this.path, fields);
  }

  /** Gone for good when it returns, also after a power cut. Throws the system's errors. */
  remove(): void {
    rmSync(this.path, { force: true });
    syncFolder(dirname(this.path));
  }
}

/** That a bank has heard of a newer one. */
export interface Superseded {
  /** Number of the epoch that the bank itself had begun. */
  readonly epoch: number;
  /** Number of the epoch that it heard of. */
  readonly newer: number;
}

const MEANING =
  "It says that another bank has taken the place of this one. If you are sure that none has, move the file away and start again.";

/** The bank of a data folder was replaced by another, and does not start any more. */
export class SupersededError extends Error {
  override readonly name = "SupersededError";

  constructor(path: string, { epoch, newer }: Superseded) {
    super(
      `another bank has taken the place of this one: its epoch is ${epoch}, and epoch ${newer} has begun elsewhere (${path})`,
    );
  }

  /** Where the store itself says so: it was copied to another one, or another bank has begun a later epoch in it. */
  static ofStore(cause: Error): SupersededError {
    const error = new SupersededError("", { epoch: 0, newer: 0 });
    error.message = `the bank of this store lives elsewhere since it was copied there: ${cause.message}`;
    error.cause = cause;
    return error;
  }
}

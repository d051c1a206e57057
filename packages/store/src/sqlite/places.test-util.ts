import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { onTestFinished } from "vitest";
import { type Connect, connect, disconnect } from "./connection.ts";

/** An empty folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "bank-store-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Opens connections as the engine does and remembers them. */
export class Connections {
  readonly #open: DatabaseSync[] = [];

  readonly connect: Connect = (path) => {
    const database = connect(path);
    this.#open.push(database);
    return database;
  };

  /** The newest connection to the file of this name. */
  to(name: "journal.db" | "lock.db"): DatabaseSync {
    const found = this.#open.findLast((database) => database.isOpen && database.location()?.endsWith(name));
    if (found === undefined) throw new Error(`no connection to ${name} is open`);
    return found;
  }

  /** Closes all behind the engine's back, as the end of the process would. */
  cut(): void {
    for (const database of this.#open) disconnect(database);
  }
}

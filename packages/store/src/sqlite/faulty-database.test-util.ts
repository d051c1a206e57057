import { DatabaseSync, type StatementSync } from "node:sqlite";
import { SqliteJournalStore } from "./sqlite-store.ts";

/** Result codes of SQLite, extended ones as node:sqlite reports them. */
export const IOERR_FSYNC = 10 | (4 << 8);
export const IOERR_WRITE = 10 | (3 << 8);
export const FULL = 13;
export const NOMEM = 7;
export const BUSY = 5;

/** When a statement fails: before SQLite sees it, or after SQLite did all of it. */
export type When = "before" | "after";

interface Fault {
  readonly sql: RegExp;
  readonly code: number;
  readonly when: When;
}

/** Statements that fail as ordered, with errors that look as node:sqlite's do. */
export class Faults {
  readonly #ordered: Fault[] = [];

  /** The next statement that matches fails once. */
  order(sql: RegExp, code: number, when: When = "before"): void {
    this.#ordered.push({ sql, code, when });
  }

  get spent(): boolean {
    return this.#ordered.length === 0;
  }

  run<T>(sql: string, statement: () => T): T {
    const index = this.#ordered.findIndex((fault) => fault.sql.test(sql));
    const [fault] = index < 0 ? [] : this.#ordered.splice(index, 1);
    if (fault === undefined) return statement();
    if (fault.when === "after") statement();
    throw Object.assign(new Error(`ordered by a test: ${sql.trim().slice(0, 40)}`), {
      code: "ERR_SQLITE_ERROR",
      errcode: fault.code,
    });
  }
}

/** A real connection that asks `Faults` first. */
export class FaultyDatabase extends DatabaseSync {
  readonly #faults: Faults;

  constructor(path: string, faults: Faults) {
    super(path, { timeout: 0 });
    this.#faults = faults;
  }

  override exec(sql: string): void {
    this.#faults.run(sql, () => super.exec(sql));
  }

  override prepare(sql: string): StatementSync {
    const statement = super.prepare(sql);
    for (const method of ["run", "get", "all"] as const) {
      const real: unknown = statement[method];
      if (typeof real !== "function") throw new Error(`node:sqlite has no ${method}`);
      Object.defineProperty(statement, method, {
        value: (...parameters: unknown[]) => this.#faults.run(sql, () => Reflect.apply(real, statement, parameters)),
      });
    }
    return statement;
  }
}

/** A store on a real folder whose statements fail as ordered. */
export function faultyStore(folder: string): { readonly store: SqliteJournalStore; readonly faults: Faults } {
  const faults = new Faults();
  return { store: new SqliteJournalStore({ folder, connect: (path) => new FaultyDatabase(path, faults) }), faults };
}

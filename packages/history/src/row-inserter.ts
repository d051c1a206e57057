import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";

/** Rows that one statement inserts: half of the time that a row takes by itself is the statement's. */
const ROWS_PER_STATEMENT = 16;

/** Inserts rows into a table in the order in which they are added. They are all there after `flush`, not before. */
export class RowInserter {
  private readonly one: StatementSync;
  private readonly many: StatementSync;
  private readonly columns: number;
  private values: SQLInputValue[] = [];

  /** @param columns how many the table has. */
  constructor(database: DatabaseSync, table: string, columns: number) {
    const row = `(${new Array(columns).fill("?").join(", ")})`;
    this.one = database.prepare(`INSERT INTO ${table} VALUES ${row}`);
    const rows = new Array(ROWS_PER_STATEMENT).fill(row).join(", ");
    this.many = database.prepare(`INSERT INTO ${table} VALUES ${rows}`);
    this.columns = columns;
  }

  /** One value for each column. Throws: SQLite's errors, for any row that was added. */
  add(...row: SQLInputValue[]): void {
    for (const value of row) this.values.push(value);
    if (this.values.length < ROWS_PER_STATEMENT * this.columns) return;
    const { values } = this;
    this.values = [];
    this.many.run(...values);
  }

  flush(): void {
    const { values, columns } = this;
    this.values = [];
    for (let at = 0; at < values.length; at += columns) this.one.run(...values.slice(at, at + columns));
  }
}

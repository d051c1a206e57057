import type { Parameter } from "@bank/store/postgres";
import { ArrayColumn, type ElementType, postgresTime } from "./array-column.ts";

/** A value of a row; times are Unix milliseconds, integers of 64 bits are safe integers or `bigint`, UUIDs 16 bytes. */
export type Cell = string | number | bigint | boolean | Uint8Array | undefined;

/** Rows of a table that change seldom, given one by one: a column of each name. */
export class RowSet<Name extends string> {
  private readonly columns: readonly (readonly [Name, ArrayColumn])[];
  private count = 0;

  constructor(types: Readonly<Record<Name, ElementType>>) {
    this.columns = Object.entries(types).map(([name, type]) => [name as Name, new ArrayColumn(type as ElementType)]);
  }

  get length(): number {
    return this.count;
  }

  /** `undefined` stands for NULL. */
  add(row: Readonly<Record<Name, Cell>>): void {
    this.count++;
    for (const [name, column] of this.columns) addCell(column, row[name]);
  }

  /** One for each column, in their order. */
  parameters(): Parameter[] {
    return this.columns.map(([, column]) => column.parameter());
  }

  /** SQL that gives the rows back, under the names of the columns. */
  source(): string {
    const arrays = this.columns.map(([, { type }], i) => `$${i + 1}::${type}[]`);
    return `unnest(${arrays.join(", ")}) AS added (${this.columns.map(([name]) => name).join(", ")})`;
  }
}

function addCell(column: ArrayColumn, value: Cell): void {
  if (value === undefined) column.null();
  else ADD[column.type](column, value as never);
}

const ADD: Readonly<Record<ElementType, (column: ArrayColumn, value: never) => void>> = {
  bool: (column, value: boolean) => column.bool(value),
  int2: (column, value: number) => column.int2(value),
  int4: (column, value: number) => column.int4(value),
  int8: (column, value: number | bigint) => column.int8(BigInt(value)),
  text: (column, value: string) => column.text(value),
  timestamptz: (column, value: number) => column.timestamptz(postgresTime(value)),
  uuid: (column, value: Uint8Array) => column.uuid(value),
};

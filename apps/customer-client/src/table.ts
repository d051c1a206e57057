/** How the cells of a column are aligned. */
export type Alignment = "left" | "right";

export interface Column<Row> {
  readonly title: string;
  readonly align?: Alignment;
  readonly cell: (row: Row) => string;
}

/** Rows under a line of titles, columns two spaces apart; each line ends with a line end. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const lines = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ cell }) => cell(row)))];
  const widths = columns.map((_, i) => Math.max(...lines.map((cells) => width(cells[i] ?? ""))));
  return lines
    .map((cells) => cells.map((cell, i) => pad(cell, widths[i] ?? 0, columns[i]?.align)).join("  "))
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}

/** Names and values, one pair a line, indented by two. Pairs without a value are left out. */
export function pairs(values: Readonly<Record<string, string | undefined>>): string {
  const present = Object.entries(values).filter(([, value]) => value !== undefined && value !== "");
  const widest = Math.max(0, ...present.map(([name]) => name.length));
  return present.map(([name, value]) => `  ${name.padEnd(widest)}  ${value}\n`).join("");
}

function pad(cell: string, columns: number, align: Alignment = "left"): string {
  const space = " ".repeat(Math.max(0, columns - width(cell)));
  return align === "right" ? space + cell : cell + space;
}

/** Characters, not UTF-16 code units. */
function width(text: string): number {
  return [...text].length;
}

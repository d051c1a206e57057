/** A whole number with commas. */
export function whole(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Three digits that count: 0.0123, 1.23, 12.3, 123, 1,234. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "∞";
  const size = Math.abs(value);
  if (size >= 99.95) return whole(value);
  if (size === 0) return "0";
  return value.toFixed(size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3);
}

/** Lines of cells in columns, the first ones to the left and the others, which are numbers, to the right. */
export function aligned(lines: readonly (readonly string[])[], leftColumns: number): string[] {
  const columns = Math.max(0, ...lines.map((line) => line.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...lines.map((line) => (line[i] ?? "").length)));
  return lines.map((line) =>
    line
      .map((cell, i) => (i < leftColumns ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}

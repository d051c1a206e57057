/** One setting as it is in force. */
export interface EffectiveSetting {
  /** `--listen` */
  readonly flag: string;
  readonly value: string;
  /** Where the value comes from. */
  readonly source: "flag" | "environment" | "default";
  /** `BANK_LISTEN` */
  readonly variable: string;
}

/** The settings as aligned lines, for `--print-config`. */
export function formatConfig(settings: readonly EffectiveSetting[]): string {
  const rows = settings.map(({ flag, value, source, variable }) => [
    flag,
    value === "" ? '""' : value,
    source === "environment" ? `environment (${variable})` : source,
  ]);
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => (row[column] as string).length)));
  return rows
    .map((row) => row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] as number) : cell)).join("  "))
    .join("\n");
}

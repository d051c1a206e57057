import type { Log } from "@bank/replica";

/** Lines on standard error: time, level, event, and `key=value` for each field. */
export const textLog: Log = {
  info: (event, fields) => write("info", event, fields),
  warn: (event, fields) => write("warn", event, fields),
  error: (event, fields) => write("error", event, fields),
};

/** Says nothing. */
export const silentLog: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

function write(level: string, event: string, fields: Readonly<Record<string, string | number>> = {}): void {
  const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${quote(String(value))}`);
  process.stderr.write(`${new Date().toISOString()} ${level.padEnd(5)} ${event}${pairs.join("")}\n`);
}

function quote(value: string): string {
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}

import type { Reply } from "./connection.ts";

/** The lines of a reply to `INFO`, by their names. */
export function parseInfo(reply: Reply): Map<string, string> {
  const lines = String(reply).split(/\r?\n/);
  return new Map(
    lines.flatMap((line) => {
      const colon = line.indexOf(":");
      return colon < 1 ? [] : [[line.slice(0, colon), line.slice(colon + 1)] as const];
    }),
  );
}

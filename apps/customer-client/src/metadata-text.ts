import type { Metadata } from "@bank/client";
import { printable } from "./printable.ts";
import { UsageError } from "./usage-error.ts";

/** Adds what `--metadata KEY=VALUE` says to what those before it said. Throws: `UsageError`. */
export function collectMetadata(text: string, before: Metadata = {}): Metadata {
  const at = text.indexOf("=");
  if (at < 1) throw new UsageError(`--metadata ${JSON.stringify(text)} is not KEY=VALUE.`, { metadata: text });
  const key = text.slice(0, at);
  if (Object.hasOwn(before, key))
    throw new UsageError(`--metadata names ${JSON.stringify(key)} twice.`, { metadata: text });
  return Object.fromEntries([...Object.entries(before), [key, text.slice(at + 1)]]);
}

/** `colour=red, shelf=7`, in the order of the names. */
export function metadataText(metadata: Metadata): string {
  return Object.entries(metadata)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => printable(`${key}=${value}`))
    .join(", ");
}

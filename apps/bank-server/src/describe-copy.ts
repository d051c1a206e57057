import type { Copied } from "@bank/node";
import { hex } from "./hex.ts";

/** The two ends of a copy, as they may be shown. */
export interface Places {
  readonly from: string;
  readonly to: string;
}

/** What an operator is told of a copy, and how to go on. */
export function describeCopy(copied: Copied, { from, to }: Places): string {
  const { head, digest, verified, supersededBy } = copied;
  const already = copied.from === 0 ? "" : ` (${copied.from} records were there already)`;
  const end = `position ${head.position}, chain hash ${hex(head.chainHash)}, digest ${hex(digest)}`;
  const readBack = verified.head ?? head;
  return [
    `Copied: ${verified.records} records in ${verified.batches} batches${already}; all of it was read back and replayed.`,
    `  source  ${end}`,
    `  target  position ${readBack.position}, chain hash ${hex(readBack.chainHash)}, digest ${hex(verified.digest)}`,
    ...(supersededBy === undefined
      ? [
          "The source can still be started, and so can the copy: they are one bank, with one id. Never start both. Whoever follows one",
          "of them and then the other finds two histories, and what the one acknowledged the other does not have.",
        ]
      : [
          `No bank starts from ${from} any more: it is fenced to epoch ${supersededBy}. Keep it until you are content, then remove it.`,
          "How to go on, with the data folder that the bank had:",
          `  bank-server --data DIR --store ${to}`,
        ]),
  ].join("\n");
}

/** The same for programs. Positions are strings. */
export function copyDocument({ from, head, digest, verified, supersededBy }: Copied, places: Places): object {
  return {
    from: places.from,
    to: places.to,
    began_behind: String(from),
    source: { position: String(head.position), chain_hash: hex(head.chainHash), digest: hex(digest) },
    target: {
      position: String(verified.head?.position ?? 0),
      chain_hash: hex((verified.head ?? head).chainHash),
      digest: hex(verified.digest),
    },
    records: verified.records,
    batches: verified.batches,
    source_fenced_to: supersededBy ?? null,
  };
}

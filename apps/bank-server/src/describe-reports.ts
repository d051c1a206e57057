import type { ReportsStatus } from "@bank/node/reports";
import { hex } from "./hex.ts";

/** A writer that runs is seen every 5 s, or is in the middle of a long transaction. */
const UNSEEN_MAX_MS = 30_000;

/** What an operator is told of tables. */
export function describeStatus({ head, journalPosition, unseenMs }: ReportsStatus, place: string): string {
  if (head.position === 0) return `Empty: nothing was written to the reports in ${place} yet.`;
  const behind = Math.max(0, journalPosition - head.position);
  return [
    `Reports of bank ${hex(head.bankId ?? new Uint8Array(0))} in ${place}:`,
    `  position     ${head.position}, of epoch ${head.epoch}`,
    `  time         ${new Date(head.timeMs).toISOString()}`,
    `  behind       ${behind} records, when the writer was last seen`,
    `  seen         ${describeSeen(unseenMs)}`,
    `  chain hash   ${hex(head.chainHash)}`,
  ].join("\n");
}

function describeSeen(unseenMs: number | undefined): string {
  if (unseenMs === undefined)
    return 'never: these tables were made by an older program; "reports follow" brings them up to date';
  const ago = `${(unseenMs / 1_000).toFixed(1)} s ago`;
  return unseenMs <= UNSEEN_MAX_MS
    ? ago
    : `${ago}: "reports follow" does not run, or does not reach the journal or the tables`;
}

/** The same for programs. Positions are strings. */
export function statusDocument({ head, journalPosition, unseenMs }: ReportsStatus, place: string): object {
  return {
    place,
    bank: head.bankId === undefined ? null : hex(head.bankId),
    position: String(head.position),
    epoch: head.epoch,
    time: head.position === 0 ? null : new Date(head.timeMs).toISOString(),
    chain_hash: head.position === 0 ? null : hex(head.chainHash),
    journal_position: String(journalPosition),
    unseen_ms: unseenMs ?? null,
  };
}

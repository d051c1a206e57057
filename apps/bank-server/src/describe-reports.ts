import type { ReportsStatus } from "@bank/node/reports";
import { hex } from "./hex.ts";

/** What an operator is told of tables. */
export function describeStatus({ head, journalPosition }: ReportsStatus, place: string): string {
  if (head.position === 0) return `Empty: nothing was written to the reports in ${place} yet.`;
  const behind = Math.max(0, journalPosition - head.position);
  return [
    `Reports of bank ${hex(head.bankId ?? new Uint8Array(0))} in ${place}:`,
    `  position     ${head.position}, of epoch ${head.epoch}`,
    `  time         ${new Date(head.timeMs).toISOString()}`,
    `  behind       ${behind} records, as of the last write`,
    `  chain hash   ${hex(head.chainHash)}`,
  ].join("\n");
}

/** The same for programs. Positions are strings. */
export function statusDocument({ head, journalPosition }: ReportsStatus, place: string): object {
  return {
    place,
    bank: head.bankId === undefined ? null : hex(head.bankId),
    position: String(head.position),
    epoch: head.epoch,
    time: head.position === 0 ? null : new Date(head.timeMs).toISOString(),
    chain_hash: head.position === 0 ? null : hex(head.chainHash),
    journal_position: String(journalPosition),
  };
}

import type { Position } from "@bank/core";

/** When a replica came to positions. */
export interface Moments {
  /** Ascending. */
  readonly positions: readonly Position[];
  /** When each was reached, in milliseconds of the machine's monotonic clock, which all its processes share. */
  readonly atMs: readonly number[];
}

/** Milliseconds of the machine's monotonic clock. `performance.now()` counts from the start of each process. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Notes when positions are reached. */
export class MomentLog implements Moments {
  positions: Position[] = [];
  atMs: number[] = [];

  note(position: Position): void {
    this.positions.push(position);
    this.atMs.push(machineMs());
  }

  /** Gives what was noted, and begins anew. */
  take(): Moments {
    const { positions, atMs } = this;
    this.positions = [];
    this.atMs = [];
    return { positions, atMs };
  }
}

/**
 * How much later a branch showed each batch than the bank had it on disk, in milliseconds. A branch that shows several
 * batches at once shows all of them then; one that it never showed counts as infinitely late.
 */
export function lagsMs(bank: Moments, branch: Moments): number[] {
  let at = 0;
  return bank.positions.map((position, i) => {
    while (at < branch.positions.length && (branch.positions[at] as Position) < position) at++;
    const shownMs = branch.atMs[at] ?? Number.POSITIVE_INFINITY;
    return shownMs - (bank.atMs[i] as number);
  });
}

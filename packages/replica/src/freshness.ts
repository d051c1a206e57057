import type { Position } from "@bank/core";
import type { Platform } from "./platform.ts";
import type { ReadIndex } from "./read-gate.ts";

/** Probes whose position is not applied yet; older ones say less than newer ones, so a few are enough. */
const PROBES_MAX = 16;
/**
 * A machine that sleeps may stop its monotonic clock, and its wall clock then jumps. Clocks that moved apart by more
 * than this, one way or the other, tell nothing about the time between.
 */
export const CLOCK_DRIFT_MAX_MS = 1_000;

type Clocks = Pick<Platform, "monotonicMs" | "wallMs">;

/** A moment on this machine's two clocks. */
export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** Now, on both clocks. */
export function momentOf(clocks: Clocks): Moment {
  return { monotonicMs: clocks.monotonicMs(), wallMs: clocks.wallMs() };
}

/** Milliseconds from one moment to another, by the clock that says more; undefined where the clocks moved apart. */
export function elapsedMs(from: Moment, to: Moment): number | undefined {
  const monotonicMs = to.monotonicMs - from.monotonicMs;
  const wallMs = to.wallMs - from.wallMs;
  return Math.abs(wallMs - monotonicMs) > CLOCK_DRIFT_MAX_MS ? undefined : Math.max(monotonicMs, wallMs);
}

interface Probe {
  readonly position: Position;
  readonly sent: Moment;
}

/**
 * How old the shown state may be, measured on this replica's own clocks alone: from when it sent the probe whose answer
 * it has applied.
 */
export class Freshness {
  private readonly clocks: Clocks;
  /** When the newest probe was sent whose position is applied. */
  private freshAsOf: Moment | undefined;
  private probes: Probe[] = [];

  constructor(clocks: Clocks) {
    this.clocks = clocks;
  }

  /** Asks, and remembers when the question was sent. */
  async probe(ask: () => Promise<ReadIndex>): Promise<ReadIndex> {
    const sent = momentOf(this.clocks);
    const index = await ask();
    this.probes.push({ position: index.position, sent });
    if (this.probes.length > PROBES_MAX) this.probes.shift();
    return index;
  }

  /**
   * Upper bound on the age of the state at the applied position. Undefined before the first answered probe, and from a
   * suspected sleep of the machine until the next one.
   */
  stalenessMs(applied: Position): number | undefined {
    for (const { position, sent } of this.probes)
      if (position <= applied && sent.monotonicMs >= (this.freshAsOf?.monotonicMs ?? sent.monotonicMs))
        this.freshAsOf = sent;
    this.probes = this.probes.filter(({ position }) => position > applied);
    return this.freshAsOf === undefined ? undefined : elapsedMs(this.freshAsOf, momentOf(this.clocks));
  }
}

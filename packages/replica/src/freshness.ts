import type { Position } from "@bank/core";
import type { Platform } from "./platform.ts";
import type { ReadIndex } from "./read-gate.ts";

/** Probes whose position is not applied yet; older ones say less than newer ones, so a few are enough. */
const PROBES_MAX = 16;

/**
 * How old the shown state may be, measured on this replica's own clock alone: from when it sent the probe whose answer
 * it has applied.
 */
export class Freshness {
  private readonly platform: Pick<Platform, "monotonicMs">;
  private freshAsOfMs: number | undefined;
  private probes: { readonly position: Position; readonly sentMs: number }[] = [];

  constructor(platform: Pick<Platform, "monotonicMs">) {
    this.platform = platform;
  }

  /** Asks, and remembers when the question was sent. */
  async probe(ask: () => Promise<ReadIndex>): Promise<ReadIndex> {
    const sentMs = this.platform.monotonicMs();
    const index = await ask();
    this.probes.push({ position: index.position, sentMs });
    if (this.probes.length > PROBES_MAX) this.probes.shift();
    return index;
  }

  /** Upper bound on the age of the state at the applied position; undefined before the first answered probe. */
  stalenessMs(applied: Position): number | undefined {
    for (const { position, sentMs } of this.probes)
      if (position <= applied) this.freshAsOfMs = Math.max(this.freshAsOfMs ?? sentMs, sentMs);
    this.probes = this.probes.filter(({ position }) => position > applied);
    return this.freshAsOfMs === undefined ? undefined : this.platform.monotonicMs() - this.freshAsOfMs;
  }
}

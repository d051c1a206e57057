import type { Guarantee } from "./guarantees.ts";
import type { Operation } from "./history.ts";

/** A guarantee that does not hold. */
export interface Violation {
  readonly guarantee: Guarantee;
  /** What happened, with positions and times. */
  readonly message: string;
  /** The operations concerned, the one that cannot be explained first. Empty where the journal alone is wrong. */
  readonly operations: readonly Operation[];
}

/** Gathers violations: counts all, keeps the first of each guarantee. */
export class Findings {
  readonly violations: Violation[] = [];
  readonly counts = new Map<Guarantee, number>();
  private readonly keptMax: number;

  /** @param keptMax how many violations of each guarantee are kept. */
  constructor(keptMax: number) {
    this.keptMax = keptMax;
  }

  /** @param message made only where it is kept. */
  add(guarantee: Guarantee, message: () => string, operations: readonly Operation[] = []): void {
    const count = (this.counts.get(guarantee) ?? 0) + 1;
    this.counts.set(guarantee, count);
    if (count <= this.keptMax) this.violations.push({ guarantee, message: message(), operations });
  }
}

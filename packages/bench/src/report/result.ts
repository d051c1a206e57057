import type { Audit } from "../bank/audit.ts";
import type { Distribution } from "../harness/distribution.ts";
import { type Latencies, median } from "../harness/quantile.ts";

/** What a row says about itself, besides its figures. */
export interface RowFacts {
  /** What is called. */
  readonly name: string;
  /** Who answers, where it is not the bank on its usual store. */
  readonly server?: string;
  /** What is counted. */
  readonly unit: string;
  /** Whether an answer means that it is on the disk. */
  readonly durable: boolean;
  /** Whether funds and limits are checked. */
  readonly checked: boolean;
  /** Operations in one call. */
  readonly batch: number;
  readonly inFlight: number;
  readonly accounts?: number | undefined;
  readonly distribution?: Distribution | undefined;
}

/** What one round of a row gave. */
export interface Measurement {
  readonly operationsPerSecond: number;
  readonly operations: number;
  /** Of one call, however many operations it carries. */
  readonly latencies: Latencies;
  /** Processor time of the server for each operation, all its threads; undefined where nobody tells. */
  readonly serverUs?: number | undefined;
  /** That of its main thread. */
  readonly serverMainUs?: number | undefined;
  /** Of whoever makes the load. */
  readonly loadUs?: number | undefined;
  /** Further figures, by name with unit. */
  readonly more?: Readonly<Record<string, number>> | undefined;
}

/** A row with what each round gave. */
export interface Result {
  readonly facts: RowFacts;
  readonly rounds: Measurement[];
}

/** Median and spread of the rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** Two rows beside each other: the first over the second, round by round. */
export interface Comparison {
  readonly text: string;
  readonly ratio: Spread;
}

/** One line of "Must show". */
export interface Target {
  readonly text: string;
  readonly measured: string;
  /** "unknown" where something is missing for it, which `measured` names. */
  readonly met: boolean | "unknown";
  /** Why it is not met, as far as profiling has shown. */
  readonly reason?: string;
}

/** Everything that a suite found. */
export class SuiteReport {
  readonly name: string;
  readonly title: string;
  readonly comparisons: Comparison[] = [];
  readonly targets: Target[] = [];
  /** Of banks whose audit was clean, by their name: one for each round. */
  readonly audits = new Map<string, Audit[]>();
  /** What else there is to know. */
  readonly notes: string[] = [];
  /** What could not be measured, and why. */
  readonly missing: string[] = [];
  /** What went wrong: then the benchmark has failed. */
  readonly failures: string[] = [];
  private readonly byKey = new Map<string, Result>();

  constructor(name: string, title: string) {
    this.name = name;
    this.title = title;
  }

  get results(): readonly Result[] {
    return [...this.byKey.values()];
  }

  add(facts: RowFacts, measurement: Measurement): void {
    const result = this.find(facts) ?? { facts, rounds: [] };
    this.byKey.set(keyOf(facts), result);
    result.rounds.push(measurement);
  }

  find(facts: RowFacts): Result | undefined {
    return this.byKey.get(keyOf(facts));
  }

  /** Median of a figure over the rounds of a row; undefined where the row or the figure is missing. */
  figure(facts: RowFacts, pick: (measurement: Measurement) => number | undefined): Spread | undefined {
    const values = this.find(facts)?.rounds.map(pick) ?? [];
    const known = values.filter((value) => value !== undefined);
    return known.length === 0 || known.length < values.length ? undefined : spreadOf(known);
  }

  /** Notes the ratio of two rows, if both were measured, and gives it. */
  compare(
    text: string,
    [over, under]: readonly [RowFacts, RowFacts],
    pick: (measurement: Measurement) => number | undefined = perSecond,
  ): Spread | undefined {
    const a = this.find(over)?.rounds.map(pick) ?? [];
    const b = this.find(under)?.rounds.map(pick) ?? [];
    const ratios: number[] = [];
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
      const [x, y] = [a[i], b[i]];
      if (x !== undefined && y !== undefined && y !== 0) ratios.push(x / y);
    }
    if (ratios.length === 0) return undefined;
    const ratio = spreadOf(ratios);
    this.comparisons.push({ text, ratio });
    return ratio;
  }

  /**
   * Notes whether a figure is at least, or at most, what it should be.
   *
   * @param reason told where it is not: one of `reasons.ts`.
   */
  target(
    text: string,
    measured: Spread | undefined,
    bound: { readonly atLeast: number } | { readonly atMost: number },
    describe: (value: number) => string,
    reason?: string,
  ): void {
    if (measured === undefined) {
      this.targets.push({ text, measured: "not measured in this run", met: "unknown" });
      return;
    }
    const met = "atLeast" in bound ? measured.median >= bound.atLeast : measured.median <= bound.atMost;
    const { median: middle, min, max } = measured;
    this.targets.push({
      text,
      measured: `${describe(middle)} (${describe(min)} … ${describe(max)})`,
      met,
      ...(met || reason === undefined ? {} : { reason }),
    });
  }

  audited(name: string, audit: Audit): void {
    this.audits.set(name, [...(this.audits.get(name) ?? []), audit]);
  }

  note(text: string): void {
    if (!this.notes.includes(text)) this.notes.push(text);
  }

  miss(text: string): void {
    if (!this.missing.includes(text)) this.missing.push(text);
  }
}

export const perSecond = ({ operationsPerSecond }: Measurement) => operationsPerSecond;
export const p50 = ({ latencies }: Measurement) => latencies.p50Ms;

function keyOf({ name, server, batch, inFlight, accounts, distribution }: RowFacts): string {
  return [name, server, batch, inFlight, accounts, distribution].join("|");
}

import { setTimeout as sleep } from "node:timers/promises";
import { Random } from "./random.ts";

/** Something that goes wrong for a while. */
export interface Fault {
  /** No other of the same nemesis has it. */
  readonly name: string;
  /** Of faults with one group, such as those of one process, only one is there at a time. Its own name by default. */
  readonly group?: string;
  /** @param random follows from the nemesis' seed and the fault's place in the plan. */
  begin(random: Random): void | Promise<void>;
  /** Puts it right. Called once for each `begin`, also where that failed. */
  end(): void | Promise<void>;
}

/** From the first to the second, both included. */
export type RangeMs = readonly [leastMs: number, mostMs: number];

export interface NemesisOptions {
  readonly seed: number;
  readonly faults: readonly Fault[];
  /** No fault begins later than this, and those that are there end then. */
  readonly forMs: number;
  /** Between the end of a fault and the beginning of the next in its place. */
  readonly calmMs: RangeMs;
  readonly faultMs: RangeMs;
  /** How many faults there are at a time at most. 1 by default. */
  readonly atOnceMax?: number;
}

/** One fault of a plan. */
export interface PlannedFault {
  readonly name: string;
  readonly beginMs: number;
  readonly endMs: number;
}

/** What a nemesis did, and when, in milliseconds since its beginning. */
export interface NemesisEvent {
  readonly atMs: number;
  readonly what: "begin" | "end" | "failed";
  readonly name: string;
  /** Of what failed. */
  readonly error?: unknown;
}

/** How time passes for a nemesis. */
export interface NemesisClock {
  monotonicMs(): number;
  /** Resolves after the time, or rejects when the signal aborts. */
  delay(ms: number, signal: AbortSignal): Promise<void>;
}

const REAL_CLOCK: NemesisClock = {
  monotonicMs: () => performance.now(),
  delay: (ms, signal) => sleep(ms, undefined, { signal }),
};

/** Faults at random, from a seed: the same options give the same plan. */
export class Nemesis {
  readonly seed: number;
  /** What it intends, in the order in which it begins. What a fault takes to begin and end comes on top. */
  readonly plan: readonly PlannedFault[];
  /** What it did so far. */
  readonly log: NemesisEvent[] = [];
  private readonly faults: ReadonlyMap<string, Fault>;
  private readonly clock: NemesisClock;
  private beganMs = 0;

  constructor(options: NemesisOptions, clock: NemesisClock = REAL_CLOCK) {
    this.seed = options.seed;
    this.faults = new Map(options.faults.map((fault) => [fault.name, fault]));
    if (this.faults.size !== options.faults.length) throw new RangeError("two faults have one name");
    this.plan = planFaults(options);
    this.clock = clock;
  }

  /**
   * Does as planned. An aborted signal ends it early. Every fault that has begun has ended when this settles, whatever
   * happened.
   *
   * Rejects with an `AggregateError` that tells the seed and the log when a fault could not begin or end.
   */
  async run(signal: AbortSignal = new AbortController().signal): Promise<readonly NemesisEvent[]> {
    this.beganMs = this.clock.monotonicMs();
    // After a failure the rest is left out: what is broken is what the test is about no longer.
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const groups = new Map<string, Promise<void>>();
    const carriedOut = this.plan.map((planned, i) => {
      const fault = this.fault(planned.name);
      const group = groupOf(fault);
      // What took longer than planned to end makes those of its group late.
      const free = groups.get(group) ?? Promise.resolve();
      const over = this.carryOut(fault, { planned, random: new Random(this.seed + i + 1), free, signal: either }).then(
        (isWell) => {
          if (!isWell) stop.abort();
        },
      );
      groups.set(group, over);
      return over;
    });
    await Promise.all(carriedOut);
    const failures = this.log.filter(({ what }) => what === "failed");
    if (failures.length > 0) {
      throw new AggregateError(
        failures.map(({ error }) => error),
        `a fault failed\n${this.describe()}`,
      );
    }
    return this.log;
  }

  /** The seed and the log, as text. */
  describe(): string {
    const lines = this.log.map(({ atMs, what, name, error }) => {
      const reason = error === undefined ? "" : `: ${error instanceof Error ? error.message : String(error)}`;
      return `${atMs.toFixed(0).padStart(8)} ms  ${what} ${name}${reason}`;
    });
    return [`nemesis with seed ${this.seed}`, ...lines].join("\n");
  }

  /** False where it failed. */
  private async carryOut(
    fault: Fault,
    turn: {
      readonly planned: PlannedFault;
      readonly random: Random;
      readonly free: Promise<void>;
      readonly signal: AbortSignal;
    },
  ): Promise<boolean> {
    const { planned, random, free, signal } = turn;
    const { name, beginMs, endMs } = planned;
    await this.wait(beginMs - this.nowMs(), signal);
    await free;
    if (signal.aborted) return true;
    this.tell("begin", name);
    const isWell = await this.attempt(name, async () => {
      await fault.begin(random);
      await this.wait(endMs - beginMs, signal);
    });
    const hasEnded = await this.attempt(name, () => fault.end());
    this.tell("end", name);
    return isWell && hasEnded;
  }

  private async attempt(name: string, act: () => void | Promise<void>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      this.log.push({ atMs: this.nowMs(), what: "failed", name, error });
      return false;
    }
  }

  private async wait(ms: number, signal: AbortSignal): Promise<void> {
    try {
      if (ms > 0) await this.clock.delay(ms, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  private tell(what: "begin" | "end", name: string): void {
    this.log.push({ atMs: this.nowMs(), what, name });
  }

  private nowMs(): number {
    return this.clock.monotonicMs() - this.beganMs;
  }

  private fault(name: string): Fault {
    const fault = this.faults.get(name);
    if (fault === undefined) throw new Error(`there is no fault ${name}`);
    return fault;
  }
}

function groupOf({ name, group = name }: Fault): string {
  return group;
}

/** Fills as many places as there may be faults at a time, each with calm and faults by turns. */
function planFaults(options: NemesisOptions): readonly PlannedFault[] {
  const { seed, faults, forMs, calmMs, faultMs, atOnceMax = 1 } = options;
  const random = new Random(seed);
  const between = ([least, most]: RangeMs) => least + random.below(most - least + 1);
  /** When each place is free again. */
  const places = Array<number>(atOnceMax).fill(0);
  /** When each group is free again. */
  const busyUntil = new Map<string, number>();
  const plan: PlannedFault[] = [];
  for (;;) {
    const freeMs = Math.min(...places);
    const place = places.indexOf(freeMs);
    // Of the places one is free first, but after its calm another may begin before it.
    const beginMs = freeMs + Math.max(1, between(calmMs));
    if (beginMs >= forMs) {
      places[place] = Number.POSITIVE_INFINITY;
      if (places.every((ms) => ms === Number.POSITIVE_INFINITY)) break;
      continue;
    }
    const endMs = Math.min(forMs, beginMs + between(faultMs));
    const possible = faults.filter((fault) => (busyUntil.get(groupOf(fault)) ?? 0) <= beginMs);
    if (possible.length > 0) {
      const fault = random.pick(possible);
      busyUntil.set(groupOf(fault), endMs);
      plan.push({ name: fault.name, beginMs, endMs });
    }
    places[place] = endMs;
  }
  return plan.sort((a, b) => a.beginMs - b.beginMs);
}

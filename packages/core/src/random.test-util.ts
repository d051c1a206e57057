import type { RequestId } from "./identifiers.ts";
import { requestIdFromBytes } from "./identifiers.ts";

/** The seed of this run: `BANK_TEST_SEED` where it is set, so that a failure can be repeated, else a new one. */
export const SEED = Number(process.env["BANK_TEST_SEED"] ?? 1 + Math.floor(Math.random() * 0x7fff_fffe));

/** How often a random test that takes seconds is run, with a seed each: `BANK_TEST_RUNS`, else once. */
export const RUNS = wholeRuns(process.env["BANK_TEST_RUNS"] ?? "1");

/** A number that is none must not end in a test that looks at nothing. */
function wholeRuns(text: string): number {
  const runs = Number(text);
  if (!Number.isInteger(runs) || runs < 1) throw new RangeError(`BANK_TEST_RUNS is "${text}", not how often to run`);
  return runs;
}

/** For the name of a random test: its seed, and the command that repeats it. */
export function seeded(file: string): string {
  return `[seed ${SEED}; repeat: BANK_TEST_SEED=${SEED} npx vitest run packages/core/src/${file}]`;
}

/** Pseudo-random numbers that follow from a seed. Source: George Marsaglia, "Xorshift RNGs", 2003. */
export class Random {
  private state: number;

  constructor(seed: number) {
    // Neighbouring seeds must not give neighbouring sequences; the state must not be zero.
    this.state = Math.imul(seed, 0x9e37_79b1) | 1;
    for (let i = 0; i < 8; i++) this.word();
  }

  /** Any 32 bits, with a sign; never zero. */
  word(): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return this.state;
  }

  /** 0 to `bound` − 1. */
  below(bound: number): number {
    return (this.word() >>> 0) % bound;
  }

  chance(percent: number): boolean {
    return this.below(1000) < percent * 10;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  requestId(): RequestId {
    const words = Int32Array.from({ length: 4 }, () => this.word());
    return requestIdFromBytes(new Uint8Array(words.buffer));
  }
}

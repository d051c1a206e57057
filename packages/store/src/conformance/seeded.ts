/** A small seeded generator (mulberry32), so that a random test can be repeated. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer of `from` to `to`, both included. */
  integer(from: number, to: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return from + (((mixed ^ (mixed >>> 14)) >>> 0) % (to - from + 1));
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.integer(0, choices.length - 1)] ?? choices[0];
  }
}

/** BANK_SEED where it is set; else seeds that never change, and one that always does. */
export function seeds(): readonly number[] {
  const chosen = process.env["BANK_SEED"];
  return chosen === undefined ? [1, 2, 3, Math.floor(Math.random() * 2 ** 32)] : [Number(chosen)];
}

/** Runs a random test; its failure says how to repeat it. */
export async function withSeed(seed: number, test: (random: Random) => Promise<void>): Promise<void> {
  try {
    await test(new Random(seed));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`seed ${seed}: ${reason}\nrepeat with: BANK_SEED=${seed} npx vitest run packages/store`, {
      cause: error,
    });
  }
}

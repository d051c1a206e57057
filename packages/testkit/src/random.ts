/**
 * Pseudo-random numbers that follow from a seed: a counter, finished by a good hash.
 *
 * Source of the finishing step: Chris Wellons, "hash-prospector", in the public domain.
 */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** Any 32 bits, without a sign. */
  word(): number {
    this.state = (this.state + 0x9e37_79b9) >>> 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0_aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a_2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  /** In [0, 1). */
  fraction(): number {
    return this.word() / 4_294_967_296;
  }

  /** An integer from 0 to `bound` − 1. */
  below(bound: number): number {
    return Math.floor(this.fraction() * bound);
  }

  /** True in so many of a hundred cases. */
  chance(percent: number): boolean {
    return this.fraction() * 100 < percent;
  }

  pick<T>(values: readonly T[]): T {
    if (values.length === 0) throw new RangeError("there is nothing to pick from");
    return values[this.below(values.length)] as T;
  }

  bytes(count: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length: count }, () => this.word() & 0xff);
  }
}

/** Variable that repeats one run of the random tests. */
const SEED_VARIABLE = "BANK_TEST_SEED";

/** `BANK_TEST_SEED` alone where it is set; else so many seeds that never change, and one that always does. */
export function seeds(fixed: number): readonly number[] {
  const chosen = process.env[SEED_VARIABLE];
  if (chosen !== undefined) return [Number(chosen)];
  return [...Array.from({ length: fixed }, (_, i) => i + 1), 1 + Math.floor(Math.random() * 0x7fff_fffe)];
}

/**
 * Runs a random test; its failure says how to repeat it.
 *
 * @param file of the test, from the root of the repository.
 */
export async function withSeed(seed: number, file: string, test: (random: Random) => Promise<void>): Promise<void> {
  try {
    await test(new Random(seed));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`seed ${seed}: ${reason}\nrepeat: ${SEED_VARIABLE}=${seed} npx vitest run ${file}`, {
      cause: error,
    });
  }
}

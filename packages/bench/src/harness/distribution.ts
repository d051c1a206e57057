/** How a load chooses accounts. */
export type Distribution = "uniform" | "zipfian" | "hot";

/** The exponent that YCSB uses: of ten thousand accounts the most wanted one gets a tenth. */
const ZIPF_EXPONENT = 0.99;

/** Quick pseudo-random 32-bit numbers. Source: sfc32 by Chris Doty-Humphrey, in the public domain. */
export class QuickRandom {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  constructor(seed: number) {
    this.a = seed | 0;
    this.b = 0x9e37_79b9 | 0;
    this.c = ~seed;
    for (let i = 0; i < 12; i++) this.int32();
  }

  /** Any signed 32-bit number. */
  int32(): number {
    const result = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + result) | 0;
    return result;
  }

  /** At least 0, below 1. */
  fraction(): number {
    return (this.int32() >>> 0) / 4_294_967_296;
  }
}

/**
 * Ranks from 0, of which the r-th comes as often as 1 / (r + 1) to the exponent.
 * Source: Gray et al., "Quickly Generating Billion-Record Synthetic Databases", SIGMOD 1994, as in YCSB.
 */
export class Zipfian {
  private readonly count: number;
  private readonly zetaAll: number;
  private readonly alpha = 1 / (1 - ZIPF_EXPONENT);
  private readonly eta: number;

  constructor(count: number) {
    this.count = count;
    this.zetaAll = zeta(count);
    this.eta = (1 - (2 / count) ** (1 - ZIPF_EXPONENT)) / (1 - zeta(2) / this.zetaAll);
  }

  /** @param fraction at least 0, below 1, uniform. */
  rank(fraction: number): number {
    const scaled = fraction * this.zetaAll;
    if (scaled < 1) return 0;
    if (scaled < 1 + 0.5 ** ZIPF_EXPONENT) return 1;
    return Math.min(this.count - 1, Math.floor(this.count * (this.eta * fraction - this.eta + 1) ** this.alpha));
  }

  /** Which part of all draws gives the rank. */
  share(rank: number): number {
    return 1 / (rank + 1) ** ZIPF_EXPONENT / this.zetaAll;
  }
}

function zeta(count: number): number {
  let sum = 0;
  for (let i = 1; i <= count; i++) sum += 1 / i ** ZIPF_EXPONENT;
  return sum;
}

/** Chooses account numbers from 1 on. */
export class AccountChooser {
  private readonly accounts: number;
  private readonly distribution: Distribution;
  private readonly random: QuickRandom;
  private readonly zipfian: Zipfian | undefined;
  /** Spreads the ranks over the numbers, so that wanted accounts are no neighbours. */
  private readonly stride: number;
  private isHotTurn = false;

  /** @param accounts how many there are, at least 3. */
  constructor(accounts: number, distribution: Distribution, random: QuickRandom) {
    this.accounts = accounts;
    this.distribution = distribution;
    this.random = random;
    this.zipfian = distribution === "zipfian" ? new Zipfian(accounts) : undefined;
    this.stride = coprimeNear(Math.floor(accounts * 0.618), accounts);
  }

  /** One account. */
  one(): number {
    if (this.distribution === "hot") return 1;
    return this.any();
  }

  /** The first of two different accounts, of which `other` gives the second. One hot account pays and receives in turn. */
  first(): number {
    if (this.distribution !== "hot") return this.any();
    this.isHotTurn = !this.isHotTurn;
    return this.isHotTurn ? 1 : this.uniformBut(1);
  }

  other(first: number): number {
    if (this.distribution === "hot") return first === 1 ? this.uniformBut(1) : 1;
    if (this.distribution === "uniform") return this.uniformBut(first);
    const second = this.any();
    return second === first ? this.uniformBut(first) : second;
  }

  private any(): number {
    const fraction = this.random.fraction();
    if (this.zipfian === undefined) return 1 + Math.floor(fraction * this.accounts);
    return 1 + ((this.zipfian.rank(fraction) * this.stride) % this.accounts);
  }

  private uniformBut(number: number): number {
    const chosen = 1 + Math.floor(this.random.fraction() * (this.accounts - 1));
    return chosen < number ? chosen : chosen + 1;
  }
}

function coprimeNear(from: number, to: number): number {
  let candidate = Math.max(from, 1);
  while (greatestCommonDivisor(candidate, to) !== 1) candidate++;
  return candidate;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

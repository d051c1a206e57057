/** Millionths of a percent in a whole. */
const WHOLE = 100_000_000n;

/**
 * Interest on a balance: `rate` millionths of a percent of it, rounded half to even to whole minor units.
 *
 * @param balance minor units, not negative.
 * @param rate 0 to `RATE_MAX`.
 */
export function interestOn(balance: bigint, rate: number): bigint {
  const exact = balance * BigInt(rate);
  const whole = exact / WHOLE;
  const twiceRest = (exact % WHOLE) * 2n;
  const roundsUp = twiceRest > WHOLE || (twiceRest === WHOLE && whole % 2n === 1n);
  return roundsUp ? whole + 1n : whole;
}

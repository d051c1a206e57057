import { assert } from "./assert.ts";
import { RATE_MAX } from "./limits.ts";

const RATE = /^([0-9]+)(?:\.([0-9]{1,6}))?$/;
const DECIMALS = 6;
const UNIT = 10 ** DECIMALS;

/**
 * Reads a percentage such as `2.5`, exactly: digits, and behind a point at most six more; 0 to 100. No sign, exponent
 * or white space. Gives millionths of a percent, or undefined for any other text.
 */
export function parseRate(text: string): number | undefined {
  const match = RATE.exec(text);
  if (match === null) return undefined;
  const whole = (match[1] as string).replace(/^0+(?=[0-9])/, "");
  // Three digits hold every rate; a number of more need not be exact any more.
  if (whole.length > 3) return undefined;
  const rate = Number(whole) * UNIT + Number((match[2] ?? "").padEnd(DECIMALS, "0"));
  return rate <= RATE_MAX ? rate : undefined;
}

/** Writes a rate as the shortest text that reads as it: 2,500,000 millionths of a percent are `2.5`. */
export function formatRate(rate: number): string {
  assert(Number.isInteger(rate) && rate >= 0 && rate <= RATE_MAX, `a rate is from 0 to ${RATE_MAX}`);
  const fraction = String(rate % UNIT)
    .padStart(DECIMALS, "0")
    .replace(/0+$/, "");
  const whole = String(Math.floor(rate / UNIT));
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

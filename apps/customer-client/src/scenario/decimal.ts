/** Why a JSON number is not a whole number of the unit that is asked for. */
export type DecimalProblem = "too-precise" | "too-large";

const NUMBER = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/;

/**
 * Reads a JSON number exactly and without a float: its value times ten to the power of `decimals`. `410`, `410.0` and
 * `4.1e2` are the same number. Zeros at the end of a fraction are no precision: `1.500` has one decimal.
 *
 * Gives `too-precise` when more decimals than `decimals` are not zero, else `too-large` when the result has more than
 * `digitsMax` digits. Throws: `RangeError` when the text is not a JSON number.
 */
export function parseDecimal(text: string, decimals: number, digitsMax = 19): bigint | DecimalProblem {
  const match = NUMBER.exec(text);
  if (match === null) throw new RangeError("not a JSON number");
  const [, sign, whole = "", fraction = "", exponent = "0"] = match;
  const digits = whole + fraction;

  let first = 0;
  while (digits[first] === "0") first++;
  if (first === digits.length) return 0n;
  let end = digits.length;
  while (digits[end - 1] === "0") end--;

  // An exponent too long for a number becomes infinite here, and compares rightly.
  const zeros = Number(exponent) - fraction.length + decimals + (digits.length - end);
  if (zeros < 0) return "too-precise";
  if (end - first + zeros > digitsMax) return "too-large";
  const value = BigInt(digits.slice(first, end) + "0".repeat(zeros));
  return sign === "-" ? -value : value;
}

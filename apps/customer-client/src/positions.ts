import { UsageError } from "./usage-error.ts";

/**
 * A transaction, a hold, a position or a version, as people write it: a whole number from 1.
 *
 * @param what in words, for the message: `transaction number`.
 * Throws: `UsageError`.
 */
export function parsePosition(text: string, what: string): number {
  const number = /^[1-9][0-9]{0,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw new UsageError(`${JSON.stringify(text)} is no ${what}.`, { number: text });
  return number;
}

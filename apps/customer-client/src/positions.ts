import type { ReadInfo } from "@bank/client";
import { timeText } from "./time-text.ts";
import { UsageError } from "./usage-error.ts";

/** The state that an answer is of: `position 10, 2026-01-05T09:00:00Z`. */
export function stateText({ position, timeMs }: Pick<ReadInfo, "position" | "timeMs">): string {
  return timeMs === undefined ? `position ${position}` : `position ${position}, ${timeText(timeMs)}`;
}

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

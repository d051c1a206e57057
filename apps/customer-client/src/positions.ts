import type { Consistency, ReadInfo } from "@bank/client";
import { timeText } from "./time-text.ts";
import { UsageError } from "./usage-error.ts";

/** The state that an answer is of: `position 10, 2026-01-05T09:00:00Z`. */
export function stateText({ position, timeMs }: Pick<ReadInfo, "position" | "timeMs">): string {
  return timeMs === undefined ? `position ${position}` : `position ${position}, ${timeText(timeMs)}`;
}

/**
 * How old the state of an answer may be: `at most 350 ms old, no connection to the bank`. Undefined where that is said by
 * how it was asked for: the newest, or a state of the past.
 */
export function ageText(
  { stalenessMs, connected }: Pick<ReadInfo, "stalenessMs" | "connected">,
  consistency: Consistency,
): string | undefined {
  const mode = typeof consistency === "string" ? consistency : consistency.mode;
  if (mode === "linearizable" || mode === "position" || mode === "time") return undefined;
  const age = stalenessMs === undefined ? "of unknown age" : `at most ${stalenessMs} ms old`;
  return connected ? age : `${age}, no connection to the bank`;
}

/** What stands below an answer that may not be the newest; nothing below others. */
export function staleText(read: ReadInfo, consistency: Consistency): string {
  const age = ageText(read, consistency);
  return age === undefined ? "" : `As of ${stateText(read)}, ${age}.\n`;
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

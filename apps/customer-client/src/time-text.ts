import { TIME_MS_MAX } from "@bank/core";
import { UsageError } from "./usage-error.ts";

/** A moment for people, as RFC 3339 in UTC: `2026-01-05T09:00:00Z`; milliseconds only where there are some. */
export function timeText(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(".000Z", "Z");
}

const TIME =
  /^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,3})?(?:Z|[+-][0-9]{2}:[0-9]{2}))?$/;

/**
 * Reads a moment as RFC 3339 has it, to the millisecond: `2026-01-05T09:00:00Z`, `2026-01-05T10:00:00.5+01:00`. A date
 * alone is its first moment in UTC.
 *
 * @param name what the text is, for the message: `--at-time`.
 * @returns Unix milliseconds.
 * Throws: `UsageError`.
 */
export function parseTime(text: string, name: string): number {
  const date = TIME.exec(text)?.[1];
  const timeMs = date === undefined ? Number.NaN : Date.parse(text);
  // The runtime takes 31 April for 1 May.
  const exists = date !== undefined && new Date(`${date}T00:00:00Z`).toJSON()?.startsWith(date);
  if (exists !== true || !(timeMs >= 0 && timeMs <= TIME_MS_MAX))
    throw new UsageError(
      `${name} ${JSON.stringify(text)} is not a time as in RFC 3339, such as 2026-01-05T09:00:00Z or 2026-01-05.`,
      { time: text },
    );
  return timeMs;
}

/**
 * Reads how old something may be: `500ms`, `2s`, `1m`, `0s`.
 *
 * @param name what the text is, for the message: `--max-staleness`.
 * @returns whole milliseconds, 0 or more.
 * Throws: `UsageError`.
 */
export function parseStaleness(text: string, name: string): number {
  const match = /^([0-9]{1,9})(ms|s|m|h|d)$/.exec(text);
  if (match === null)
    throw new UsageError(`${name} ${JSON.stringify(text)} is not a length of time, such as 500ms, 2s or 1m.`, {
      duration: text,
    });
  return Number(match[1]) * (UNITS_MS[match[2] as string] as number);
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/**
 * Reads a length of time: `90s`, `30m`, `12h`, `7d`, `2w`.
 *
 * @param name what the text is, for the message: `--expires-in`.
 * @returns milliseconds, more than zero.
 * Throws: `UsageError`.
 */
export function parseDuration(text: string, name: string): number {
  const match = /^([1-9][0-9]{0,8})([smhdw])$/.exec(text);
  if (match === null)
    throw new UsageError(`${name} ${JSON.stringify(text)} is not a length of time, such as 90s, 30m, 12h, 7d or 2w.`, {
      duration: text,
    });
  return Number(match[1]) * (UNITS_MS[match[2] as string] as number);
}

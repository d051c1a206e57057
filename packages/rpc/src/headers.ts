import { RefusalError, TIME_MS_MAX } from "@bank/core";

/** How current a read must be; see `ReadConsistency`. */
export const CONSISTENCY_HEADER = "bank-consistency";
/** A session token, on requests and on responses. */
export const SESSION_HEADER = "bank-session";
/** How far a write should have spread before it is answered; see `WritePropagation`. */
export const PROPAGATION_HEADER = "bank-propagation";
/** The number of the highest epoch that the caller has heard of. A bank of an older one has been replaced, and stops. */
export const EPOCH_HEADER = "bank-epoch";

/** Set on the error of a follower whose extra records an operator has given up: it may put its journal aside. */
export const LOSS_ACCEPTED_HEADER = "bank-loss-accepted";

/**
 * How current a read must be, as the header says it: `linearizable`, `session`, `bounded;max-staleness-ms=500`, `local`,
 * `position=1200`, `time=2026-11-21T10:00:00Z`.
 */
export type ReadConsistency =
  | { readonly mode: "linearizable" | "session" | "local" }
  /** At least 0; whole milliseconds. */
  | { readonly mode: "bounded"; readonly maxStalenessMs: number }
  /** The state exactly as it stood at a position. */
  | { readonly mode: "position"; readonly position: number }
  /** The state exactly as it stood at a moment, Unix milliseconds. */
  | { readonly mode: "time"; readonly timeMs: number };

/** How far a write should have spread, as the header says it: `bank`, `quorum=2`, `all-branches`. */
export type WritePropagation =
  | { readonly mode: "bank" | "allBranches" }
  /** At least 1. */
  | { readonly mode: "quorum"; readonly copies: number };

/** The modes that are a word alone. */
export const CONSISTENCY_MODES = ["linearizable", "session", "local"] as const;
export type ConsistencyMode = (typeof CONSISTENCY_MODES)[number];

/** What the headers of a request say about consistency. */
export interface ConsistencyHeaders {
  readonly consistency: ReadConsistency;
  /** undefined when the request carries none. */
  readonly session: string | undefined;
}

/**
 * Reads the headers. A read that says nothing is linearizable.
 * Throws: `RefusalError` INVALID_REQUEST for a consistency that is none, or a session read without a token.
 */
export function readConsistency(headers: Headers): ConsistencyHeaders {
  const consistency = parseConsistency(headers.get(CONSISTENCY_HEADER) ?? "linearizable");
  const session = headers.get(SESSION_HEADER) ?? undefined;
  if (consistency.mode === "session" && session === undefined)
    throw invalid(`a session read needs the header ${SESSION_HEADER}`);
  return { consistency, session };
}

/** As the header says it; `parseConsistency` reads it again. */
export function formatConsistency(consistency: ReadConsistency): string {
  switch (consistency.mode) {
    case "bounded":
      return `bounded;${MAX_STALENESS}=${consistency.maxStalenessMs}`;
    case "position":
      return `position=${consistency.position}`;
    case "time":
      return `time=${new Date(consistency.timeMs).toISOString()}`;
    default:
      return consistency.mode;
  }
}

/** Throws: `RefusalError` INVALID_REQUEST. */
export function parseConsistency(text: string): ReadConsistency {
  const word = CONSISTENCY_MODES.find((known) => known === text);
  if (word !== undefined) return { mode: word };
  if (/^bounded(?![a-z])/.test(text)) return { mode: "bounded", maxStalenessMs: boundOf(text) };
  const asOf = /^(position|time)=(.*)$/s.exec(text);
  if (asOf?.[1] === "position") return { mode: "position", position: positionOf(asOf[2] ?? "") };
  if (asOf?.[1] === "time") return { mode: "time", timeMs: timeOf(asOf[2] ?? "") };
  throw invalid(
    `${CONSISTENCY_HEADER} is one of ${CONSISTENCY_MODES.join(", ")}, bounded;${MAX_STALENESS}=N, position=N, ` +
      `time=T, not ${quoted(text)}`,
  );
}

/**
 * How far a write should have spread: only durable at the bank where nothing is said.
 * Throws: `RefusalError` INVALID_REQUEST.
 */
export function readPropagation(headers: Headers): WritePropagation {
  const text = headers.get(PROPAGATION_HEADER) ?? "bank";
  if (text === "bank") return { mode: "bank" };
  if (text === "all-branches") return { mode: "allBranches" };
  const copies = wholeNumber(/^quorum=(.*)$/s.exec(text)?.[1], COPIES_MAX);
  if (copies === undefined || copies === 0)
    throw invalid(
      `${PROPAGATION_HEADER} is bank, all-branches, or quorum=N with N from 1 to ${COPIES_MAX}, not ${quoted(text)}`,
    );
  return { mode: "quorum", copies };
}

/** As the header says it; `readPropagation` reads it again. */
export function formatPropagation(propagation: WritePropagation): string {
  switch (propagation.mode) {
    case "bank":
      return "bank";
    case "allBranches":
      return "all-branches";
    case "quorum":
      return `quorum=${propagation.copies}`;
  }
}

const MAX_STALENESS = "max-staleness-ms";
/** As many copies as the bank's own message can ask for. */
const COPIES_MAX = 1_000;

function boundOf(text: string): number {
  const bound = wholeNumber(/^bounded; ?max-staleness-ms=(.*)$/s.exec(text)?.[1], Number.MAX_SAFE_INTEGER);
  if (bound !== undefined) return bound;
  throw invalid(`a bounded read says bounded;${MAX_STALENESS}=N, N in whole milliseconds, not ${quoted(text)}`);
}

function positionOf(text: string): number {
  const position = wholeNumber(text, Number.MAX_SAFE_INTEGER);
  if (position !== undefined) return position;
  throw invalid(`a position is a whole number, 0 or more, not ${quoted(text)}`);
}

const DATE_TIME =
  /^([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$/;

/** The millisecond that a moment of RFC 3339 is in, Unix milliseconds. */
function timeOf(text: string): number {
  const [, date = "", time = "", fraction = "", offset = ""] = DATE_TIME.exec(text) ?? [];
  // The runtime takes 31 April for 1 May, and 24:00:00 for the next day.
  const exists = new Date(`${date}T${time}Z`).toJSON()?.startsWith(`${date}T${time}`) === true;
  const timeMs = exists ? Date.parse(`${date}T${time}${fraction.slice(0, 4)}${offset.toUpperCase()}`) : Number.NaN;
  if (timeMs >= 0 && timeMs <= TIME_MS_MAX) return timeMs;
  throw invalid(`a time is as in RFC 3339, such as 2026-01-05T09:00:00Z, from 1970 to 9999, not ${quoted(text)}`);
}

/** A whole number from 0 to the maximum, in digits alone; undefined for anything else. */
function wholeNumber(text: string | undefined, max: number): number | undefined {
  if (text === undefined || !/^[0-9]{1,16}$/.test(text)) return undefined;
  const number = Number(text);
  return number <= max ? number : undefined;
}

function invalid(problem: string): RefusalError {
  return new RefusalError("INVALID_REQUEST", { problem });
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}

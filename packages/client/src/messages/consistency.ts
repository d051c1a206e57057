import { RefusalError } from "@bank/core";
import { CONSISTENCY_MODES, parseConsistency, type ReadConsistency, type WritePropagation } from "@bank/rpc";
import type { AskedPropagation, Consistency } from "../types/index.ts";

/**
 * What a caller asked of a read, as the wire has it. Throws: `TypeError` for what is no consistency; `RangeError` for a
 * bound or a position that is no whole number, and for what is no time.
 */
export function readConsistencyOf(consistency: Consistency): ReadConsistency {
  const asked = typeof consistency === "string" ? { mode: consistency } : consistency;
  switch (asked.mode) {
    case "bounded":
      return { mode: "bounded", maxStalenessMs: wholeNumber("maxStalenessMs", asked.maxStalenessMs, 0) };
    case "position":
      return { mode: "position", position: wholeNumber("position", asked.position, 1) };
    case "time":
      return { mode: "time", timeMs: timeMsOfText(asked.time) };
    default:
      if (!CONSISTENCY_MODES.includes(asked.mode)) throw new TypeError(`there is no consistency ${String(asked.mode)}`);
      return { mode: asked.mode };
  }
}

/** What a caller asked of a mutation, as the wire has it. Throws: `TypeError`, `RangeError`. */
export function writePropagationOf(propagation: AskedPropagation): WritePropagation {
  if (propagation === "bank") return { mode: "bank" };
  if (propagation === "all-branches") return { mode: "allBranches" };
  if (typeof propagation === "object") return { mode: "quorum", copies: wholeNumber("quorum", propagation.quorum, 1) };
  throw new TypeError(`there is no propagation ${String(propagation)}`);
}

function wholeNumber(what: string, value: number, min: number): number {
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw new RangeError(`${what} is a whole number from ${min}, not ${value}`);
}

function timeMsOfText(time: Date | string): number {
  const text = typeof time === "string" ? time : Number.isNaN(time.getTime()) ? "no time" : time.toISOString();
  try {
    const parsed = parseConsistency(`time=${text}`);
    if (parsed.mode === "time") return parsed.timeMs;
  } catch (cause) {
    if (!(cause instanceof RefusalError)) throw cause;
  }
  throw new RangeError(`time is a Date or a time as in RFC 3339 from 1970 to 9999, not ${JSON.stringify(text)}`);
}

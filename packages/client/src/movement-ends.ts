import type { AttemptFailure } from "./attempt-failure.ts";
import type { MovementCall } from "./movement-call.ts";
import type { MovementEntry } from "./movement-entry.ts";
import { EndedCall, othersText } from "./retry.ts";

/**
 * What a movement ends with that does not wait for its call any longer.
 *
 * @param call what it is under way with; undefined for one that waits to be sent.
 */
export function late(entry: MovementEntry, call: MovementCall | undefined, server: string): AttemptFailure {
  const { lastFailure } = entry;
  const others = call === undefined ? "" : othersText(call.reasons, call.server);
  // Between two tries, the last one has said what there is to say.
  if (!entry.underWay && lastFailure !== undefined) return { ...lastFailure, message: lastFailure.message + others };
  const url = call?.server ?? server;
  const before = lastFailure === undefined ? "" : ` Before: ${lastFailure.message}`;
  return {
    code: "DEADLINE_EXCEEDED",
    reason: "DEADLINE_EXCEEDED",
    message: entry.underWay
      ? `${url} did not answer in time.${before}${others}`
      : `Its turn to be sent to ${url} did not come in time.`,
    metadata: { server: url },
    // What a try may have done that is under way, the movement itself knows.
    outcome: "NOT_APPLIED",
    retryable: false,
    cause: lastFailure?.cause,
  };
}

/** Likewise, by its caller's signal. */
export function canceled(entry: MovementEntry, reason: unknown, server: string): AttemptFailure {
  const isClosed = reason instanceof EndedCall && reason.reason === "CLIENT_CLOSED";
  const words = isClosed ? "The client was closed" : "The call was canceled";
  return {
    code: "CANCELED",
    reason: isClosed ? "CLIENT_CLOSED" : "CANCELED",
    message: `${words} before ${server} had answered.`,
    metadata: { server },
    outcome: "NOT_APPLIED",
    retryable: false,
    cause: entry.lastFailure?.cause ?? reason,
  };
}

/** Of a movement that is not taken, because too many wait. */
export function tooMany(waiting: number, server: string): AttemptFailure {
  return {
    code: "RESOURCE_EXHAUSTED",
    reason: "OVERLOADED",
    message: `${waiting} movements wait to be sent to ${server}: wait for answers, or with whenRoom(), before asking for more.`,
    metadata: { server, waiting: String(waiting) },
    outcome: "NOT_APPLIED",
    retryable: false,
    cause: undefined,
  };
}

import type { Findings } from "../findings.ts";
import { type History, isOfThePast, isRead, type ReadOperation } from "../history.ts";
import { isAnswered, positionOf, type Requests } from "../requests.ts";
import { higher, SeenBefore } from "./seen-before.ts";

/** Everything that was told to anybody, by what it was told of. */
export interface Told {
  /** Writes and rejections, at their records. */
  readonly writes: SeenBefore;
  readonly linearizableReads: SeenBefore;
  readonly reads: SeenBefore;
}

export function gatherTold({ operations, records }: History, requests: Requests): Told {
  const told = { writes: new SeenBefore(), linearizableReads: new SeenBefore(), reads: new SeenBefore() };
  for (const operation of operations) {
    if (isRead(operation)) {
      if (operation.outcome.status !== "ok") continue;
      // A token names what is committed, whether it was shown or not.
      const { position, session = 0 } = operation.outcome;
      told.reads.add(Math.max(position, session), operation);
      if (operation.consistency.mode === "linearizable") told.linearizableReads.add(position, operation);
    } else if (isAnswered(operation)) {
      const index = requests.get(operation.request)?.recordIndex;
      const position = positionOf(operation, index === undefined ? undefined : records[index]);
      if (position !== undefined) told.writes.add(position, operation);
    }
  }
  return told;
}

/** What ended before something else began has its place before it. */
export function checkOrder(history: History, requests: Requests, told: Told, findings: Findings): void {
  checkWrites(history, requests, told, findings);
  for (const operation of history.operations)
    if (isRead(operation) && operation.consistency.mode === "linearizable")
      checkLinearizable(operation, told, findings);
}

function checkWrites({ records }: History, requests: Requests, told: Told, findings: Findings): void {
  for (const { attempts, firstInvokeMs, recordIndex, request } of requests.values()) {
    const record = recordIndex === undefined ? undefined : records[recordIndex];
    const attempt = attempts.find(isAnswered) ?? attempts.find(({ outcome }) => outcome.status === "unknown");
    const position = attempt && positionOf(attempt, record);
    if (attempt === undefined || position === undefined) continue;
    const before = higher(told.writes.before(firstInvokeMs), told.reads.before(firstInvokeMs));
    if (before === undefined || before.position < position) continue;
    findings.add(
      "real-time-order",
      () => `request ${request} stands at ${position}, and position ${before.position} was known before it was sent`,
      [attempt, before.operation],
    );
  }
}

function checkLinearizable(read: ReadOperation, told: Told, findings: Findings): void {
  const { invokeMs, outcome } = read;
  if (outcome.status !== "ok") return;
  const { position } = outcome;
  const missed = higher(told.writes.before(invokeMs), told.linearizableReads.before(invokeMs));
  if (missed !== undefined && missed.position > position) {
    findings.add(
      "linearizable-read",
      () => `it shows position ${position}, and ${missed.position} was acknowledged before it was sent`,
      [read, missed.operation],
    );
    return;
  }
  const shown = told.reads.before(invokeMs);
  if (shown !== undefined && shown.position > position)
    findings.add(
      "shown-is-committed",
      () => `it shows position ${position}, and ${shown.position} had been shown before it was sent`,
      [read, shown.operation],
    );
}

/** Reads of the past show what was asked for, and tokens name what there is. */
export function checkPlaces({ about, operations, records }: History, findings: Findings): void {
  const last = records.at(-1)?.position ?? about.startPosition;
  const times = records.every(({ timeMs }) => timeMs !== undefined) ? records.map(({ timeMs }) => timeMs ?? 0) : [];
  for (const operation of operations) {
    const { outcome } = operation;
    if (outcome.status !== "ok" && outcome.status !== "rejected") continue;
    const { position = 0, session } = outcome;
    if (session !== undefined && (session < position || (about.hasJournal && session > last)))
      findings.add(
        "session-token",
        () => `the token names position ${session}; the reply is of ${position}, and the journal ends at ${last}`,
        [operation],
      );
    if (!isRead(operation) || !isOfThePast(operation)) continue;
    const asked = placeAsked(operation, times, about.startPosition);
    if (asked !== undefined && asked !== position)
      findings.add("as-of", () => `it is of position ${position}, and ${asked} is what was asked for`, [operation]);
  }
}

/** The position that a read of the past asked for; undefined where the journal does not tell its times. */
function placeAsked({ consistency }: ReadOperation, times: readonly number[], start: number): number | undefined {
  if (consistency.mode === "position") return consistency.position;
  if (consistency.mode !== "time" || times.length === 0) return undefined;
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] ?? 0) <= consistency.timeMs) low = middle + 1;
    else high = middle;
  }
  return start + low;
}

import type { Findings } from "../findings.ts";
import { type History, isOfThePast, isRead, type ReadOperation } from "../history.ts";
import type { Told } from "./check-order.ts";
import { higher, type Seen, SeenBefore } from "./seen-before.ts";

/** What reads say of their age is true, bounds are kept, and what was shown at all branches stays shown. */
export function checkFreshness({ operations }: History, told: Told, findings: Findings): void {
  const spread = gatherSpread(operations, findings);
  for (const operation of operations) {
    if (!isRead(operation) || isOfThePast(operation)) continue;
    checkStaleness(operation, told, findings);
    checkBound(operation, told, findings);
    checkSpread(operation, spread, findings);
  }
}

/**
 * A state of that age was the newest at some moment of the read, less the age: not before the read was sent, less the
 * age. Whatever somebody knew before then is in it.
 */
function checkStaleness(read: ReadOperation, told: Told, findings: Findings): void {
  const { invokeMs, outcome } = read;
  if (outcome.status !== "ok" || outcome.stalenessMs === undefined) return;
  const { position, stalenessMs } = outcome;
  const missed = knownAt(invokeMs - stalenessMs, told);
  if (missed !== undefined && missed.position > position)
    findings.add(
      "staleness",
      () => `it shows position ${position}, "at most ${stalenessMs} ms old"; ${missed.position} was known before then`,
      [read, missed.operation],
    );
}

/**
 * A server whose state is too old asks the bank how far it is, after the read came in: that state was the newest at some
 * moment of the read, and no older at its end than the read took.
 */
function checkBound(read: ReadOperation, told: Told, findings: Findings): void {
  const { consistency, invokeMs, outcome, returnMs = Number.POSITIVE_INFINITY } = read;
  if (outcome.status !== "ok" || consistency.mode !== "bounded") return;
  const { position, stalenessMs } = outcome;
  const { maxStalenessMs } = consistency;
  const missed = knownAt(invokeMs - maxStalenessMs, told);
  // What is said is rounded up.
  if (stalenessMs === undefined || stalenessMs > Math.max(maxStalenessMs, Math.ceil(returnMs - invokeMs)))
    findings.add(
      "bounded-staleness",
      () => `at most ${maxStalenessMs} ms were asked for, and the reply says ${stalenessMs ?? "nothing"}`,
      [read],
    );
  else if (missed !== undefined && missed.position > position)
    findings.add(
      "bounded-staleness",
      () => `it shows position ${position}; ${missed.position} was known more than ${maxStalenessMs} ms before`,
      [read, missed.operation],
    );
}

function knownAt(timeMs: number, told: Told): Seen | undefined {
  return higher(told.writes.before(timeMs), told.reads.before(timeMs));
}

/** Writes that were answered as shown at all branches. */
function gatherSpread(operations: History["operations"], findings: Findings): SeenBefore {
  const spread = new SeenBefore();
  for (const operation of operations) {
    const { outcome } = operation;
    if (isRead(operation) || outcome.status !== "ok" || !("propagation" in outcome)) continue;
    const { position, propagation: reached } = outcome;
    const { propagation: asked } = operation;
    if (asked === undefined || reached?.satisfied !== true) continue;
    if (asked.mode === "allBranches") spread.add(position, operation);
    const isShort =
      asked.mode === "quorum" ? (reached.copies ?? asked.copies) < asked.copies : (reached.missing ?? []).length > 0;
    if (isShort)
      findings.add("propagation", () => "it says that all that was asked for was reached, and also that it was not", [
        operation,
      ]);
  }
  return spread;
}

function checkSpread(read: ReadOperation, spread: SeenBefore, findings: Findings): void {
  const { invokeMs, outcome } = read;
  if (outcome.status !== "ok" || outcome.connected !== true) return;
  const { position } = outcome;
  const missed = spread.before(invokeMs);
  if (missed !== undefined && missed.position > position)
    findings.add(
      "propagation",
      () => `a connected server shows position ${position}; ${missed.position} was shown at all branches before`,
      [read, missed.operation],
    );
}

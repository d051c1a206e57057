import type { Findings } from "../findings.ts";
import type { Guarantee } from "../guarantees.ts";
import { type History, isOfThePast, isRead, type Operation, type ReadOperation } from "../history.ts";
import { isAnswered, positionOf, type Requests } from "../requests.ts";
import { type Seen, SeenBefore } from "./seen-before.ts";

interface SessionCalls {
  readonly writes: SeenBefore;
  readonly reads: SeenBefore;
}

/**
 * The four guarantees of each session. Only an answer that had come before a call was sent obliges it: what is under
 * way together has no order. Local reads and reads of the past promise nothing by themselves; what a local read has
 * shown obliges what follows, because its token went into the session.
 */
export function checkSessions(history: History, requests: Requests, findings: Findings): number {
  const sessions = gatherSessions(history, requests);
  for (const { reads, writes } of sessions.values()) {
    for (const call of writes.entries()) {
      const { operation } = call;
      // A retry is answered with what its first attempt did.
      const sentMs = isRead(operation) ? operation.invokeMs : firstInvokeOf(operation.request, operation, requests);
      demandAbove(call, writes.before(sentMs), "monotonic-writes", findings);
      demandAbove(call, reads.before(sentMs), "writes-follow-reads", findings);
    }
    for (const call of reads.entries()) {
      if (!isObliged(call.operation)) continue;
      demandCovers(call, writes.before(call.operation.invokeMs), "read-your-writes", findings);
      demandCovers(call, reads.before(call.operation.invokeMs), "monotonic-reads", findings);
    }
  }
  return sessions.size;
}

function gatherSessions({ operations, records }: History, requests: Requests): ReadonlyMap<string, SessionCalls> {
  const sessions = new Map<string, SessionCalls>();
  for (const operation of operations) {
    if (operation.session === undefined) continue;
    const position = seenBy(operation, (request) => {
      const index = requests.get(request)?.recordIndex;
      return index === undefined ? undefined : records[index];
    });
    if (position === undefined) continue;
    let calls = sessions.get(operation.session);
    if (calls === undefined) {
      calls = { writes: new SeenBefore(), reads: new SeenBefore() };
      sessions.set(operation.session, calls);
    }
    (isRead(operation) ? calls.reads : calls.writes).add(position, operation);
  }
  return sessions;
}

/** The position that an answer brought into the session; undefined where there was none. */
function seenBy(
  operation: Operation,
  recordOf: (request: string) => History["records"][number] | undefined,
): number | undefined {
  if (!isRead(operation)) return isAnswered(operation) ? positionOf(operation, recordOf(operation.request)) : undefined;
  return operation.outcome.status === "ok" && !isOfThePast(operation) ? operation.outcome.position : undefined;
}

function firstInvokeOf(request: string, { invokeMs }: Operation, requests: Requests): number {
  return requests.get(request)?.firstInvokeMs ?? invokeMs;
}

function isObliged(operation: Operation): boolean {
  return isRead(operation) && (operation satisfies ReadOperation).consistency.mode !== "local";
}

function demandAbove(call: Seen, before: Seen | undefined, guarantee: Guarantee, findings: Findings): void {
  if (before === undefined || before.position < call.position) return;
  const { operation, position } = call;
  findings.add(
    guarantee,
    () => `session ${operation.session} knew position ${before.position}, and its write stands at ${position}`,
    [operation, before.operation],
  );
}

function demandCovers(call: Seen, before: Seen | undefined, guarantee: Guarantee, findings: Findings): void {
  if (before === undefined || before.position <= call.position) return;
  const { operation, position } = call;
  findings.add(
    guarantee,
    () => `session ${operation.session} knew position ${before.position}, and its read shows ${position}`,
    [operation, before.operation],
  );
}

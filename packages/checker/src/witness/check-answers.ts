import type { Findings } from "../findings.ts";
import { type History, movementsOf, sidesOf, type WitnessRecord, type WriteOperation } from "../history.ts";
import { isAnswered, mayHaveActed, type Requested, type Requests } from "../requests.ts";

/** Holds each answer against the others of its request, and against the journal. */
export function checkAnswers(history: History, requests: Requests, findings: Findings): void {
  for (const requested of requests.values()) {
    if (requested.attempts.length > 1) checkSameAnswer(requested, findings);
    if (!history.about.hasJournal) continue;
    for (const attempt of requested.attempts) checkAttempt(attempt, requested, history.records, findings);
  }
}

function checkSameAnswer({ attempts, request }: Requested, findings: Findings): void {
  const answered = attempts.filter(isAnswered);
  const [first] = answered;
  for (const other of answered) {
    // A cancellation shares the id of what it cancels, and is answered in its own words.
    if (first === undefined || first.kind !== other.kind || answerOf(first) === answerOf(other)) continue;
    findings.add("one-answer", () => `request ${request}: first ${answerOf(first)}, then ${answerOf(other)}`, [
      other,
      first,
    ]);
  }
}

function answerOf({ outcome }: WriteOperation): string {
  if (outcome.status === "ok")
    return `done at ${outcome.position}${outcome.account === undefined ? "" : `, account ${outcome.account}`}`;
  return outcome.status === "rejected" ? `rejected, ${outcome.reason}` : outcome.status;
}

function checkAttempt(
  attempt: WriteOperation,
  requested: Requested,
  records: readonly WitnessRecord[],
  findings: Findings,
): void {
  const { outcome, request } = attempt;
  const index = requested.recordIndex;
  const record = index === undefined ? undefined : records[index];
  switch (outcome.status) {
    case "unknown":
      return;
    case "notApplied":
      // Another attempt may have done it.
      if (record !== undefined && !requested.attempts.some(mayHaveActed))
        findings.add("not-applied", () => `request ${request} has a record at ${record.position}`, [attempt]);
      return;
    case "ok":
    case "rejected": {
      if (record === undefined || index === undefined) {
        findings.add("acknowledged-kept", () => `request ${request} has no record`, [attempt]);
        return;
      }
      const problem = differenceOf(attempt, record, records.slice(Math.max(0, index - (record.records ?? 0)), index));
      if (problem !== undefined)
        findings.add("acknowledged-as-told", () => `request ${request} at ${record.position}: ${problem}`, [attempt]);
    }
  }
}

/** What an answer says otherwise than its record. */
function differenceOf(
  attempt: WriteOperation,
  record: WitnessRecord,
  before: readonly WitnessRecord[],
): string | undefined {
  const { outcome } = attempt;
  if (outcome.status !== "ok" && outcome.status !== "rejected") return undefined;
  if (outcome.position !== undefined && outcome.position !== record.position)
    return `the client was told position ${outcome.position}`;
  if (outcome.status === "rejected") {
    if (record.kind !== "rejected") return `it was done (${record.kind}), and the client was told of a rejection`;
    return record.reason === outcome.reason ? undefined : `rejected for ${record.reason}, told as ${outcome.reason}`;
  }
  if (record.kind === "rejected") return `it was rejected (${record.reason}), and the client was told that it is done`;
  return effectDifference(attempt, outcome.account, record, before);
}

function effectDifference(
  attempt: WriteOperation,
  opened: string | undefined,
  record: WitnessRecord,
  before: readonly WitnessRecord[],
): string | undefined {
  switch (attempt.kind) {
    case "other":
      return undefined;
    case "openAccount":
      if (record.kind !== "accountOpened") return `it is of kind ${record.kind}`;
      if (opened !== undefined && opened !== record.account)
        return `it opens ${record.account}, and the client was told ${opened}`;
      if (attempt.currency !== undefined && attempt.currency !== record.currency) return `it is in ${record.currency}`;
      return (attempt.floor ?? 0n) === (record.floor ?? 0n) ? undefined : `its floor is ${record.floor}`;
    case "group": {
      if (record.kind !== "group") return `it is of kind ${record.kind}`;
      const asked = movementsOf(attempt);
      if (asked === undefined) return undefined;
      const done = before.filter(({ kind }) => kind === "deposit" || kind === "withdrawal" || kind === "transfer");
      if (done.length !== asked.length) return `its group has ${done.length} movements, not ${asked.length}`;
      return asked.map((movement, n) => movementDifference(movement, done[n])).find((problem) => problem !== undefined);
    }
    default:
      return movementDifference(attempt, record);
  }
}

const RECORD_KINDS = { deposit: "deposit", withdraw: "withdrawal", transfer: "transfer" } as const;

function movementDifference(
  movement: Parameters<typeof sidesOf>[0],
  record: WitnessRecord | undefined,
): string | undefined {
  const { from, to } = sidesOf(movement);
  const isDone =
    record?.kind === RECORD_KINDS[movement.kind] &&
    record.amount === movement.amount &&
    (from === undefined || record.debit === from) &&
    (to === undefined || record.credit === to);
  if (isDone) return undefined;
  return `it is a ${record?.kind} of ${record?.amount} from ${record?.debit} to ${record?.credit}`;
}

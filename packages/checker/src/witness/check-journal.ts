import type { Findings } from "../findings.ts";
import { type History, isRead, type ReadOperation, type WitnessRecord } from "../history.ts";
import type { Requests } from "../requests.ts";
import { checkRead } from "./check-read.ts";
import { isJustified } from "./justify.ts";
import { NaiveModel } from "./naive-model.ts";

/** What the replay of a journal counted. */
export interface JournalFigures {
  readonly accounts: number;
  /** Rejections for reasons that the naive model knows nothing of. */
  readonly unjudgedRejections: number;
}

/**
 * Replays the journal with the naive model, and holds against it: the journal's own rules, the rejections and the reads,
 * each at its position.
 */
export function checkJournal(history: History, requests: Requests, findings: Findings): JournalFigures {
  const { about, records } = history;
  const model = new NaiveModel(history, findings);
  const startTotals = model.totals();
  const reads = readsByPosition(history);
  let nextRead = 0;
  const readUpTo = (position: number) => {
    for (let read = reads[nextRead]; read !== undefined && positionOfRead(read) < position; read = reads[++nextRead])
      if (positionOfRead(read) >= about.startPosition) checkRead(read, model, findings);
  };
  let unjudgedRejections = 0;
  let last = about.startPosition;
  const seen = new Set<string>();
  for (const record of records) {
    const { position, request } = record;
    readUpTo(position);
    if (position !== last + 1)
      findings.add("gapless-positions", () => `position ${position} stands behind position ${last}`);
    last = position;
    if (request !== undefined) {
      if (seen.has(request)) {
        const attempts = requests.get(request)?.attempts ?? [];
        findings.add("exactly-once", () => `request ${request} has a second record at ${position}`, attempts);
      }
      seen.add(request);
    }
    if (record.kind === "rejected") {
      const justified = checkRejection(record, requests, model, findings);
      if (justified === undefined) unjudgedRejections++;
    }
    model.apply(record);
  }
  readUpTo(last + 1);
  for (; nextRead < reads.length; nextRead++) {
    const read = reads[nextRead] as ReadOperation;
    const position = positionOfRead(read);
    findings.add("read-as-of-position", () => `a read shows position ${position}; the journal ends at ${last}`, [read]);
  }
  compareTotals(startTotals, model, findings);
  if (about.isComplete) checkAskedFor(records, requests, findings);
  return { accounts: model.accountCount, unjudgedRejections };
}

function readsByPosition({ operations }: History): readonly ReadOperation[] {
  const reads: ReadOperation[] = [];
  for (const operation of operations) if (isRead(operation) && operation.outcome.status === "ok") reads.push(operation);
  return reads.sort((a, b) => positionOfRead(a) - positionOfRead(b));
}

function positionOfRead({ outcome }: ReadOperation): number {
  return outcome.status === "ok" ? outcome.position : 0;
}

/** Undefined where the naive model cannot say. */
function checkRejection(
  { position, reason = "", request }: WitnessRecord,
  requests: Requests,
  model: NaiveModel,
  findings: Findings,
): boolean | undefined {
  const attempts = request === undefined ? [] : (requests.get(request)?.attempts ?? []);
  const asked =
    attempts.find(({ outcome }) => outcome.status === "rejected") ??
    attempts.find(({ outcome }) => outcome.status === "unknown");
  if (asked === undefined) return undefined;
  const justified = isJustified(asked, reason, model);
  if (justified === false)
    findings.add("rejection-justified", () => `nothing at position ${position} justifies ${reason}`, [asked]);
  return justified;
}

function compareTotals(start: ReadonlyMap<string, bigint>, model: NaiveModel, findings: Findings): void {
  for (const [currency, total] of model.totals()) {
    const before = start.get(currency) ?? 0n;
    if (total !== before)
      findings.add("constant-total", () => `all accounts in ${currency} held ${before} and hold ${total} at the end`);
  }
}

/** Records that change something are answers to requests, or items of a group that is one. */
function checkAskedFor(records: readonly WitnessRecord[], requests: Requests, findings: Findings): void {
  const ofGroup = new Set<WitnessRecord>();
  for (const [index, record] of records.entries())
    if (record.kind === "group")
      for (const item of records.slice(Math.max(0, index - (record.records ?? 0)), index)) ofGroup.add(item);
  for (const record of records) {
    const { kind, position, request } = record;
    if (request === undefined) {
      // Holds end by their time, and the bank opens accounts of its own; it moves no money by itself.
      if (record.amount !== undefined && !ofGroup.has(record))
        findings.add("asked-for", () => `position ${position} (${kind}) answers no request`);
    } else if (kind !== "other" && kind !== "rejected" && !requests.has(request)) {
      findings.add("asked-for", () => `position ${position} (${kind}) answers ${request}, which nobody asked for`);
    }
  }
}

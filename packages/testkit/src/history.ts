import { isDeepStrictEqual } from "node:util";
import {
  type FailureOutcome,
  type LedgerRecord,
  type Position,
  RecordKind,
  type Request,
  type RequestId,
  toHex,
} from "@bank/core";
import type { Answered, RequestStatus } from "@bank/replica";
import { type NaiveAnswer, NaiveBank } from "./naive-bank.ts";
import type { JournalRecord, WholeJournal } from "./whole-journal.ts";

/** What a caller was told in the end. */
export type Told = Answered | { readonly kind: "failed"; readonly outcome: FailureOutcome };

/** One try of one request. */
export interface Attempt {
  readonly request: Request;
  readonly beganAt: number;
  endedAt: number;
  told: Told | undefined;
}

/** One read of all balances. */
export interface BalanceRead {
  /** Whether it must see everything that was acknowledged before it began. */
  readonly linearizable: boolean;
  readonly beganAt: number;
  endedAt: number;
  position: Position;
  balances: ReadonlyMap<string, bigint>;
}

/** What somebody was shown to happen if. */
export interface PreviewSeen {
  readonly request: Request;
  /** What it was computed from. */
  readonly position: Position;
  /** Journal time at which it would have happened. */
  readonly timeMs: number;
  readonly said: NaiveAnswer;
}

/** What somebody was told that became of a request. */
export interface StatusSeen {
  readonly id: RequestId;
  readonly position: Position;
  readonly status: RequestStatus;
}

/** A moment that somebody let pass, and the position that they were told to be later. */
export interface TimePassed {
  readonly timeMs: number;
  readonly position: Position;
}

/** What callers saw, in the order in which they saw it. */
export class History {
  readonly attempts: Attempt[] = [];
  readonly reads: BalanceRead[] = [];
  readonly previews: PreviewSeen[] = [];
  readonly statuses: StatusSeen[] = [];
  readonly passed: TimePassed[] = [];
  private now = 0;

  begin(request: Request): Attempt {
    const attempt: Attempt = { request, beganAt: ++this.now, endedAt: Number.POSITIVE_INFINITY, told: undefined };
    this.attempts.push(attempt);
    return attempt;
  }

  end(attempt: Attempt, told: Told): void {
    attempt.told = told;
    attempt.endedAt = ++this.now;
  }

  /** The read counts once it is ended. */
  beginRead(linearizable: boolean): (position: Position, balances: ReadonlyMap<string, bigint>) => void {
    const beganAt = ++this.now;
    return (position, balances) => {
      this.reads.push({ linearizable, beganAt, endedAt: ++this.now, position, balances });
    };
  }
}

/**
 * Holds a history against the journal: every answer stands in it, no request twice, nothing in it that was said not to
 * be; each decision and preview is the naive bank's; holds end when their time has come; whoever began after another was
 * answered comes behind it; each read shows the balances of its position and misses nothing that it must see. Throws: at
 * the first contradiction.
 */
export function checkHistory(history: History, journal: WholeJournal): void {
  const recordOf = new Map<string, JournalRecord>();
  for (const entry of journal.records) {
    if (entry.record.request === undefined) continue;
    const key = toHex(entry.record.request.id);
    demand(!recordOf.has(key), `request ${key} stands in the journal once`);
    recordOf.set(key, entry);
  }
  const balancesAt = checkDecisions(history, journal);
  checkTold(history, recordOf);
  checkStatuses(history, recordOf);
  checkOrder(history);
  for (const { timeMs, position } of history.passed)
    demand((journal.records[position - 1]?.timeMs ?? 0) > timeMs, `position ${position} is later than ${timeMs}`);
  for (const { position, balances } of history.reads)
    demand(isDeepStrictEqual(balances, balancesAt[position]), `a read at ${position} shows the balances there`);
}

/** Decides the journal's requests again, naively. Gives the balances after each position. */
function checkDecisions(history: History, journal: WholeJournal): readonly ReadonlyMap<string, bigint>[] {
  const asked = Map.groupBy(
    history.attempts.map(({ request }) => request),
    ({ id }) => toHex(id),
  );
  const naive = new NaiveBank();
  const balancesAt = [naive.copyBalances()];
  for (const { record, position, timeMs } of journal.records) {
    if (record.kind === RecordKind.HOLDS_EXPIRED) {
      const ended = naive.passTime(timeMs);
      demand(isDeepStrictEqual(record.holds, ended), `the holds ${ended} end at ${position}, not ${record.holds}`);
    } else if (record.request !== undefined) {
      const due = naive.passTime(timeMs);
      demand(due.length === 0, `the holds ${due} ended before ${position} was decided`);
      // An id may have been asked for, and cancelled too.
      const isCancelled = answerOf(record) === "REQUEST_CANCELLED";
      const request = asked
        .get(toHex(record.request.id))
        ?.find(({ command }) => isCancelled === (command.kind === "cancelRequest"));
      demand(request !== undefined, `the request at ${position} was made by somebody`);
      const expected = naive.execute(request, { position, timeMs });
      const said = answerOf(record);
      demand(said === expected, `the request at ${position} is decided as ${expected}, not as ${said}`);
    }
    balancesAt.push(naive.copyBalances());
    for (const seen of history.previews) {
      if (seen.position !== position) continue;
      const expected = naive.preview(seen.request, { position: position + 1, timeMs: seen.timeMs });
      demand(seen.said === expected, `a preview at ${position} says ${expected}, not ${seen.said}`);
    }
  }
  const { ledger } = journal.replay;
  for (const [account, balance] of naive.balances) {
    const index = ledger.findCustomerAccount(account);
    demand(index !== undefined, `account ${account} exists`);
    demand(ledger.viewAccount(index).posted === balance, `account ${account} holds ${balance}`);
  }
  return balancesAt;
}

/** What a record says to the request that it answers. */
export function answerOf(record: LedgerRecord): NaiveAnswer {
  return record.kind === RecordKind.REJECTED ? record.rejection.reason : "done";
}

function checkStatuses({ statuses }: History, recordOf: ReadonlyMap<string, JournalRecord>): void {
  for (const { id, position, status } of statuses) {
    const entry = recordOf.get(toHex(id));
    if (status.kind === "answered") {
      demand(entry !== undefined && entry.position <= position, `request ${toHex(id)} was answered up to ${position}`);
      demand(isDeepStrictEqual(status.record, entry.record), `the answer to request ${toHex(id)} is its record`);
    } else {
      demand(
        entry === undefined || entry.position > position,
        `request ${toHex(id)} was not answered up to ${position}`,
      );
    }
  }
}

function checkTold({ attempts }: History, recordOf: ReadonlyMap<string, JournalRecord>): void {
  const fresh = new Set<string>();
  const mayBeApplied = new Set<string>();
  for (const { request, told } of attempts) {
    const key = toHex(request.id);
    if (told?.kind !== "failed" || told.outcome !== "NOT_APPLIED") mayBeApplied.add(key);
    if (told?.kind !== "answered") continue;
    const entry = recordOf.get(key);
    demand(entry !== undefined, `request ${key}, acknowledged at ${told.position}, stands in the journal`);
    const { position, timeMs, record } = entry;
    demand(position === told.position && timeMs === told.timeMs, `request ${key} stands where its answer says`);
    demand(isDeepStrictEqual(told.record, record), `the answer to request ${key} is its record`);
    if (told.replayed) continue;
    demand(!fresh.has(key), `request ${key} was answered once, and then replayed`);
    fresh.add(key);
  }
  for (const key of recordOf.keys())
    demand(mayBeApplied.has(key), `request ${key} is in the journal, though all its tries were said not to be applied`);
}

/** Real time: what was told before something began lies before it. */
function checkOrder({ attempts, reads }: History): void {
  const ended = [
    ...attempts.flatMap(({ told, endedAt }) =>
      told?.kind === "answered" ? [{ endedAt, position: told.position }] : [],
    ),
    ...reads.map(({ endedAt, position }) => ({ endedAt, position })),
  ];
  const seenBefore = (moment: number) =>
    ended.reduce((highest, { endedAt, position }) => (endedAt < moment ? Math.max(highest, position) : highest), 0);
  for (const { told, beganAt } of attempts)
    if (told?.kind === "answered" && !told.replayed)
      demand(told.position > seenBefore(beganAt), `a write at ${told.position} comes behind all that was seen before`);
  for (const { linearizable, position, beganAt } of reads)
    if (linearizable) demand(position >= seenBefore(beganAt), `a read at ${position} misses nothing acknowledged`);
}

function demand(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`the history is wrong; expected: ${what}`);
}

import { type BlackBoxFigures, checkLinearizable, type Undecided } from "./black-box/check-linearizable.ts";
import { Findings, type Violation } from "./findings.ts";
import type { Guarantee } from "./guarantees.ts";
import { type History, isRead } from "./history.ts";
import { gatherRequests } from "./requests.ts";
import { checkAnswers } from "./witness/check-answers.ts";
import { checkFreshness } from "./witness/check-freshness.ts";
import { checkJournal } from "./witness/check-journal.ts";
import { checkOrder, checkPlaces, gatherTold } from "./witness/check-order.ts";
import { checkSessions } from "./witness/check-sessions.ts";

/** How a history is checked. */
export interface CheckOptions {
  /** Whether the black-box checker runs too. Default: yes. */
  readonly blackBox?: boolean | undefined;
  /** How many states the black-box checker may look at, before it says that it cannot decide. Default: 5,000,000. */
  readonly statesMax?: number | undefined;
  /**
   * Whether the black-box checker first tries the order that the positions tell, which it proves like any other. It
   * saves the search, and changes no result. Default: yes.
   */
  readonly useHints?: boolean | undefined;
  /** How many violations of each guarantee are kept; all are counted. Default: 10. */
  readonly keptMax?: number | undefined;
}

/** What the checkers found in a history. */
export interface Report {
  /**
   * `violated` if anything was violated; else `undecided` if some question was left open, which is never the same as
   * `ok`.
   */
  readonly verdict: "ok" | "violated" | "undecided";
  readonly operations: number;
  readonly reads: number;
  readonly writes: number;
  /** Operations without a known outcome. */
  readonly unknown: number;
  /** The first ones of each guarantee. */
  readonly violations: readonly Violation[];
  readonly undecided: readonly Undecided[];
  readonly statistics: Statistics;
}

export interface Statistics {
  readonly records: number;
  readonly requests: number;
  readonly sessions: number;
  readonly clients: number;
  readonly accounts: number;
  /** Answers that said: rejected. */
  readonly rejections: number;
  /** Rejections in the journal for reasons that the naive model knows nothing of. */
  readonly unjudgedRejections: number;
  /** Operations that were told to be not applied. */
  readonly notApplied: number;
  /** How often each guarantee was found violated. */
  readonly violationsOf: Readonly<Partial<Record<Guarantee, number>>>;
  /** Undefined where the black-box checker did not run. */
  readonly blackBox: Omit<BlackBoxFigures, "undecided"> | undefined;
}

const STATES_MAX = 5_000_000;
const KEPT_MAX = 10;

/**
 * Holds a history against everything that the bank promises: first by the order of the journal, then, if the history is
 * complete, by the black-box checker, which trusts neither journal nor positions.
 */
export function checkHistory(history: History, options: CheckOptions = {}): Report {
  const findings = new Findings(options.keptMax ?? KEPT_MAX);
  const requests = gatherRequests(history);
  const undecided: Undecided[] = [];
  checkAnswers(history, requests, findings);
  const journal = history.about.hasJournal ? checkJournal(history, requests, findings) : undefined;
  const told = gatherTold(history, requests);
  checkOrder(history, requests, told, findings);
  checkPlaces(history, findings);
  const sessions = checkSessions(history, requests, findings);
  checkFreshness(history, told, findings);
  const blackBox =
    options.blackBox !== false && history.about.isComplete
      ? checkLinearizable(history, requests, findings, {
          statesMax: options.statesMax ?? STATES_MAX,
          useHints: options.useHints ?? true,
        })
      : undefined;
  undecided.push(...(blackBox?.undecided ?? []));
  const counts = countOperations(history);
  return {
    verdict: findings.violations.length > 0 ? "violated" : undecided.length > 0 ? "undecided" : "ok",
    operations: history.operations.length,
    reads: counts.reads,
    writes: history.operations.length - counts.reads,
    unknown: counts.unknown,
    violations: findings.violations,
    undecided,
    statistics: {
      records: history.records.length,
      requests: requests.size,
      sessions,
      clients: counts.clients,
      accounts: journal?.accounts ?? 0,
      rejections: counts.rejected,
      unjudgedRejections: journal?.unjudgedRejections ?? 0,
      notApplied: counts.notApplied,
      violationsOf: Object.fromEntries(findings.counts),
      blackBox: blackBox && {
        sets: blackBox.sets,
        provedByOrder: blackBox.provedByOrder,
        statesExplored: blackBox.statesExplored,
      },
    },
  };
}

function countOperations({ operations }: History) {
  const clients = new Set<string>();
  const counts = { reads: 0, unknown: 0, rejected: 0, notApplied: 0 };
  for (const operation of operations) {
    clients.add(operation.client);
    if (isRead(operation)) counts.reads++;
    const { status } = operation.outcome;
    if (status !== "ok") counts[status]++;
  }
  return { ...counts, clients: clients.size };
}

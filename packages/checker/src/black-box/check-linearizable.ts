import { timeOf } from "../describe.ts";
import type { Findings } from "../findings.ts";
import type { History } from "../history.ts";
import type { Requests } from "../requests.ts";
import type { Box } from "./box-operation.ts";
import { type AccountSet, gatherAccountSets } from "./boxes.ts";
import { explain } from "./explain.ts";
import { Search, type SearchResult } from "./search.ts";
import { tryHints } from "./try-hints.ts";

/** Accounts of which the checker cannot say whether their answers are right. */
export interface Undecided {
  readonly accounts: readonly string[];
  readonly reason: string;
}

/** How the black-box checker works. */
export interface BlackBoxOptions {
  /** How many states may be looked at, all in all. */
  readonly statesMax: number;
  /** Whether the order that the positions tell is tried before others. */
  readonly useHints: boolean;
}

/** What the black-box checker looked at. */
export interface BlackBoxFigures {
  /** Sets of accounts that are coupled by operations. */
  readonly sets: number;
  /** Sets for which the order that the positions tell was proved right, so that none had to be looked for. */
  readonly provedByOrder: number;
  readonly statesExplored: number;
  readonly undecided: readonly Undecided[];
}

/**
 * Looks for one order of all operations that explains every answer, and trusts neither positions nor the journal: they
 * only tell which order to try first. Where that one fails, each account is looked at by itself, and then all that are
 * coupled together.
 */
export function checkLinearizable(
  history: History,
  requests: Requests,
  findings: Findings,
  { statesMax, useHints }: BlackBoxOptions,
): BlackBoxFigures {
  const sets = gatherAccountSets(history, requests);
  const undecided: Undecided[] = [];
  const rest: AccountSet[] = [];
  for (const set of sets) {
    if (set.whole === undefined)
      undecided.push({ accounts: set.accounts, reason: "operations that the black-box checker does not know" });
    if (set.whole === undefined || !useHints || !tryHints(set.whole())) rest.push(set);
  }
  let left = statesMax;
  const search = (box: Box, shares: number): SearchResult["kind"] => {
    // What a search does not need is there for those that follow.
    const share = Math.ceil(left / shares);
    const budget = { left: share };
    const result = new Search(box, budget).run();
    left -= share - Math.max(0, budget.left);
    if (result.kind === "undecided")
      undecided.push({ accounts: box.names, reason: `more than ${share} states, at ${timeOf(result.atMs)} ms` });
    else if (result.kind === "violated") {
      const { message, operations } = explain(box, result);
      findings.add("linearizable", () => message, operations);
    }
    return result.kind;
  };
  for (const [n, { parts, whole }] of rest.entries()) {
    const boxes = [...parts()].sort((a, b) => a.operations.length - b.operations.length);
    const shares = rest.length - n;
    // Where an account alone is wrong, all is said.
    const found = boxes.map((box, m) => search(box, shares * (boxes.length - m + 1)));
    if (whole !== undefined && !found.includes("violated")) search(whole(), shares);
  }
  return { sets: sets.length, provedByOrder: sets.length - rest.length, statesExplored: statesMax - left, undecided };
}

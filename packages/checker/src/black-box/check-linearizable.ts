import { timeOf } from "../describe.ts";
import type { Findings } from "../findings.ts";
import type { History } from "../history.ts";
import type { Requests } from "../requests.ts";
import type { Box } from "./box-operation.ts";
import { gatherBoxes } from "./boxes.ts";
import { explain } from "./explain.ts";
import { type Budget, Search } from "./search.ts";

/** Something of which the checker cannot say whether it is right. */
export interface Undecided {
  readonly accounts: readonly string[];
  readonly reason: string;
}

/** What the black-box checker looked at. */
export interface BlackBoxFigures {
  /** Accounts that were looked at by themselves. */
  readonly accounts: number;
  /** Sets of accounts that were looked at together, because operations couple them. */
  readonly coupledSets: number;
  readonly statesExplored: number;
}

/**
 * Looks for one order of all operations that explains every answer, without a look at positions and the journal: first
 * for each account by itself, then for accounts that are coupled.
 *
 * @param statesMax how many states may be looked at, all in all.
 */
export function checkLinearizable(
  history: History,
  requests: Requests,
  findings: Findings,
  statesMax: number,
): BlackBoxFigures & { readonly undecided: readonly Undecided[] } {
  const boxes = gatherBoxes(history, requests);
  const undecided: Undecided[] = [];
  const budget: Budget = { left: statesMax };
  const violated = new Set<string>();
  const check = (box: Box) => {
    // Half of what is left, so that one box cannot keep all others from being looked at.
    const share = Math.ceil(budget.left / 2);
    const own = { left: share };
    const result = new Search(box, own).run();
    budget.left -= share - Math.max(0, own.left);
    if (result.kind === "undecided")
      undecided.push({ accounts: box.names, reason: `more than ${share} states, at ${timeOf(result.atMs)} ms` });
    if (result.kind !== "violated") return;
    for (const name of box.names) violated.add(name);
    const { message, operations } = explain(box, result);
    findings.add("linearizable", () => message, operations);
  };
  for (const box of boxes.single) check(box);
  // Where an account alone is wrong, all is said.
  for (const box of boxes.coupled) if (!box.names.some((name) => violated.has(name))) check(box);
  for (const accounts of boxes.unknown)
    undecided.push({ accounts, reason: "operations that the black-box checker does not know" });
  return {
    accounts: boxes.single.length,
    coupledSets: boxes.coupled.length,
    statesExplored: statesMax - budget.left,
    undecided,
  };
}

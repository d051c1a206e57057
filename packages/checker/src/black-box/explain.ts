import { timeOf } from "../describe.ts";
import type { Operation } from "../history.ts";
import { type Box, type BoxOperation, touched } from "./box-operation.ts";
import { Search, type SearchResult } from "./search.ts";

/** The least that shows a violation. */
export interface Explanation {
  readonly message: string;
  /** The one that does not fit first. */
  readonly operations: readonly Operation[];
}

type Violated = Extract<SearchResult, { readonly kind: "violated" }>;

/** Windows with more operations are shown as they are. */
const SHRUNK_MAX = 200;
/** States that may be looked at for each attempt to do without an operation. */
const SHRINKING_BUDGET = 20_000;

/**
 * Looks for the fewest answers that contradict each other: from the last moment at which the state was known, one answer
 * after the other is taken back (what only saw the state is left out, what changed it may happen or not), as long as there
 * is still no order.
 */
export function explain(box: Box, found: Violated): Explanation {
  let violated = found;
  // What has no answer at the failure yet does not matter for it.
  let window = found.window.map((operation) =>
    operation.returnMs > found.failed.returnMs ? opened(operation) : operation,
  );
  for (const operation of window.length > SHRUNK_MAX ? [] : window) {
    if (operation.source === violated.failed.source || operation.returnMs === Number.POSITIVE_INFINITY) continue;
    const without = window.flatMap((each) => {
      if (each !== operation) return [each];
      return each.kind === "move" ? [opened(each)] : [];
    });
    const result = search(box, found, without);
    if (result.kind !== "violated") continue;
    window = without;
    violated = result;
  }
  const needed = window.filter(({ returnMs }) => returnMs !== Number.POSITIVE_INFINITY).map(({ source }) => source);
  const { failed } = violated;
  const others = needed.filter((source) => source !== failed.source);
  const before = others.length > 0 ? [] : lastBefore(box, failed);
  const accounts = [...new Set(touched(failed))];
  const known = accounts.map((account) => `account ${box.names[account]} held ${found.known[account]}`).join(", ");
  const since = found.knownMs === Number.NEGATIVE_INFINITY ? "at the start" : `at ${timeOf(found.knownMs)} ms`;
  return {
    message: `no order explains this answer, from when the state was known: ${since} ${known}`,
    operations: [failed.source, ...others, ...before],
  };
}

function opened(operation: BoxOperation): BoxOperation {
  return { ...operation, returnMs: Number.POSITIVE_INFINITY };
}

function search(box: Box, { known }: Violated, operations: readonly BoxOperation[]): SearchResult {
  return new Search({ ...box, start: known, operations }, { left: SHRINKING_BUDGET }).run();
}

/** What showed or changed its accounts last, as far as its client could know: the newest answer, and the newest change. */
function lastBefore({ operations }: Box, failed: BoxOperation): readonly Operation[] {
  const accounts = touched(failed);
  let newest: BoxOperation | undefined;
  let change: BoxOperation | undefined;
  for (const operation of operations) {
    const { kind, returnMs } = operation;
    if (returnMs >= failed.invokeMs || !touched(operation).some((account) => accounts.includes(account))) continue;
    if (newest === undefined || returnMs > newest.returnMs) newest = operation;
    if (kind === "move" && (change === undefined || returnMs > change.returnMs)) change = operation;
  }
  return [...new Set([newest, change])].flatMap((operation) => (operation === undefined ? [] : [operation.source]));
}

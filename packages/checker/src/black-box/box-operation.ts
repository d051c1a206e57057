import type { Operation } from "../history.ts";

/** Money that moves in one step. Accounts are indices; -1 is cash, of which there is always enough. */
export interface Step {
  readonly from: number;
  readonly to: number;
  readonly amount: bigint;
}

/**
 * An operation as the black-box checker sees it: without positions, only what was asked, what was answered, and when.
 *
 * - `move`: the steps are done one after the other, all of them; each must leave enough in the account that pays.
 * - `refuse`: one of the steps could not be done, and nothing is.
 * - `read`: the accounts hold these balances.
 */
export type BoxOperation = {
  readonly source: Operation;
  readonly invokeMs: number;
  /** Infinite where nobody knows what became of it: it may be done at any time, or never. */
  readonly returnMs: number;
  /** Where it may stand in the order; undefined where nothing is known of that. It is tried, and not trusted. */
  readonly hint: number | undefined;
} & (
  | { readonly kind: "move" | "refuse"; readonly steps: readonly Step[] }
  | { readonly kind: "read"; readonly accounts: readonly number[]; readonly balances: readonly bigint[] }
);

/** Accounts whose operations depend on each other, and these operations. */
export interface Box {
  /** By index. */
  readonly names: readonly string[];
  readonly start: readonly bigint[];
  /** Undefined for none. */
  readonly floors: readonly (bigint | undefined)[];
  readonly operations: readonly BoxOperation[];
}

/** The balances after an operation; undefined where they do not allow it. The given ones stay as they are. */
export function perform(
  operation: BoxOperation,
  balances: readonly bigint[],
  floors: Box["floors"],
): readonly bigint[] | undefined {
  if (operation.kind !== "move") return performHere(operation, [...balances], floors) ? balances : undefined;
  const after = [...balances];
  return performHere(operation, after, floors) ? after : undefined;
}

/** Does an operation to the balances; false, and nothing is done, where they do not allow it. */
export function performHere(operation: BoxOperation, balances: bigint[], floors: Box["floors"]): boolean {
  switch (operation.kind) {
    case "read":
      return operation.accounts.every((account, n) => balances[account] === operation.balances[n]);
    case "move":
      return move(operation.steps, balances, floors);
    case "refuse":
      if (!move(operation.steps, balances, floors)) return true;
      back(operation.steps, operation.steps.length, balances);
      return false;
  }
}

function move(steps: readonly Step[], balances: bigint[], floors: Box["floors"]): boolean {
  for (const [n, { amount, from, to }] of steps.entries()) {
    if (from !== -1) {
      const left = (balances[from] ?? 0n) - amount;
      const floor = floors[from];
      if (floor !== undefined && left < floor) {
        back(steps, n, balances);
        return false;
      }
      balances[from] = left;
    }
    if (to !== -1) balances[to] = (balances[to] ?? 0n) + amount;
  }
  return true;
}

/** Takes the first so many steps back. */
function back(steps: readonly Step[], count: number, balances: bigint[]): void {
  for (const { amount, from, to } of steps.slice(0, count)) {
    if (from !== -1) balances[from] = (balances[from] ?? 0n) + amount;
    if (to !== -1) balances[to] = (balances[to] ?? 0n) - amount;
  }
}

/** The accounts that an operation reads or changes. */
export function touched(operation: BoxOperation): readonly number[] {
  return operation.kind === "read"
    ? operation.accounts
    : operation.steps.flatMap(({ from, to }) => [from, to]).filter((account) => account !== -1);
}

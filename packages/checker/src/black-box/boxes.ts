import {
  accountsOf,
  type History,
  isRead,
  movementsOf,
  type Operation,
  sidesOf,
  type WriteOperation,
} from "../history.ts";
import { isAnswered, type Requested, type Requests } from "../requests.ts";
import type { Box, BoxOperation, Step } from "./box-operation.ts";

/** What the black-box checker can look at, and what it cannot. */
export interface Boxes {
  /** Each account by itself: the part of every operation that concerns it. */
  readonly single: readonly Box[];
  /** Accounts that some operation couples, together. */
  readonly coupled: readonly Box[];
  /** Accounts that were changed by what it does not know, each with those that are coupled to it. */
  readonly unknown: readonly (readonly string[])[];
}

/** An operation with accounts by their names. */
type NamedOperation = {
  readonly source: Operation;
  readonly invokeMs: number;
  readonly returnMs: number;
} & (
  | { readonly kind: "move" | "refuse"; readonly steps: readonly NamedStep[] }
  | { readonly kind: "read"; readonly accounts: readonly string[]; readonly balances: readonly bigint[] }
);

interface NamedStep {
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly amount: bigint;
}

interface AccountTerms {
  readonly start: bigint;
  readonly floor: bigint | undefined;
}

export function gatherBoxes(history: History, requests: Requests): Boxes {
  const terms = gatherTerms(history);
  const unknown = gatherUnknown(history);
  const operations = gatherOperations(history, requests);
  const groups = new Groups();
  for (const operation of operations) groups.join(namesOf(operation));
  const isKnown = (names: readonly string[]) => names.every((name) => !unknown.has(name));
  const byAccount = new Map<string, NamedOperation[]>();
  const byGroup = new Map<string, NamedOperation[]>();
  for (const operation of operations) {
    const names = namesOf(operation);
    for (const name of names) {
      const part = names.length === 1 ? operation : partOf(operation, name);
      if (part !== undefined) push(byAccount, name, part);
    }
    const [first] = names;
    if (first !== undefined) push(byGroup, groups.rootOf(first), operation);
  }
  const single = [...byAccount].filter(([name]) => isKnown([name]));
  for (const name of unknown) groups.join([name]);
  const sets = [...groups.members()];
  const coupled = sets.filter(([, names]) => names.length > 1 && isKnown(names));
  return {
    single: single.map(([name, own]) => boxOf([name], own, terms)),
    coupled: coupled.map(([root, names]) => boxOf(names, byGroup.get(root) ?? [], terms)),
    unknown: sets.map(([, names]) => names).filter((names) => !isKnown(names)),
  };
}

function gatherTerms({ accounts, operations }: History): ReadonlyMap<string, AccountTerms> {
  const terms = new Map<string, AccountTerms>();
  for (const { account, balance, floor = 0n } of accounts)
    terms.set(account, { start: balance, floor: floor === "none" ? undefined : floor });
  for (const operation of operations) {
    if (operation.kind !== "openAccount" || operation.outcome.status !== "ok") continue;
    const { account } = operation.outcome;
    if (account !== undefined) terms.set(account, { start: 0n, floor: operation.floor ?? 0n });
  }
  return terms;
}

/** Accounts with holds, changed limits and the like. */
function gatherUnknown({ operations }: History): Set<string> {
  const unknown = new Set<string>();
  for (const operation of operations) {
    if (isRead(operation) || movementsOf(operation) !== undefined) continue;
    if (operation.outcome.status !== "ok" && operation.outcome.status !== "unknown") continue;
    for (const account of accountsOf(operation)) unknown.add(account);
  }
  return unknown;
}

function gatherOperations(history: History, requests: Requests): readonly NamedOperation[] {
  const operations: NamedOperation[] = [];
  for (const operation of history.operations) {
    if (!isRead(operation)) continue;
    const { accounts, consistency, invokeMs, outcome, returnMs } = operation;
    if (outcome.status !== "ok" || returnMs === undefined || consistency.mode !== "linearizable") continue;
    operations.push({
      kind: "read",
      source: operation,
      invokeMs,
      returnMs,
      accounts,
      balances: outcome.balances,
    });
  }
  for (const requested of requests.values()) {
    const operation = requestOperation(requested);
    if (operation !== undefined) operations.push(operation);
  }
  return operations;
}

/** All attempts of a request are one operation, from the first sending to the first answer. */
function requestOperation({ attempts, firstInvokeMs }: Requested): NamedOperation | undefined {
  let answered: WriteOperation | undefined;
  for (const attempt of attempts)
    if (isAnswered(attempt) && returnOf(attempt) < (answered === undefined ? Infinity : returnOf(answered)))
      answered = attempt;
  const source = answered ?? attempts.find(({ outcome }) => outcome.status === "unknown");
  const movements = source && movementsOf(source);
  if (source === undefined || movements === undefined || movements.length === 0) return undefined;
  const isRejected = source.outcome.status === "rejected";
  // Other reasons are no matter of money.
  if (source.outcome.status === "rejected" && source.outcome.reason !== "INSUFFICIENT_FUNDS") return undefined;
  const steps = movements.map((movement) => ({ ...sidesOf(movement), amount: movement.amount }));
  return {
    kind: isRejected ? "refuse" : "move",
    source,
    invokeMs: firstInvokeMs,
    returnMs: answered === undefined ? Number.POSITIVE_INFINITY : returnOf(answered),
    steps: steps.map(({ amount, from, to }) => ({ amount, from, to })),
  };
}

function returnOf({ returnMs }: Operation): number {
  return returnMs ?? Number.POSITIVE_INFINITY;
}

function namesOf(operation: NamedOperation): readonly string[] {
  const names =
    operation.kind === "read"
      ? operation.accounts
      : operation.steps.flatMap(({ from, to }) => [from, to]).filter((name) => name !== undefined);
  return names.length < 2 ? names : [...new Set(names)];
}

/**
 * What an operation is to one of its accounts, as if it were done there by itself. Whatever has an order as a whole has one
 * for each part. Undefined where it says nothing: the refusal of several steps, or of one that only brings money.
 */
function partOf(operation: NamedOperation, name: string): NamedOperation | undefined {
  if (operation.kind === "read") {
    const at = operation.accounts.indexOf(name);
    return { ...operation, accounts: [name], balances: operation.balances.slice(at, at + 1) };
  }
  if (operation.kind === "refuse" && (operation.steps.length > 1 || operation.steps[0]?.from !== name))
    return undefined;
  const own = operation.steps.filter(({ from, to }) => from === name || to === name);
  const steps = own.map(({ amount, from, to }) => ({
    amount,
    from: from === name ? from : undefined,
    to: to === name ? to : undefined,
  }));
  return { ...operation, steps };
}

function boxOf(
  names: readonly string[],
  operations: readonly NamedOperation[],
  terms: ReadonlyMap<string, AccountTerms>,
): Box {
  const indices = new Map(names.map((name, index) => [name, index]));
  const indexOf = (name: string | undefined) => (name === undefined ? -1 : (indices.get(name) ?? -1));
  return {
    names,
    start: names.map((name) => terms.get(name)?.start ?? 0n),
    floors: names.map((name) => (terms.has(name) ? terms.get(name)?.floor : 0n)),
    operations: operations.map((operation): BoxOperation => {
      const { invokeMs, kind, returnMs, source } = operation;
      if (kind === "read") {
        const { accounts, balances } = operation;
        return { kind, source, invokeMs, returnMs, accounts: accounts.map(indexOf), balances };
      }
      const steps = operation.steps.map(
        ({ amount, from, to }): Step => ({ amount, from: indexOf(from), to: indexOf(to) }),
      );
      return { kind, source, invokeMs, returnMs, steps };
    }),
  };
}

function push<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

/** Names that belong together because something joined them. */
class Groups {
  private readonly parents = new Map<string, string>();

  join(names: readonly string[]): void {
    const [first] = names;
    if (first === undefined) return;
    const root = this.rootOf(first);
    for (const name of names) this.parents.set(this.rootOf(name), root);
  }

  rootOf(name: string): string {
    let root = name;
    for (let parent = this.parents.get(root); parent !== undefined && parent !== root; parent = this.parents.get(root))
      root = parent;
    // Later walks are short.
    for (let at = name; at !== root; ) {
      const parent: string = this.parents.get(at) ?? root;
      this.parents.set(at, root);
      at = parent;
    }
    if (!this.parents.has(root)) this.parents.set(root, root);
    return root;
  }

  /** Names by their root. */
  members(): ReadonlyMap<string, readonly string[]> {
    const members = new Map<string, string[]>();
    for (const name of this.parents.keys()) push(members, this.rootOf(name), name);
    return members;
  }
}

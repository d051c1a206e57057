import {
  accountsOf,
  type History,
  isRead,
  movementsOf,
  type Operation,
  sidesOf,
  type WriteOperation,
} from "../history.ts";
import { isAnswered, positionOf, type Requested, type Requests } from "../requests.ts";
import type { Box, BoxOperation, Step } from "./box-operation.ts";

/** Accounts that operations couple, or one that nothing couples to others. */
export interface AccountSet {
  readonly accounts: readonly string[];
  /** All of their operations; undefined where some of the accounts were changed by what the checker does not know. */
  readonly whole: (() => Box) | undefined;
  /** Of several accounts: each by itself, with the part of every operation that concerns it. */
  readonly parts: () => readonly Box[];
}

/** An operation with accounts by their names. */
type NamedOperation = {
  readonly source: Operation;
  readonly invokeMs: number;
  readonly returnMs: number;
  readonly hint: number | undefined;
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

/** All accounts with operations, in sets that have nothing to do with each other. */
export function gatherAccountSets(history: History, requests: Requests): readonly AccountSet[] {
  const terms = gatherTerms(history);
  const unknown = gatherUnknown(history);
  const operations = gatherOperations(history, requests);
  const groups = new Groups();
  for (const operation of operations) groups.join(namesOf(operation));
  for (const name of unknown) groups.join([name]);
  const own = new Map<string, NamedOperation[]>();
  for (const operation of operations) {
    const [first] = namesOf(operation);
    if (first !== undefined) push(own, groups.rootOf(first), operation);
  }
  return [...groups.members()].map(([root, accounts]) => {
    const all = own.get(root) ?? [];
    const known = accounts.filter((account) => !unknown.has(account));
    return {
      accounts,
      whole: known.length === accounts.length ? () => boxOf(accounts, all, terms) : undefined,
      parts: () => (accounts.length === 1 ? [] : partsOf(known, all, terms)),
    };
  });
}

function partsOf(
  accounts: readonly string[],
  operations: readonly NamedOperation[],
  terms: ReadonlyMap<string, AccountTerms>,
): readonly Box[] {
  const own = new Map<string, NamedOperation[]>(accounts.map((account) => [account, []]));
  for (const operation of operations)
    for (const name of namesOf(operation)) {
      const part = partOf(operation, name);
      if (part !== undefined) own.get(name)?.push(part);
    }
  return [...own].map(([account, parts]) => boxOf([account], parts, terms));
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
      // Behind the write at that position.
      hint: outcome.position + 0.5,
      accounts,
      balances: outcome.balances,
    });
  }
  for (const requested of requests.values()) {
    const operation = requestOperation(requested, history.records);
    if (operation !== undefined) operations.push(operation);
  }
  return operations;
}

/** All attempts of a request are one operation, from the first sending to the first answer. */
function requestOperation(
  { attempts, firstInvokeMs, recordIndex }: Requested,
  records: History["records"],
): NamedOperation | undefined {
  let answered: WriteOperation | undefined;
  for (const attempt of attempts)
    if (isAnswered(attempt) && returnOf(attempt) < (answered === undefined ? Infinity : returnOf(answered)))
      answered = attempt;
  const source = answered ?? attempts.find(({ outcome }) => outcome.status === "unknown");
  const movements = source && movementsOf(source);
  if (source === undefined || movements === undefined || movements.length === 0) return undefined;
  const record = recordIndex === undefined ? undefined : records[recordIndex];
  const isRejected = source.outcome.status === "rejected";
  // Other reasons are no matter of money.
  if (source.outcome.status === "rejected" && source.outcome.reason !== "INSUFFICIENT_FUNDS") return undefined;
  const steps = movements.map((movement) => ({ ...sidesOf(movement), amount: movement.amount }));
  return {
    kind: isRejected ? "refuse" : "move",
    source,
    invokeMs: firstInvokeMs,
    returnMs: answered === undefined ? Number.POSITIVE_INFINITY : returnOf(answered),
    // What the journal rejects and nobody was told of has left no trace.
    hint: answered === undefined && record?.kind === "rejected" ? undefined : positionOf(source, record),
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
      const { hint, invokeMs, kind, returnMs, source } = operation;
      if (kind === "read") {
        const { accounts, balances } = operation;
        return { kind, source, invokeMs, returnMs, hint, accounts: accounts.map(indexOf), balances };
      }
      const steps = operation.steps.map(
        ({ amount, from, to }): Step => ({ amount, from: indexOf(from), to: indexOf(to) }),
      );
      return { kind, source, invokeMs, returnMs, hint, steps };
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

import { type Box, type BoxOperation, perform, touched } from "./box-operation.ts";

/** How many states may be looked at, over all searches of one check. */
export interface Budget {
  left: number;
}

/** What a search for an order found. */
export type SearchResult =
  | { readonly kind: "ok" }
  /** The budget was used up. */
  | { readonly kind: "undecided"; readonly atMs: number }
  /** There is no order in which `failed` fits. */
  | {
      readonly kind: "violated";
      readonly failed: BoxOperation;
      /** The last moment before it was sent at which only one state was possible, and that state. */
      readonly knownMs: number;
      readonly known: readonly bigint[];
      /** What was under way at that moment and not done, and what was sent from then on up to the failure. */
      readonly window: readonly BoxOperation[];
    };

/** A state that may be the bank's, and which of the operations under way it has done already. */
interface Configuration {
  readonly done: bigint;
  readonly balances: readonly bigint[];
}

/** A state on the way to one in which the answered operation is done. */
interface Continuation extends Configuration {
  /** The operation that led here could as well be done right after the answered one. */
  readonly isPostponable: boolean;
}

/** An operation under way. Its bit says in a configuration whether it is done. */
interface Pending {
  readonly operation: BoxOperation;
  readonly bit: bigint;
  readonly accounts: readonly number[];
  /** Of two that may be done at any time and do the same, the earlier one is done first. Undefined for the first. */
  readonly twin: Pending | undefined;
  /** After how many answers the state was known last when it was sent. */
  readonly knownAfter: number;
}

/**
 * Looks for an order of all operations that explains every answer: each takes effect at one moment between its sending
 * and its answer. The answers are gone through in the order of their times; at each, every state that may be the bank's is
 * continued with operations under way, until the answered one has been done. States with the same operations done are the
 * same, and looked at once.
 *
 * What is done before an answered operation could as well be done after it, unless one of the two would come out
 * otherwise: such continuations are left to the next answer, so that operations whose outcome is unknown, which stay under
 * way for ever, double nothing as long as nothing depends on them.
 *
 * Source: J. M. Wing and C. Gong, "Testing and verifying concurrent objects", 1993; G. Lowe, "Testing for
 * linearizability", 2017, from which is the idea to go by the answers.
 */
export class Search {
  private readonly box: Box;
  private readonly budget: Budget;
  private readonly pending = new Map<BoxOperation, Pending>();
  private readonly freeBits: bigint[] = [];
  private bits = 0n;
  private configurations: readonly Configuration[];
  private readonly sent: readonly BoxOperation[];
  private readonly answered: readonly BoxOperation[];
  /** How many have been sent. */
  private sentCount = 0;
  /** After how many answers only one state was possible, the last time. */
  private knownAfter = 0;
  /** How many of those under way change nothing, and so can come out otherwise. */
  private constraints = 0;
  private readonly hasGroups: boolean;

  constructor(box: Box, budget: Budget) {
    this.box = box;
    this.budget = budget;
    this.sent = [...box.operations].sort((a, b) => a.invokeMs - b.invokeMs);
    this.answered = box.operations
      .filter(({ returnMs }) => returnMs !== Number.POSITIVE_INFINITY)
      .sort((a, b) => a.returnMs - b.returnMs);
    this.configurations = [{ done: 0n, balances: box.start }];
    this.hasGroups = box.operations.some((operation) => operation.kind !== "read" && operation.steps.length > 1);
  }

  run(): SearchResult {
    for (const [n, operation] of this.answered.entries()) {
      if (!this.step(operation)) return { kind: "undecided", atMs: operation.returnMs };
      if (this.configurations.length === 0) return this.violated(operation);
      if (this.configurations.length === 1) this.knownAfter = n + 1;
    }
    return { kind: "ok" };
  }

  /** Goes on to an answer; false where the budget is used up. */
  private step(operation: BoxOperation): boolean {
    // What is sent in the very moment of an answer may have been before it.
    for (let next = this.sent[this.sentCount]; next !== undefined && next.invokeMs <= operation.returnMs; ) {
      this.send(next);
      next = this.sent[++this.sentCount];
    }
    return this.answer(operation);
  }

  private send(operation: BoxOperation): void {
    const bit = this.freeBits.pop() ?? 1n << this.bits++;
    const twin = operation.returnMs === Number.POSITIVE_INFINITY ? this.twinOf(operation) : undefined;
    this.pending.set(operation, { operation, bit, accounts: touched(operation), twin, knownAfter: this.knownAfter });
    if (operation.kind !== "move") this.constraints++;
  }

  /** The newest operation under way for ever that does the same. */
  private twinOf(operation: BoxOperation): Pending | undefined {
    if (operation.kind !== "move") return undefined;
    const text = effectOf(operation);
    let twin: Pending | undefined;
    for (const each of this.pending.values())
      if (each.operation.returnMs === Number.POSITIVE_INFINITY && effectOf(each.operation) === text) twin = each;
    return twin;
  }

  /** False where the budget is used up. */
  private answer(operation: BoxOperation): boolean {
    const answered = this.pending.get(operation) as Pending;
    const { bit } = answered;
    const after = new Map<bigint, Configuration>();
    const waiting: Configuration[] = [];
    for (const configuration of this.configurations) {
      if ((configuration.done & bit) === 0n) waiting.push(configuration);
      else after.set(configuration.done ^ bit, { ...configuration, done: configuration.done ^ bit });
    }
    if (waiting.length > 0 && !this.continueUntil(answered, waiting, after)) return false;
    // How it came to be under way is asked for once more, if it turns out that it cannot have been done.
    if (after.size > 0) this.pending.delete(operation);
    this.freeBits.push(bit);
    if (operation.kind !== "move") this.constraints--;
    this.configurations = [...after.values()];
    return true;
  }

  /** Continues each of the states until the answered operation is done in it; false where the budget is used up. */
  private continueUntil(
    answered: Pending,
    waiting: readonly Configuration[],
    after: Map<bigint, Configuration>,
  ): boolean {
    const { floors } = this.box;
    const seen = new Set<bigint>();
    const stack: Continuation[] = [];
    let candidates: readonly Pending[] | undefined;
    for (const configuration of waiting) stack.push({ ...configuration, isPostponable: false });
    for (let from = stack.pop(); from !== undefined; from = stack.pop()) {
      const { balances, done, isPostponable } = from;
      if (this.budget.left-- <= 0) return false;
      const finished = perform(answered.operation, balances, floors);
      // The answered one is no longer under way, so that its bit is not set.
      if (finished !== undefined && !isPostponable) after.set(done, { done, balances: finished });
      if (finished !== undefined && this.isSurelyEnough(answered)) continue;
      candidates ??= this.relevantTo(answered);
      if (finished !== undefined && this.isEnough(answered, candidates, from)) continue;
      this.budget.left -= candidates.length;
      for (const { bit, operation, twin } of candidates) {
        if ((done & bit) !== 0n || (twin !== undefined && (done & twin.bit) === 0n) || seen.has(done | bit)) continue;
        const changed = perform(operation, balances, floors);
        if (changed === undefined) continue;
        seen.add(done | bit);
        const isLater = finished !== undefined && perform(operation, finished, floors) !== undefined;
        stack.push({ done: done | bit, balances: changed, isPostponable: isLater });
      }
    }
    return true;
  }

  /** As `isEnough`, where that can be said without a look at what is under way. */
  private isSurelyEnough({ operation }: Pending): boolean {
    // What changes nothing comes out the same before and after whatever there is.
    if (operation.kind !== "move") return true;
    return this.box.names.length === 1 && !this.hasGroups && this.constraints === 0;
  }

  /**
   * Whether it is enough to do the answered operation now, because whatever could be done before it can be done after it
   * too, with the same result.
   */
  private isEnough(
    { accounts, operation }: Pending,
    candidates: readonly Pending[],
    { balances, done }: Configuration,
  ): boolean {
    const left = candidates.filter(({ bit }) => (done & bit) === 0n);
    const mayComeOutOtherwise = left.some(
      (other) => other.operation.kind !== "move" && other.accounts.some((account) => accounts.includes(account)),
    );
    if (mayComeOutOtherwise) return false;
    // With one account and single steps, what comes in can go first, and then what goes out is covered in any order.
    if (this.box.names.length === 1 && !this.hasGroups) return true;
    // What is paid from its accounts is covered in any order, if it is covered altogether and without what comes in.
    const moves = [operation, ...left.map((other) => other.operation)];
    return payersOf(operation).every((payer) => {
      const floor = this.box.floors[payer];
      return floor === undefined || (balances[payer] ?? 0n) - paidFrom(payer, moves) >= floor;
    });
  }

  /** Operations under way that share an account with the answered one, or with one that does. */
  private relevantTo(answered: Pending): readonly Pending[] {
    const relevant: Pending[] = [];
    const accounts = new Set(answered.accounts);
    let others = [...this.pending.values()].filter((other) => other !== answered);
    for (let found = -1; found !== relevant.length; ) {
      found = relevant.length;
      const rest: Pending[] = [];
      for (const other of others) {
        if (!other.accounts.some((account) => accounts.has(account))) {
          rest.push(other);
          continue;
        }
        relevant.push(other);
        for (const account of other.accounts) accounts.add(account);
      }
      others = rest;
    }
    return relevant;
  }

  private violated(failed: BoxOperation): SearchResult {
    const knownAfter = this.pending.get(failed)?.knownAfter ?? 0;
    // Only the one state that is known is kept of a search, so the way to there is gone once more.
    const again = new Search(this.box, { left: Number.POSITIVE_INFINITY });
    for (const operation of this.answered.slice(0, knownAfter)) again.step(operation);
    const [known] = again.configurations;
    const underWay = [...again.pending.values()].filter(({ bit }) => ((known?.done ?? 0n) & bit) === 0n);
    return {
      kind: "violated",
      failed,
      knownMs: this.answered[knownAfter - 1]?.returnMs ?? Number.NEGATIVE_INFINITY,
      known: known?.balances ?? this.box.start,
      window: [
        ...underWay.map(({ operation }) => operation),
        ...this.sent.slice(again.sentCount).filter(({ invokeMs }) => invokeMs <= failed.returnMs),
      ],
    };
  }
}

/** The same for two operations that do the same. */
function effectOf(operation: BoxOperation): string {
  return operation.kind === "read"
    ? ""
    : operation.steps.map(({ amount, from, to }) => `${from}>${to}:${amount}`).join();
}

function payersOf(operation: BoxOperation): readonly number[] {
  return operation.kind === "read" ? [] : operation.steps.map(({ from }) => from).filter((account) => account !== -1);
}

/** What all of them together take out of an account. */
function paidFrom(payer: number, operations: readonly BoxOperation[]): bigint {
  let paid = 0n;
  for (const operation of operations) {
    if (operation.kind !== "move") continue;
    for (const { amount, from } of operation.steps) if (from === payer) paid += amount;
  }
  return paid;
}

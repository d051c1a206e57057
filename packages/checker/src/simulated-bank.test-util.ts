import type { Movement, WitnessRecord } from "./history.ts";
import { sidesOf } from "./history.ts";

/** The end of the journal's first day, so that its times look like some. */
const START_MS = 1_790_000_000_000;

/** What a request came to. */
export type Answer =
  | { readonly status: "ok"; readonly position: number; readonly account?: string }
  | { readonly status: "rejected"; readonly reason: string; readonly position: number };

/** A bank that does everything right, one request after the other, and remembers every balance that ever was. */
export class SimulatedBank {
  readonly records: WitnessRecord[] = [];
  readonly customers: string[] = [];
  private readonly answers = new Map<string, Answer>();
  private readonly balances = new Map<string, { readonly positions: number[]; readonly values: bigint[] }>();
  private readonly held = new Map<string, bigint>();
  private readonly commitsMs: number[] = [];

  constructor() {
    this.commit({ kind: "other" }, 0);
    this.open({ account: "cash/0/USD", floor: "none" }, 0);
  }

  get position(): number {
    return this.records.length;
  }

  /** The last position that was committed up to that moment. */
  positionAt(ms: number): number {
    const { commitsMs } = this;
    let low = 0;
    let high = commitsMs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (commitsMs[middle]! <= ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  commitMs(position: number): number {
    return position === 0 ? 0 : this.commitsMs[position - 1]!;
  }

  journalMs(position: number): number {
    return this.records[position - 1]!.timeMs!;
  }

  /** Undefined where the account was not there yet. */
  balanceAt(account: string, position: number): bigint | undefined {
    const past = this.balances.get(account);
    if (past === undefined) return undefined;
    let low = 0;
    let high = past.positions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (past.positions[middle]! <= position) low = middle + 1;
      else high = middle;
    }
    return past.values[low - 1];
  }

  answerTo(request: string): Answer | undefined {
    return this.answers.get(request);
  }

  openCustomer(request: string | undefined, nowMs: number, floor = 0n): string {
    const account = String(this.customers.length + 1);
    this.open({ account, floor, request }, nowMs);
    this.customers.push(account);
    if (request !== undefined) this.answers.set(request, { status: "ok", position: this.position, account });
    return account;
  }

  /** Executes movements, all or none, or answers as before. */
  execute(request: string, movements: readonly Movement[], isGroup: boolean, nowMs: number): Answer {
    const known = this.answers.get(request);
    if (known !== undefined) return known;
    const answer = this.decide(request, movements, isGroup, nowMs);
    this.answers.set(request, answer);
    return answer;
  }

  /** Keeps money back for ever. */
  hold(request: string, account: string, amount: bigint, nowMs: number): Answer {
    const known = this.answers.get(request);
    if (known !== undefined) return known;
    const isEnough = this.available(account) >= amount;
    const record: Omit<WitnessRecord, "position"> = isEnough
      ? { kind: "hold", request, account, hold: this.position + 1, held: amount }
      : { kind: "rejected", request, reason: "INSUFFICIENT_FUNDS" };
    const position = this.commit(record, nowMs);
    if (isEnough) this.held.set(account, (this.held.get(account) ?? 0n) + amount);
    const answer: Answer = isEnough
      ? { status: "ok", position }
      : { status: "rejected", reason: "INSUFFICIENT_FUNDS", position };
    this.answers.set(request, answer);
    return answer;
  }

  /** Writes a record and does what it says about money. */
  commit(record: Omit<WitnessRecord, "position" | "timeMs">, nowMs: number): number {
    const position = this.records.length + 1;
    this.records.push({ ...record, position, timeMs: START_MS + Math.floor(nowMs) });
    this.commitsMs.push(nowMs);
    const { amount, credit, debit } = record;
    if (amount !== undefined) {
      if (debit !== undefined) this.change(debit, -amount);
      if (credit !== undefined) this.change(credit, amount);
    }
    return position;
  }

  private decide(request: string, movements: readonly Movement[], isGroup: boolean, nowMs: number): Answer {
    const changes = new Map<string, bigint>();
    for (const movement of movements) {
      const { from, to } = sidesOf(movement);
      for (const account of [from, to])
        if (account !== undefined && !this.balances.has(account))
          return this.reject(request, "ACCOUNT_NOT_FOUND", nowMs);
      if (from === to) return this.reject(request, "SAME_ACCOUNT", nowMs);
      if (from !== undefined) {
        if (this.available(from) + (changes.get(from) ?? 0n) < movement.amount)
          return this.reject(request, "INSUFFICIENT_FUNDS", nowMs);
        changes.set(from, (changes.get(from) ?? 0n) - movement.amount);
      }
      if (to !== undefined) changes.set(to, (changes.get(to) ?? 0n) + movement.amount);
    }
    for (const movement of movements) {
      const { from = "cash/0/USD", to = "cash/0/USD" } = sidesOf(movement);
      const kind = movement.kind === "withdraw" ? "withdrawal" : movement.kind;
      const { amount } = movement;
      this.commit({ kind, debit: from, credit: to, amount, ...(isGroup ? {} : { request }) }, nowMs);
    }
    if (isGroup) this.commit({ kind: "group", request, records: movements.length }, nowMs);
    return { status: "ok", position: this.position };
  }

  private reject(request: string, reason: string, nowMs: number): Answer {
    return { status: "rejected", reason, position: this.commit({ kind: "rejected", request, reason }, nowMs) };
  }

  private open(terms: Pick<WitnessRecord, "account" | "floor" | "request">, nowMs: number): void {
    const position = this.commit({ kind: "accountOpened", currency: "USD", ...terms }, nowMs);
    this.balances.set(terms.account!, { positions: [position], values: [0n] });
  }

  private available(account: string): bigint {
    return this.balances.get(account)!.values.at(-1)! - (this.held.get(account) ?? 0n);
  }

  private change(account: string, by: bigint): void {
    const past = this.balances.get(account);
    if (past === undefined) return;
    past.positions.push(this.position);
    past.values.push(past.values.at(-1)! + by);
  }
}

/** A branch that shows the bank as it was a while ago, and knows how long. */
export class SimulatedBranch {
  readonly name: string;
  isConnected = true;
  position = 0;
  private freshMs = 0;
  private readonly bank: SimulatedBank;
  private readonly lagMs: number;

  constructor(bank: SimulatedBank, name: string, lagMs: number) {
    this.bank = bank;
    this.name = name;
    this.lagMs = lagMs;
  }

  /** Follows, unless it is cut off. */
  follow(nowMs: number): void {
    if (this.isConnected) this.show(this.bank.positionAt(nowMs - this.lagMs), nowMs - this.lagMs);
  }

  /** What a read-index question brings. */
  catchUp(nowMs: number): void {
    this.show(this.bank.positionAt(nowMs), nowMs);
  }

  /** Shows at least that position. */
  reach(position: number): void {
    this.show(position, this.bank.commitMs(position));
  }

  cut(): void {
    this.isConnected = false;
  }

  /** It is connected again once it shows what the bank has. */
  join(nowMs: number): void {
    this.catchUp(nowMs);
    this.isConnected = true;
  }

  stalenessMs(nowMs: number): number {
    return nowMs - this.freshMs;
  }

  private show(position: number, asOfMs: number): void {
    this.position = Math.max(this.position, position);
    this.freshMs = Math.max(this.freshMs, asOfMs);
  }
}

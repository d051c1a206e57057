import type { Operation, ReadConsistency, ReadOutcome, WriteOperation, WriteOutcome } from "./history.ts";
import type { Simulation } from "./simulation.test-util.ts";

type ReadOk = Extract<ReadOutcome, { readonly status: "ok" }>;
type WriteOk = Extract<WriteOutcome, { readonly status: "ok" }>;

interface WriteTerms extends Partial<Pick<WriteOperation, "session" | "propagation" | "request">> {
  readonly kind?: "deposit" | "withdraw";
  readonly account?: string;
  readonly amount?: bigint;
}

/** Writes calls into a simulation at will, true or not, one after the other. */
export class Planter {
  private readonly sim: Simulation;
  private callCount = 0;

  constructor(sim: Simulation) {
    this.sim = sim;
  }

  /** An account in which there is money. */
  get account(): string {
    return this.sim.bank.customers[0]!;
  }

  get position(): number {
    return this.sim.bank.position;
  }

  newRequest(): string {
    return this.sim.newRequest();
  }

  pass(ms: number): void {
    this.sim.pass(ms);
  }

  balanceOf(account: string): bigint {
    return this.sim.bank.balanceAt(account, this.position)!;
  }

  /** Writes the record of a deposit, whoever asked for it. */
  record(request: string | undefined, amount = 5n, debit = "cash/0/USD"): number {
    return this.sim.bank.commit({ kind: "deposit", debit, credit: this.account, amount, request }, this.sim.pass());
  }

  /** Writes a record of something else. */
  other(kind: "other" | "rejected" = "other", request?: string): number {
    const reason = kind === "rejected" ? { reason: "INSUFFICIENT_FUNDS" } : {};
    return this.sim.bank.commit({ kind, request, ...reason }, this.sim.pass());
  }

  withdrawal(request: string, amount: bigint, account = this.account): number {
    const record = { kind: "withdrawal", debit: account, credit: "cash/0/USD", amount, request } as const;
    return this.sim.bank.commit(record, this.sim.pass());
  }

  /** Another customer, with so much. */
  richAccount(amount: bigint): string {
    const { bank } = this.sim;
    const [opening, filling] = [this.newRequest(), this.newRequest()];
    const invokeMs = this.sim.pass();
    const account = bank.openCustomer(opening, this.sim.pass());
    const call = { client: "planted", invokeMs, returnMs: this.sim.pass() };
    const opened = { status: "ok", position: this.position, account } as const;
    this.push({ ...call, kind: "openAccount", request: opening, outcome: opened });
    const sentMs = this.sim.pass();
    const record = { kind: "deposit", debit: "cash/0/USD", credit: account, amount, request: filling } as const;
    const position = bank.commit(record, this.sim.pass());
    this.toldSince(sentMs, { status: "ok", position }, { request: filling, account, amount });
    return account;
  }

  /** Keeps money back, through the bank. */
  hold(account: string, amount: bigint): void {
    const request = this.newRequest();
    const invokeMs = this.sim.pass();
    const answer = this.sim.bank.hold(request, account, amount, this.sim.pass());
    const call = { client: "planted", request, invokeMs, returnMs: this.sim.pass() };
    this.push({ ...call, kind: "other", name: "placeHold", accounts: [account], outcome: answer });
  }

  moveLastRecord(): void {
    const last = this.sim.bank.records.pop()!;
    this.sim.bank.records.push({ ...last, position: last.position + 1 });
  }

  /** A write that is told as it is said here. */
  told(outcome: WriteOutcome, terms: WriteTerms = {}): Operation {
    const invokeMs = this.sim.pass();
    return this.toldSince(invokeMs, outcome, terms);
  }

  toldSince(invokeMs: number, outcome: WriteOutcome, terms: WriteTerms = {}): Operation {
    const { kind = "deposit", account = this.account, amount = 5n, request = this.newRequest(), ...rest } = terms;
    const returnMs = outcome.status === "unknown" ? undefined : this.sim.pass();
    const call = { client: `planted-${++this.callCount}`, invokeMs, returnMs };
    return this.push({ ...call, ...rest, kind, account, amount, request, outcome });
  }

  now(): number {
    return this.sim.pass();
  }

  /** A deposit that is done and told. */
  deposit(terms: WriteTerms = {}, told: Partial<WriteOk> = {}): number {
    const request = this.newRequest();
    const invokeMs = this.sim.pass();
    const position = this.record(request);
    this.toldSince(invokeMs, { status: "ok", position, ...told }, { request, ...terms });
    // What is true of the branches around stays so.
    this.sim.spread(position);
    return position;
  }

  /** A read of what is true at a position. */
  read(
    mode: ReadConsistency["mode"] | ReadConsistency,
    position: number,
    told: Partial<ReadOk> = {},
    session?: string,
    tookMs = 1,
  ): void {
    const { account } = this;
    const balances = [this.sim.bank.balanceAt(account, position)!];
    const consistency = (typeof mode === "string" ? { mode } : mode) as ReadConsistency;
    const outcome: ReadOk = { status: "ok", position, balances, ...told };
    const invokeMs = this.sim.pass();
    const call = { client: `planted-${++this.callCount}`, invokeMs, returnMs: this.sim.pass(tookMs), session };
    this.push({ ...call, kind: "balance", accounts: [account], consistency, outcome });
  }

  /** A read of all customers, with something added to the first of them and to the second. */
  readAll(first: bigint, second: bigint): void {
    const { bank } = this.sim;
    const { position } = this;
    const accounts = [...bank.customers];
    const off = [first, second];
    const balances = accounts.map((account, n) => bank.balanceAt(account, position)! + (off[n] ?? 0n));
    const invokeMs = this.sim.pass();
    this.push({
      client: `planted-${++this.callCount}`,
      kind: "total",
      accounts,
      consistency: { mode: "local" },
      invokeMs,
      returnMs: this.sim.pass(),
      outcome: { status: "ok", position, balances },
    });
  }

  journalMs(position: number): number {
    return this.sim.bank.journalMs(position);
  }

  private push(operation: Operation): Operation {
    this.sim.operations.push(operation);
    return operation;
  }
}

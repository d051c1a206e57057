import { randomUUID } from "node:crypto";
import type { HistoryRecorder, PropagationAsked, ReadConsistency, ReadOutcome, WriteOutcome } from "@bank/checker";
import { type BankClient, BankError, type Booked } from "@bank/client";
import type { Random } from "@bank/testkit";
import { sessionPosition } from "./session-position.ts";

/** A server as a customer uses it: a client of it alone, with the customer's session. */
export interface Counter {
  readonly name: string;
  readonly client: BankClient;
}

const CURRENCY = "USD";
/** Shorter than most faults, so that calls fail and others follow; longer than a server takes to start. */
const TIMEOUT_MS = 2_500;
const AMOUNT_MAX = 60;
const STALENESS_BOUND_MS = 400;

/** One customer who deals with the bank at all its branches, one call after the other, and notes every answer. */
export class Customer {
  readonly name: string;
  private readonly counters: readonly Counter[];
  private readonly accounts: readonly string[];
  private readonly recorder: HistoryRecorder;
  private readonly random: Random;

  constructor(options: {
    readonly name: string;
    readonly counters: readonly Counter[];
    /** Which accounts it uses; others do too. */
    readonly accounts: readonly string[];
    readonly recorder: HistoryRecorder;
    readonly random: Random;
  }) {
    this.name = options.name;
    this.counters = options.counters;
    this.accounts = options.accounts;
    this.recorder = options.recorder;
    this.random = options.random;
  }

  /** One random call after the other until the signal aborts. */
  async trade(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) await this.act();
  }

  /** Reads every account at every server. Rejects with `BankError`: when all is well again, no call fails. */
  async lookAround(): Promise<void> {
    for (const counter of this.counters)
      for (const account of this.accounts) {
        const outcome = await this.balance(counter, account, { mode: "linearizable" });
        if (outcome.status !== "ok") throw new Error(`${counter.name} does not answer after the faults`);
      }
  }

  private act(): Promise<unknown> {
    const { random } = this;
    const counter = random.pick(this.counters);
    const account = random.pick(this.accounts);
    const amount = BigInt(1 + random.below(AMOUNT_MAX));
    switch (random.below(10)) {
      case 0:
      case 1:
        return this.move(counter, { kind: "deposit", account, amount });
      case 2:
      case 3:
        return this.move(counter, { kind: "withdraw", account, amount });
      case 4: {
        const to = random.pick(this.accounts.filter((each) => each !== account));
        return this.move(counter, { kind: "transfer", from: account, to, amount });
      }
      case 5:
        return this.total(counter);
      default:
        return this.balance(counter, account, this.consistency());
    }
  }

  private consistency(): ReadConsistency {
    switch (this.random.below(8)) {
      case 0:
        return { mode: "local" };
      case 1:
        return { mode: "bounded", maxStalenessMs: STALENESS_BOUND_MS };
      case 2:
      case 3:
      case 4:
        return { mode: "session" };
      default:
        return { mode: "linearizable" };
    }
  }

  private async move(
    { name: server, client }: Counter,
    movement:
      | { readonly kind: "deposit" | "withdraw"; readonly account: string; readonly amount: bigint }
      | { readonly kind: "transfer"; readonly from: string; readonly to: string; readonly amount: bigint },
  ): Promise<void> {
    const request = randomUUID();
    const propagation: PropagationAsked | undefined = this.random.chance(10) ? { mode: "allBranches" } : undefined;
    const options = {
      requestId: request,
      timeoutMs: TIMEOUT_MS,
      propagation: propagation === undefined ? ("bank" as const) : ("all-branches" as const),
    };
    const money = { currency: CURRENCY, minor: movement.amount };
    const call = { client: this.name, server, session: this.name, request, propagation, ...movement };
    const end = this.recorder.write(call);
    const send = (): Promise<Booked> => {
      switch (movement.kind) {
        case "deposit":
          return client.deposit(movement.account, money, options);
        case "withdraw":
          return client.withdraw(movement.account, money, options);
        case "transfer":
          return client.transfer(movement.from, movement.to, money, options);
      }
    };
    end(await send().then(done, failed));
  }

  private async balance(
    { name: server, client }: Counter,
    account: string,
    consistency: ReadConsistency,
  ): Promise<ReadOutcome> {
    const end = this.recorder.read({
      client: this.name,
      server,
      session: this.name,
      kind: "balance",
      accounts: [account],
      consistency,
    });
    const outcome = await client
      .balance(account, { consistency: sdkConsistency(consistency), timeoutMs: TIMEOUT_MS })
      .then(
        ({ posted, position, session, stalenessMs, connected }): ReadOutcome => ({
          status: "ok",
          position,
          balances: [posted.minor],
          session: sessionPosition(session),
          stalenessMs,
          connected,
        }),
        failedRead,
      );
    end(outcome);
    return outcome;
  }

  /** All accounts at one position. */
  private async total({ name: server, client }: Counter): Promise<void> {
    const consistency = this.consistency();
    const end = this.recorder.read({
      client: this.name,
      server,
      session: this.name,
      kind: "total",
      accounts: this.accounts,
      consistency,
    });
    const options = { consistency: sdkConsistency(consistency), timeoutMs: TIMEOUT_MS, pageSize: 1_000 };
    const outcome = await client.listAccountsPage(options).then(
      ({ accounts, position, session, stalenessMs, connected }): ReadOutcome => ({
        status: "ok",
        position,
        balances: this.accounts.map((name) => accounts.find(({ number }) => number === name)?.posted.minor ?? -1n),
        session: sessionPosition(session),
        stalenessMs,
        connected,
      }),
      failedRead,
    );
    end(outcome);
  }
}

function sdkConsistency(consistency: ReadConsistency) {
  switch (consistency.mode) {
    case "bounded":
      return consistency;
    case "position":
    case "time":
      throw new Error(`no customer reads as of a ${consistency.mode}`);
    default:
      return consistency.mode;
  }
}

function done({ position, session, replayed, propagation }: Booked): WriteOutcome {
  return {
    status: "ok",
    position,
    session: sessionPosition(session),
    replayed,
    ...(propagation === undefined
      ? {}
      : {
          propagation: {
            satisfied: propagation.satisfied,
            copies: propagation.copiesReached,
            missing: propagation.missing.map((branch) => `branch-${branch}`),
          },
        }),
  };
}

function failed(error: unknown): WriteOutcome {
  if (!(error instanceof BankError)) throw error;
  switch (error.outcome) {
    case "REJECTED":
      return { status: "rejected", reason: error.reason };
    case "NOT_APPLIED":
      return { status: "notApplied", reason: error.reason };
    case "OUTCOME_UNKNOWN":
      return { status: "unknown", reason: error.reason };
  }
}

function failedRead(error: unknown): ReadOutcome {
  if (!(error instanceof BankError)) throw error;
  // A session that lost its past would be a finding, not a failure.
  if (error.reason === "SESSION_LOST" || error.reason === "SESSION_INVALID") throw error;
  return { status: "notApplied", reason: error.reason };
}

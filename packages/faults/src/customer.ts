import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type {
  HistoryRecorder,
  Movement,
  PropagationAsked,
  ReadConsistency,
  ReadOutcome,
  WriteAction,
  WriteOutcome,
} from "@bank/checker";
import type { AskedPropagation, BankClient } from "@bank/client";
import type { Random } from "@bank/testkit";
import { Calls, type Write } from "./calls.ts";
import type { Counter, Session, SessionPool } from "./sessions.ts";

/** Accounts that all customers use. */
export interface Accounts {
  /** Where money comes and goes. */
  readonly open: readonly string[];
  /** Where holds are placed; money only comes. So no hold ever decides about a movement. */
  readonly withHolds: string;
}

export interface CustomerOptions {
  readonly name: string;
  /** Of all servers, each alone and all together. */
  readonly client: BankClient;
  readonly session: Session;
  /** Where it lays its session down and takes up another; undefined for one that keeps its own. */
  readonly pool: SessionPool | undefined;
  /** Counters besides those of the session, which it keeps. They need not answer in the end. */
  readonly apart: readonly Counter[];
  readonly accounts: Accounts;
  readonly recorder: HistoryRecorder;
  readonly random: Random;
  /** Told of failures that no customer should ever see here. */
  readonly onNever: (problem: string) => void;
}

const AMOUNT_MAX = 60;
const GROUP_MAX = 3;
/** Movements that are asked for at the same time: the SDK gathers them into one call. */
const AT_ONCE_MAX = 4;
const STALENESS_BOUNDS_MS = [0, 60, 400, 1_500];
/** Some shorter than most faults, so that calls fail and others follow. */
const TIMEOUTS_MS = [150, 150, 250, 250, 400, 400, 900, 2_500];
/** Most customers do not come back to a server that did not answer before so long. */
const AVOIDED_MS = 600;
/** Between two calls: they are to leave servers some of the processor. */
const PAUSE_MAX_MS = 4;
const RETRIES_MAX = 3;

/** One customer who deals with the bank at all its branches, one call after the other, and notes every answer. */
export class Customer {
  readonly name: string;
  private readonly options: CustomerOptions;
  private readonly calls: Calls;
  private session: Session;
  /** Until when each server is not asked again. */
  private readonly avoided = new Map<string | undefined, number>();
  /** The highest position that it has seen. */
  private seen = 0;
  private holds: number[] = [];

  constructor(options: CustomerOptions) {
    this.name = options.name;
    this.options = options;
    this.session = options.session;
    this.calls = new Calls(options.name, options.recorder, options.onNever);
  }

  /** One random call after the other until the signal aborts. */
  async trade(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.act();
      await delay(this.options.random.below(PAUSE_MAX_MS + 1));
    }
  }

  /** Reads everything at every server. False where one does not answer. */
  async lookAround(timeoutMs: number): Promise<boolean> {
    const { open, withHolds } = this.options.accounts;
    const looks = this.session.counters.map((counter) =>
      this.calls.total({ ...this.at(counter), timeoutMs }, [...open, withHolds], { mode: "linearizable" }),
    );
    return (await Promise.all(looks)).every(({ status }) => status === "ok");
  }

  private async act(): Promise<void> {
    const { random, accounts, pool, client } = this.options;
    const account = random.pick(accounts.open);
    const amount = BigInt(1 + random.below(AMOUNT_MAX));
    switch (random.below(24)) {
      case 0:
      case 1:
        return this.write({ kind: "deposit", account: random.chance(15) ? accounts.withHolds : account, amount });
      case 2:
      case 3:
      case 4:
        return this.write({ kind: "withdraw", account, amount });
      case 5:
        return this.write(this.transfer(account, amount));
      case 6:
        return this.several();
      case 7:
        return this.write({ kind: "group", items: this.items() });
      case 8:
        return this.hold();
      case 9:
      case 10:
        return this.total();
      case 11:
        return this.past(account);
      case 12:
        if (pool !== undefined && random.chance(20)) this.session = await pool.exchange(this.session, client, random);
        return;
      default:
        return this.balance(account);
    }
  }

  private transfer(from: string, amount: bigint): Movement {
    const { random, accounts } = this.options;
    return { kind: "transfer", from, to: random.pick(accounts.open.filter((each) => each !== from)), amount };
  }

  private items(): readonly Movement[] {
    return this.transfers(1 + this.options.random.below(GROUP_MAX));
  }

  private transfers(count: number): readonly Movement[] {
    const { random, accounts } = this.options;
    return Array.from({ length: count }, () =>
      this.transfer(random.pick(accounts.open), BigInt(1 + random.below(AMOUNT_MAX))),
    );
  }

  /** Several movements at one server at the same time, each of its own: they have no order among themselves. */
  private async several(): Promise<void> {
    const counter = this.counter();
    const transfers = this.transfers(2 + this.options.random.below(AT_ONCE_MAX - 1));
    await Promise.all(transfers.map((each) => this.write(each, { counter })));
  }

  /** Places a hold, or gives one back. Posted balances stay as they are. */
  private async hold(): Promise<void> {
    const { random, accounts } = this.options;
    const [placed] = this.holds;
    if (placed !== undefined && random.chance(50)) {
      this.holds = this.holds.slice(1);
      const send: Write["send"] = (client, options) => client.releaseHold(placed, options);
      await this.write({ kind: "other", name: "releaseHold", accounts: [] }, { send });
      return;
    }
    const amount = { currency: "USD", minor: BigInt(1 + random.below(AMOUNT_MAX)) };
    const send: Write["send"] = async (client, options) => {
      const done = await client.placeHold(accounts.withHolds, amount, options);
      this.holds.push(done.hold.position);
      return done;
    };
    await this.write({ kind: "other", name: "placeHold", accounts: [] }, { send });
  }

  /**
   * Where the outcome stays unknown, another server is told to do it, or asked.
   *
   * @param how how it is sent where the action does not say it, and where it goes first. Default: any server.
   */
  private async write(
    action: WriteAction,
    how: { readonly send?: Write["send"]; readonly counter?: Counter } = {},
  ): Promise<void> {
    const { random } = this.options;
    const request = randomUUID();
    for (let tries = 0; tries <= RETRIES_MAX; tries++) {
      const counter = (tries === 0 ? how.counter : undefined) ?? this.counter();
      const asks = tries > 0 && random.chance(30);
      const outcome = asks
        ? await this.calls.outcome({ ...this.at(counter), request, action })
        : await this.calls.write({ ...this.at(counter), ...this.propagation(), request, action, send: how.send });
      this.note(counter, outcome);
      const isKnown = outcome.status === "ok" || outcome.status === "rejected";
      // Somebody may not trust the answer, and send it again; what was not applied is mostly left at that.
      const again = isKnown ? 6 : outcome.status === "notApplied" ? 20 : 75;
      if (!random.chance(again)) return;
    }
  }

  private async balance(account: string): Promise<void> {
    const consistency = this.consistency();
    const counter = this.counter(consistency);
    this.note(counter, await this.calls.balance(this.at(counter), account, consistency));
  }

  /** All accounts at one position. */
  private async total(): Promise<void> {
    const { open, withHolds } = this.options.accounts;
    const consistency = this.consistency();
    const counter = this.counter(consistency);
    this.note(counter, await this.calls.total(this.at(counter), [...open, withHolds], consistency));
  }

  private async past(account: string): Promise<void> {
    const { random } = this.options;
    const consistency: ReadConsistency = random.chance(70)
      ? { mode: "position", position: Math.max(1, this.seen - random.below(40) + random.below(4)) }
      : { mode: "time", timeMs: Date.now() - random.below(2_000) };
    const counter = this.counter();
    this.note(counter, await this.calls.balance(this.at(counter), account, consistency));
  }

  private consistency(): ReadConsistency {
    const { random } = this.options;
    switch (random.below(10)) {
      case 0:
      case 1:
        return { mode: "local" };
      case 2:
        return { mode: "bounded", maxStalenessMs: random.pick(STALENESS_BOUNDS_MS) };
      case 3:
      case 4:
      case 5:
      case 6:
        return { mode: "session" };
      default:
        return { mode: "linearizable" };
    }
  }

  private propagation(): { readonly asked?: PropagationAsked; readonly propagation: AskedPropagation } {
    const { random } = this.options;
    switch (random.below(8)) {
      case 0:
        return { asked: { mode: "allBranches" }, propagation: "all-branches" };
      case 1: {
        const copies = 1 + random.below(2);
        return { asked: { mode: "quorum", copies }, propagation: { quorum: copies } };
      }
      default:
        return { propagation: "bank" };
    }
  }

  /**
   * Any server, preferably one that answered when it was asked last. Where the bank need not be asked, one that has lost
   * it is as good, and says more.
   */
  private counter(consistency?: ReadConsistency): Counter {
    const { random } = this.options;
    const isLinearizable = consistency === undefined || consistency.mode === "linearizable";
    const counters = [...this.session.counters, ...this.options.apart];
    const nowMs = performance.now();
    const good = counters.filter(({ server }) => (this.avoided.get(server) ?? 0) <= nowMs);
    return random.pick(good.length === 0 || random.chance(isLinearizable ? 6 : 50) ? counters : good);
  }

  private at({ client, server, session = this.session.name }: Counter) {
    return { client, server, session, timeoutMs: this.options.random.pick(TIMEOUTS_MS) };
  }

  private note({ server }: Counter, outcome: WriteOutcome | ReadOutcome): void {
    const { random } = this.options;
    if (outcome.status === "ok") this.seen = Math.max(this.seen, outcome.position);
    else if (outcome.status !== "rejected" && isOfServer(outcome.reason))
      this.avoided.set(server, performance.now() + random.fraction() * AVOIDED_MS);
  }
}

/** Whether a failure says that the server, or its link, is in trouble. */
function isOfServer(reason: string | undefined): boolean {
  return reason === undefined || !NOT_OF_SERVERS.includes(reason);
}

const NOT_OF_SERVERS = ["STALENESS_BOUND_EXCEEDED", "POSITION_IN_FUTURE", "TIME_IN_FUTURE", "READ_ACCOUNT_NOT_FOUND"];

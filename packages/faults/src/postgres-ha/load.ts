import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { HistoryRecorder, type Operation, type ReadConsistency, type WriteAction } from "@bank/checker";
import { type BankClient, connectBank } from "@bank/client";
import { Random } from "@bank/testkit";
import { Calls, type Place } from "../calls.ts";
import type { BankServers } from "./bank-servers.ts";

const CUSTOMERS = 10;
const ACCOUNTS = 4;
const OPENING_MINOR = 5_000n;
const AMOUNT_MAX = 60;
const TIMEOUT_MS = 1_500;
const SET_UP_TIMEOUT_MS = 30_000;
/** Between two calls: the load is to be there all the time, and the history to stay one that can be checked. */
const PAUSE_MAX_MS = 60;
/** How often a request of unknown outcome is tried again, or asked about. */
const RETRIES_MAX = 40;
/** More of them say nothing new. */
const TROUBLES_MAX = 20;

/** A write that a customer was told of as done. */
export interface Acknowledged {
  readonly atMs: number;
  /** The branch that told it. */
  readonly server: string | undefined;
}

/** Customers who write and read through branches, one call after the other each, and note every answer. */
export class Load {
  readonly operations: Operation[] = [];
  /** Every one, in order; times are `performance.now()`. */
  readonly acknowledged: Acknowledged[] = [];
  /** What no customer should ever be told. */
  readonly troubles = new Set<string>();
  readonly #recorder = new HistoryRecorder(
    (operation) => this.operations.push(operation),
    () => performance.now(),
  );
  readonly #servers: BankServers;
  readonly #random: Random;
  readonly #stop = new AbortController();
  readonly #clients: BankClient[] = [];
  #accounts: readonly string[] = [];
  #trading: Promise<void>[] = [];

  constructor(servers: BankServers, seed: number) {
    this.#servers = servers;
    this.#random = new Random(seed);
  }

  /** Opens the accounts, and lets the customers begin. */
  async start(): Promise<void> {
    const client = this.#servers.client(SET_UP_TIMEOUT_MS);
    this.#clients.push(client);
    const calls = new Calls("set-up", this.#recorder, (problem) => this.#trouble(problem));
    const accounts: string[] = [];
    for (let i = 0; i < ACCOUNTS; i++) {
      const request = randomUUID();
      const end = this.#recorder.write({ client: "set-up", kind: "openAccount", currency: "USD", request });
      const { account, position } = await client.openAccount({ currency: "USD" }, { requestId: request });
      end({ status: "ok", position, account: account.number });
      const deposit = { kind: "deposit", account: account.number, amount: OPENING_MINOR } as const;
      const place = { client, server: undefined, session: "set-up", timeoutMs: SET_UP_TIMEOUT_MS };
      await calls.write({ ...place, request: randomUUID(), action: deposit, propagation: "bank" });
      accounts.push(account.number);
    }
    this.#accounts = accounts;
    for (let i = 1; i <= CUSTOMERS; i++) {
      const name = `customer-${i}`;
      const random = new Random(this.#random.word());
      this.#trading.push(
        this.#trade(name, random).catch((error: unknown) => this.#trouble(`${name}: ${String(error)}`)),
      );
    }
  }

  /** Resolves once so many more writes are acknowledged than are by now. Rejects when the signal aborts. */
  async progress(writes: number, signal: AbortSignal): Promise<void> {
    const enough = this.acknowledged.length + writes;
    while (this.acknowledged.length < enough) await delay(20, undefined, { signal });
  }

  /** Ends the customers' calls. What has no answer by then stays unknown. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#trading);
    this.#recorder.close();
  }

  close(): void {
    this.#stop.abort();
    for (const client of this.#clients) client.close();
  }

  async #trade(name: string, random: Random): Promise<void> {
    const calls = new Calls(name, this.#recorder, (problem) => this.#trouble(problem));
    const places = this.#servers.branches.map((branch, i): Place => {
      const client = connectBank({ server: branch.url, timeoutMs: TIMEOUT_MS });
      this.#clients.push(client);
      const server = `branch-${i + 1}`;
      return { client, server, session: `${name} at ${server}`, timeoutMs: TIMEOUT_MS };
    });
    while (!this.#stop.signal.aborted) {
      if (random.chance(70)) await this.#write(calls, places, random);
      else await this.#read(calls, random.pick(places), random);
      await delay(random.below(PAUSE_MAX_MS));
    }
  }

  /** Tried again, at any branch and under its request id, until it is known what became of it. */
  async #write(calls: Calls, places: readonly Place[], random: Random): Promise<void> {
    const [request, action] = [randomUUID(), this.#action(random)];
    for (let tries = 0; tries <= RETRIES_MAX && !this.#stop.signal.aborted; tries++) {
      const place = random.pick(places);
      const outcome =
        tries > 0 && random.chance(20)
          ? await calls.outcome({ ...place, request, action })
          : await calls.write({ ...place, request, action, propagation: "bank" });
      if (outcome.status === "ok") this.acknowledged.push({ atMs: performance.now(), server: place.server });
      if (outcome.status === "ok" || outcome.status === "rejected") return;
      await delay(random.below(PAUSE_MAX_MS));
    }
  }

  async #read(calls: Calls, place: Place, random: Random): Promise<void> {
    const consistency: ReadConsistency = random.chance(60) ? { mode: "linearizable" } : { mode: "session" };
    if (random.chance(30)) await calls.total(place, this.#accounts, consistency);
    else await calls.balance(place, random.pick(this.#accounts), consistency);
  }

  #action(random: Random): WriteAction {
    const account = random.pick(this.#accounts);
    const amount = BigInt(1 + random.below(AMOUNT_MAX));
    switch (random.below(4)) {
      case 0:
        return { kind: "deposit", account, amount };
      case 1:
        return { kind: "withdraw", account, amount };
      default: {
        const to = random.pick(this.#accounts.filter((each) => each !== account));
        return { kind: "transfer", from: account, to, amount };
      }
    }
  }

  #trouble(text: string): void {
    if (this.troubles.size < TROUBLES_MAX) this.troubles.add(text);
  }
}

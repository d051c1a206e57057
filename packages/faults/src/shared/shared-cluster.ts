import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { BranchNumber } from "@bank/core";
import { freePort } from "@bank/store/testing";
import { type BranchProcess, FaultProxy, startBranchProcess } from "@bank/testkit";
import { shareCompiledCode } from "../compile-cache.ts";
import type { Place } from "../fault-cluster.ts";
import { LeaderWatch } from "./leader-watch.ts";
import { type ServerEnd, SupervisedServer } from "./supervised-server.ts";

export interface SharedClusterOptions {
  readonly dataDir: string;
  /** Bank servers. */
  readonly servers: number;
  readonly branches: number;
  /** Of the database, with the bank's tables in it. */
  readonly storeUrl: string;
  readonly seed: number;
}

/** For a process that starts on a busy machine. */
const START_TIMEOUT_MS = 60_000;
const LOOK_MS = 20;

/**
 * Several bank servers on one database, and branches that know all of them: each in a process of its own, with proxies between
 * bank servers and the database, between branches and bank servers, and before the doors of all.
 */
export class SharedCluster {
  /** In the order of their names: `bank-1`, `bank-2`. */
  readonly servers: SupervisedServer[] = [];
  /** How bank servers ended by themselves so far. */
  readonly ends: ServerEnd[] = [];
  private readonly running: { readonly place: Place; readonly process: BranchProcess; readonly door: FaultProxy }[] =
    [];
  private readonly options: SharedClusterOptions;
  private readonly watch: LeaderWatch;

  private constructor(options: SharedClusterOptions) {
    this.options = options;
    this.watch = new LeaderWatch(options.storeUrl);
  }

  /** Resolves once all listen and `bank-1` is the bank. Leaves nothing running when it rejects. */
  static async start(options: SharedClusterOptions): Promise<SharedCluster> {
    const cluster = new SharedCluster(options);
    await shareCompiledCode();
    try {
      for (let i = 1; i <= options.servers; i++) await cluster.startServer(i);
      await Promise.all(Array.from({ length: options.branches }, (_, i) => cluster.startBranch(i + 1)));
      cluster.running.sort((a, b) => a.place.branch - b.place.branch);
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  get branches(): readonly Place[] {
    return this.running.map(({ place }) => place);
  }

  /** The bank server that the store names as the one that leads; undefined where none is known. */
  async leader(): Promise<SupervisedServer | undefined> {
    const address = await this.watch.leader();
    return this.servers.find(({ url }) => url === address);
  }

  /** Rejects where nobody leads for so long. */
  async whenLed(timeoutMs: number): Promise<SupervisedServer> {
    const untilMs = performance.now() + timeoutMs;
    for (;;) {
      const leader = await this.leader();
      if (leader !== undefined) return leader;
      if (performance.now() > untilMs) throw new Error(`no bank server leads after ${timeoutMs} ms`);
      await delay(LOOK_MS);
    }
  }

  /** Ends bank servers and branches as an operator would. What is in the database stays. */
  async terminate(): Promise<void> {
    await Promise.all(this.running.map(({ process }) => process.stop()));
    // At the same time: else one takes over from the other.
    await Promise.all(this.servers.map((server) => server.terminate()));
  }

  /** Kills everything. Idempotent. */
  async stop(): Promise<void> {
    await Promise.all([
      ...this.servers.map((server) => server.stop()),
      ...this.running.map(async ({ process, door }) => {
        await process.kill();
        await door.close();
      }),
      this.watch.close(),
    ]);
  }

  private async startServer(number: number): Promise<void> {
    const { dataDir, storeUrl, seed } = this.options;
    const name = `bank-${number}`;
    const server = await SupervisedServer.start({
      name,
      port: await freePort(),
      dataDir: join(dataDir, name),
      storeUrl,
      flags: [],
      seed: seed + 100 * number,
      onEnd: (end) => this.ends.push(end),
    });
    this.servers.push(server);
    await server.whenThere(START_TIMEOUT_MS);
    if (number === 1) await this.whenLed(START_TIMEOUT_MS);
  }

  private async startBranch(number: BranchNumber): Promise<void> {
    const { dataDir, seed } = this.options;
    const name = `branch-${number}`;
    const links = await Promise.all(
      this.servers.map((server, i) => FaultProxy.start({ target: server.url, seed: seed + 1_000 * number + i })),
    );
    for (const [i, link] of links.entries()) this.servers[i]?.branchLinks.push(link);
    const door = await FaultProxy.start({ seed: seed + 10_000 * number });
    try {
      const process = await startBranchProcess({
        number,
        bankUrl: links.map(({ url }) => url).join(","),
        dataDir: join(dataDir, name),
        flags: ["--advertise", door.url],
      });
      door.setTarget(process.url);
      this.running.push({ place: { name, branch: number, url: process.url, door: door.url }, process, door });
    } catch (error) {
      await door.close();
      throw error;
    }
  }
}

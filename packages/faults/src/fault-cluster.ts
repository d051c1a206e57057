import { join } from "node:path";
import type { BranchNumber } from "@bank/core";
import {
  type BankProcess,
  type BranchProcess,
  type Fault,
  FaultProxy,
  startBankProcess,
  startBranchProcess,
} from "@bank/testkit";
import { shareCompiledCode } from "./compile-cache.ts";
import { linkFaults, processFaults } from "./server-faults.ts";

/** A server and how it is reached. */
export interface Place {
  /** As `bank` or `branch-2`. */
  readonly name: string;
  readonly branch: BranchNumber;
  /** Of the server itself. */
  readonly url: string;
  /** Where its customers reach it: the way in between may be cut. */
  readonly door: string;
}

interface RunningPlace {
  readonly place: Place;
  readonly process: BankProcess | BranchProcess;
  /** Between it and its customers. */
  readonly door: FaultProxy;
  /** Between it and whom it follows; none at the bank. */
  readonly link: FaultProxy | undefined;
}

export interface FaultClusterOptions {
  readonly dataDir: string;
  readonly branches: number;
  /** Whether the last branch follows the first one and not the bank. */
  readonly isTree: boolean;
  readonly seed: number;
}

/** Faults end soon, and branches that cannot be reached then are no witnesses of a lost disk: nobody loses one here. */
const WITNESS_TIMEOUT_MS = 300;

/** A bank and branches in processes of their own, with proxies on the links of branches and before the doors of all. */
export class FaultCluster {
  private readonly options: FaultClusterOptions;
  private readonly running: RunningPlace[] = [];

  private constructor(options: FaultClusterOptions) {
    this.options = options;
  }

  /** Resolves once all listen. Leaves nothing running when it rejects. */
  static async start(options: FaultClusterOptions): Promise<FaultCluster> {
    const cluster = new FaultCluster(options);
    const { branches, isTree } = options;
    await shareCompiledCode();
    try {
      await cluster.startBank();
      const { url } = cluster.bank;
      const direct = isTree ? branches - 1 : branches;
      const started = await Promise.allSettled(
        Array.from({ length: direct }, (_, i) => cluster.startBranch(i + 1, url)),
      );
      for (const each of started) if (each.status === "rejected") throw each.reason;
      cluster.running.sort((a, b) => a.place.branch - b.place.branch);
      if (isTree) await cluster.startBranch(branches, cluster.branches[0]?.url ?? url);
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  get bank(): Place {
    const [bank] = this.running;
    if (bank === undefined) throw new Error("the bank is started first");
    return bank.place;
  }

  get branches(): readonly Place[] {
    return this.places.slice(1);
  }

  /** The bank first. */
  get places(): readonly Place[] {
    return this.running.map(({ place }) => place);
  }

  /** Everything that can go wrong here, each with its end. */
  faults(): readonly Fault[] {
    return this.running.flatMap(({ place: { name }, process, door, link }) => [
      ...processFaults(name, process),
      ...linkFaults(`door of ${name}`, door),
      ...(link === undefined ? [] : linkFaults(`link of ${name}`, link)),
    ]);
  }

  /** Kills everything. Idempotent. */
  async stop(): Promise<void> {
    await Promise.all(
      this.running.map(async ({ process, door, link }) => {
        await process.kill();
        await link?.close();
        await door.close();
      }),
    );
  }

  private async startBank(): Promise<void> {
    const { dataDir, seed } = this.options;
    const flags = ["--witness-timeout", String(WITNESS_TIMEOUT_MS)];
    const process = await startBankProcess({ dataDir: join(dataDir, "bank"), flags });
    const door = await FaultProxy.start({ target: process.url, seed });
    const place = { name: "bank", branch: 0, url: process.url, door: door.url };
    this.running.push({ place, process, door, link: undefined });
  }

  private async startBranch(number: BranchNumber, upstream: string): Promise<void> {
    const { dataDir, seed } = this.options;
    const name = `branch-${number}`;
    const link = await FaultProxy.start({ target: upstream, seed: seed + 2 * number });
    const door = await FaultProxy.start({ seed: seed + 2 * number + 1 });
    try {
      const process = await startBranchProcess({
        number,
        bankUrl: link.url,
        dataDir: join(dataDir, name),
        flags: ["--advertise", door.url],
      });
      door.setTarget(process.url);
      const place = { name, branch: number, url: process.url, door: door.url };
      this.running.push({ place, process, door, link });
    } catch (error) {
      await link.close();
      await door.close();
      throw error;
    }
  }
}

import { join } from "node:path";
import type { BranchNumber } from "@bank/core";
import {
  type BankProcess,
  type BranchProcess,
  type CutKind,
  type Direction,
  type Fault,
  FaultProxy,
  startBankProcess,
  startBranchProcess,
} from "@bank/testkit";

/** A server and how its clients reach it. */
export interface Place {
  /** As `bank` or `branch-2`. */
  readonly name: string;
  readonly branch: BranchNumber;
  readonly url: string;
}

interface BranchPlace {
  readonly place: Place;
  readonly process: BranchProcess;
  /** Between the branch and whom it follows. */
  readonly link: FaultProxy;
}

export interface FaultClusterOptions {
  readonly dataDir: string;
  readonly branches: number;
  /** Whether the last branch follows the first one and not the bank. */
  readonly isTree: boolean;
  readonly seed: number;
}

/** A bank and branches in processes of their own, with a proxy on each branch's link. */
export class FaultCluster {
  readonly bank: Place;
  private readonly process: BankProcess;
  private readonly branchPlaces: BranchPlace[] = [];

  private constructor(process: BankProcess) {
    this.process = process;
    this.bank = { name: "bank", branch: 0, url: process.url };
  }

  /** Resolves once all listen. Leaves nothing running when it rejects. */
  static async start(options: FaultClusterOptions): Promise<FaultCluster> {
    const bank = await startBankProcess({ dataDir: join(options.dataDir, "bank") });
    const cluster = new FaultCluster(bank);
    try {
      for (let number = 1; number <= options.branches; number++) await cluster.startBranch(number, options);
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  get branches(): readonly Place[] {
    return this.branchPlaces.map(({ place }) => place);
  }

  /** The bank first. */
  get places(): readonly Place[] {
    return [this.bank, ...this.branches];
  }

  /** Everything that can go wrong here, each with its end. */
  faults(): readonly Fault[] {
    return [
      ...processFaults("bank", this.process),
      ...this.branchPlaces.flatMap(({ place, process, link }) => [
        ...processFaults(place.name, process),
        ...linkFaults(place.name, link),
      ]),
    ];
  }

  /** Kills everything. Idempotent. */
  async stop(): Promise<void> {
    for (const { process, link } of this.branchPlaces) {
      await process.kill();
      await link.close();
    }
    await this.process.kill();
  }

  private async startBranch(number: BranchNumber, { dataDir, branches, isTree, seed }: FaultClusterOptions) {
    const first = this.branchPlaces[0];
    const upstream = isTree && number === branches && first !== undefined ? first.place.url : this.bank.url;
    const link = await FaultProxy.start({ target: upstream, seed: seed + number });
    const name = `branch-${number}`;
    try {
      const process = await startBranchProcess({ number, bankUrl: link.url, dataDir: join(dataDir, name) });
      this.branchPlaces.push({ place: { name, branch: number, url: process.url }, process, link });
    } catch (error) {
      await link.close();
      throw error;
    }
  }
}

function processFaults(name: string, server: BankProcess): readonly Fault[] {
  const group = `the process of ${name}`;
  return [
    { name: `kill ${name}`, group, begin: () => server.kill(), end: () => server.restart() },
    { name: `pause ${name}`, group, begin: () => server.pause(), end: () => server.resume() },
  ];
}

const CUTS: readonly (readonly [Direction, CutKind])[] = [
  ["both", "hold"],
  ["both", "lose"],
  ["toServer", "hold"],
  ["toClient", "hold"],
  ["toServer", "lose"],
  ["toClient", "lose"],
];

function linkFaults(name: string, link: FaultProxy): readonly Fault[] {
  const group = `the link of ${name}`;
  return [
    ...CUTS.map(
      ([direction, kind]): Fault => ({
        name: `cut ${name} (${direction}, ${kind})`,
        group,
        begin: () => link.cut(direction, kind),
        end: () => link.uncut(),
      }),
    ),
  ];
}

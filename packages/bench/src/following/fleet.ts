import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Position } from "@bank/core";
import { copyBank } from "../bank/prepared-bank.ts";
import type { Bench } from "../bench.ts";
import type { Running } from "../harness/processes.ts";
import type { Answer, Ask, BranchPlan } from "./child.ts";
import type { Moments } from "./moments.ts";

/** How branches are laid out. */
export interface Layout {
  /** How many branches, each with a copy of its own. */
  readonly branches: number;
  /** How many of them follow each server; undefined where all follow the bank. */
  readonly fanOut?: number | undefined;
  /** Whether all share one process; else each has one of its own. */
  readonly oneProcess?: boolean | undefined;
}

/** A bank and branches in processes of their own, on this machine, all of which note when they have what. */
export class Fleet {
  bankUrl = "";
  /** The bank's data folder. */
  readonly dataDir: string;
  private readonly bench: Bench;
  private readonly bank: Child;
  private readonly children: Child[] = [];
  private readonly urls: string[] = [];

  private constructor(bench: Bench, dataDir: string) {
    this.bench = bench;
    this.dataDir = dataDir;
    this.bank = new Child(bench, "bank-child.ts");
  }

  /** Its bank begins with so many accounts. Resolves once all branches follow. */
  static async start(bench: Bench, layout: Layout, accounts: number): Promise<Fleet> {
    const folder = bench.scratch("fleet");
    const dataDir = join(folder, "bank");
    await copyBank(await bench.preparedBank({ accounts }), dataDir);
    const fleet = new Fleet(bench, dataDir);
    const [url = ""] = await fleet.bank.start({ ask: "start bank", dataDir });
    fleet.bankUrl = url;
    await fleet.startBranches(folder, layout);
    return fleet;
  }

  get bankPid(): number {
    return this.bank.pid;
  }

  /** Resolves once every branch shows the position. */
  async show(position: Position): Promise<void> {
    await Promise.all(this.children.map((child) => child.ask({ ask: "show", position })));
  }

  /** What everybody has noted since the last time. */
  async moments(): Promise<{ readonly bank: Moments; readonly branches: readonly Moments[] }> {
    const [bank] = await this.bank.moments();
    if (bank === undefined) throw new Error("a bank notes its moments");
    const branches = await Promise.all(this.children.map((child) => child.moments()));
    return { bank, branches: branches.flat() };
  }

  /** The data folder stays, for the audit. */
  async stop(): Promise<void> {
    for (const child of this.children.toReversed()) await child.stop();
    await this.bank.stop();
  }

  async forget(): Promise<void> {
    await this.bench.forget(join(this.dataDir, ".."));
  }

  /** Where others follow a branch, one after the other: it is there before them. */
  private async startBranches(folder: string, { branches, fanOut, oneProcess }: Layout): Promise<void> {
    const shared = oneProcess ? this.child() : undefined;
    const start = async (i: number) => {
      const upstream = this.upstreamOf(i, fanOut);
      const plan: BranchPlan = { number: i + 1, upstream, dataDir: join(folder, `branch-${i + 1}`) };
      const [url = ""] = await (shared ?? this.child()).start({ ask: "start branches", branches: [plan] });
      this.urls[i] = url;
    };
    if (fanOut === undefined && shared === undefined)
      await Promise.all(Array.from({ length: branches }, (_, i) => start(i)));
    else for (let i = 0; i < branches; i++) await start(i);
  }

  private child(): Child {
    const child = new Child(this.bench, "branch-child.ts");
    this.children.push(child);
    return child;
  }

  /** The bank has `fanOut` children, and so has each branch, filled from the top. */
  private upstreamOf(index: number, fanOut: number | undefined): string {
    if (fanOut === undefined || index < fanOut) return this.bankUrl;
    const url = this.urls[Math.floor(index / fanOut) - 1];
    if (url === undefined) throw new Error("whoever is followed is started first");
    return url;
  }
}

class Child {
  private readonly process: Running;
  /** Whoever waits for the answer to the question that was asked. */
  private told: (answer: Answer) => void = () => undefined;

  constructor(bench: Bench, file: string) {
    this.process = bench.processes.startNode(file, fileURLToPath(new URL(file, import.meta.url)));
    this.process.child.on("message", (answer: Answer) => this.told(answer));
    void this.process.ended.then((code) => {
      this.told({ answer: "failed", problem: `it ended with ${code}:\n${this.process.said()}` });
    });
  }

  get pid(): number {
    return this.process.pid;
  }

  async ask(ask: Ask): Promise<Answer> {
    if (this.process.isOver) throw new Error(`a process of the benchmark is over:\n${this.process.said()}`);
    const answered = new Promise<Answer>((resolve) => {
      this.told = resolve;
    });
    this.process.child.send(ask);
    const answer = await answered;
    if (answer.answer === "failed") throw new Error(`a process of the benchmark failed: ${answer.problem}`);
    return answer;
  }

  async start(ask: Ask): Promise<readonly string[]> {
    const answer = await this.ask(ask);
    if (answer.answer !== "started") throw new Error("a start is answered by where it listens");
    return answer.urls;
  }

  async moments(): Promise<readonly Moments[]> {
    const answer = await this.ask({ ask: "moments" });
    if (answer.answer !== "moments") throw new Error("moments were asked for");
    return answer.moments;
  }

  async stop(): Promise<void> {
    if (this.process.isOver) return;
    await this.ask({ ask: "stop" });
    await this.process.ended;
  }
}

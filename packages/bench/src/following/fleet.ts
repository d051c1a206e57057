import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Position } from "@bank/core";
import type { Answer, Ask, BranchPlan } from "./child.ts";
import type { Moments } from "./moments.ts";

/** How branches are laid out. */
export interface Layout {
  /** How many branches, each with a copy of its own. */
  readonly branches: number;
  /** How many of them follow each server; undefined where all follow the bank. */
  readonly fanOut?: number | undefined;
  /** Whether each branch has a process of its own; else all share one. */
  readonly ownProcesses?: boolean | undefined;
}

/** A bank and branches in processes of their own, on this machine. */
export class Fleet {
  bankUrl = "";
  private readonly bank = new Child("bank-child.ts");
  private readonly children: Child[] = [];
  private readonly urls: string[] = [];

  private constructor() {}

  static async start(folder: string, layout: Layout): Promise<Fleet> {
    const fleet = new Fleet();
    try {
      const [url = ""] = await fleet.bank.start({ ask: "start bank", dataDir: join(folder, "bank") });
      fleet.bankUrl = url;
      await fleet.startBranches(folder, layout);
      return fleet;
    } catch (error) {
      await fleet.stop();
      throw error;
    }
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

  async stop(): Promise<void> {
    for (const child of this.children.toReversed()) await child.stop();
    await this.bank.stop();
  }

  /** One after the other: a branch that others follow is there before them. */
  private async startBranches(folder: string, layout: Layout): Promise<void> {
    let shared: Child | undefined;
    for (let i = 0; i < layout.branches; i++) {
      const plan: BranchPlan = {
        number: i + 1,
        upstream: this.upstreamOf(i, layout.fanOut),
        dataDir: join(folder, `branch-${i + 1}`),
      };
      const child = layout.ownProcesses ? undefined : shared;
      const used = child ?? new Child("branch-child.ts");
      if (child === undefined) this.children.push(used);
      shared = used;
      this.urls.push(...(await used.start({ ask: "start branches", branches: [plan] })));
    }
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
  private readonly process: ChildProcess;
  private isOver = false;
  /** Whoever waits for the answer to the question that was asked. */
  private told: (answer: Answer) => void = () => undefined;

  constructor(file: string) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    this.process = fork(path, { execArgv: ["--conditions=bank-src"], stdio: ["ignore", "ignore", "inherit", "ipc"] });
    this.process.on("message", (answer: Answer) => this.told(answer));
    this.process.once("exit", (code) => {
      this.isOver = true;
      this.told({ answer: "failed", problem: `it ended with ${code}` });
    });
  }

  async ask(ask: Ask): Promise<Answer> {
    const answered = new Promise<Answer>((resolve) => {
      this.told = resolve;
    });
    this.process.send(ask);
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
    if (this.isOver) return;
    const over = once(this.process, "exit");
    await this.ask({ ask: "stop" }).catch((error: unknown) => {
      console.error(String(error));
      this.process.kill("SIGKILL");
    });
    await over;
  }
}

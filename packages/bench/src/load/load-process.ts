import { fileURLToPath } from "node:url";
import type { Processes, Running } from "../harness/processes.ts";
import { LoadFailedError } from "./closed-loop.ts";
import type { LoadAnswer, LoadAsk, LoadPlan, RunOptions, RunResult } from "./load-plan.ts";

const CHILD = fileURLToPath(new URL("load-child.ts", import.meta.url));

/** A process that makes loads, one at a time: what it costs is told apart from what the server costs. */
export class LoadProcess {
  private readonly process: Running;
  private told: (answer: LoadAnswer) => void = () => undefined;

  constructor(processes: Processes) {
    this.process = processes.startNode("the load", CHILD);
    this.process.child.on("message", (answer: LoadAnswer) => this.told(answer));
    void this.process.ended.then((code) => {
      this.told({ answer: "failed", problem: `it ended with ${code}:\n${this.process.said()}` });
    });
  }

  /** Gives what `run` takes. */
  async open(plan: LoadPlan): Promise<number> {
    const answer = await this.ask({ ask: "open", plan });
    if (answer.answer !== "opened") throw new Error("a load is opened");
    return answer.load;
  }

  async run(load: number, options: RunOptions): Promise<RunResult> {
    const answer = await this.ask({ ask: "run", load, options });
    if (answer.answer !== "ran") throw new Error("a load runs");
    return answer.result;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (this.process.isOver) return;
    await this.ask({ ask: "close" });
    await this.process.kill();
  }

  private async ask(ask: LoadAsk): Promise<LoadAnswer> {
    if (this.process.isOver) throw new Error(`the load is over:\n${this.process.said()}`);
    const answered = new Promise<LoadAnswer>((resolve) => {
      this.told = resolve;
    });
    this.process.child.send(ask);
    const answer = await answered;
    if (answer.answer === "failed") {
      const problem = new Error(`the load failed: ${answer.problem}`);
      throw answer.acknowledged === undefined ? problem : new LoadFailedError(problem, answer.acknowledged);
    }
    return answer;
  }
}

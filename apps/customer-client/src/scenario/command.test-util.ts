import { MemoryScenarioBank } from "./memory-scenario-bank.test-util.ts";
import { runScenarioFile, type ScenarioCommand, type TextSink } from "./scenario-command.ts";

/** What a run of the command gave. */
export interface CommandRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The banks that were started. */
  readonly banks: readonly MemoryScenarioBank[];
}

/** Runs the command against a bank in memory; `banks` may be given to look at them after a failure. */
export async function runCommand(
  options: Pick<ScenarioCommand, "inputPath" | "outPath" | "concurrent" | "balances">,
  bank: MemoryScenarioBank = new MemoryScenarioBank(),
): Promise<CommandRun> {
  const stdout = new TextCollector();
  const stderr = new TextCollector();
  const banks: MemoryScenarioBank[] = [];
  const exitCode = await runScenarioFile({
    ...options,
    stdout,
    stderr,
    startBank: async () => {
      banks.push(bank);
      return bank;
    },
  });
  return { exitCode, stdout: stdout.text, stderr: stderr.text, banks };
}

/** Collects what is written to it. */
export class TextCollector implements TextSink {
  text = "";

  write(text: string, done: () => void): void {
    this.text += text;
    done();
  }
}

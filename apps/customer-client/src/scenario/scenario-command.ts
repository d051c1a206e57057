import { runScenario } from "./run-scenario.ts";
import type { Scenario } from "./scenario.ts";
import type { RunningScenarioBank } from "./scenario-bank.ts";
import { ScenarioError } from "./scenario-error.ts";
import { checkOutputPath, fileError, readScenarioFile } from "./scenario-files.ts";
import { writeFileAtomically } from "./write-file-atomically.ts";
import { writeOutput } from "./write-output.ts";

/** Where text goes; `process.stdout` and `process.stderr` are such. */
export interface TextSink {
  write(text: string, done: (error?: Error | null) => void): unknown;
}

export interface ScenarioCommand {
  readonly inputPath: string;
  /** Replaced as a whole, or not touched. Default: the output goes to `stdout`. */
  readonly outPath?: string | undefined;
  /** Default: customers run one after another. */
  readonly concurrent?: boolean | undefined;
  /** Default: only queries give balances. */
  readonly balances?: boolean | undefined;
  /** Starts, or connects to, a bank with the scenario's branches. Called once, and only for a file without problems. */
  readonly startBank: (scenario: Scenario) => Promise<RunningScenarioBank>;
  /** Gets the output and nothing else; nothing at all with `outPath`. */
  readonly stdout: TextSink;
  /** Gets the one message about a bad input. */
  readonly stderr: TextSink;
  /** Told of a bad input instead, by whoever has another way to say it. */
  readonly onRefused?: ((error: ScenarioError) => void) | undefined;
}

/** 0: the scenario ran, whatever the bank answered. 2: it did not, and `stderr` says why; nothing was started. */
export type ScenarioExitCode = 0 | 2;

/**
 * Runs a scenario file from reading to output. When it resolves, the bank is closed and the output is written.
 *
 * Rejects with: whatever `startBank` or the bank rejects with, also on closing (nothing is written then);
 * `ScenarioFileError` when the output cannot be written although it looked possible before the run.
 */
export async function runScenarioFile(command: ScenarioCommand): Promise<ScenarioExitCode> {
  const { inputPath, outPath, concurrent = false, balances = false, stdout, stderr } = command;
  let scenario: Scenario;
  try {
    scenario = await readScenarioFile(inputPath);
    if (outPath !== undefined) await checkOutputPath(outPath, inputPath);
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error;
    if (command.onRefused === undefined) await write(stderr, `${error.message}\n`);
    else command.onRefused(error);
    return 2;
  }

  const answers = await withBank(await command.startBank(scenario), (bank) =>
    runScenario(scenario, bank, { concurrent, balances }),
  );
  const output = writeOutput(scenario.shape, answers);
  if (outPath === undefined) {
    await write(stdout, output);
  } else {
    await writeFileAtomically(outPath, output).catch((error: unknown) => {
      throw fileError(outPath, "cannot be written", error);
    });
  }
  return 0;
}

/** Closes the bank whatever happens. When both fail, the use's error is the one that explains more. */
async function withBank<T>(bank: RunningScenarioBank, use: (bank: RunningScenarioBank) => Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await use(bank);
  } catch (error) {
    await bank.close().catch((closing: unknown) => {
      throw new AggregateError([error, closing], "the run failed, and so did stopping its bank", { cause: error });
    });
    throw error;
  }
  await bank.close();
  return result;
}

/** Resolves once the text has left the process, so that an exit right behind it cuts nothing off. */
function write(sink: TextSink, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    sink.write(text, (error) => (error === undefined || error === null ? resolve() : reject(error)));
  });
}

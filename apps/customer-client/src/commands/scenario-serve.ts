import { once } from "node:events";
import { type RunningCluster, silentLog, startCluster } from "@bank/node";
import { write } from "../cli-io.ts";
import type { CommandContext } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { printable } from "../printable.ts";
import { readScenarioFile, ScenarioError } from "../scenario/index.ts";
import { quoteWords } from "../shell/split-words.ts";
import { refusedScenario, UsageError } from "../usage-error.ts";
import type { ServeArguments } from "./scenario.ts";

/** Starts the bank and branches of a scenario file and stays until it is interrupted, which is how it is meant to end. */
export async function serveScenario(
  context: CommandContext,
  inputPath: string,
  { port }: ServeArguments,
): Promise<ExitCode> {
  const bankPort = portOf(port);
  const { branches } = await readScenarioFile(inputPath).catch((error: unknown) => {
    throw error instanceof ScenarioError ? refusedScenario(error) : error;
  });
  const failed = Promise.withResolvers<never>();
  // Nobody waits for it yet while the cluster starts.
  failed.promise.catch(() => undefined);
  const cluster = await startCluster({ branches, bankPort, log: silentLog, onFatal: failed.reject });
  try {
    if (!context.signal.aborted) {
      const interrupted = once(context.signal, "abort");
      await write(context.io.stdout, announcement(context, cluster, inputPath));
      await Promise.race([interrupted, failed.promise.catch((error: unknown) => tellEnd(context, error))]);
      if (!context.signal.aborted) return EXIT.NO_ANSWER;
    }
  } finally {
    await cluster.close();
  }
  return EXIT.DONE;
}

/** Standard output has had its one document. */
async function tellEnd({ io }: CommandContext, error: unknown): Promise<void> {
  const problem = error instanceof Error ? error.message : String(error);
  await write(io.stderr, `bank: The bank stopped: ${printable(problem)}\n`);
}

function announcement({ settings }: CommandContext, { bankUrl, branches }: RunningCluster, inputPath: string): string {
  if (settings.json) {
    const listed = branches.map(({ number, url }) => ({ number, address: url }));
    return `${JSON.stringify({ ok: true, bank: bankUrl, branches: listed })}\n`;
  }
  const names = ["Bank", ...branches.map(({ number }) => `Branch ${number}`)];
  const widest = Math.max(...names.map(({ length }) => length));
  const addresses = [bankUrl, ...branches.map(({ url }) => url)];
  const lines = names.map((name, i) => `${name.padEnd(widest)}  ${addresses[i]}`);
  const command = quoteWords(["bank", "scenario", "run", inputPath, "--server", bankUrl]);
  return `${lines.join("\n")}\n\nRun the customers from a second terminal:\n  ${command}\n\nCtrl-C stops everything and removes its data.\n`;
}

function portOf(text: string): number {
  if (!/^[0-9]{1,5}$/.test(text) || Number(text) > 65_535)
    throw new UsageError(`--port ${JSON.stringify(text)} is not a port from 0 to 65535.`, { port: text });
  return Number(text);
}

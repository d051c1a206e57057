import { BankError, connectBank } from "@bank/client";
import { silentLog, startCluster } from "@bank/node";
import { ClientScenarioBank } from "../client-scenario-bank.ts";
import type { CommandContext, Report } from "../command-context.ts";
import type { Json } from "../documents.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { type RunningScenarioBank, runScenarioFile, type Scenario, type TextSink } from "../scenario/index.ts";
import { ScenarioStoppedError } from "../scenario-stopped-error.ts";
import { refusedScenario, UsageError } from "../usage-error.ts";
import type { RunArguments } from "./scenario.ts";

/** Runs a scenario file, and prints the output as it is, or inside the document of `--json`. */
export async function runScenario(
  context: CommandContext,
  inputPath: string,
  { out: outPath, concurrent, balances }: RunArguments,
): Promise<Report | ExitCode> {
  checkOptions(context);
  const { io, settings } = context;
  const captured = new Captured();
  const run = runScenarioFile({
    inputPath,
    outPath,
    concurrent,
    balances,
    startBank: (scenario) => (settings.serverGiven ? givenBank(context, scenario) : ownBank(context, scenario)),
    stdout: settings.json ? captured : io.stdout,
    stderr: io.stderr,
    onRefused: !settings.json
      ? undefined
      : (error) => {
          throw refusedScenario(error);
        },
  });
  const exitCode = await run.catch((error: unknown) => {
    throw error instanceof BankError ? new ScenarioStoppedError(error) : error;
  });
  if (!settings.json || exitCode !== EXIT.DONE) return exitCode;
  return { document: outPath === undefined ? { output: exactJson(captured.text) } : { out: outPath }, text: "" };
}

/** Options that every command has, and that mean nothing here: a typing error that would silently do something else. */
function checkOptions({ given }: CommandContext): void {
  if (given.branch !== undefined) throw new UsageError("--branch means nothing here: the file names the branches.");
  if (given.session !== undefined || given.sessionFile !== undefined)
    throw new UsageError("A session means nothing here: each customer of the file has one of its own.");
}

/** A bank for this run alone. */
async function ownBank({ signal, settings }: CommandContext, scenario: Scenario): Promise<RunningScenarioBank> {
  const cluster = await startCluster({ branches: scenario.branches, log: silentLog });
  const client = connectBank({ server: cluster.bankUrl });
  const stop = async () => {
    client.close();
    await cluster.close();
  };
  const call = { signal, timeoutMs: settings.timeoutMs };
  try {
    signal.throwIfAborted();
    // Asked once, and not by every customer.
    await client.branches(call);
  } catch (error) {
    await stop();
    throw error;
  }
  return new ClientScenarioBank({ client, call, stop });
}

/** A bank that runs. Rejects with `UsageError` when it lacks a branch that the scenario names. */
async function givenBank(
  { signal, settings, clients }: CommandContext,
  scenario: Scenario,
): Promise<RunningScenarioBank> {
  const call = { signal, timeoutMs: settings.timeoutMs };
  const client = clients.to(settings.servers).withSession();
  const { branches } = await client.branches(call);
  const numbers = branches.map(({ number }) => number);
  const missing = scenario.branches.filter((number) => !numbers.includes(number));
  if (missing.length > 0)
    throw new UsageError(
      `The bank at ${client.server} has no branch ${missing.join(", ")}; it has ${numbers.join(", ")}.`,
      { server: client.server, missing: missing.join(",") },
    );
  return new ClientScenarioBank({ client, call, stop: async () => client.close() });
}

/** Collects what the runner would print. */
class Captured implements TextSink {
  text = "";

  write(text: string, done: () => void): void {
    this.text += text;
    done();
  }
}

// In Node since version 21, but not yet in TypeScript's library.
const { rawJSON } = JSON as typeof JSON & { rawJSON(text: string): Json };

/** The same document, its numbers written as they stand in the text: a float would round amounts above 2^53. */
function exactJson(text: string): Json {
  const keepNumbers = (_: string, value: Json, { source }: { readonly source?: string } = {}) =>
    typeof value === "number" && source !== undefined ? rawJSON(source) : value;
  return JSON.parse(text, keepNumbers) as Json;
}

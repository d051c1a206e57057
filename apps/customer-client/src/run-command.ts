import type { RetryNotice } from "@bank/client";
import { type Command, CommanderError } from "commander";
import { type CliIo, OutputClosedError, write } from "./cli-io.ts";
import type { Clients } from "./clients.ts";
import { CommandContext, type Report } from "./command-context.ts";
import type { JsonObject } from "./documents.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { failureReport } from "./failure-report.ts";
import { printable } from "./printable.ts";
import { buildProgram } from "./program.ts";
import { type GivenSettings, givenSettings, settingsOf } from "./settings.ts";
import type { ShellHome } from "./shell/shell-home.ts";
import { splitWords, UnfinishedQuoteError } from "./shell/split-words.ts";
import { UsageError } from "./usage-error.ts";

/** Where a command runs. */
export interface CommandHome {
  readonly io: CliIo;
  readonly clients: Clients;
  /** What the shell was given, for each of its lines; nothing on the command line. */
  readonly base: GivenSettings;
  /** Undefined on the command line. */
  readonly shell: ShellHome | undefined;
}

/** Runs one line of a shell. Never rejects. */
export async function runLine(line: string, home: CommandHome): Promise<ExitCode> {
  let words: string[];
  try {
    words = splitWords(line);
  } catch (error) {
    if (!(error instanceof UnfinishedQuoteError)) throw error;
    const usage = new UsageError(`The line cannot be read: ${error.message}.`);
    const nothing = { context: undefined, changes: false, given: home.base, help: "" };
    return fail(usage, { words: [], home, program: undefined, ...nothing });
  }
  // Who is used to the command line types the program's name here too.
  return runCommand(words[0] === "bank" ? words.slice(1) : words, home);
}

/** Runs one command from its words to its exit code, and writes what it has to say. Never rejects. */
export async function runCommand(typed: readonly string[], home: CommandHome): Promise<ExitCode> {
  // The parser's own `help` knows commands of one word only.
  const words = typed[0] === "help" && typed.length > 2 ? [...typed.slice(1), "--help"] : typed;
  const { io, clients } = home;
  const ending = new AbortController();
  const inShell = home.shell !== undefined;
  const state: RunState = {
    result: EXIT.DONE,
    context: undefined,
    changes: false,
    given: home.base,
    help: "",
    unkept: undefined,
  };
  const program = buildProgram({
    inShell,
    writeHelp: (text) => {
      state.help += text;
    },
    run: async ({ command, args, handler, changes }) => {
      const given = givenSettings(command);
      state.given = { ...home.base, ...given };
      const settings = settingsOf(given, home.base, io.env);
      if (!changes && given.requestId !== undefined) throw withoutChange(command);
      clients.onRetry = settings.json ? undefined : tellOnce(io, settings.timeoutMs);
      const context = new CommandContext({
        settings,
        given,
        io,
        clients,
        signal: ending.signal,
        words,
        shell: home.shell,
      });
      state.context = context;
      state.changes = changes && command.opts<{ dryRun?: boolean }>().dryRun !== true;
      try {
        state.result = await handler(context, args, command.opts() as never);
      } finally {
        // Also what a command has seen that failed: a rejection stands in the journal.
        state.unkept = await context.keepSession();
      }
    },
  });
  try {
    await io.interrupts.during(
      () => ending.abort(),
      () => program.parseAsync(words, { from: "user" }),
    );
    return typeof state.result === "number" ? state.result : await succeed(state.result, home, state);
  } catch (error) {
    return await fail(error, { words, home, program, ...state });
  } finally {
    clients.onRetry = undefined;
    if (state.unkept !== undefined) await writeError(io, state.unkept);
  }
}

/** Words that were not understood may have meant it too, even where the parser took it for something else. */
function wantsJson(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return (end === -1 ? words : words.slice(0, end)).includes("--json");
}

async function succeed(report: Report, home: CommandHome, { given, context }: RunState): Promise<ExitCode> {
  const { document, text, warning, exitCode = EXIT.DONE } = report;
  const ok = exitCode === EXIT.DONE;
  const session =
    given.printSession === true && context?.session !== undefined ? `session    ${context.session}\n` : "";
  if (given.json === true) await written(home, jsonLine({ ok, ...document }), exitCode);
  else if (ok) await written(home, text + session, exitCode);
  else await writeError(home.io, text);
  if (warning !== undefined) await writeError(home.io, warning);
  return exitCode;
}

/** A typing error that would silently do nothing. */
function withoutChange(command: Command): UsageError {
  const path: string[] = [];
  for (let at: Command | null = command; at?.parent != null; at = at.parent) path.unshift(at.name());
  return new UsageError(`--request-id means nothing here: it names one change, and \`${path.join(" ")}\` is none.`);
}

/** How far a command came. */
interface RunState {
  result: Report | ExitCode;
  /** Undefined until its words were understood. */
  context: CommandContext | undefined;
  /** Whether it would change something at the bank. */
  changes: boolean;
  given: GivenSettings;
  /** Warning that its session could not be kept. */
  unkept: string | undefined;
  /** What was written as help because it was asked for, or because a command is missing. */
  help: string;
}

interface FailedRun extends Readonly<Omit<RunState, "result" | "unkept">> {
  readonly words: readonly string[];
  readonly home: CommandHome;
  /** Undefined when there was no command to parse. */
  readonly program: Command | undefined;
}

async function fail(error: unknown, failed: FailedRun): Promise<ExitCode> {
  const { words, home, program, given, help, context, changes } = failed;
  const { io, shell } = home;
  const json = given.json === true || wantsJson(words);
  if (error instanceof OutputClosedError) {
    shell?.leave();
    return EXIT.DONE;
  }
  if (error instanceof CommanderError && error.exitCode === 0)
    return written(home, json ? jsonLine({ ok: true, ...helpDocument(error, help) }) : help, EXIT.DONE);
  const report = failureReport(error, {
    words: context?.words ?? words,
    prefix: shell === undefined ? "bank " : "",
    helpCommand: `bank ${[...commandPath(program, words), "--help"].join(" ")}`,
    requestId: changes ? context?.requestId : undefined,
    requestIdGiven: given.requestId !== undefined,
    interruptedBy: io.interrupts.signal,
  });
  if (json) return written(home, jsonLine({ ok: false, ...report.document }), report.exitCode);
  await writeError(io, error instanceof CommanderError && error.code === "commander.help" ? help : report.text);
  return report.exitCode;
}

async function writeError({ stderr }: CliIo, text: string): Promise<void> {
  try {
    await write(stderr, text);
  } catch (problem) {
    // Nobody reads the message; the exit code still tells.
    if (!(problem instanceof OutputClosedError)) throw problem;
  }
}

function helpDocument({ code }: CommanderError, help: string): JsonObject {
  return code === "commander.version" ? { version: help.trim() } : { help };
}

/** The names of the commands that the words begin with. */
function commandPath(program: Command | undefined, words: readonly string[]): string[] {
  const path: string[] = [];
  let at = program;
  for (const word of words) {
    const next = at?.commands.find((command) => command.name() === word);
    if (next === undefined) continue;
    path.push(word);
    at = next;
  }
  return path;
}

/** Whoever has closed the output has seen enough: what was done stays done, and a shell does no more. */
async function written({ io, shell }: CommandHome, text: string, exitCode: ExitCode): Promise<ExitCode> {
  try {
    if (text !== "") await write(io.stdout, text);
  } catch (error) {
    if (!(error instanceof OutputClosedError)) throw error;
    shell?.leave();
  }
  return exitCode;
}

function jsonLine(document: JsonObject): string {
  return `${JSON.stringify(document)}\n`;
}

/** Tells a person, once, why nothing seems to happen. */
function tellOnce({ stderr }: CliIo, timeoutMs: number): ((notice: RetryNotice) => void) | undefined {
  if (stderr.isTTY !== true) return undefined;
  let told = false;
  return ({ message }) => {
    if (told) return;
    told = true;
    // The answer is what counts; if this line cannot be written, nothing is lost.
    stderr.write(`bank: ${printable(message)} Trying again for up to ${timeoutMs / 1_000} s …\n`, () => undefined);
  };
}

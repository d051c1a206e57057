import { BankError } from "@bank/client";
import type { Command, Option } from "commander";
import type { CommandContext } from "../command-context.ts";
import { buildProgram } from "../program.ts";
import type { CommandHome } from "../run-command.ts";
import { splitWords, UnfinishedQuoteError } from "./split-words.ts";

/** Candidates for the word that is being typed, and that word. */
export type Completion = [candidates: string[], word: string];

/** Gives the account numbers and aliases to choose from. */
export type AccountNumbers = () => Promise<readonly string[]>;

/** How long a Tab may wait for the bank. */
const ACCOUNTS_TIMEOUT_MS = 1_000;
const ACCOUNTS_MAX = 1_000;

/** Completes a shell's lines: commands, options, their choices, account numbers and aliases. */
export function completer(context: CommandContext, { shell }: CommandHome): (line: string) => Promise<Completion> {
  const program = buildProgram({
    run: () => Promise.resolve(),
    writeHelp: () => undefined,
    inShell: shell !== undefined,
  });
  return (line) => complete(line, program, () => accountNumbers(context));
}

/** The completion of a line of which the last word is being typed. */
export async function complete(line: string, program: Command, accounts: AccountNumbers): Promise<Completion> {
  const words = wordsOf(line);
  if (words === undefined) return [[], ""];
  const word = /\s$/.test(line) ? "" : (words.pop() ?? "");
  const candidates = await candidatesFor(words, word, program, accounts);
  // The space tells that the word is complete.
  return [candidates.filter((each) => each.startsWith(word)).map((each) => `${each} `), word];
}

/** Undefined inside quotes, where there is nothing to complete. */
function wordsOf(line: string): string[] | undefined {
  try {
    return splitWords(line);
  } catch (error) {
    if (error instanceof UnfinishedQuoteError) return undefined;
    throw error;
  }
}

async function candidatesFor(
  before: readonly string[],
  word: string,
  program: Command,
  accounts: AccountNumbers,
): Promise<readonly string[]> {
  let command = program;
  let option: Option | undefined;
  let argumentsGiven = 0;
  for (const each of before) {
    if (option !== undefined) {
      option = undefined;
    } else if (each.startsWith("-")) {
      option = command.options.find(({ long, short }) => long === each || short === each);
      if (option?.required !== true) option = undefined;
    } else {
      const next = command.commands.find((known) => known.name() === each);
      if (next !== undefined) command = next;
      else argumentsGiven++;
    }
  }
  if (option !== undefined) return namesAccount(option) ? accounts() : (option.argChoices ?? []);
  if (word.startsWith("-")) return command.options.map(({ long }) => long).filter((long) => long !== undefined);
  if (command.commands.length > 0)
    return [...command.commands.map((known) => known.name()), ...(command === program ? ["help"] : [])];
  const argument = command.registeredArguments[argumentsGiven];
  return argument !== undefined && ["account", "from", "to"].includes(argument.name()) ? accounts() : [];
}

/** Whether an option takes an account: `--to <account>`. */
function namesAccount({ flags }: Option): boolean {
  return flags.endsWith("<account>");
}

async function accountNumbers({ clients, settings }: CommandContext): Promise<readonly string[]> {
  const options = { consistency: "local", timeoutMs: Math.min(ACCOUNTS_TIMEOUT_MS, settings.timeoutMs) } as const;
  try {
    const { accounts } = await clients.to(settings.servers).listAccountsPage({ ...options, pageSize: ACCOUNTS_MAX });
    return accounts.flatMap(({ number, alias }) => (alias === undefined ? [number] : [number, alias]));
  } catch (error) {
    // A Tab is no command: without an answer there is nothing to choose from.
    if (error instanceof BankError) return [];
    throw error;
  }
}

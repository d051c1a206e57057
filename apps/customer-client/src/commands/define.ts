import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import type { ExitCode } from "../exit-code.ts";
import { addCommonOptions } from "../settings.ts";
import { UsageError } from "../usage-error.ts";

/** What a command does: gives what it has to say, or, where it has said everything itself, its exit code. */
export type Handler<Options> = (
  context: CommandContext,
  args: readonly string[],
  options: Options,
) => Promise<Report | ExitCode>;

/** Words that have been understood. */
export interface Invocation {
  readonly command: Command;
  readonly args: readonly string[];
  readonly handler: Handler<never>;
  /** Whether the command changes anything at the bank. */
  readonly changes: boolean;
}

export type Run = (invocation: Invocation) => Promise<void>;

/** What a command is called, and how it is used. */
export interface CommandText {
  /** `deposit <account> <amount>` */
  readonly usage: string;
  /** One sentence. */
  readonly description: string;
  /** What its help says beyond that. */
  readonly details?: string;
  /** Command lines without `bank `, and what they are examples of. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** Whether it changes anything at the bank. Default: no. */
  readonly changes?: boolean;
  /** Whether it is what its parent does without a further word. Default: no. */
  readonly isDefault?: boolean;
}

/** Adds a command. `configure` adds the options that only this command has. */
export function defineCommand<Options>(
  parent: Command,
  run: Run,
  { usage, description, details, examples, changes = false, isDefault = false }: CommandText,
  handler: Handler<Options>,
  configure: (command: Command) => Command = (command) => command,
): void {
  const long = details === undefined ? description : `${description}\n\n${details}`;
  const command = configure(parent.command(usage, { isDefault }).summary(description).description(long));
  addCommonOptions(command)
    .allowExcessArguments(isDefault)
    .addHelpText("after", examplesText(examples))
    .action((...values: unknown[]) => {
      if (isDefault) requireNoMore(parent, command);
      // Commander passes the arguments, then the options, then the command; an optional argument may be undefined.
      const args = values.slice(0, -2).filter((value): value is string => typeof value === "string");
      return run({ command, args, handler: handler as Handler<never>, changes });
    });
}

/** The parser takes every further word of the parent for an argument of its default command. Throws: `UsageError`. */
function requireNoMore(parent: Command, command: Command): void {
  const [word = ""] = command.args.slice(command.registeredArguments.length);
  if (command.args.length <= command.registeredArguments.length) return;
  const path = `bank ${parent.name()}`;
  // The command's own name may have been said before them.
  if (parent.args[0] === command.name())
    throw new UsageError(`Too many arguments for '${command.name()}': ${JSON.stringify(word)}.`, { word }, [
      `\`${path} ${command.name()} --help\` shows how to use it.`,
    ]);
  const names = parent.commands.map((each) => each.name());
  throw new UsageError(`Unknown command '${word}': \`${path}\` has ${names.join(", ")}.`, { word }, [
    `\`${path} --help\` shows how to use them.`,
  ]);
}

function examplesText(examples: CommandText["examples"]): string {
  if (examples.length === 0) return "";
  const widest = Math.max(...examples.map(([line]) => line.length));
  const lines = examples.map(([line, what]) => `  bank ${line.padEnd(widest)}  ${what}`.trimEnd());
  return `\nExamples:\n${lines.join("\n")}\n`;
}

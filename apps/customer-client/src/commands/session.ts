import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { defineCommand, type Run } from "./define.ts";

/** `bank session` */
export function addSessionCommand(program: Command, run: Run): void {
  defineCommand(
    program,
    run,
    {
      usage: "session",
      description: "Print the session: a token of all that was seen, to go on from, anywhere.",
      details:
        "In a shell it is the shell's, with --session-file the one in the file. Where there is none, the bank is asked, and\n" +
        "the token stands for everything that anybody was told of by now.",
      examples: [
        ["session", "for --session of another command, on any machine"],
        ["session --session-file mine", "the one in the file"],
      ],
    },
    session,
  );
}

async function session(context: CommandContext): Promise<Report> {
  const client = await context.client();
  if (client.session === undefined) await client.thisBranch({ ...context.call(), consistency: "linearizable" });
  const token = client.session ?? "";
  return { document: { session: token }, text: `${token}\n` };
}

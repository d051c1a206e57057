import type { CliIo } from "./cli-io.ts";
import { Clients } from "./clients.ts";
import type { ExitCode } from "./exit-code.ts";
import { runCommand } from "./run-command.ts";

/**
 * The command line: runs the command that the words name, and gives its exit code once all of its output is written and
 * everything it opened is closed. Never rejects.
 */
export async function runCli(words: readonly string[], io: CliIo): Promise<ExitCode> {
  const clients = new Clients();
  try {
    return await runCommand(words, { io, clients, base: {}, shell: undefined });
  } finally {
    clients.close();
  }
}

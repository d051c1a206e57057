import { createInterface } from "node:readline/promises";
import type { CommandContext } from "../command-context.ts";
import { EXIT, type ExitCode, exitCodeOfSignal } from "../exit-code.ts";
import { type CommandHome, runLine } from "../run-command.ts";
import { completer } from "./complete.ts";
import { LineQueue } from "./line-queue.ts";
import type { ShellHome } from "./shell-home.ts";

/** Lines that a shell remembers. */
const HISTORY_MAX = 1_000;

/** Runs a shell until its input ends, somebody leaves it, or a signal ends it. */
export function runShell(context: CommandContext): Promise<ExitCode> {
  const { stdin, stdout } = context.io;
  const shell = new Shell(context);
  return stdin.isTTY === true && stdout.isTTY === true ? shell.interactive() : shell.unattended();
}

class Shell implements ShellHome {
  readonly lines: string[] = [];
  private readonly context: CommandContext;
  private readonly home: CommandHome;
  private left = false;

  constructor(context: CommandContext) {
    const { io, clients, given, settings } = context;
    // What the shell begins with goes on from line to line; it is not what each of them begins with.
    const { session, ...base } = given;
    if (session !== undefined) clients.to(settings.servers, session);
    this.context = context;
    this.home = { io, clients, base, shell: this };
  }

  leave(): void {
    this.left = true;
  }

  /** Without a person: every line is run, and the exit code is the highest of all, so that no failure goes unseen. */
  async unattended(): Promise<ExitCode> {
    const { io, signal } = this.context;
    const input = createInterface({ input: io.stdin, terminal: false, crlfDelay: Number.POSITIVE_INFINITY });
    const queue = new LineQueue(input, signal);
    let highest: ExitCode = EXIT.DONE;
    try {
      for (let line = await queue.next(); line !== undefined; line = await queue.next()) {
        highest = Math.max(highest, await this.run(line));
        if (this.left || io.interrupts.signal !== undefined) break;
      }
    } finally {
      input.close();
    }
    return this.exitCode(highest);
  }

  /** With a person at a terminal, who has seen what failed: leaving is no failure. */
  async interactive(): Promise<ExitCode> {
    const { io, signal, settings } = this.context;
    const prompt = settings.branch === undefined ? "bank> " : `bank(${settings.branch})> `;
    const input = createInterface({
      input: io.stdin,
      output: io.stdout,
      terminal: true,
      prompt,
      historySize: HISTORY_MAX,
      removeHistoryDuplicates: true,
      completer: completer(this.context, this.home),
    });
    const queue = new LineQueue(input, signal);
    let running = false;
    // In a terminal's raw mode Ctrl-C is a key like any other, and no signal.
    input.on("SIGINT", () => {
      if (running) io.interrupts.raise("SIGINT");
      else this.clearLine(input);
    });
    try {
      io.stdout.write("Type help for the commands, exit to leave.\n");
      for (;;) {
        input.prompt();
        const line = await queue.next();
        if (line === undefined) {
          io.stdout.write("\n");
          break;
        }
        running = true;
        await this.run(line);
        running = false;
        // Ctrl-C ends one command; any other signal is meant for the whole shell.
        if (io.interrupts.signal === "SIGINT") io.interrupts.clear();
        if (this.left || io.interrupts.signal !== undefined) break;
      }
    } finally {
      input.close();
    }
    return this.exitCode(EXIT.DONE);
  }

  private async run(line: string): Promise<ExitCode> {
    const text = line.trim();
    if (text === "" || text.startsWith("#")) return EXIT.DONE;
    this.lines.push(text);
    if (this.lines.length > HISTORY_MAX) this.lines.shift();
    return runLine(text, this.home);
  }

  private exitCode(otherwise: ExitCode): ExitCode {
    const { signal } = this.context.io.interrupts;
    return signal === undefined ? otherwise : exitCodeOfSignal(signal);
  }

  private clearLine(input: ReturnType<typeof createInterface>): void {
    if (input.line === "") this.context.io.stdout.write("\n`exit` or Ctrl-D leaves.\n");
    else this.context.io.stdout.write("^C\n");
    // The keys that delete a line: to its end, and back to its beginning.
    input.write(null, { ctrl: true, name: "e" });
    input.write(null, { ctrl: true, name: "u" });
    input.prompt();
  }
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { within } from "./within.ts";

export interface StartOptions {
  /** For messages: "the bank". */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A Node program of ours: it ends by itself when its channel to this process closes. Others are guarded. */
  readonly channel?: boolean;
}

export interface NodeOptions {
  /** What the compiler made of the program is run, and of everything that it uses. */
  readonly isBuilt?: boolean;
  /** For Node itself. */
  readonly nodeFlags?: readonly string[];
}

/** How long a process may take until it says what is waited for: that it listens, mostly. */
export const PRINTED_MS_MAX = 120_000;
/** How long a process that was told to stop may take. */
const STOP_TIMEOUT_MS = 60_000;
/** Standard error is kept for messages, its end at least. */
const STDERR_CHARACTERS_MAX = 20_000;

/** A process that the benchmark has started. */
export class Running {
  readonly name: string;
  readonly child: ChildProcess;
  /** Resolves with its exit code; null where a signal ended it. */
  readonly ended: Promise<number | null>;
  readonly lines: string[] = [];
  isOver = false;
  private stderr = "";
  private readonly waiting = new Set<() => void>();
  private guard: ChildProcess | undefined;

  constructor({ name, command, args, env, cwd, channel = false }: StartOptions) {
    this.name = name;
    // Not the settings of whoever runs the benchmark.
    const inherited = Object.entries(process.env).filter(
      ([key]) => !/^(NODE_OPTIONS|BANK_.*|BRANCH_.*|PG.*)$/.test(key),
    );
    this.child = spawn(command, args, {
      stdio: channel ? ["ignore", "pipe", "pipe", "ipc"] : ["ignore", "pipe", "pipe"],
      serialization: "advanced",
      cwd,
      env: { ...Object.fromEntries(inherited), ...env },
    });
    const { stdout, stderr } = this.child;
    if (stdout === null || stderr === null) throw new Error("a process has its output piped");
    createInterface({ input: stdout }).on("line", (line) => {
      this.lines.push(line);
      this.wake();
    });
    stderr.setEncoding("utf8").on("data", (text: string) => {
      this.stderr = (this.stderr + text).slice(-STDERR_CHARACTERS_MAX);
      this.wake();
    });
    this.ended = once(this.child, "close").then(
      ([code]) => this.over(code as number | null),
      (error: unknown) => {
        this.stderr += String(error);
        return this.over(null);
      },
    );
    if (!channel && this.child.pid !== undefined) this.guard = guardOf(this.child.pid);
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.name} could not be started`);
    return this.child.pid;
  }

  /** Waits for a line on standard output. Rejects with what it said when it ends before that, and after `PRINTED_MS_MAX`. */
  printed(pattern: RegExp): Promise<RegExpExecArray> {
    return within(PRINTED_MS_MAX, this.whenPrinted(pattern), () => this.late(`printed ${pattern}`));
  }

  /** Waits for text on standard error. Rejects as `printed`. */
  logged(pattern: RegExp): Promise<void> {
    return within(PRINTED_MS_MAX, this.whenLogged(pattern), () => this.late(`logged ${pattern}`));
  }

  /** What it printed last, for messages. */
  said(): string {
    return `${this.lines.slice(-20).join("\n")}\n${this.stderr}`.trim();
  }

  /** Tells it to stop, and kills it if it does not. Gives its exit code. Idempotent. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    if (this.isOver) return this.ended;
    this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    const code = await this.ended;
    clearTimeout(timer);
    return code;
  }

  /** kill -9. */
  kill(): Promise<number | null> {
    this.child.kill("SIGKILL");
    return this.ended;
  }

  private late(what: string): string {
    return `${this.name} has not ${what} in ${PRINTED_MS_MAX / 1_000} s:\n${this.said()}`;
  }

  private async whenPrinted(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      for (const line of this.lines) {
        const match = pattern.exec(line);
        if (match !== null) return match;
      }
      if (this.isOver) throw new Error(`${this.name} ended before it printed ${pattern}:\n${this.said()}`);
      await this.more();
    }
  }

  private async whenLogged(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.stderr)) {
      if (this.isOver) throw new Error(`${this.name} ended before it logged ${pattern}:\n${this.said()}`);
      await this.more();
    }
  }

  private over(code: number | null): number | null {
    this.isOver = true;
    this.guard?.kill("SIGKILL");
    this.guard = undefined;
    this.wake();
    return code;
  }

  private more(): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.add(resolve);
    });
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }
}

/** Kills the process when this one is gone, however that happens: the guard's standard input ends then. */
function guardOf(pid: number): ChildProcess {
  const guard = spawn("sh", ["-c", 'cat >/dev/null; kill -KILL "$0"', String(pid)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  guard.unref();
  return guard;
}

/** Every process that the benchmark has started: none is left behind. */
export class Processes {
  private readonly running = new Set<Running>();
  private readonly nodeEnv: Readonly<Record<string, string>>;
  private isClosed = false;

  /** @param nodeEnv for Node programs. */
  constructor(nodeEnv: Readonly<Record<string, string>> = {}) {
    this.nodeEnv = nodeEnv;
  }

  /** Throws once it is closed. */
  start(options: StartOptions): Running {
    if (this.isClosed) throw new Error(`${options.name} is not started: the benchmark is being stopped`);
    const started = new Running(options);
    this.running.add(started);
    void started.ended.then(() => this.running.delete(started));
    return started;
  }

  /** A Node program from its sources, unless something else is said. */
  startNode(
    name: string,
    file: string,
    args: readonly string[] = [],
    { isBuilt = false, nodeFlags = [] }: NodeOptions = {},
  ): Running {
    const words = [...(isBuilt ? [] : ["--conditions=bank-src"]), ...nodeFlags, file, ...args];
    return this.start({ name, command: process.execPath, args: words, env: this.nodeEnv, channel: true });
  }

  /** Kills whatever still runs, newest first. */
  async killAll(): Promise<void> {
    for (const each of [...this.running].reverse()) await each.kill();
  }

  /** Likewise, and nothing can be started any more. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.killAll();
  }
}

/** Runs a program to its end. Rejects, with what it said, when it fails. */
export async function runToEnd(processes: Processes, options: StartOptions): Promise<string> {
  const running = processes.start(options);
  const code = await running.ended;
  if (code !== 0) throw new Error(`${options.name} ended with ${code}:\n${running.said()}`);
  return running.lines.join("\n");
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The root of the repository. */
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

export interface ServerProcessOptions {
  readonly app: "bank-server" | "branch-replica";
  readonly args: readonly string[];
  /** Variables beside the test's own, of which none of a server is passed on. */
  readonly env?: Readonly<Record<string, string>>;
}

/** How a process ended, and all that it printed. */
export interface Ended {
  /** Its exit code; null where a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A server as a process of its own, run from its sources. Whoever starts one must `kill` it in the end. */
export class ServerProcess {
  /** Lines on standard output so far. */
  readonly lines: string[] = [];
  /** Resolves when it has ended and everything that it printed is read. */
  readonly ended: Promise<Ended>;
  private readonly child: ChildProcess;
  private readonly waiting = new Set<() => void>();
  private stderr = "";
  private isOver = false;
  /** While it is paused: kills it if the tests end without that. */
  private guard: ChildProcess | undefined;

  constructor({ app, args, env = {} }: ServerProcessOptions) {
    const words = ["--conditions=bank-src", `${ROOT}apps/${app}/src/main.ts`, ...args];
    // Not the test runner's options, and not the settings of whoever runs the tests.
    const own = Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS|BANK_.*|BRANCH_.*)$/.test(name));
    this.child = spawn(process.execPath, words, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...Object.fromEntries(own), ...env },
    });
    const { stdout, stderr } = this.child;
    if (stdout === null || stderr === null) throw new Error("the child has no output");
    createInterface({ input: stdout }).on("line", (line) => {
      this.lines.push(line);
      this.wake();
    });
    stderr.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
      this.wake();
    });
    this.ended = once(this.child, "close").then(([code]) => {
      this.isOver = true;
      this.dismissGuard();
      this.wake();
      return { code: code as number | null, stdout: this.lines.join("\n"), stderr: this.stderr };
    });
  }

  /** Of the process, also after its end. Undefined where it could not even start. */
  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Waits for a line on standard output. Rejects with all it has printed when it ends before that. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    const find = () => this.lines.map((line) => pattern.exec(line)).find((match) => match !== null);
    return this.until(find, `to print ${pattern}`);
  }

  /** Waits for text on standard error. Rejects as `printed`. */
  async logged(pattern: RegExp): Promise<RegExpExecArray> {
    return this.until(() => pattern.exec(this.stderr) ?? undefined, `to log ${pattern}`);
  }

  /** Where it listens, once it does. */
  async url(): Promise<string> {
    const [, url] = await this.printed(/listening on (\S+)$/);
    return url as string;
  }

  /** kill -9. Idempotent. */
  kill(): Promise<Ended> {
    this.child.kill("SIGKILL");
    return this.ended;
  }

  /** Tells it to stop, as a supervisor does. One that is paused goes on first. */
  terminate(): Promise<Ended> {
    this.child.kill("SIGTERM");
    this.resume();
    return this.ended;
  }

  /**
   * Stops it where it stands, as a machine that is suspended or starved: its connections live, and nothing is answered.
   * Idempotent. It would never notice that nobody needs it any more, so it dies with whoever paused it.
   */
  pause(): void {
    if (this.isOver || this.guard !== undefined) return;
    this.child.kill("SIGSTOP");
    // Its standard input ends when this process does, however that happens.
    const script = 'cat; kill -KILL "$0"';
    this.guard = spawn("sh", ["-c", script, String(this.child.pid)], { stdio: ["pipe", "ignore", "ignore"] });
    this.guard.unref();
  }

  /** Lets it go on. Idempotent. */
  resume(): void {
    this.dismissGuard();
    this.child.kill("SIGCONT");
  }

  private dismissGuard(): void {
    this.guard?.kill("SIGKILL");
    this.guard = undefined;
  }

  private async until<T>(find: () => T | undefined, what: string): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (this.isOver) {
        const { code, stdout, stderr } = await this.ended;
        throw new Error(`it was expected ${what}, but ended with ${code}:\n${stdout}\n${stderr}`);
      }
      await new Promise<void>((resolve) => {
        this.waiting.add(resolve);
      });
    }
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }
}

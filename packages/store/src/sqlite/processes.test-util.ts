import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const PROGRAM = fileURLToPath(new URL("./store-process.test-util.ts", import.meta.url));

/** What the child does; see `store-process.test-util.ts`. */
export interface ChildOptions {
  readonly mode: "hold" | "append" | "starve";
  readonly folder: string;
  readonly seed?: number;
  /** The largest file that it may write, in blocks of 512 bytes. Default: no limit. */
  readonly fileBlocksMax?: number;
  /** What fails for it, as strace's "inject" takes it. Default: nothing. */
  readonly inject?: string;
}

/** Why no system calls can be made to fail here; undefined where they can. */
export function whyNoInjection(): string | undefined {
  try {
    execFileSync("strace", [...injecting("fsync:error=EIO:when=1+2"), "true"], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    return `strace is not there, or may not trace here: ${String(error).split("\n")[0]}`;
  }
}

function injecting(what: string): string[] {
  // It tells of what it injects, to nobody.
  return ["-f", "-qq", "-o", "/dev/null", "-e", `trace=${what.split(":")[0]}`, "-e", `inject=${what}`];
}

/** A child process that uses a store. It is dead when the test is over. */
export class StoreProcess {
  /** Every line that it printed so far. */
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #waiting: (() => void) | undefined;

  constructor({ mode, folder, seed = 0, fileBlocksMax, inject }: ChildOptions) {
    const traced = inject === undefined ? [] : ["strace", ...injecting(inject)];
    const program = [...traced, process.execPath, PROGRAM, mode, folder, String(seed)];
    const limited =
      fileBlocksMax === undefined ? program : ["sh", "-c", `ulimit -f ${fileBlocksMax}; exec "$@"`, "sh", ...program];
    const [command = "", ...args] = limited;
    // No execArgv of the test runner's: the child is plain Node.
    this.#child = spawn(command, args, {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    this.#ended = once(this.#child, "close");
    onTestFinished(() => this.kill());
    if (this.#child.stdout === null) throw new Error("the child has no output");
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      this.lines.push(line);
      this.#waiting?.();
    });
    this.#child.on("close", () => this.#waiting?.());
  }

  /** Waits until it has printed so many lines like this, or has ended. */
  async printed(pattern: RegExp, count = 1): Promise<void> {
    while (this.matching(pattern).length < count && this.#child.exitCode === null && this.#child.signalCode === null) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }

  matching(pattern: RegExp): string[] {
    return this.lines.filter((line) => pattern.test(line));
  }

  /** kill -9, and waits until it is gone and everything that it printed is read. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  /** Waits for its own end. Gives its exit code. */
  async end(): Promise<number | null> {
    await this.#ended;
    return this.#child.exitCode;
  }
}

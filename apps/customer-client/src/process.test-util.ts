import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

const ENTRY = fileURLToPath(new URL("../bin/bank.mjs", import.meta.url));

/** The real command in a process of its own. */
export class BankProcess {
  readonly child: ChildProcessWithoutNullStreams;
  stdout = "";
  stderr = "";
  private readonly exited: Promise<number>;

  constructor(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.child = spawn(process.execPath, [ENTRY, ...words], { env: { ...process.env, ...env }, stdio: "pipe" });
    this.child.stdout.on("data", (bytes: Buffer) => {
      this.stdout += bytes.toString("utf8");
    });
    this.child.stderr.on("data", (bytes: Buffer) => {
      this.stderr += bytes.toString("utf8");
    });
    this.exited = new Promise((resolve, reject) => {
      this.child.on("error", reject);
      this.child.on("close", (code, signal) =>
        code === null ? reject(new Error(`ended by ${signal}`)) : resolve(code),
      );
    });
  }

  /** Resolves with the exit code once the process has ended and all of its output was read. */
  exitCode(): Promise<number> {
    return this.exited;
  }

  async untilPrinted(text: string | RegExp): Promise<void> {
    await expect.poll(() => this.stdout, { timeout: 20_000 }).toMatch(text);
  }
}

import { PassThrough, Readable, Writable } from "node:stream";
import { expect } from "vitest";
import { runCli } from "./cli.ts";
import { Interrupts } from "./cli-io.ts";

/** What a run of the command line gave. */
export interface CliRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliRunOptions {
  /** The address of the bank, as the environment has it. */
  readonly server?: string | undefined;
  readonly stdin?: string;
  readonly interrupts?: Interrupts;
  readonly stderrIsTTY?: boolean;
  /** Default: the real time. */
  readonly nowMs?: () => number;
}

/** Runs the command line in this process. */
export async function cli(words: readonly string[], options: CliRunOptions = {}): Promise<CliRun> {
  const stdout = new TextStream();
  const stderr = new TextStream();
  stderr.isTTY = options.stderrIsTTY === true;
  const exitCode = await runCli(words, {
    stdin: Readable.from(options.stdin === undefined ? [] : [options.stdin]),
    stdout,
    stderr,
    env: options.server === undefined ? {} : { BANK_SERVER: options.server },
    interrupts: options.interrupts ?? new Interrupts(),
    nowMs: options.nowMs ?? Date.now,
  });
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}

/** Collects what is written to it. */
export class TextStream extends Writable {
  text = "";
  isTTY = false;

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.text += chunk.toString("utf8");
    done();
  }
}

/** A keyboard and a screen. */
export class FakeTerminal {
  readonly keys = Object.assign(new PassThrough(), { isTTY: true });
  readonly screen = new TextStream();

  constructor() {
    this.screen.isTTY = true;
  }

  /** Types, and waits until the screen shows the text, behind what it showed before. */
  async type(keys: string, shows: string | RegExp): Promise<void> {
    const before = this.screen.text.length;
    // A key at a time, as people type: what comes in one piece is a paste, in which Tab is no command.
    for (const key of keys.split(/(?=[\t\r])|(?<=[\t\r])/)) this.keys.write(key);
    await expect.poll(() => this.screen.text.slice(before), { timeout: 5_000 }).toMatch(shows);
  }
}

/** The one document that `--json` prints. */
export function documentOf({ stdout }: Pick<CliRun, "stdout">): Record<string, unknown> {
  expect(stdout.endsWith("\n"), "a document ends with its line").toBe(true);
  const document: unknown = JSON.parse(stdout);
  expect(document).toBeTypeOf("object");
  return document as Record<string, unknown>;
}

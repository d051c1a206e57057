import type { Readable } from "node:stream";
import type { TextSink } from "./scenario/index.ts";

/** An output: where text goes, and whether a person reads it there. */
export interface Output extends TextSink {
  readonly isTTY?: boolean | undefined;
}

/** Everything outside the program that the command line touches, so that tests can run it in their own process. */
export interface CliIo {
  readonly stdin: Readable & { readonly isTTY?: boolean | undefined };
  readonly stdout: Output & NodeJS.WritableStream;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly interrupts: Interrupts;
  /** The wall clock, Unix milliseconds. */
  nowMs(): number;
}

/** Signals from outside: whoever came last handles them, as the innermost of nested commands. */
export class Interrupts {
  private readonly handlers: (() => void)[] = [];
  private raised: NodeJS.Signals | undefined;

  /** The first signal; undefined before there was one. */
  get signal(): NodeJS.Signals | undefined {
    return this.raised;
  }

  raise(signal: NodeJS.Signals): void {
    this.raised ??= signal;
    this.handlers.at(-1)?.();
  }

  /** Runs `action` with `handle` as the innermost handler. */
  async during<T>(handle: () => void, action: () => Promise<T>): Promise<T> {
    this.handlers.push(handle);
    try {
      return await action();
    } finally {
      this.handlers.splice(this.handlers.lastIndexOf(handle), 1);
    }
  }

  /** Forgets a signal that ended one command of a shell, which goes on. */
  clear(): void {
    this.raised = undefined;
  }
}

/** Nobody reads the output any more: `| head` has seen enough. */
export class OutputClosedError extends Error {
  override readonly name = "OutputClosedError";
}

/** Resolves once the text has left the process. Rejects with: `OutputClosedError`. */
export function write(output: Output, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    output.write(text, (error) => {
      if (error === undefined || error === null) resolve();
      else reject(new OutputClosedError(error.message, { cause: error }));
    });
  });
}

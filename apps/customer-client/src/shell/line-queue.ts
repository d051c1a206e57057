import type { Interface } from "node:readline/promises";

/** Lines in the order in which they came, also those that come while nobody waits: a paste, or a file. */
export class LineQueue {
  private readonly lines: string[] = [];
  private ended = false;
  private wake: (() => void) | undefined;

  /** @param signal ends the input. */
  constructor(input: Interface, signal: AbortSignal) {
    input.on("line", (line) => {
      this.lines.push(line);
      this.wake?.();
    });
    const end = () => {
      this.ended = true;
      this.wake?.();
    };
    input.once("close", end);
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
  }

  /** The next line; undefined when there will be none. One caller at a time. */
  async next(): Promise<string | undefined> {
    while (this.lines.length === 0 && !this.ended)
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    return this.lines.shift();
  }
}

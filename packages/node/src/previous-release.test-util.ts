import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { brotliDecompressSync } from "node:zlib";
import { onTestFinished } from "vitest";
import { temporaryFolder } from "./servers.test-util.ts";

/** A server of the previous release, as a process of its own; dead at the end of the test. */
export interface PreviousServer {
  readonly url: string;
  /** Resolves once it has written this to its standard error. */
  logged(pattern: RegExp): Promise<void>;
  /** Tells it to stop, and waits until it has. */
  stop(): Promise<void>;
}

/** The programs of the previous release: see `testdata/make-previous-release.mjs`. Gives the folder that they are in. */
export async function unpackPreviousRelease(): Promise<string> {
  const packed = await readFile(new URL("../testdata/previous-release.json.br", import.meta.url));
  const { files } = JSON.parse(brotliDecompressSync(packed).toString()) as { files: Record<string, string> };
  const folder = await temporaryFolder();
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

/** Starts a program of the previous release. Rejects with what it wrote when it ends before it listens. */
export async function startPrevious(
  folder: string,
  program: "bank-server" | "branch-replica",
  args: readonly string[],
): Promise<PreviousServer> {
  const own = Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS|BANK_.*|BRANCH_.*)$/.test(name));
  const child = spawn(process.execPath, [join(folder, `${program}.js`), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: Object.fromEntries(own),
  });
  const closed = once(child, "close");
  const stop = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await closed;
  };
  onTestFinished(() => stop("SIGKILL"));
  const errors = watchErrors(child);
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const found = /listening on (\S+)$/.exec(line)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once("close", () => reject(new Error(`it ended before it listened:\n${errors.text()}`)));
  });
  return { url, logged: errors.until, stop: () => stop("SIGTERM") };
}

function watchErrors({ stderr }: ChildProcess): { text(): string; until(pattern: RegExp): Promise<void> } {
  let text = "";
  const waiting = new Set<() => void>();
  stderr?.setEncoding("utf8").on("data", (more: string) => {
    text += more;
    for (const look of waiting) look();
  });
  const until = (pattern: RegExp) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (!pattern.test(text)) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  return { text: () => text, until };
}

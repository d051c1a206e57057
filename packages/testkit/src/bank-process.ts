import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A bank server in a process of its own. */
export interface BankProcess {
  readonly url: string;
  readonly port: number;
  /** Kills it as a power cut would: nothing of it runs any more when this resolves. */
  kill(): Promise<void>;
  /** Stops it as an operator would. Resolves with its exit code. */
  stop(): Promise<number | null>;
}

export interface BankProcessOptions {
  readonly dataDir: string;
  /** 0, the default, for any free port. */
  readonly port?: number;
  /** Further flags. */
  readonly flags?: readonly string[];
}

const SERVER = fileURLToPath(new URL("../../../apps/bank-server/bin/bank-server.mjs", import.meta.url));

/** Starts a bank server from its sources. Rejects, with what it said, when it ends before it listens. */
export async function startBankProcess(options: BankProcessOptions): Promise<BankProcess> {
  const { dataDir, port = 0, flags = [] } = options;
  const child = spawn(process.execPath, [SERVER, "--listen", `127.0.0.1:${port}`, "--data", dataDir, ...flags], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const exited = once(child, "exit") as Promise<[number | null]>;
  const said: string[] = [];
  createInterface({ input: child.stderr as NodeJS.ReadableStream }).on("line", (line) => said.push(line));
  const ended = exited.then(([code]) => {
    throw new Error(`the bank server ended with exit code ${code} before it listened:\n${said.join("\n")}`);
  });
  const url = await Promise.race([listening(child), ended]);
  ended.catch(() => {
    // From now on its end is what `kill` and `stop` wait for.
  });
  return {
    url,
    port: Number(new URL(url).port),
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
    stop: async () => {
      child.kill("SIGTERM");
      return (await exited)[0];
    },
  };
}

function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      const url = /^bank-server listening on (\S+)/.exec(line)?.[1];
      if (url !== undefined) resolve(url);
    });
  });
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A bank server in a process of its own. */
export interface BankProcess {
  readonly url: string;
  /** Stops it as an operator would, and waits for it. */
  stop(): Promise<void>;
}

const SERVER = fileURLToPath(new URL("../../../apps/bank-server/bin/bank-server.mjs", import.meta.url));

/** Starts a bank server on a free port. Rejects when it ends before it listens. */
export async function startBankProcess(dataDir: string): Promise<BankProcess> {
  const child = spawn(process.execPath, [SERVER, "--listen", "127.0.0.1:0", "--data", dataDir], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const exited = once(child, "exit");
  const listening = new Promise<string>((resolve) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      const url = /^bank-server listening on (\S+)/.exec(line)?.[1];
      if (url !== undefined) resolve(url);
    });
  });
  const ended = exited.then(([code]) => {
    throw new Error(`the bank server ended with exit code ${code} before it listened`);
  });
  const url = await Promise.race([listening, ended]);
  ended.catch(() => {
    // From now on its end is what `stop` waits for.
  });
  return {
    url,
    stop: async () => {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

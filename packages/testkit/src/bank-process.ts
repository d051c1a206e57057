import { ServerProcess } from "./server-process.ts";

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

/** Starts a bank server from its sources. Rejects, with what it said, when it ends before it listens. */
export async function startBankProcess(options: BankProcessOptions): Promise<BankProcess> {
  const { dataDir, port = 0, flags = [] } = options;
  const args = ["--listen", `127.0.0.1:${port}`, "--data", dataDir, ...flags];
  const server = new ServerProcess({ app: "bank-server", args });
  const url = await server.url();
  return {
    url,
    port: Number(new URL(url).port),
    kill: async () => {
      await server.kill();
    },
    stop: async () => (await server.terminate()).code,
  };
}

import { type RestartableProcess, startRestartable } from "./restartable-process.ts";

/** A bank server in a process of its own. */
export type BankProcess = RestartableProcess;

export interface BankProcessOptions {
  readonly dataDir: string;
  /** 0, the default, for any free port. */
  readonly port?: number;
  /** Further flags. */
  readonly flags?: readonly string[];
}

/** Starts a bank server from its sources. Rejects, with what it said, when it ends before it listens. */
export function startBankProcess({ dataDir, port = 0, flags = [] }: BankProcessOptions): Promise<BankProcess> {
  return startRestartable("bank-server", (at) => ["--listen", `127.0.0.1:${at}`, "--data", dataDir, ...flags], port);
}

import { type RestartableProcess, startRestartable } from "./restartable-process.ts";

/** A branch in a process of its own. */
export type BranchProcess = RestartableProcess;

export interface BranchProcessOptions {
  /** Which branches it hosts: one, or several as `1,2`. */
  readonly number: number | string;
  /** Of the bank, or of a proxy before it. */
  readonly bankUrl: string;
  readonly dataDir: string;
  /** 0, the default, for any free port. */
  readonly port?: number;
  /** Further flags. */
  readonly flags?: readonly string[];
}

/** Starts a branch from its sources. Rejects, with what it said, when it ends before it listens. */
export function startBranchProcess(options: BranchProcessOptions): Promise<BranchProcess> {
  const { number, bankUrl, dataDir, port = 0, flags = [] } = options;
  return startRestartable(
    "branch-replica",
    (at) => [
      ...["--id", String(number), "--bank", bankUrl],
      ...["--listen", `127.0.0.1:${at}`, "--data", dataDir, ...flags],
    ],
    port,
  );
}

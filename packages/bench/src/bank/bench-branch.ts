import type { Bench } from "../bench.ts";
import { type BenchBank, startBranchServer, urlOf } from "./bench-bank.ts";
import { ServerUnderLoad } from "./server-under-load.ts";

/** A branch of a bank under load. */
export interface BenchBranch {
  readonly server: ServerUnderLoad;
  stop(): Promise<void>;
}

/**
 * Starts a branch, and resolves once it follows.
 *
 * @param counted whose processor time its calls cost: "both", where the bank has its part in them.
 */
export async function startBenchBranch(
  bench: Bench,
  bank: BenchBank,
  counted: "both" | "branch" = "both",
): Promise<BenchBranch> {
  const dataDir = bench.scratch("branch");
  const process = startBranchServer(bench, { number: 1, bankUrl: bank.url, dataDir });
  await process.printed(/^branch 1 follows/);
  const pids = counted === "both" ? [process.pid, bank.process.pid] : [process.pid];
  const server = new ServerUnderLoad(bench, await urlOf(process), pids);
  return {
    server,
    stop: async () => {
      await server.closeLoad();
      await process.stop();
      await bench.forget(dataDir);
    },
  };
}

import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { BankLoad } from "../bank-load.ts";
import { type Measurement, measure, quantile } from "../measure.ts";
import { Fleet, type Layout } from "./fleet.ts";
import { lagsMs } from "./moments.ts";

/** What the bank is asked to do meanwhile. */
export interface BranchLoad {
  readonly name: string;
  readonly unit: string;
  readonly batch: number;
  readonly inFlight: number;
}

/** What one load gave on one layout. */
export interface BranchMeasurement extends Measurement {
  /** How much later branches show a batch than the bank has it on disk; undefined without branches. */
  readonly lagP50Ms: number | undefined;
  readonly lagP99Ms: number | undefined;
}

export const BRANCH_LOADS: readonly BranchLoad[] = [
  { name: "deposits one by one", unit: "deposits", batch: 1, inFlight: 1 },
  { name: "deposits, 16 in flight", unit: "deposits", batch: 1, inFlight: 16 },
  { name: "batches of transfers", unit: "transfers", batch: 1_000, inFlight: 2 },
];

/** Ten of them also as processes of their own, ten and fifty also as a tree. */
export const LAYOUTS: readonly Layout[] = [
  { branches: 0 },
  { branches: 1 },
  { branches: 3 },
  { branches: 10 },
  { branches: 10, fanOut: 3 },
  { branches: 10, ownProcesses: true },
  { branches: 50 },
  { branches: 50, fanOut: 7 },
];

/** Every load on one layout, with a bank and branches of its own in a folder below this one. */
export async function measureLayout(
  folder: string,
  layout: Layout,
  durationMs: number,
): Promise<readonly BranchMeasurement[]> {
  const own = await mkdtemp(join(folder, "fleet-"));
  const fleet = await Fleet.start(own, layout);
  const load = new BankLoad(fleet.bankUrl);
  try {
    await load.setUp();
    const measurements: BranchMeasurement[] = [];
    for (const each of BRANCH_LOADS) measurements.push(await measureLoad(fleet, load, each, durationMs));
    return measurements;
  } finally {
    load.close();
    await fleet.stop();
    await rm(own, { recursive: true, force: true });
  }
}

async function measureLoad(
  fleet: Fleet,
  load: BankLoad,
  { batch, inFlight }: BranchLoad,
  durationMs: number,
): Promise<BranchMeasurement> {
  // What a load before this one left behind is shown everywhere, and noted, first.
  await fleet.show(await load.position());
  await fleet.moments();
  const call = () => (batch === 1 ? load.deposit() : load.transfers(batch));
  const measured = await measure({ inFlight, durationMs, operationsPerCall: batch, call });
  await fleet.show(await load.position());
  const { bank, branches } = await fleet.moments();
  const lags = branches.flatMap((branch) => lagsMs(bank, branch)).sort((a, b) => a - b);
  const lag = (part: number) => (lags.length === 0 ? undefined : quantile(lags, part));
  return { ...measured, lagP50Ms: lag(0.5), lagP99Ms: lag(0.99) };
}

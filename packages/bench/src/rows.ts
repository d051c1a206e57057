import { HistoryLoad } from "./history-load.ts";
import { LedgerLoad, WORKLOADS } from "./ledger-load.ts";
import { type Measurement, measure, measureBlocks } from "./measure.ts";
import { measureFsync, measureSqliteAppend } from "./raw-limits.ts";
import type { SharedBank } from "./shared-bank.ts";

/** Where a row is measured. */
export interface Scene {
  /** A folder on the disk that the bank uses. */
  readonly folder: string;
  readonly bank: SharedBank;
  readonly durationMs: number;
}

/** One line of the benchmark. */
export interface Row {
  readonly name: string;
  /** What is counted per second. */
  readonly unit: string;
  readonly durable: boolean;
  /** Operations in one call. */
  readonly batch: number;
  readonly inFlight: number;
  readonly run: (scene: Scene) => Promise<Measurement>;
}

const UNARY_IN_FLIGHT = [1, 16, 64];
const BATCHES = [10, 100, 1_000, 8_000];
/** In batches as those of the bank. */
const HISTORY_BATCHES = [100, 8_000];
/** While the bank works on one batch the next is being encoded. */
const BATCHES_IN_FLIGHT = 2;

/** Every row, in the order of the table. */
export const ROWS: readonly Row[] = [
  {
    name: "raw fdatasync of 1,000 bytes",
    unit: "syncs",
    durable: true,
    batch: 1,
    inFlight: 1,
    run: async ({ folder, durationMs }) => measureFsync(folder, durationMs),
  },
  {
    name: "raw SQLite append of 1,000 bytes",
    unit: "commits",
    durable: true,
    batch: 1,
    inFlight: 1,
    run: async ({ folder, durationMs }) => measureSqliteAppend(folder, durationMs),
  },
  ...WORKLOADS.map(
    ({ name, unit, operations, prepare }): Row => ({
      name,
      unit,
      durable: false,
      batch: operations,
      inFlight: 1,
      run: async ({ durationMs }) => {
        const load = new LedgerLoad();
        return measureBlocks(durationMs, {
          operations,
          prepare: () => prepare(load),
          run: (requests) => load.execute(requests),
        });
      },
    }),
  ),
  ...HISTORY_BATCHES.map(
    (batch): Row => ({
      name: "history of transfers",
      unit: "transfers",
      durable: false,
      batch,
      inFlight: BATCHES_IN_FLIGHT,
      run: async ({ folder, durationMs }) => {
        const load = new HistoryLoad(folder);
        await load.ready();
        const call = () => load.project(batch);
        const measured = await measure({ inFlight: BATCHES_IN_FLIGHT, durationMs, operationsPerCall: batch, call });
        await load.close();
        return measured;
      },
    }),
  ),
  ...UNARY_IN_FLIGHT.map(
    (inFlight): Row => ({
      name: "unary Deposit",
      unit: "deposits",
      durable: true,
      batch: 1,
      inFlight,
      run: async ({ bank, durationMs }) => {
        const load = await bank.load();
        return measure({ inFlight, durationMs, operationsPerCall: 1, call: () => load.deposit() });
      },
    }),
  ),
  ...BATCHES.map(
    (batch): Row => ({
      name: "ExecuteBatch of transfers",
      unit: "transfers",
      durable: true,
      batch,
      inFlight: BATCHES_IN_FLIGHT,
      run: async ({ bank, durationMs }) => {
        const load = await bank.load();
        const call = () => load.transfers(batch);
        return measure({ inFlight: BATCHES_IN_FLIGHT, durationMs, operationsPerCall: batch, call });
      },
    }),
  ),
];

import type { LoadWork } from "../load/load-plan.ts";
import type { RowFacts } from "../report/result.ts";
import { POSTGRES } from "./postgres.ts";
import { REDIS, REDIS_WITHOUT_ROWS } from "./redis.ts";

export const MEMORY = "memory";
export const SQLITE = "SQLite";

/** What every engine is measured with, in the order of the report. */
export const ENGINES = [MEMORY, SQLITE, POSTGRES, REDIS, REDIS_WITHOUT_ROWS] as const;

export const FULL = 8_000;
/** While one batch is on its way to the engine, the next ones are asked for. */
const BATCHES_IN_FLIGHT = 4;
export const SINGLE_IN_FLIGHT = 64;

/** One thing that is asked of the bank on each engine. */
export interface EngineLoad {
  readonly name: string;
  readonly unit: "deposits" | "transfers";
  /** Operations in one call. */
  readonly batch: number;
  readonly work: LoadWork;
  /** Also where it is to be quick. */
  readonly isQuick: boolean;
}

export type LoadName = "stream" | "unary" | "sdk64" | "sdk512" | "batch1000" | "batch8000";

/** Single operations first: the history has little to catch up with then. */
export function loadsOf(accounts: number): Readonly<Record<LoadName, EngineLoad>> {
  const common = { accounts, distribution: "uniform", inFlight: SINGLE_IN_FLIGHT } as const;
  const sdk = (inFlight: number): EngineLoad => ({
    name: "SDK, one transfer each",
    unit: "transfers",
    batch: 1,
    work: { ...common, kind: "sdk", method: "transfer", inFlight },
    isQuick: false,
  });
  const batches = (rows: number): EngineLoad => ({
    name: "ExecuteMovements, base id",
    unit: "transfers",
    batch: rows,
    work: { ...common, kind: "movements", ids: "base", rows, inFlight: BATCHES_IN_FLIGHT },
    isQuick: rows === FULL,
  });
  const deposits = { unit: "deposits", batch: 1 } as const;
  return {
    stream: {
      ...deposits,
      name: "session stream",
      work: { ...common, kind: "pipeline", method: "deposit" },
      isQuick: true,
    },
    unary: {
      ...deposits,
      name: "a call each",
      work: { ...common, kind: "unary", method: "deposit", connections: 1 },
      isQuick: false,
    },
    sdk64: sdk(SINGLE_IN_FLIGHT),
    sdk512: sdk(512),
    batch1000: batches(1_000),
    batch8000: batches(FULL),
  };
}

/** @param engine one of `ENGINES`. */
export function loadFacts({ name, unit, batch, work }: EngineLoad, engine: string): RowFacts {
  const { inFlight, accounts, distribution } = work;
  return {
    name,
    server: engine,
    unit,
    durable: engine !== MEMORY,
    checked: true,
    batch,
    inFlight,
    accounts,
    distribution,
  };
}

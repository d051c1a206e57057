import { processorTimeOf } from "../harness/process-cost.ts";
import { LatencyLog } from "../harness/quantile.ts";
import type { RunOptions, RunResult } from "./load-plan.ts";

/** One kind of call, begun again and again. */
export interface LoadDriver {
  /** How many are under way at a time. */
  readonly inFlight: number;
  /**
   * Begins one call, and calls one of the two once, later. A callback and no promise: the load shares the machine with
   * what it measures.
   *
   * @param done is told how many operations were acknowledged.
   */
  begin(done: (operations: number) => void, failed: (error: Error) => void): void;
  close(): void | Promise<void>;
}

/** A load that broke off, and how much was acknowledged to it before. */
export class LoadFailedError extends Error {
  override readonly name = "LoadFailedError";
  readonly acknowledged: number;

  constructor(cause: Error, acknowledged: number) {
    super(cause.message, { cause });
    this.acknowledged = acknowledged;
  }
}

/** Runs a load for a while that does not count, and then for the time that does. */
export async function runLoad(driver: LoadDriver, options: RunOptions): Promise<RunResult> {
  const warmUp = options.warmUpMs > 0 ? await closedLoop(driver, options.warmUpMs) : undefined;
  const serverBefore = processorTimeOf(options.serverPids);
  const ownBefore = process.cpuUsage();
  const measured = await closedLoop(driver, options.durationMs);
  const own = process.cpuUsage(ownBefore);
  const serverAfter = processorTimeOf(options.serverPids);
  return {
    ...measured,
    acknowledged: measured.operations + (warmUp?.operations ?? 0),
    serverTime:
      serverBefore === undefined || serverAfter === undefined
        ? undefined
        : { allUs: serverAfter.allUs - serverBefore.allUs, mainUs: serverAfter.mainUs - serverBefore.mainUs },
    loadUs: own.user + own.system,
  };
}

/**
 * Keeps the driver's number of calls under way for so long, and then waits for the last ones. Rejects with
 * `LoadFailedError`, for the first failure, once nothing is under way any more.
 */
export function closedLoop(
  driver: LoadDriver,
  durationMs: number,
): Promise<Pick<RunResult, "operations" | "elapsedMs" | "latencies">> {
  const log = new LatencyLog();
  const startedMs = performance.now();
  let underWay = 0;
  let operations = 0;
  let failure: Error | undefined;
  return new Promise((resolve, reject) => {
    const ended = () => {
      if (--underWay > 0) return;
      if (failure !== undefined) reject(new LoadFailedError(failure, operations));
      else resolve({ operations, elapsedMs: performance.now() - startedMs, latencies: log.take() });
    };
    const begin = () => {
      const begunMs = performance.now();
      driver.begin(
        (acknowledged) => {
          const nowMs = performance.now();
          log.add(nowMs - begunMs);
          operations += acknowledged;
          if (failure === undefined && nowMs - startedMs < durationMs) begin();
          else ended();
        },
        (error) => {
          failure ??= error;
          ended();
        },
      );
    };
    underWay = driver.inFlight;
    for (let i = 0; i < driver.inFlight; i++) begin();
  });
}

import type { Measurement } from "../report/result.ts";
import { LatencyLog } from "./quantile.ts";

/** Measures a function that blocks, as often as it fits into the time, and at least once. */
export function measureBlocking(durationMs: number, operation: () => void): Measurement {
  return measureBlocks(durationMs, { operations: 1, prepare: () => undefined, run: operation });
}

/** Measures a function that blocks and does many operations, without the time for preparing each call. */
export function measureBlocks<T>(
  durationMs: number,
  block: { readonly operations: number; readonly prepare: () => T; readonly run: (prepared: T) => void },
): Measurement {
  const log = new LatencyLog();
  const startedMs = performance.now();
  let measuredMs = 0;
  do {
    const prepared = block.prepare();
    const calledMs = performance.now();
    block.run(prepared);
    const latencyMs = performance.now() - calledMs;
    measuredMs += latencyMs;
    log.add(latencyMs);
  } while (performance.now() - startedMs < durationMs);
  const latencies = log.take();
  const operations = latencies.calls * block.operations;
  return { operationsPerSecond: (operations / measuredMs) * 1_000, operations, latencies };
}

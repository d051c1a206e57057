/** What one run of one row gave. */
export interface Measurement {
  readonly operationsPerSecond: number;
  /** Of one call, in milliseconds; a call may carry many operations. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly operations: number;
}

export interface Load {
  /** Calls on their way at the same time. */
  readonly inFlight: number;
  readonly durationMs: number;
  /** Operations that one call carries. */
  readonly operationsPerCall: number;
  readonly call: () => Promise<void>;
}

/** Keeps so many calls in flight for so long, and measures each. */
export async function measure({ inFlight, durationMs, operationsPerCall, call }: Load): Promise<Measurement> {
  const latencies: number[] = [];
  const startedMs = performance.now();
  const worker = async () => {
    while (performance.now() - startedMs < durationMs) {
      const calledMs = performance.now();
      await call();
      latencies.push(performance.now() - calledMs);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  const elapsedMs = performance.now() - startedMs;
  latencies.sort((a, b) => a - b);
  const operations = latencies.length * operationsPerCall;
  return {
    operationsPerSecond: (operations / elapsedMs) * 1_000,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    operations,
  };
}

/** Measures a function that blocks, as often as it fits into the time. */
export function measureBlocking(durationMs: number, operation: () => void): Measurement {
  const latencies: number[] = [];
  const startedMs = performance.now();
  let lastMs = startedMs;
  while (lastMs - startedMs < durationMs) {
    operation();
    const nowMs = performance.now();
    latencies.push(nowMs - lastMs);
    lastMs = nowMs;
  }
  latencies.sort((a, b) => a - b);
  return {
    operationsPerSecond: (latencies.length / (lastMs - startedMs)) * 1_000,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    operations: latencies.length,
  };
}

/** Measures a function that blocks and does many operations, without the time for preparing each call. */
export function measureBlocks<T>(
  durationMs: number,
  block: { readonly operations: number; readonly prepare: () => T; readonly run: (prepared: T) => void },
): Measurement {
  const latencies: number[] = [];
  const startedMs = performance.now();
  let measuredMs = 0;
  while (performance.now() - startedMs < durationMs || latencies.length === 0) {
    const prepared = block.prepare();
    const calledMs = performance.now();
    block.run(prepared);
    const latencyMs = performance.now() - calledMs;
    measuredMs += latencyMs;
    latencies.push(latencyMs);
  }
  latencies.sort((a, b) => a - b);
  const operations = latencies.length * block.operations;
  return {
    operationsPerSecond: (operations / measuredMs) * 1_000,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    operations,
  };
}

/** Value below which the given part of sorted values lies; 0 for none. */
export function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
}

import type { Bench } from "../bench.ts";
import { runToEnd } from "../harness/processes.ts";
import type { Latencies } from "../harness/quantile.ts";
import type { Measurement } from "../report/result.ts";
import type { BenchRedis } from "./redis.ts";

/** What Redis' own benchmark asks: SETs of one size. */
export interface RedisBenchmark {
  readonly clients: number;
  /** Commands that each client sends before it waits. */
  readonly pipelined: number;
  readonly valueBytes: number;
}

/** It counts calls and no time: so many at first tell how many fill a round. */
const FIRST_CALLS = 1_000;
const FIRST_CALLS_QUICK = 128;

/** Runs redis-benchmark against a server for about as long as a round takes. */
export async function measureRedis(bench: Bench, redis: BenchRedis, asked: RedisBenchmark): Promise<Measurement> {
  const ran = async (calls: number) => {
    const before = redis.processorUs();
    const said = await runToEnd(bench.processes, {
      name: "redis-benchmark",
      command: "redis-benchmark",
      args: argsOf(redis, asked, calls),
    });
    const after = redis.processorUs();
    const serverUs = before === undefined || after === undefined ? undefined : (after - before) / calls;
    return { ...readRedisBenchmark(said, calls), serverUs };
  };
  const first = await ran(bench.quick ? FIRST_CALLS_QUICK : FIRST_CALLS);
  if (bench.quick) return first;
  return ran(Math.max(FIRST_CALLS, Math.ceil((first.operationsPerSecond * bench.durationMs) / 1_000)));
}

function argsOf(redis: BenchRedis, { clients, pipelined, valueBytes }: RedisBenchmark, calls: number): string[] {
  const flags = { h: "127.0.0.1", p: redis.port, c: clients, P: pipelined, d: valueBytes, n: calls, t: "set" };
  return Object.entries(flags).flatMap(([flag, value]) => [`-${flag}`, String(value)]);
}

/** Reads what redis-benchmark prints. Throws for what it does not print. */
export function readRedisBenchmark(said: string, calls: number): Measurement {
  const rate = Number(/throughput summary: ([\d.]+) requests per second/.exec(said)?.[1]);
  const steps = [...said.matchAll(/^\s*([\d.]+)% <= ([\d.]+) milliseconds \(cumulative count \d+\)/gm)];
  const distribution = steps.map(([, percent, ms]) => ({ part: Number(percent) / 100, ms: Number(ms) }));
  const atLeast = (part: number) => distribution.find((step) => step.part >= part)?.ms;
  const [p50Ms, p99Ms, p999Ms, maxMs] = [atLeast(0.5), atLeast(0.99), atLeast(0.999), atLeast(1)];
  if (!(rate > 0) || p50Ms === undefined || p99Ms === undefined || p999Ms === undefined || maxMs === undefined)
    throw new Error(`redis-benchmark said: ${said}`);
  const latencies: Latencies = { calls, p50Ms, p99Ms, p999Ms, maxMs };
  return { operationsPerSecond: rate, operations: calls, latencies };
}

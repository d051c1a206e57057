import { describe, expect, it } from "vitest";
import { readRedisBenchmark } from "./redis-benchmark.ts";

/** As version 7.0 prints it. */
const SAID = `====== SET ======
  2000 requests completed in 0.06 seconds
  64 parallel clients
  82 bytes payload
  keep alive: 1
  host configuration "save":
  host configuration "appendonly": yes
  multi-thread: no

Latency by percentile distribution:
0.000% <= 0.303 milliseconds (cumulative count 1)
50.000% <= 1.103 milliseconds (cumulative count 1012)
75.000% <= 1.303 milliseconds (cumulative count 1502)
98.438% <= 3.007 milliseconds (cumulative count 1970)
99.219% <= 3.207 milliseconds (cumulative count 1985)
99.805% <= 3.407 milliseconds (cumulative count 1998)
99.902% <= 3.503 milliseconds (cumulative count 1999)
99.951% <= 3.607 milliseconds (cumulative count 2000)
100.000% <= 3.607 milliseconds (cumulative count 2000)

Cumulative distribution of latencies:
0.000% <= 0.103 milliseconds (cumulative count 0)
99.900% <= 4.103 milliseconds (cumulative count 2000)

Summary:
  throughput summary: 33898.30 requests per second
  latency summary (msec):
          avg       min       p50       p95       p99       max
        1.200     0.296     1.103     2.511     3.103     3.607
`;

describe("what redis-benchmark prints", () => {
  it("is read: its rate, and the smallest step of the distribution that a quantile does not exceed", () => {
    expect(readRedisBenchmark(SAID, 2_000)).toEqual({
      operationsPerSecond: 33_898.3,
      operations: 2_000,
      latencies: { calls: 2_000, p50Ms: 1.103, p99Ms: 3.207, p999Ms: 3.503, maxMs: 3.607 },
    });
  });

  it("is an error where it is not what is known", () => {
    const without = (pattern: RegExp) => () => readRedisBenchmark(SAID.replace(pattern, ""), 2_000);
    expect(without(/throughput.*/)).toThrow(/^redis-benchmark said: ====== SET/);
    expect(without(/^100\.000% .*$/m)).toThrow("redis-benchmark said");
    expect(() => readRedisBenchmark("ERR: nobody answers", 1)).toThrow("redis-benchmark said: ERR: nobody answers");
  });
});

import { RequestHasher } from "@bank/core";
import { deposit, numberedId, request } from "@bank/testkit";
import { expect, it, vi } from "vitest";
import { JobIds } from "./job-ids.ts";
import { OrdersJob } from "./job-of-orders.ts";
import { COUNTED_PER_QUESTION, JobQueue } from "./job-queue.ts";
import { ordersOf } from "./orders.test-util.ts";

const JOBS = 30;
const ROWS = 400;

function fullQueue(countedMax: number): JobQueue {
  const queue = new JobQueue({ hasher: new RequestHasher(1), aside: () => [], countedMax });
  const caller = { resolve: () => undefined, reject: () => undefined };
  for (let j = 0; j < JOBS; j++) {
    const rows = Array.from({ length: ROWS }, (_, i) => request(j * ROWS + i, deposit(1, 1)));
    queue.push(new OrdersJob(ordersOf(rows), j, caller));
  }
  return queue;
}

it("whoever asks now and then has every id counted once at most, and few of them for one question", () => {
  const counts = vi.spyOn(JobIds.prototype, "add");
  const queue = fullQueue(1_000_000);
  let before = 0;
  for (let batch = 0; batch < JOBS; batch++) {
    if (batch % 3 === 0) expect(queue.has("dev", numberedId(5_000_000))).toBe(false);
    expect(counts.mock.calls.length - before).toBeLessThanOrEqual(COUNTED_PER_QUESTION);
    before = counts.mock.calls.length;
    expect(queue.has("dev", numberedId(batch * ROWS + 7))).toBe(true);
    before = counts.mock.calls.length;
    const [job] = queue.jobs.splice(0, 1);
    if (job === undefined) throw new Error("there are jobs");
    job.begunAt = 0;
    job.next = ROWS;
    queue.taken(ROWS, [job]);
    queue.ended();
    expect(queue.has("dev", numberedId(batch * ROWS + 7))).toBe(false);
  }
  expect(before).toBeLessThanOrEqual(JOBS * ROWS);
  expect(queue.waiting).toBe(0);
});

it("forgets what it counted when nothing waits any more, or very much was counted", () => {
  const counts = vi.spyOn(JobIds.prototype, "add");
  for (const [countedMax, expected] of [
    [1_000_000, 0],
    [100, ROWS],
  ] as const) {
    const queue = fullQueue(countedMax);
    for (let i = 0; i < 4; i++) queue.has("dev", numberedId(5_000_000));
    const jobs = queue.jobs.splice(0, expected === 0 ? JOBS : JOBS - 1);
    for (const job of jobs) {
      job.begunAt = 0;
      job.next = ROWS;
    }
    queue.taken(jobs.length * ROWS, jobs);
    queue.ended();
    counts.mockClear();
    expect(queue.has("dev", numberedId(5_000_000))).toBe(false);
    expect(counts).toHaveBeenCalledTimes(expected);
  }
});

import { readdirSync } from "node:fs";
import { constants, getPriority } from "node:os";
import { expect, it, onTestFinished } from "vitest";
import { MEMORY } from "./database.ts";
import { WORKER_NICENESS } from "./limits.ts";
import { ProjectionWorker } from "./projection-worker.ts";

it.runIf(process.platform === "linux")("lets every other thread of the process go before the history's", async () => {
  const priorities = () => readdirSync("/proc/self/task").map((thread) => getPriority(Number(thread)));
  const before = priorities();
  const worker = new ProjectionWorker({
    file: MEMORY,
    discard: undefined,
    keepAfterMs: 0,
    onProjected: () => undefined,
    onFailed: (error) => expect.unreachable(error.message),
  });
  onTestFinished(() => worker.close());
  await worker.opened;
  expect(before).not.toContain(WORKER_NICENESS);
  expect(priorities().filter((priority) => priority === WORKER_NICENESS)).toHaveLength(1);
  expect(getPriority(process.pid)).toBe(constants.priority.PRIORITY_NORMAL);
});

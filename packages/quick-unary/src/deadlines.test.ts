import { expect, it, onTestFinished, vi } from "vitest";
import { Deadlines, type Expiring } from "./deadlines.ts";

function useTime(): void {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
}

/** One that notes when it expired. */
function call(afterMs: number, expired: number[], then: () => void = () => undefined): Expiring {
  const startMs = performance.now();
  return {
    deadlineMs: startMs + afterMs,
    expire: () => {
      expired.push(Math.round(performance.now() - startMs));
      then();
    },
  };
}

it("tells each when its time has come, in whatever order they were added", () => {
  useTime();
  const deadlines = new Deadlines();
  const expired: number[] = [];
  for (const afterMs of [500, 20, 100, 20, 60_000]) deadlines.add(call(afterMs, expired));
  vi.advanceTimersByTime(19);
  expect(expired).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(expired).toEqual([20, 20]);
  vi.advanceTimersByTime(100_000);
  expect(expired).toEqual([20, 20, 100, 500, 60_000]);
});

it("does not tell one that has ended", () => {
  useTime();
  const deadlines = new Deadlines();
  const expired: number[] = [];
  const early = call(10, expired);
  deadlines.add(early);
  deadlines.add(call(30, expired));
  deadlines.delete(early);
  vi.advanceTimersByTime(1_000);
  expect(expired).toEqual([30]);
});

it("does not tell one that is ended by another whose time came with its own", () => {
  useTime();
  const deadlines = new Deadlines();
  const expired: number[] = [];
  const ended = call(20, expired);
  deadlines.add(call(20, expired, () => deadlines.delete(ended)));
  deadlines.add(ended);
  vi.advanceTimersByTime(1_000);
  expect(expired).toEqual([20]);
});

it("knows those that are added later, also by one that expires", () => {
  useTime();
  const deadlines = new Deadlines();
  const expired: number[] = [];
  deadlines.add(call(10, expired, () => deadlines.add(call(5, expired))));
  vi.advanceTimersByTime(1_000);
  deadlines.add(call(7, expired));
  vi.advanceTimersByTime(1_000);
  expect(expired).toEqual([10, 5, 7]);
});

it("waits for deadlines that are further than a timer can be set", () => {
  useTime();
  const deadlines = new Deadlines();
  const expired: number[] = [];
  deadlines.add(call(2 ** 31 + 5, expired));
  vi.advanceTimersByTime(2 ** 31);
  expect(expired).toEqual([]);
  vi.advanceTimersByTime(10);
  expect(expired).toEqual([2 ** 31 + 5]);
});

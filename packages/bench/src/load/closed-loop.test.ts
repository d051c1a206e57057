import { describe, expect, it, onTestFinished, vi } from "vitest";
import { closedLoop, runLoad, SILENCE_MS_MAX } from "./closed-loop.ts";

function driver(inFlight: number, onCall: () => Error | undefined = () => undefined) {
  const seen = { now: 0, most: 0, calls: 0 };
  return {
    seen,
    inFlight,
    begin(done: (operations: number) => void, failed: (error: Error) => void) {
      seen.calls++;
      seen.most = Math.max(seen.most, ++seen.now);
      setTimeout(() => {
        seen.now--;
        const error = onCall();
        if (error === undefined) done(5);
        else failed(error);
      }, 1);
    },
    close: () => undefined,
  };
}

describe("a closed loop", () => {
  it("keeps as many calls under way as asked, no more, and waits for the last", async () => {
    const load = driver(3);
    const { operations, acknowledged, latencies } = await closedLoop(load, { warmUpMs: 0, durationMs: 20 });
    expect(load.seen).toMatchObject({ now: 0, most: 3, calls: latencies.calls });
    expect(acknowledged).toBe(5 * load.seen.calls);
    // Those that were under way at the end of the measured time.
    expect(operations).toBe(acknowledged - 10);
    expect(load.seen.calls).toBeGreaterThan(3);
  });

  it("begins one call in each turn", async () => {
    let turn = 0;
    const begunIn: number[] = [];
    const waiting: (() => void)[] = [];
    const load = {
      inFlight: 20,
      begin(done: (operations: number) => void) {
        begunIn.push(turn);
        waiting.push(() => done(1));
        if (waiting.length === 1) setImmediate(nextTurn);
      },
      close: () => undefined,
    };
    const nextTurn = () => {
      turn++;
      if (waiting.length < load.inFlight) setImmediate(nextTurn);
      else for (const answer of waiting) answer();
    };
    await closedLoop(load, { warmUpMs: 0, durationMs: 0 });
    expect(begunIn).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  it("fails with the first failure, when nothing is under way any more", async () => {
    let calls = 0;
    const load = driver(4, () => (++calls >= 6 ? new Error(`call ${calls}`) : undefined));
    await expect(closedLoop(load, { warmUpMs: 0, durationMs: 10_000 })).rejects.toMatchObject({
      message: "call 6",
      acknowledged: 25,
    });
    expect(load.seen.now).toBe(0);
  });

  it("fails while calls are still being begun", async () => {
    const load = driver(1_000_000, () => new Error("at once"));
    await expect(closedLoop(load, { warmUpMs: 0, durationMs: 10_000 })).rejects.toThrow("at once");
    expect(load.seen.calls).toBeLessThan(1_000_000);
  });

  it.each([
    ["in the warm-up", { warmUpMs: 10_000, durationMs: 10_000 }, 3],
    ["at the end", { warmUpMs: 0, durationMs: 0 }, 2],
  ])("fails when nothing is answered any more %s, and tells what was acknowledged", async (_, options, underWay) => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const unanswered: (() => void)[] = [];
    const allBegun = Promise.withResolvers<void>();
    const load = {
      inFlight: 3,
      begin(done: (operations: number) => void) {
        if (unanswered.push(() => done(5)) === 3) allBegun.resolve();
      },
      close: () => undefined,
    };
    let failure: unknown;
    const failed = closedLoop(load, options).catch((error: unknown) => {
      failure = error;
    });
    await allBegun.promise;
    // A single answer is a sign of life.
    unanswered[0]?.();
    await vi.advanceTimersByTimeAsync(2 * SILENCE_MS_MAX - 1);
    expect(failure).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    await failed;
    const message = `nothing was answered for 30 s, with ${underWay} call(s) under way`;
    expect(failure).toMatchObject({ message, acknowledged: 5 });
    // Too late: nothing more begins, and nobody listens any longer.
    const begun = unanswered.length;
    unanswered[1]?.();
    expect(unanswered).toHaveLength(begun);
    await closedLoop(driver(1), { warmUpMs: 0, durationMs: 0 });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("counts what was acknowledged before the measured time as well, and when that time fails", async () => {
    const load = driver(2);
    const { operations, acknowledged } = await runLoad(load, { warmUpMs: 5, durationMs: 5, serverPids: [] });
    expect(acknowledged).toBe(5 * load.seen.calls);
    expect(acknowledged).toBeGreaterThan(operations + 10);
    let calls = 0;
    const failing = driver(1, () => (++calls > 12 ? new Error("late") : undefined));
    await expect(runLoad(failing, { warmUpMs: 5, durationMs: 10_000, serverPids: [] })).rejects.toMatchObject({
      acknowledged: 60,
    });
  });

  it("tells when the measured time begins and ends: behind the beginning of all calls, and before the last answers", async () => {
    const load = driver(50);
    const told: number[] = [];
    await closedLoop(load, { warmUpMs: 5, durationMs: 5 }, () => {
      told.push(load.seen.calls);
      return () => told.push(load.seen.calls);
    });
    const [begun, ended] = told as [number, number];
    expect(begun).toBeGreaterThanOrEqual(50);
    expect(ended).toBeGreaterThan(begun);
    expect(load.seen.calls).toBe(ended);
  });
});

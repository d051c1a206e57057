import { describe, expect, it } from "vitest";
import { closedLoop, runLoad } from "./closed-loop.ts";

function driver(inFlight: number, onCall: () => Error | undefined = () => undefined) {
  const seen = { now: 0, most: 0, calls: 0 };
  return {
    seen,
    inFlight,
    begin(done: (operations: number) => void, failed: (error: Error) => void) {
      seen.calls++;
      seen.most = Math.max(seen.most, ++seen.now);
      setImmediate(() => {
        seen.now--;
        const error = onCall();
        if (error === undefined) done(5);
        else failed(error);
      });
    },
    close: () => undefined,
  };
}

describe("a closed loop", () => {
  it("keeps as many calls under way as asked, no more, and waits for the last", async () => {
    const load = driver(3);
    const { operations, latencies } = await closedLoop(load, 10);
    expect(load.seen).toMatchObject({ now: 0, most: 3, calls: latencies.calls });
    expect(operations).toBe(5 * load.seen.calls);
    expect(load.seen.calls).toBeGreaterThan(3);
  });

  it("fails with the first failure, when nothing is under way any more", async () => {
    let calls = 0;
    const load = driver(4, () => (++calls >= 6 ? new Error(`call ${calls}`) : undefined));
    await expect(closedLoop(load, 10_000)).rejects.toMatchObject({ message: "call 6", acknowledged: 25 });
    expect(load.seen.now).toBe(0);
  });

  it("counts what was acknowledged before the measured time as well", async () => {
    const load = driver(2);
    const { operations, acknowledged } = await runLoad(load, { warmUpMs: 5, durationMs: 5, serverPids: [] });
    expect(acknowledged).toBe(5 * load.seen.calls);
    expect(acknowledged).toBeGreaterThan(operations);
  });
});

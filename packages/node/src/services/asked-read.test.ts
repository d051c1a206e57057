import type { HandlerContext } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { limitOf } from "./asked-read.ts";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

/** A call, as far as its limit goes. */
function call(timeoutMs: number | undefined) {
  const ending = new AbortController();
  const context = { signal: ending.signal, timeoutMs: () => timeoutMs } as unknown as HandlerContext;
  return { ending, limit: limitOf(context) };
}

describe("the limit of a call", () => {
  it("ends it a little before the caller's deadline", () => {
    const { limit } = call(2_000);
    expect(limit.timeoutMs).toBe(1_900);
    vi.advanceTimersByTime(1_899);
    expect(limit.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(limit.signal.reason).toMatchObject({ name: "TimeoutError" });
  });

  it("leaves nothing behind once the call is over, however long its deadline was", () => {
    const { ending, limit } = call(undefined);
    expect(vi.getTimerCount()).toBe(1);
    ending.abort("the caller left");
    expect(limit.signal.reason).toBe("the caller left");
    expect(vi.getTimerCount()).toBe(0);
    expect(limitOf({ signal: ending.signal, timeoutMs: () => 50 } as unknown as HandlerContext).signal.aborted).toBe(
      true,
    );
    expect(vi.getTimerCount()).toBe(0);
  });
});

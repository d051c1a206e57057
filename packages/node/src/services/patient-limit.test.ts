import type { HandlerContext } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PatientLimit } from "./patient-limit.ts";

function contextWith(timeoutMs: number | undefined) {
  const call = new AbortController();
  let reads = 0;
  const context = {
    get signal() {
      reads++;
      return call.signal;
    },
    timeoutMs: () => timeoutMs,
  } as unknown as HandlerContext;
  return { call, context, reads: () => reads };
}

describe("the limit of a call that is over soon", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("watches nothing, and leaves nothing", () => {
    const { context, reads } = contextWith(1_000);
    const limits = Array.from({ length: 3 }, () => new PatientLimit(context));
    for (const limit of limits) limit.over();
    vi.advanceTimersByTime(100);
    expect(reads()).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    expect(limits.some(({ signal }) => signal.aborted)).toBe(false);
  });

  it("ends when the caller has left, which is noticed once the call has taken a while", () => {
    const { context, call } = contextWith(undefined);
    const limit = new PatientLimit(context);
    expect(limit.timeoutMs).toBe(29_900);
    call.abort(new Error("gone"));
    expect(limit.signal.aborted).toBe(false);
    vi.advanceTimersByTime(40);
    expect(limit.signal.reason).toEqual(new Error("gone"));
  });

  it("ends a little before the deadline, as that of any call, however short it is", () => {
    for (const [asked, endMs] of [
      [1_000, 900],
      [30, 27],
    ] as const) {
      let leftMs = asked;
      const { context } = contextWith(0);
      const limit = new PatientLimit(Object.assign(Object.create(context), { timeoutMs: () => leftMs }));
      expect(limit.timeoutMs).toBe(endMs);
      for (; leftMs > asked - endMs + 3; leftMs--) vi.advanceTimersByTime(1);
      expect(limit.signal.aborted, `${asked} ms`).toBe(false);
      vi.advanceTimersByTime(asked === 1_000 ? 10 : 3);
      expect(limit.signal.aborted, `${asked} ms`).toBe(true);
    }
  });

  it("looks again at those that came later", () => {
    const early = contextWith(undefined);
    const late = contextWith(undefined);
    const first = new PatientLimit(early.context);
    vi.advanceTimersByTime(15);
    const second = new PatientLimit(late.context);
    late.call.abort(new Error("gone"));
    vi.advanceTimersByTime(10);
    expect([early.reads(), late.reads()]).toEqual([1, 0]);
    vi.advanceTimersByTime(20);
    expect([first.signal.aborted, second.signal.aborted]).toEqual([false, true]);
  });
});

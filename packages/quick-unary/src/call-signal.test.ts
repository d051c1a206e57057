import { expect, it, vi } from "vitest";
import { CallSignal } from "./call-signal.ts";

it("is one signal, however often it is asked for", () => {
  const call = new CallSignal();
  expect(call.signal).toBe(call.signal);
  expect([call.isAborted, call.signal.aborted]).toEqual([false, false]);
});

it("aborts with the first reason, for those who asked before and those who ask behind", () => {
  const reason = new Error("the first");
  const [early, late] = [new CallSignal(), new CallSignal()];
  const heard = vi.fn();
  early.signal.addEventListener("abort", heard);
  for (const call of [early, late]) {
    call.abort(reason);
    call.abort(new Error("the second"));
    expect([call.isAborted, call.reason, call.signal.aborted, call.signal.reason]).toEqual([
      true,
      reason,
      true,
      reason,
    ]);
  }
  expect(heard).toHaveBeenCalledTimes(1);
});

it("says in general words why, where no reason was given", () => {
  const call = new CallSignal();
  call.abort(undefined);
  expect(call.reason).toBe(call.signal.reason);
  expect(call.reason).toMatchObject({ name: "AbortError" });
});

it("calls back once, and nobody who has left", () => {
  const call = new CallSignal();
  const heard = vi.fn();
  call.onAbort = heard;
  call.abort(1);
  call.abort(2);
  expect(heard.mock.calls).toEqual([[1]]);
  const left = new CallSignal();
  left.onAbort = heard;
  left.onAbort = undefined;
  left.abort(3);
  expect(heard).toHaveBeenCalledTimes(1);
});

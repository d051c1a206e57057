import { rest, watch } from "@bank/testkit";
import { describe, expect, it, vi } from "vitest";
import { PositionWatch } from "./position-watch.ts";

describe("waiting for a position", () => {
  it("ends at once where it is reached, else as soon as it is, for each its own", async () => {
    const positions = new PositionWatch(5);
    await positions.reached(5);
    const waits = [6, 8, 8, 9].map((position) => watch(positions.reached(position)));
    positions.advance(8);
    await rest(1);
    expect(waits.map(({ state }) => state)).toEqual(["fulfilled", "fulfilled", "fulfilled", "pending"]);
    expect(positions.current).toBe(8);
    positions.advance(7);
    expect(positions.current).toBe(8);
    positions.advance(20);
    await rest(1);
    expect(waits[3]?.state).toBe("fulfilled");
  });

  it("is given up with the signal's reason, and leaves nothing behind", async () => {
    const positions = new PositionWatch(0);
    const deadline = new AbortController();
    const removed = vi.spyOn(deadline.signal, "removeEventListener");
    const wait = watch(positions.reached(3, deadline.signal));
    const reached = watch(positions.reached(3));
    deadline.abort(new Error("too late"));
    await rest(1);
    expect(wait.reason).toEqual(new Error("too late"));
    expect(reached.state).toBe("pending");
    positions.advance(3);
    // Had the one that gave up still been there, it would have been woken, and taken its listener away.
    expect(removed).not.toHaveBeenCalled();
    await expect(positions.reached(4, deadline.signal)).rejects.toThrow("too late");
    await positions.reached(3, deadline.signal);
  });

  it("takes its listener away when it ends otherwise", async () => {
    const positions = new PositionWatch(0);
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    const waits = [watch(positions.reached(1, signal)), watch(positions.reached(2, signal))];
    positions.advance(1);
    positions.rejectWaiters(new Error("taken back"));
    await rest(1);
    expect(waits.map(({ state }) => state)).toEqual(["fulfilled", "rejected"]);
    // Nobody is left to be woken.
    positions.advance(5);
    expect(removed.mock.calls.map(([, listener]) => listener)).toEqual(
      added.mock.calls.map(([, listener]) => listener),
    );
  });
});

describe("rejecting", () => {
  it("those who wait now says nothing about later ones", async () => {
    const positions = new PositionWatch(0);
    const now = watch(positions.reached(1));
    positions.rejectWaiters(new Error("taken back"));
    const later = watch(positions.reached(1));
    await rest(1);
    expect([now.state, later.state]).toEqual(["rejected", "pending"]);
    positions.advance(1);
    await rest(1);
    expect(later.state).toBe("fulfilled");
  });

  it("for good rejects later ones too, but not for what is reached", async () => {
    const positions = new PositionWatch(4);
    const now = watch(positions.reached(5));
    positions.fail(new Error("the end"));
    await expect(positions.reached(6)).rejects.toThrow("the end");
    await positions.reached(4);
    expect(now.reason).toEqual(new Error("the end"));
  });
});

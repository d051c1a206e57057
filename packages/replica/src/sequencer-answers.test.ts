import { deposit, request, until, watch } from "@bank/testkit";
import { describe, expect, it, onTestFinished } from "vitest";
import { ordersOf } from "./orders.test-util.ts";
import { appendHeld, type Fixture, short, startWithAccounts, submitOne } from "./sequencer.test-util.ts";

/** Counts the turns of the event loop from now on. */
function turns(): () => number {
  let turn = 0;
  let isOver = false;
  const count = () => {
    turn++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  onTestFinished(() => {
    isOver = true;
  });
  return () => turn;
}

/** Single deposits that are committed together, once the append is let go; and what is told of each, and in which turn. */
async function heldTogether(count: number, signal?: AbortSignal) {
  const fixture = await startWithAccounts(1);
  const { sequencer, store } = fixture;
  const turn = turns();
  const told: { readonly id: number; readonly turn: number; readonly outcome: string }[] = [];
  store.holds = true;
  const calls = Array.from({ length: count }, (_, id) =>
    submitOne(sequencer, request(id, deposit(1, 1)), signal).then((outcome) => {
      told.push({ id, turn: turn(), outcome: short(outcome) });
    }),
  );
  await appendHeld(fixture);
  return { fixture, turn, told, all: Promise.all(calls) };
}

function letGo({ store }: Fixture): void {
  store.holds = false;
  for (const held of store.held.splice(0)) held.pass();
}

const done = (count: number) =>
  Array.from({ length: count }, (_, id) => expect.objectContaining({ id, outcome: "done" }));
const sizes = (told: readonly { readonly turn: number }[]) => {
  const groups = new Map<number, number>();
  for (const { turn } of told) groups.set(turn, (groups.get(turn) ?? 0) + 1);
  return [...groups.values()];
};

describe("what one commit answers", () => {
  it("leaves in its order, a few in each turn", async () => {
    const { fixture, told, all } = await heldTogether(40);
    letGo(fixture);
    await all;
    expect(fixture.committed).toHaveLength(1);
    expect(told).toEqual(done(40));
    expect(sizes(told)).toEqual([16, 16, 8]);
  });

  it.each([
    [300, "by itself where a call asked for many, also behind one that asked for little", [1, 1, 1, 1]],
    [40, "together where calls asked for a few rows of columns", [4]],
  ])("leaves with calls of %i rows %s", async (rows, _, expected) => {
    const { sequencer, committed } = await startWithAccounts(1);
    const turn = turns();
    const call = (first: number) =>
      sequencer
        .submitOrders(ordersOf(Array.from({ length: rows }, (_, i) => request(first + i, deposit(1, 1)))))
        .then(turn);
    const single = submitOne(sequencer, request(1, deposit(1, 1))).then(turn);
    const told = await Promise.all([single, call(1_000), call(2_000), call(3_000)]);
    expect(committed).toHaveLength(1);
    expect(sizes(told.map((turn) => ({ turn })))).toEqual(expected);
    expect(told).toEqual([...told].sort((a, b) => a - b));
  });

  it("has left before the next commit begins, and what is asked meanwhile goes together", async () => {
    const { fixture, turn, told, all } = await heldTogether(40);
    const { store, sequencer, committed } = fixture;
    letGo(fixture);
    await until(() => told.length === 16);
    store.holds = true;
    const first = watch(submitOne(sequencer, request(100, deposit(1, 1))));
    await all;
    const second = watch(submitOne(sequencer, request(101, deposit(1, 1))));
    await appendHeld(fixture);
    // The second turn behind it: in the first its message is written, and its trailers behind that.
    expect(turn()).toBeGreaterThanOrEqual((told.at(-1)?.turn ?? Number.NaN) + 2);
    letGo(fixture);
    await until(() => first.state === "fulfilled" && second.state === "fulfilled");
    expect(committed).toHaveLength(2);
  });

  it("is told at once to those whose time is up before their turn", async () => {
    const leaving = new AbortController();
    const { fixture, told, all } = await heldTogether(40, leaving.signal);
    letGo(fixture);
    await until(() => told.length === 16);
    leaving.abort();
    await all;
    expect(told).toEqual(done(40));
    expect(sizes(told)).toHaveLength(2);
  });

  it("is all told by a bank that drains in between", async () => {
    const { fixture, told, all } = await heldTogether(40);
    letGo(fixture);
    await until(() => told.length === 16);
    await fixture.sequencer.drain();
    expect(told).toEqual(done(40));
    await all;
  });

  it.each<[string, (fixture: Fixture) => void]>([
    ["fails", ({ sequencer }) => void sequencer.fail(new Error("the disk is gone"))],
    ["stops writing", ({ sequencer }) => sequencer.stopWriting(sequencer.fail(new Error("another bank writes")))],
  ])("is all told by a bank that %s in between, and nothing that waits is done", async (_, end) => {
    const { fixture, told, all } = await heldTogether(40);
    letGo(fixture);
    await until(() => told.length === 16);
    const waiting = watch(submitOne(fixture.sequencer, request(100, deposit(1, 1))));
    end(fixture);
    await all;
    expect(told).toEqual(done(40));
    await until(() => waiting.state === "rejected");
    await fixture.sequencer.drain();
    expect(fixture.committed).toHaveLength(1);
  });
});

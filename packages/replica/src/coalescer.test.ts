import { rest, until, type Watched, watch } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { Coalescer, type CoalescerOptions } from "./coalescer.ts";

interface Call {
  readonly items: readonly number[];
  readonly answer: (results?: readonly string[]) => void;
  readonly fail: (error: Error) => void;
}

function start(limits: Partial<CoalescerOptions<number, string>> = {}) {
  const calls: Call[] = [];
  const coalescer = new Coalescer<number, string>({
    weightPerCallMax: 10,
    callsInFlightMax: 1,
    waitingWeightMax: 100,
    send: (items) =>
      new Promise((resolve, reject) => {
        const answer = (results: readonly string[] = items.map((item) => `r${item}`)) => resolve(results);
        calls.push({ items, answer, fail: reject });
      }),
    ...limits,
  });
  return { calls, coalescer };
}

const values = (watched: readonly Watched<string[]>[]) => watched.map(({ value }) => value);

it("a call takes what its items weigh, in their order, and one that is too heavy goes alone", async () => {
  const { calls, coalescer } = start({ weightOf: (item) => item, waitingWeightMax: 40 });
  const submitted = [[4, 3], [4], [25], [1]].map((items) => watch(coalescer.submit(items)));
  await rest();
  for (let i = 0; i < 4; i++) {
    calls[i]?.answer();
    await rest();
  }
  expect(calls.map(({ items }) => items)).toEqual([[4, 3], [4], [25], [1]]);
  expect(values(submitted)).toEqual([["r4", "r3"], ["r4"], ["r25"], ["r1"]]);
  const first = watch(coalescer.submit([30]));
  await rest();
  const waiting = [first, ...[[9], [2]].map((items) => watch(coalescer.submit(items)))];
  // 30 are on their way; 9 and 2 wait.
  const over = watch(coalescer.submit([31]));
  await rest();
  expect(over.reason).toMatchObject({ refusal: { reason: "OVERLOADED", metadata: { waiting: "2" } } });
  calls[4]?.answer();
  await rest();
  expect(calls.at(-1)?.items).toEqual([9]);
  calls[5]?.answer();
  await rest();
  calls[6]?.answer();
  await rest();
  expect(values(waiting)).toEqual([["r30"], ["r9"], ["r2"]]);
});

describe("what is submitted", () => {
  it("goes at once when it is alone", async () => {
    const { calls, coalescer } = start();
    const lone = watch(coalescer.submit([7]));
    await Promise.resolve();
    await Promise.resolve();
    expect(calls.map(({ items }) => items)).toEqual([[7]]);
    calls[0]!.answer();
    await rest(1);
    expect(lone.value).toEqual(["r7"]);
  });

  it("in one turn goes together, and each gets its own results in order", async () => {
    const { calls, coalescer } = start();
    const told = [[1, 2, 3], [4], [], [5, 6]].map((items) => watch(coalescer.submit(items)));
    await rest(1);
    expect(calls.map(({ items }) => items)).toEqual([[1, 2, 3, 4, 5, 6]]);
    calls[0]!.answer();
    await rest(1);
    expect(values(told)).toEqual([["r1", "r2", "r3"], ["r4"], [], ["r5", "r6"]]);
  });

  it("while calls are under way gathers for the next, in order, up to its limit", async () => {
    const { calls, coalescer } = start();
    const told = [watch(coalescer.submit([0]))];
    await rest(1);
    for (let i = 1; i <= 25; i++) {
      told.push(watch(coalescer.submit([i])));
      await rest(1);
    }
    expect(calls).toHaveLength(1);
    for (let i = 0; i < 4; i++) {
      await until(() => calls.length === i + 1);
      calls[i]!.answer();
      await rest(1);
    }
    const sent = calls.map(({ items }) => items);
    expect(sent.map(({ length }) => length)).toEqual([1, 10, 10, 5]);
    expect(sent.flat()).toEqual(Array.from({ length: 26 }, (_, i) => i));
    expect(values(told)).toEqual(Array.from({ length: 26 }, (_, i) => [`r${i}`]));
  });

  it("by one caller stays together, also where it is more than a call should carry", async () => {
    const { calls, coalescer } = start();
    const told = [3, 9, 12, 1].map((count) => watch(coalescer.submit(Array.from({ length: count }, (_, i) => i))));
    for (let i = 0; i < 4; i++) {
      await until(() => calls.length === i + 1 || told.every(({ state }) => state === "fulfilled"));
      calls[i]?.answer();
    }
    await until(() => told.every(({ state }) => state === "fulfilled"));
    expect(calls.map(({ items }) => items.length)).toEqual([3, 9, 12, 1]);
  });

  it("has so many calls in flight and no more", async () => {
    const { calls, coalescer } = start({ callsInFlightMax: 3, weightPerCallMax: 1 });
    const told = Array.from({ length: 6 }, (_, i) => watch(coalescer.submit([i])));
    await rest(2);
    expect(calls).toHaveLength(3);
    calls[1]!.answer();
    await rest(2);
    expect(calls).toHaveLength(4);
    for (let i = 0; i < 6; i++) {
      calls[i]?.answer();
      await rest(2);
    }
    expect(told.every(({ state }) => state === "fulfilled")).toBe(true);
  });

  it("beyond the limit of what may wait is refused, until there is room", async () => {
    const { calls, coalescer } = start({ waitingWeightMax: 5 });
    const first = watch(coalescer.submit([1]));
    await rest(1);
    const waiting = watch(coalescer.submit([2, 3, 4, 5, 6]));
    await expect(coalescer.submit([7])).rejects.toMatchObject({
      refusal: { reason: "OVERLOADED", outcome: "OUTCOME_UNKNOWN", metadata: { waiting: "5" } },
    });
    calls[0]!.answer();
    await until(() => calls.length === 2);
    const next = watch(coalescer.submit([7]));
    calls[1]!.answer();
    await until(() => calls.length === 3);
    calls[2]!.answer();
    await until(() => [first, waiting, next].every(({ state }) => state === "fulfilled"));
  });
});

describe("a call that fails", () => {
  it("fails those whose items it carried, and the next goes on", async () => {
    const { calls, coalescer } = start();
    const first = [watch(coalescer.submit([1])), watch(coalescer.submit([2]))];
    await rest(1);
    const next = watch(coalescer.submit([3]));
    calls[0]!.fail(new Error("lost"));
    await until(() => calls.length === 2);
    calls[1]!.answer();
    await until(() => next.state === "fulfilled");
    expect(first.map(({ reason }) => reason)).toEqual([new Error("lost"), new Error("lost")]);
    expect(next.value).toEqual(["r3"]);
  });

  it("is one that answers too little, or throws before it begins", async () => {
    const { calls, coalescer } = start();
    const short = watch(coalescer.submit([1, 2]));
    await rest(1);
    calls[0]!.answer(["r1"]);
    await until(() => short.state === "rejected");
    expect(String(short.reason)).toContain("2 items were sent and 1 results came back");
    const throwing = start({
      send: () => {
        throw new Error("no link");
      },
    });
    await expect(throwing.coalescer.submit([1])).rejects.toThrow("no link");
    await expect(throwing.coalescer.submit([2])).rejects.toThrow("no link");
  });
});

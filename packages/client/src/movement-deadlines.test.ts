import { beforeEach, expect, it, onTestFinished, vi } from "vitest";
import type { BankError } from "./bank-error.ts";
import { Caller } from "./caller.ts";
import { usd } from "./clients.test-util.ts";
import { callerOptions } from "./connect-bank.ts";
import { Connections } from "./connections.ts";
import { FakeServer } from "./fake-bank.test-util.ts";
import { FakeLedger } from "./fake-ledger.test-util.ts";
import { MovementLine } from "./movement-line.ts";
import { MovementQueue } from "./movement-queue.ts";

/** All of them wait in one line, for they wait about as long. */
const SOONEST_MS = 512;

let nowMs: number;
let lookMs: number;
/** When it was looked through those that wait. */
let looks: number[];
/** Milliseconds by which each was told too late. */
let lateMs: number[];
let movements: MovementQueue;

/** Nothing is ever sent: in these tests no turn of the event loop ends. */
beforeEach(() => {
  [nowMs, lookMs, looks, lateMs] = [1_000, 0, [], []];
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const now = vi.spyOn(performance, "now").mockImplementation(() => nowMs);
  const original = MovementLine.prototype.forEach;
  const forEach = vi.spyOn(MovementLine.prototype, "forEach").mockImplementation(function (this: MovementLine, look) {
    original.call(this, look);
    if (this.timeClass !== Math.clz32(SOONEST_MS)) return;
    looks.push(nowMs);
    nowMs += lookMs;
  });
  onTestFinished(() => {
    vi.useRealTimers();
    now.mockRestore();
    forEach.mockRestore();
  });
  const options = callerOptions({ servers: ["s0"] }, new Connections(() => new FakeServer(new FakeLedger())));
  movements = new MovementQueue(new Caller({ ...options, lifetime: new AbortController().signal }));
});

function deposit(timeoutMs: number): Promise<void> {
  const deadlineMs = nowMs + timeoutMs;
  let toldMs = 0;
  // Rejections are told in turns that come later: what is noted is when it was decided.
  return movements.book(undefined, "1", usd(1n), { timeoutMs }).then(
    () => expect.fail("nothing is done"),
    (error: BankError) => {
      expect(error).toMatchObject({ reason: "DEADLINE_EXCEEDED", outcome: "NOT_APPLIED" });
      toldMs = looks.find((look) => look >= deadlineMs) ?? Number.NaN;
      lateMs.push(toldMs - deadlineMs);
    },
  );
}

function pass(ms: number): void {
  const untilMs = nowMs + ms;
  while (nowMs < untilMs) {
    nowMs++;
    vi.advanceTimersByTime(1);
  }
}

const spread = () => Array.from({ length: 100 }, (_, i) => deposit(SOONEST_MS + 5 * i));
const gaps = () => looks.slice(1).map((look, i) => look - (looks[i] as number) - lookMs);

it("are told of their deadlines at once where looking through them takes no time", async () => {
  const all = spread();
  pass(1_020);
  await Promise.all(all);
  expect(Math.max(...lateMs)).toBeLessThanOrEqual(10);
});

it("are looked through only a small part of the time where that takes long", async () => {
  lookMs = 20;
  const all = spread();
  pass(520);
  expect(looks).toEqual([1_512]);
  // One that would end sooner is no reason to look sooner.
  all.push(deposit(5));
  pass(1_500);
  await Promise.all(all);
  expect(looks.length).toBeGreaterThan(3);
  expect(Math.min(...gaps())).toBeGreaterThanOrEqual(200);
  expect(Math.max(...lateMs)).toBeLessThanOrEqual(220);
});

it("are told of them within a second however long that takes", async () => {
  lookMs = 500;
  const all = spread();
  pass(5_000);
  await Promise.all(all);
  expect(looks).toEqual([1_512, 3_012]);
});

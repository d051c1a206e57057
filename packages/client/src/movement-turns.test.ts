import { randomUUID } from "node:crypto";
import { getEventListeners } from "node:events";
import { Code, ConnectError } from "@connectrpc/connect";
import { beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { Caller } from "./caller.ts";
import { usd } from "./clients.test-util.ts";
import { callerOptions } from "./connect-bank.ts";
import { Connections } from "./connections.ts";
import { FakeServer } from "./fake-bank.test-util.ts";
import { FakeLedger } from "./fake-ledger.test-util.ts";
import { MovementQueue } from "./movement-queue.ts";

/** Something that happened, and the turn of the event loop in which it did. */
interface Event {
  readonly what: "sent" | "told";
  readonly turn: number;
}

let server: FakeServer;
let closing: AbortController;
let movements: MovementQueue;
let events: Event[];
/** Calls whose answers are held back. */
let held: (() => void)[];
let holds: boolean;

beforeEach(() => {
  server = new FakeServer(new FakeLedger());
  server.ledger.balances.set("1", 0n);
  [events, held, holds, closing] = [[], [], true, new AbortController()];
  server.beforeReply = () => (holds ? new Promise((resolve) => held.push(resolve)) : Promise.resolve());
  const { push } = server.calls;
  vi.spyOn(server.calls, "push").mockImplementation((...calls) => {
    note("sent");
    return push.apply(server.calls, calls);
  });
  const options = callerOptions({ servers: ["s0"] }, new Connections(() => server));
  // Two make two calls, so that few callers show what many do.
  movements = new MovementQueue(new Caller({ ...options, lifetime: closing.signal }), { rowsPerCallMin: 2 });
  countTurns();
});

let turn: number;

function countTurns(): void {
  let isOver = false;
  turn = 0;
  const count = () => {
    turn++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  onTestFinished(() => {
    isOver = true;
  });
}

function note(what: Event["what"]): void {
  events.push({ what, turn });
}

/** Asks, and asks again as soon as he is told. */
async function caller(times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    await movements.book(undefined, "1", usd(1n), {});
    note("told");
  }
}

const callers = (count: number, times: number) => Promise.all(Array.from({ length: count }, () => caller(times)));

async function answersHeld(count: number): Promise<void> {
  await vi.waitUntil(() => held.length === count, { interval: 1 });
}

async function learnsThatThereAreNoColumns(): Promise<void> {
  server.faults.push(new ConnectError("unknown method", Code.Unimplemented));
  const all = callers(2, 1);
  await answersHeld(1);
  answerAll();
  await all;
}

/** All answers come in one turn. */
function answerAll(): void {
  for (const go of held.splice(0)) go();
}

it.each([
  ["", "ExecuteMovements"],
  [", at a server that knows no columns too", "ExecuteBatch"],
])(
  "two calls that were answered together come apart: the next has left before the second answer is told%s",
  async (_, method) => {
    if (method === "ExecuteBatch") await learnsThatThereAreNoColumns();
    const all = callers(4, 2);
    await answersHeld(2);
    events.length = 0;
    answerAll();
    await answersHeld(2);
    expect(events.map(({ what }) => what)).toEqual(["told", "told", "sent", "told", "told", "sent"]);
    const [first, , next, second, , last] = events.map((event) => event.turn) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    // What is written in one turn leaves in the next, before anything else is done in it.
    expect(first).toBeLessThan(next);
    expect(next).toBeLessThan(second);
    expect(second).toBeLessThan(last);
    holds = false;
    answerAll();
    await all;
    expect(server.methods.slice(-4)).toEqual([method, method, method, method]);
  },
);

it("answers that wait for their turn are all told, one in each, where nobody asks for more", async () => {
  const all = callers(6, 1);
  await answersHeld(2);
  events.length = 0;
  answerAll();
  await all;
  expect(events.map(({ what }) => what)).toEqual(Array.from({ length: 6 }, () => "told"));
  expect(new Set(events.map((event) => event.turn)).size).toBe(2);
});

it("one who came before the others goes along with them from then on, and not by himself for ever", async () => {
  const rows = () =>
    server.calls.map(({ message }) => (message as { amountsMinor?: unknown[] }).amountsMinor?.length ?? 1);
  const early = caller(3);
  await answersHeld(1);
  const all = callers(8, 3);
  await answersHeld(3);
  expect(rows()).toEqual([1, 5, 3]);
  for (let round = 0; round < 2; round++) {
    answerAll();
    await answersHeld(2);
  }
  expect(rows().slice(3)).toEqual([5, 4, 5, 4]);
  answerAll();
  await Promise.all([early, all]);
  // Nothing is left of calls at the signal that ends the client, once they have ended behind their last answers.
  await vi.waitUntil(() => getEventListeners(closing.signal, "abort").length === 0, { timeout: 10_000, interval: 1 });
});

it("an answer is told in the turn in which it comes where no other call is under way", async () => {
  const all = callers(2, 1);
  await answersHeld(1);
  events.length = 0;
  answerAll();
  const answered = turn;
  await all;
  expect(events.map((event) => event.turn)).toEqual([answered, answered]);
});

it("an answer that has come is told, though the client is closed before its turn", async () => {
  const all = Promise.all([1, 2, 3, 4].map(() => caller(1).then(() => closing.abort())));
  await answersHeld(2);
  events.length = 0;
  answerAll();
  await all;
  expect(events.map(({ what }) => what)).toEqual(["told", "told", "told", "told"]);
});

it("an answer that has come is told, though its time is up before its turn", async () => {
  const startMs = performance.now();
  const all = Promise.all(
    [1, 2, 3, 4].map(async () => {
      await movements.book(undefined, "1", usd(1n), { timeoutMs: 250 });
      // Whoever is told first keeps everybody waiting.
      while (performance.now() < startMs + 280);
    }),
  );
  await answersHeld(2);
  answerAll();
  await all;
  expect(server.ledger.balances.get("1")).toBe(4n);
});

it("what an answer leaves to be tried again ends at its own deadline", async () => {
  const requestId = randomUUID();
  server.ledger.refuseOnce.add(requestId);
  // Nobody answers the second try.
  server.beforeReply = () => (server.calls.length > 1 ? new Promise(() => undefined) : Promise.resolve());
  const answered = movements.book(undefined, "1", usd(1n), { timeoutMs: 300 });
  const left = movements.book(undefined, "1", usd(1n), { requestId, timeoutMs: 300 });
  await answered;
  await expect(left).rejects.toMatchObject({ reason: "DEADLINE_EXCEEDED", outcome: "OUTCOME_UNKNOWN", attempts: 2 });
});

it("an answer is told soon, though others are refused at once and ask again and again", async () => {
  const all = callers(4, 1);
  await answersHeld(2);
  server.afterwards = new ConnectError("not like this", Code.InvalidArgument);
  let refused = 0;
  const refusedBefore = all.then(() => refused);
  const again = async () => {
    while (refused < 50) await movements.book(undefined, "1", usd(1n), {}).catch(() => refused++);
  };
  const refusals = again();
  answerAll();
  expect(await refusedBefore).toBeLessThan(10);
  await refusals;
});

it("calls of few that were answered together become one call, and none of them waits for a turn", async () => {
  // Somebody waits for his own call while two others ask: two calls, of fewer than two are worth.
  const first = caller(2);
  await answersHeld(1);
  const others = callers(2, 2);
  await answersHeld(2);
  events.length = 0;
  answerAll();
  const answered = turn;
  await answersHeld(1);
  expect(events.map(({ what }) => what)).toEqual(["told", "told", "told", "sent"]);
  expect(events.filter(({ what }) => what === "told").map((event) => event.turn)).toEqual([
    answered,
    answered,
    answered,
  ]);
  holds = false;
  answerAll();
  await Promise.all([first, others]);
});

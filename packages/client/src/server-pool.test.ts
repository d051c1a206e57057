import { beforeEach, describe, expect, it } from "vitest";
import type { Server } from "./connections.ts";
import { type Route, ServerPool } from "./server-pool.ts";

const server = (url: string) => ({ url }) as Server;
const [a, b, c] = [server("a"), server("b"), server("c")];
const away = { rests: true, isLasting: false, isSilence: false } as const;
const lasting = { ...away, isLasting: true } as const;
const silent = { ...away, isSilence: true } as const;

let nowMs: number;
let pool: ServerPool;
beforeEach(() => {
  nowMs = 1_000;
  // No rest is shortened by chance.
  pool = new ServerPool([a, b, c], { nowMs: () => nowMs, random: () => 0 });
});

/** One try at the server that the route is at, which takes so long and ends so. */
function attempt(route: Route, took: number, failure: Parameters<Route["failed"]>[0] | "answer"): string {
  const { url } = route.server;
  route.timeoutMs(10_000);
  nowMs += took;
  if (failure === "answer") route.answered();
  else route.failed(failure);
  return url;
}

/** A call that fails at these servers and is answered by the next; gives whom it asked. */
function call(...failing: readonly Server[]): string[] {
  const route = pool.begin();
  const asked: string[] = [];
  for (;;) {
    const fails = failing.includes(route.server);
    asked.push(attempt(route, 1, fails ? away : "answer"));
    if (!fails) return asked;
    route.goOn();
  }
}

describe("a pool of servers", () => {
  it("prefers the first one, and stays with another while that rests", () => {
    expect([pool.first.url, call()]).toEqual(["a", ["a"]]);
    expect(call(a, b)).toEqual(["a", "b", "c"]);
    expect([pool.first.url, call()]).toEqual(["c", ["c"]]);
  });

  it("goes back to a preferred one after its rest, and one call sees whether it works again", () => {
    call(a);
    nowMs += 4_990;
    expect(call()).toEqual(["b"]);
    nowMs += 20;
    const probe = pool.begin();
    expect(probe.server.url).toBe("a");
    // Whoever comes meanwhile does not wait for what the probe finds out.
    expect(call()).toEqual(["b"]);
    attempt(probe, 5, "answer");
    expect(call()).toEqual(["a"]);
  });

  it("lets one that fails again rest for twice as long, up to a minute, until it answers", () => {
    for (const seconds of [5, 10, 20, 40, 60, 60]) {
      attempt(pool.begin(), 1, away);
      nowMs += seconds * 1_000 - 1;
      expect(call()).toEqual(["b"]);
    }
    expect(call()).toEqual(["a"]);
    attempt(pool.begin(), 1, away);
    nowMs += 5_000;
    expect(call()).toEqual(["a"]);
  });

  it("counts tries that failed together once", () => {
    const together = [pool.begin(), pool.begin(), pool.begin()];
    for (const route of together) route.timeoutMs(1_000);
    nowMs += 10;
    for (const route of together) route.failed(away);
    nowMs += 5_000;
    expect(pool.begin().server).toBe(a);
  });

  it("shortens rests by chance, so that not all clients come back in one moment", () => {
    pool = new ServerPool([a, b], { nowMs: () => nowMs, random: () => 0.999 });
    attempt(pool.begin(), 1, away);
    nowMs += 2_510;
    expect(pool.begin().server).toBe(a);
  });

  it("asks the one whose rest ends first, where all rest", () => {
    attempt(pool.begin(), 1, away);
    nowMs += 100;
    attempt(pool.begin(), 1, away);
    nowMs += 100;
    attempt(pool.begin(), 1, away);
    expect([pool.first.url, pool.begin().server.url]).toEqual(["a", "a"]);
  });
});

describe("a server that fell silent", () => {
  const gone = { ...away, isSilent: true } as const;

  it("is not waited for again while it rests and another one speaks, however often that says no", () => {
    const route = pool.begin();
    attempt(route, 300, gone);
    for (let round = 0; round < 3; round++) {
      const asked: string[] = [];
      for (let more = true; more; more = route.hasOther) {
        if (asked.length > 0 || round === 0) route.goOn();
        asked.push(attempt(route, 10, away));
      }
      expect(asked).toEqual(["b", "c"]);
      expect(route.again()).toBe(true);
    }
  });

  it("is asked once more after two seconds, by one call", () => {
    attempt(pool.begin(), 300, gone);
    nowMs += 1_990;
    expect(call()).toEqual(["b"]);
    nowMs += 20;
    const route = pool.begin();
    expect([route.server.url, route.timeoutMs(10_000)]).toEqual(["a", 1_000]);
    expect(call()).toEqual(["b"]);
  });

  it("is asked all the same where nobody else says a word", () => {
    pool = new ServerPool([a, b], { nowMs: () => nowMs, random: () => 0 });
    const route = pool.begin();
    const asked: string[] = [];
    for (let round = 0; round < 2; round++) {
      asked.push(attempt(route, 300, gone));
      route.goOn();
      asked.push(attempt(route, 300, gone));
      route.again();
    }
    expect(asked.toSorted()).toEqual(["a", "a", "b", "b"]);
  });
});

describe("the way of a call", () => {
  it("asks each server once in a round, and those that may still answer again", () => {
    const route = pool.begin();
    const asked = [attempt(route, 1, away)];
    route.goOn();
    asked.push(attempt(route, 1, lasting));
    route.goOn();
    asked.push(attempt(route, 1, away));
    expect([asked, route.hasOther]).toEqual([["a", "b", "c"], false]);
    expect(route.again()).toBe(true);
    asked.push(attempt(route, 1, lasting));
    expect(route.hasOther).toBe(true);
    route.goOn();
    asked.push(attempt(route, 1, lasting));
    expect([asked.slice(3), route.hasOther, route.again()]).toEqual([["a", "c"], false, false]);
  });

  it("gives a try half of what is left while there is another server, and the last one all of it", () => {
    const route = pool.begin();
    expect(route.timeoutMs(10_001)).toBe(5_000);
    route.failed(away);
    route.goOn();
    expect(route.timeoutMs(5_000)).toBe(2_500);
    route.failed(away);
    route.goOn();
    expect(route.timeoutMs(2_500)).toBe(2_500);
    expect(new ServerPool([a]).begin().timeoutMs(700)).toBe(700);
    expect(pool.begin().timeoutMs(1)).toBe(1);
  });

  it("gives one that failed before a second to show that it is back", () => {
    call(a);
    nowMs += 10_000;
    const route = pool.begin();
    expect([route.server.url, route.timeoutMs(10_000)]).toEqual(["a", 1_000]);
  });

  it("learns nothing from a silence that was too short, nor from what is no fault of the server", () => {
    attempt(pool.begin(), 249, silent);
    attempt(pool.begin(), 10_000, { ...away, rests: false });
    expect(call()).toEqual(["a"]);
    attempt(pool.begin(), 250, silent);
    expect(call()).toEqual(["b"]);
  });
});

import { type Random, seeds, withSeed } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import type { Operation } from "../history.ts";
import { type Box, type BoxOperation, perform, type Step } from "./box-operation.ts";
import { explain } from "./explain.ts";
import { Search } from "./search.ts";
import { tryHints } from "./try-hints.ts";

const FILE = "packages/checker/src/black-box/search.test.ts";
const CASES = 4000;
const NEVER = Number.POSITIVE_INFINITY;

/** The simple twin: tries every order. */
function hasOrder({ floors, operations, start }: Box): boolean {
  const next = (left: readonly BoxOperation[], balances: readonly bigint[]): boolean => {
    // What may never have been done can stay undone.
    if (left.every(({ returnMs }) => returnMs === NEVER)) return true;
    return left.some((operation) => {
      const others = left.filter((other) => other !== operation);
      if (others.some(({ returnMs }) => returnMs < operation.invokeMs)) return false;
      const after = perform(operation, balances, floors);
      return after !== undefined && next(others, after);
    });
  };
  return next(operations, start);
}

function randomStep(random: Random, accounts: number): Step {
  const amount = BigInt(1 + random.below(4));
  const from = random.below(accounts);
  const kind = random.below(accounts > 1 ? 3 : 2);
  if (kind === 0) return { from: -1, to: from, amount };
  if (kind === 1) return { from, to: -1, amount };
  return { from, to: (from + 1) % accounts, amount };
}

/** What could have happened: everything is done at a moment of its time, and told as it was. */
function randomBox(random: Random, size: number): Box {
  const accounts = 1 + random.below(3);
  const floors = Array.from({ length: accounts }, () => (random.chance(90) ? 0n : undefined));
  const start = Array.from({ length: accounts }, () => BigInt(random.below(6)));
  const drafts = Array.from({ length: size }, () => {
    const invokeMs = random.below(3 * size);
    const doneMs = invokeMs + random.below(8);
    return { invokeMs, doneMs, returnMs: doneMs + random.below(8) };
  }).sort((a, b) => a.doneMs - b.doneMs);
  let balances: readonly bigint[] = start;
  const operations = drafts.map(({ doneMs, invokeMs, returnMs }, n): BoxOperation => {
    const call = { source: { client: `c${n}` } as Operation, invokeMs, returnMs, hint: doneMs };
    if (random.chance(45)) {
      const read = Array.from({ length: accounts }, (_, account) => account).filter(() => random.chance(60));
      return { ...call, kind: "read", accounts: read, balances: read.map((account) => balances[account]!) };
    }
    const steps = Array.from({ length: random.chance(80) ? 1 : 2 }, () => randomStep(random, accounts));
    const after = perform({ ...call, kind: "move", steps }, balances, floors);
    if (after === undefined) return { ...call, kind: "refuse", steps };
    const isUnknown = random.chance(25);
    if (!isUnknown || random.chance(60)) balances = after;
    return { ...call, kind: "move", steps, ...(isUnknown ? { returnMs: NEVER, hint: undefined } : {}) };
  });
  return { names: start.map((_, n) => String(n)), start, floors, operations };
}

/** A lie, which may or may not show. */
function spoiled(box: Box, random: Random): Box {
  const at = random.below(box.operations.length);
  const operations = box.operations.map((operation, n): BoxOperation => {
    if (n !== at) return operation;
    if (operation.kind === "read") {
      const balances = operation.balances.map((balance) => balance + BigInt(random.below(3) - 1));
      return { ...operation, balances };
    }
    if (operation.returnMs !== NEVER && random.chance(50))
      return { ...operation, kind: operation.kind === "move" ? "refuse" : "move" };
    return { ...operation, invokeMs: operation.invokeMs - 3, returnMs: operation.invokeMs - 2 };
  });
  return { ...box, operations };
}

function search(box: Box) {
  return new Search(box, { left: 1_000_000 }).run();
}

describe("the search for an order", () => {
  it.each(seeds(1))("finds one exactly if there is one, seed %i", (seed) =>
    withSeed(seed, FILE, async (random) => {
      const found = { ok: 0, violated: 0, undecided: 0 };
      for (let n = 0; n < CASES; n++) {
        const box = randomBox(random, 2 + random.below(6));
        expect(search(box).kind, textOf(box)).toBe("ok");
        const bad = spoiled(box, random);
        const expected = hasOrder(bad) ? "ok" : "violated";
        expect(search(bad).kind, textOf(bad)).toBe(expected);
        found[expected]++;
        // A proof by hints is no less a proof.
        if (tryHints(bad)) expect(expected, textOf(bad)).toBe("ok");
      }
      expect(Math.min(found.ok, found.violated)).toBeGreaterThan(CASES / 10);
    }),
  );

  it.each(seeds(1))("explains by operations that contradict each other without the others, seed %i", (seed) =>
    withSeed(seed, FILE, async (random) => {
      let shorter = 0;
      for (let n = 0; n < CASES / 4; n++) {
        const box = spoiled(randomBox(random, 7), random);
        const result = search(box);
        if (result.kind !== "violated") continue;
        const { operations } = explain(box, result);
        // Everybody else may have done what they did, or not, and has seen nothing.
        const concerned = new Set(operations);
        const rest = result.window.flatMap((operation): readonly BoxOperation[] => {
          if (concerned.has(operation.source)) return [operation];
          return operation.kind === "move" ? [{ ...operation, returnMs: NEVER }] : [];
        });
        expect(search({ ...box, start: result.known, operations: rest }).kind, textOf(box)).toBe("violated");
        if (operations.length < box.operations.length) shorter++;
      }
      expect(shorter).toBeGreaterThan(10);
    }),
  );

  it("says that it is undecided when it has looked at too many states", () => {
    const source = { client: "c" } as Operation;
    // Each of them a power of two, so that no two sets of them make the same sum.
    const unknown = Array.from({ length: 12 }, (_, n): BoxOperation => {
      const steps = [{ from: -1, to: 0, amount: 1n << BigInt(n) }];
      return { source, kind: "move", invokeMs: 0, returnMs: NEVER, hint: undefined, steps };
    });
    const read = (balance: bigint): BoxOperation => {
      const when = { invokeMs: 1, returnMs: 2, hint: undefined };
      return { source, kind: "read", ...when, accounts: [0], balances: [balance] };
    };
    const box = (balance: bigint): Box => ({
      names: ["1"],
      start: [0n],
      floors: [0n],
      operations: [...unknown, read(balance)],
    });
    expect(new Search(box(1n << 12n), { left: 10_000 }).run().kind).toBe("undecided");
    expect(new Search(box(1n << 12n), { left: 1_000_000 }).run().kind).toBe("violated");
    expect(new Search(box(2741n), { left: 1_000_000 }).run().kind).toBe("ok");
  });

  describe("is not slowed down by unknown outcomes", () => {
    const source = { client: "c" } as Operation;
    const kindOf = (returnMs: number) => ({ source, kind: "move" as const, returnMs, hint: undefined });

    it("that nobody depends on", () => {
      const operations = Array.from({ length: 3000 }, (_, n): BoxOperation => {
        const steps = [{ from: -1, to: 0, amount: BigInt(n + 1) }];
        return { ...kindOf(n % 3 === 0 ? NEVER : n + 2), invokeMs: n, steps };
      });
      const box = { names: ["1"], start: [0n], floors: [0n], operations };
      expect(new Search(box, { left: 10_000 }).run().kind).toBe("ok");
    });

    it("of coupled accounts with enough in them", () => {
      const operations = Array.from({ length: 300 }, (_, n): BoxOperation => {
        const steps = [{ from: n % 2, to: (n + 1) % 2, amount: BigInt(n + 1) }];
        return { ...kindOf(n % 3 === 0 ? NEVER : n + 2), invokeMs: n, steps };
      });
      const box = { names: ["1", "2"], start: [100_000n, 100_000n], floors: [0n, 0n], operations };
      expect(new Search(box, { left: 100_000 }).run().kind).toBe("ok");
    });

    it("that are the same", () => {
      const same = Array.from({ length: 40 }, (_, n): BoxOperation => {
        return { ...kindOf(NEVER), invokeMs: n, steps: [{ from: -1, to: 0, amount: 1n }] };
      });
      const when = { invokeMs: 50, returnMs: 51, hint: undefined };
      const read: BoxOperation = { source, kind: "read", ...when, accounts: [0], balances: [20n] };
      const box = { names: ["1"], start: [0n], floors: [0n], operations: [...same, read] };
      expect(new Search(box, { left: 10_000 }).run().kind).toBe("ok");
      const none = { ...box, operations: [...same, { ...read, balances: [41n] }] };
      expect(new Search(none, { left: 10_000 }).run().kind).toBe("violated");
    });
  });
});

function textOf(box: Box): string {
  return JSON.stringify(box, (_, value: unknown) =>
    typeof value === "bigint" ? `${value}n` : value === NEVER ? "never" : value,
  );
}

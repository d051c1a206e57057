import type { AccountIndex, Position, RecordKind } from "@bank/core";
import { NaiveHistory, type Random, seeds, withSeed } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { MEMORY } from "./database.ts";
import { Projection } from "./projection.ts";
import type { AccountEntry, ListFilter } from "./queries.ts";
import { RandomJournal, type TestBatch } from "./random-journal.test-util.ts";

const FILE = "packages/history/src/projection.prop.test.ts";
const BATCHES = 300;

/** Looks at few entries a page, so that pages end for that reason too. */
const SCAN_MAX = 7;

class Twins {
  readonly journal: RandomJournal;
  readonly naive = new NaiveHistory();
  readonly projection = Projection.open(MEMORY, { scanMax: SCAN_MAX });
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
    this.journal = new RandomJournal(random);
  }

  /** Adds up to so many batches as one transaction. */
  grow(batchesMax: number): void {
    const batches: TestBatch[] = [];
    const count = 1 + this.random.below(batchesMax);
    for (let i = 0; i < count; i++) batches.push(this.journal.grow());
    for (const batch of batches) this.naive.add(batch);
    const { chainHash } = batches.at(-1)!;
    const head = this.projection.project({ frames: batches.map(({ frame }) => frame), chainHash });
    expect(head.position).toBe(this.naive.position);
    if (this.random.chance(20)) this.projection.keep();
  }

  account(): AccountIndex {
    return this.random.below(this.journal.accounts) as AccountIndex;
  }

  time(): number {
    return this.random.pick(this.journal.batches).timeMs + this.random.below(3) - 1;
  }

  filter(): ListFilter {
    const { random } = this;
    const maybe = <T>(percent: number, value: () => T) => (random.chance(percent) ? value() : undefined);
    return {
      fromMs: maybe(20, () => this.time()),
      beforeMs: maybe(20, () => this.time()),
      kinds: maybe(30, () => Array.from({ length: random.below(4) }, () => (1 + random.below(21)) as RecordKind)),
      amountMin: maybe(20, () => BigInt(random.below(200))),
      amountMax: maybe(20, () => BigInt(random.below(50_000))),
      counterparty: maybe(20, () => this.account()),
    };
  }
}

describe("a projection of a random journal", () => {
  it.each(seeds(3))(
    "has at every position the balances of the naive history, and every transaction, with seed %i",
    (seed) =>
      withSeed(seed, FILE, async (random) => {
        const twins = new Twins(random);
        while (twins.journal.batches.length < BATCHES) twins.grow(10);
        const { naive, projection, journal } = twins;
        for (let position = 1; position <= naive.position; position++) {
          for (let index = 0; index < journal.accounts; index++) {
            const account = index as AccountIndex;
            const balance = projection.ask("balance", { account, position });
            expect(balance, `account ${account} at ${position}`).toEqual(naive.balance(account, position));
          }
          const upper = Math.min(naive.position, position + random.below(300));
          const transaction = projection.ask("transaction", { position, upper });
          expect(transaction, `position ${position} as of ${upper}`).toEqual(naive.transaction(position, upper));
        }
        projection.close();
      }),
    120_000,
  );

  it.each(seeds(3))("finds the last position of every moment, with seed %i", (seed) =>
    withSeed(seed, FILE, async (random) => {
      const twins = new Twins(random);
      while (twins.journal.batches.length < BATCHES) twins.grow(10);
      const times = new Set(twins.journal.batches.flatMap(({ timeMs }) => [timeMs - 1, timeMs, timeMs + 1]));
      for (const timeMs of [0, ...times, Number.MAX_SAFE_INTEGER - 1])
        expect(twins.projection.ask("positionAt", { timeMs }), `${timeMs}`).toBe(twins.naive.positionAt(timeMs));
      twins.projection.close();
    }),
  );

  it.each(seeds(3))(
    "lists in pages what the naive history lists, while new transactions arrive, with seed %i",
    (seed) =>
      withSeed(seed, FILE, async (random) => {
        const twins = new Twins(random);
        const { naive, projection } = twins;
        twins.grow(5);
        for (let round = 0; round < 250; round++) {
          if (round % 3 === 0) twins.grow(5);
          const list = {
            account: twins.account(),
            upper: 1 + random.below(naive.position),
            oldestFirst: random.chance(50),
            filter: twins.filter(),
          };
          const wanted = naive.list(list);
          const expected = random.chance(50) ? naive.balance(list.account, list.upper) : undefined;
          const got: AccountEntry[] = [];
          let cursor: Position | undefined;
          let pages = 0;
          do {
            const pageSize = 1 + random.below(8);
            const page = projection.ask("list", { ...list, cursor, pageSize, expected });
            expect(page.entries.length).toBeLessThanOrEqual(pageSize);
            expect(page.timeMs).toBe(naive.balance(list.account, list.upper).timeMs);
            got.push(...page.entries);
            cursor = page.next;
            // More of the same arrives between two pages.
            if (random.chance(30)) twins.grow(2);
            expect(++pages).toBeLessThanOrEqual(naive.position + 1);
          } while (cursor !== undefined);
          expect(
            got,
            JSON.stringify(list, (_, value) => (typeof value === "bigint" ? String(value) : value)),
          ).toEqual(wanted);
        }
        projection.close();
      }),
    120_000,
  );
});

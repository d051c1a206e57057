import { type Random, seeds, withSeed } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { checkHistory } from "./check-history.ts";
import { aboutHistory } from "./format/history-writer.ts";
import {
  accountsOf,
  type History,
  isRead,
  type Movement,
  movementsOf,
  type Operation,
  type ReadOperation,
  sidesOf,
  type WitnessRecord,
  type WriteOperation,
} from "./history.ts";
import { renderReport } from "./render-report.ts";

const FILE = "packages/checker/src/both-checkers.test.ts";
const CASES = 250;
const ACCOUNTS = ["1", "2"];

/** A few calls of a few clients whose answers are guessed, so that often no order explains them. */
function randomCalls(random: Random): readonly Operation[] {
  return Array.from({ length: 2 + random.below(4) }, (_, n): Operation => {
    const invokeMs = random.below(12);
    const call = { client: `c${n}`, invokeMs, returnMs: invokeMs + random.below(6) };
    const account = random.pick(ACCOUNTS);
    if (random.chance(40)) {
      const accounts = random.chance(40) ? ACCOUNTS : [account];
      const balances = accounts.map(() => BigInt(random.below(3)));
      const kind = accounts.length > 1 ? "total" : "balance";
      return { ...call, kind, accounts, consistency: { mode: "linearizable" }, outcome: okAt(0, balances) };
    }
    const action: Movement = random.chance(30)
      ? { kind: "transfer", from: account, to: account === "1" ? "2" : "1", amount: 1n }
      : { kind: random.chance(60) ? "deposit" : "withdraw", account, amount: BigInt(1 + random.below(2)) };
    const request = `r${n}`;
    if (random.chance(15)) return { ...call, ...action, request, returnMs: undefined, outcome: { status: "unknown" } };
    if (action.kind !== "deposit" && random.chance(40))
      return { ...call, ...action, request, outcome: { status: "rejected", reason: "INSUFFICIENT_FUNDS" } };
    return { ...call, ...action, request, outcome: { status: "ok", position: 0 } };
  });
}

function okAt(position: number, balances: readonly bigint[]) {
  return { status: "ok", position, balances } as const;
}

function* permutations<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length === 0) yield [];
  for (const item of items)
    for (const rest of permutations(items.filter((other) => other !== item))) yield [item, ...rest];
}

function* subsets<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let bits = 0; bits < 1 << items.length; bits++) yield items.filter((_, n) => (bits & (1 << n)) !== 0);
}

/** The history as it would be if the bank had done it all in that order. */
function journaled(order: readonly Operation[], never: readonly Operation[]): History {
  const records: WitnessRecord[] = [];
  const operations: Operation[] = [...never];
  const start = ["cash", ...ACCOUNTS];
  for (const operation of order) {
    if (isRead(operation)) operations.push(readAt(operation, records.length));
    else {
      records.push(recordOf(operation, records.length + 1));
      operations.push(writeAt(operation, records.length));
    }
  }
  const accounts = start.map((account) => {
    const floor = account === "cash" ? ("none" as const) : undefined;
    return { account, currency: "USD", balance: 0n, floor };
  });
  return { about: aboutHistory(), accounts, records, operations };
}

function readAt(read: ReadOperation, position: number): ReadOperation {
  return read.outcome.status === "ok" ? { ...read, outcome: { ...read.outcome, position } } : read;
}

function writeAt(write: WriteOperation, position: number): WriteOperation {
  const { outcome } = write;
  if (outcome.status !== "ok" && outcome.status !== "rejected") return write;
  return { ...write, outcome: { ...outcome, position } };
}

function recordOf(write: WriteOperation, position: number): WitnessRecord {
  const { request } = write;
  if (write.outcome.status === "rejected") return { position, kind: "rejected", request, reason: write.outcome.reason };
  const movement = movementsOf(write)![0]!;
  const { from = "cash", to = "cash" } = sidesOf(movement);
  const kind = movement.kind === "withdraw" ? "withdrawal" : movement.kind;
  return { position, kind, request, debit: from, credit: to, amount: movement.amount };
}

describe("the two checkers", () => {
  it.each(seeds(1))("agree: there is an order exactly if some journal would be right, seed %i", (seed) =>
    withSeed(seed, FILE, async (random) => {
      const agreed = { ok: 0, violated: 0 };
      for (let n = 0; n < CASES; n++) {
        const calls = randomCalls(random);
        const open = calls.filter(({ outcome }) => outcome.status === "unknown");
        let byJournal = false;
        for (const never of subsets(open)) {
          const done = calls.filter((call) => !never.includes(call));
          for (const order of permutations(done)) {
            byJournal = checkHistory(journaled(order, never), { blackBox: false }).verdict === "ok";
            if (byJournal) break;
          }
          if (byJournal) break;
        }
        // In the order of the calls, which hints at nothing.
        const blind: History = {
          ...journaled([], calls),
          about: aboutHistory({ hasJournal: false }),
        };
        const report = checkHistory(blind, { useHints: false });
        const isFound = report.violations.some(({ guarantee }) => guarantee === "linearizable");
        expect(report.undecided).toEqual([]);
        expect(!isFound, `${renderReport(report).join("\n")}\n${calls.flatMap(accountsOf)}`).toBe(byJournal);
        agreed[byJournal ? "ok" : "violated"]++;
      }
      expect(Math.min(agreed.ok, agreed.violated)).toBeGreaterThan(CASES / 10);
    }),
  );
});

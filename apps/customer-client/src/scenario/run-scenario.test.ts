import { describe, expect, it } from "vitest";
import { MemoryScenarioBank } from "./memory-scenario-bank.test-util.ts";
import { readScenario } from "./read-scenario.ts";
import type { RunOptions } from "./run-scenario.ts";
import { runScenario } from "./run-scenario.ts";

const BRANCHES = `{"id": 1, "type": "branch", "balance": 10}, {"id": 2, "type": "branch", "balance": 10}`;

const PER_CUSTOMER = `[
  {"id": 1, "type": "customer", "events": [{"interface": "deposit", "money": 5}, {"interface": "query"}]},
  {"id": 2, "type": "customer", "events": [{"interface": "withdraw", "money": 40}, {"interface": "withdraw", "money": 1}]},
  ${BRANCHES}]`;

const EXTENDED = `{"branches": [1, 2], "accounts": [{"name": "a", "balance": 9, "branch": 2}, {"name": "b", "balance": 0}],
  "customers": [{"id": 1, "events": [
    {"interface": "transfer", "from": "a", "to": "b", "branch": 1, "money": 2.50},
    {"interface": "query", "account": "b", "branch": 2}]}]}`;

async function run(text: string, options: RunOptions = {}, bank = new MemoryScenarioBank()) {
  const answers = await runScenario(readScenario(text, "f"), bank, options);
  return { answers, bank };
}

describe("runScenario, one customer after another", () => {
  it("opens the shared account at the head office, then goes through the events in the order of the file", async () => {
    const { answers, bank } = await run(PER_CUSTOMER);
    expect(bank.calls).toEqual([
      "open A1 =1000 @0",
      "#0 deposit A1 +500 @1",
      "#0 balance A1 @1",
      "#1 withdraw A1 -4000 @2",
      "#1 withdraw A1 -100 @2",
    ]);
    expect(answers).toMatchObject([
      { id: 1, answers: [{ outcome: "success" }, { balanceMinor: 1500n }] },
      { id: 2, answers: [{ outcome: "fail" }, { outcome: "success" }] },
    ]);
  });

  it("never has two calls under way", async () => {
    const bank = new MemoryScenarioBank();
    bank.before = async () => {
      await Promise.resolve();
      expect(bank.underWay).toBe(1);
    };
    await run(PER_CUSTOMER, {}, bank);
  });

  it("gives each customer object a session of its own, the same id twice included", async () => {
    const { bank } = await run(`[
      {"id": 1, "type": "customer", "events": [{"interface": "query"}]},
      {"id": 1, "type": "customer", "events": [{"interface": "query"}]}, ${BRANCHES}]`);
    expect(bank.sessions).toEqual([0, 1]);
    expect(bank.calls.slice(1)).toEqual(["#0 balance A1 @1", "#1 balance A1 @1"]);
  });

  it("keeps a customer's session over several branches", async () => {
    const { bank } = await run(`[
      {"id": 1, "type": "customer", "events": [
        {"interface": "deposit", "money": 1, "branch": 1}, {"interface": "query", "branch": 2}]}, ${BRANCHES}]`);
    expect(bank.sessions).toEqual([0]);
    expect(bank.calls.slice(1)).toEqual(["#0 deposit A1 +100 @1", "#0 balance A1 @2"]);
  });

  it("opens each account of an extended file at its home, and transfers between them", async () => {
    const { answers, bank } = await run(EXTENDED);
    expect(bank.calls).toEqual(["open A1 =900 @2", "open A2 =0 @0", "#0 transfer A1 A2 250 @1", "#0 balance A2 @2"]);
    expect(answers).toMatchObject([{ id: 1, answers: [{ outcome: "success" }, { balanceMinor: 250n }] }]);
  });

  it("passes an error on, and asks nothing more", async () => {
    const bank = new MemoryScenarioBank();
    bank.before = async (call) => {
      if (call.startsWith("#0 balance")) throw new Error("no answer");
    };
    await expect(run(PER_CUSTOMER, {}, bank)).rejects.toThrow("no answer");
    expect(bank.calls).toEqual(["open A1 =1000 @0", "#0 deposit A1 +500 @1"]);
  });
});

describe("runScenario with balances", () => {
  it("reads the balance after each change at the same branch, rejected changes too", async () => {
    const { answers, bank } = await run(PER_CUSTOMER, { balances: true });
    expect(bank.calls).toEqual([
      "open A1 =1000 @0",
      "#0 deposit A1 +500 @1",
      "#0 balance A1 @1",
      "#0 balance A1 @1",
      "#1 withdraw A1 -4000 @2",
      "#1 balance A1 @2",
      "#1 withdraw A1 -100 @2",
      "#1 balance A1 @2",
    ]);
    expect(answers).toMatchObject([
      { answers: [{ outcome: "success", balanceMinor: 1500n }, { balanceMinor: 1500n }] },
      {
        answers: [
          { outcome: "fail", balanceMinor: 1500n },
          { outcome: "success", balanceMinor: 1400n },
        ],
      },
    ]);
  });

  it("reads both balances after a transfer", async () => {
    const { answers } = await run(EXTENDED, { balances: true });
    expect(answers[0]?.answers[0]).toMatchObject({ outcome: "success", fromBalanceMinor: 650n, toBalanceMinor: 250n });
  });
});

describe("runScenario of a final-balance file", () => {
  const customer = (id: number, events: string): string => `{"id": ${id}, "type": "customer", "events": [${events}]}`;

  it("answers with the last query, also when events come after it", async () => {
    const events = `{"interface": "query", "dest": 1}, {"interface": "deposit", "money": 1, "dest": 1},
      {"interface": "query", "dest": 2}, {"interface": "deposit", "money": 1, "dest": 1}`;
    const { answers } = await run(`[${customer(1, events)}, ${BRANCHES}]`);
    expect(answers).toMatchObject([{ id: 1, finalBalanceMinor: 1100n }]);
  });

  it("reads the balance after the last event, at its branch, when there is no query", async () => {
    const events = `{"interface": "deposit", "money": 1, "dest": 1}, {"interface": "withdraw", "money": 4, "dest": 2}`;
    const { answers, bank } = await run(`[${customer(1, events)}, ${BRANCHES}]`);
    expect(answers).toMatchObject([{ id: 1, finalBalanceMinor: 700n }]);
    expect(bank.calls.at(-1)).toBe("#0 balance A1 @2");
  });

  it("reads the balance at its turn for a customer without events", async () => {
    const deposit = `{"interface": "deposit", "money": 1, "dest": 2}`;
    const customers = [customer(1, deposit), customer(8, ""), customer(1, deposit)].join(",");
    const { answers } = await run(`[${customers}, ${BRANCHES}]`);
    expect(answers.map((each) => each.finalBalanceMinor)).toEqual([1100n, 1100n, 1200n]);
  });
});

describe("runScenario with all customers at once", () => {
  /** Lets each call begin, and end only when all `count` customers have one under way. */
  function meeting(bank: MemoryScenarioBank, count: number): void {
    let arrived: (() => void)[] = [];
    bank.before = (call) =>
      new Promise((resolve) => {
        if (call.startsWith("open")) return resolve();
        arrived.push(resolve);
        if (arrived.length < count) return;
        for (const go of arrived) go();
        arrived = [];
      });
  }

  const customers = (count: number, events: string): string =>
    `[${Array.from({ length: count }, () => `{"id": 1, "type": "customer", "events": [${events}]}`).join(",")}, ${BRANCHES}]`;

  it("has an event of every customer under way at the same time", async () => {
    const bank = new MemoryScenarioBank();
    meeting(bank, 100);
    const events = '{"interface": "deposit", "money": 1}, {"interface": "query"}';
    const { answers } = await run(customers(100, events), { concurrent: true }, bank);
    expect(answers).toHaveLength(100);
    expect(answers.every((each) => each.answers.length === 2)).toBe(true);
  });

  it("keeps each customer's events in order and the entries in the order of the file", async () => {
    const bank = new MemoryScenarioBank();
    // The first customer's calls always come last.
    bank.before = async (call) => {
      for (let turn = 0; turn < (call.startsWith("#0") ? 50 : 1); turn++) await Promise.resolve();
    };
    const { answers } = await run(PER_CUSTOMER, { concurrent: true }, bank);
    expect(bank.calls).toEqual([
      "open A1 =1000 @0",
      "#1 withdraw A1 -4000 @2",
      "#1 withdraw A1 -100 @2",
      "#0 deposit A1 +500 @1",
      "#0 balance A1 @1",
    ]);
    expect(answers).toMatchObject([
      { id: 1, answers: [{ outcome: "success" }, { balanceMinor: 1400n }] },
      { id: 2, answers: [{ outcome: "fail" }, { outcome: "success" }] },
    ]);
  });

  it("passes the first error on once nothing is under way, and sends no further events", async () => {
    const bank = new MemoryScenarioBank();
    let release: (() => void) | undefined;
    bank.before = (call) => {
      if (call.startsWith("open")) return Promise.resolve();
      // The second customer fails while the first one's call is still under way; the third fails after that.
      if (call.startsWith("#0")) return new Promise((resolve) => (release = resolve));
      if (call.startsWith("#1")) return Promise.reject(new Error("first"));
      return Promise.resolve().then(() => {
        release?.();
        throw new Error("second");
      });
    };
    const events = '{"interface": "deposit", "money": 1}, {"interface": "query"}';
    await expect(run(customers(3, events), { concurrent: true }, bank)).rejects.toThrow("first");
    expect(bank.underWay).toBe(0);
    expect(bank.calls.slice(1)).toEqual(["#0 deposit A1 +100 @1"]);
  });
});

import { describe, expect, it } from "vitest";
import { type BudgetedCall, RetryBudget } from "./retry-budget.ts";

const forever = new AbortController().signal;

/** Whether the call may try again by now. */
async function admitted(budget: RetryBudget, call: BudgetedCall): Promise<boolean> {
  return Promise.race([budget.admit(call, forever), settled().then(() => false)]);
}

/** Everything that is under way has come as far as it can. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A budget that has nothing at all left: four more calls may be made until there is a retry again. */
async function spent(): Promise<RetryBudget> {
  const budget = new RetryBudget();
  const calls = Array.from({ length: 15 }, () => budget.begin());
  // 10 at first, and 3 that fifteen calls add.
  for (const call of calls.slice(0, 13)) expect(await admitted(budget, call)).toBe(true);
  expect(calls.some(({ isScout }) => isScout)).toBe(false);
  return budget;
}

describe("the budget of retries", () => {
  it("begins with a few, and gets one with every fifth call", async () => {
    const budget = new RetryBudget();
    const calls = Array.from({ length: 100 }, () => budget.begin());
    let granted = 0;
    for (const call of calls) if (await admitted(budget, call)) granted++;
    // 10 at first, 20 of the calls, and the scout.
    expect(granted).toBe(31);
  });

  it("saves up no more than a hundred", async () => {
    const budget = new RetryBudget();
    const calls = Array.from({ length: 5_000 }, () => budget.begin());
    let granted = 0;
    for (const call of calls.slice(0, 200)) if (await admitted(budget, call)) granted++;
    expect(granted).toBe(101);
  });

  it("lets a call that is alone try as often as it likes", async () => {
    const budget = new RetryBudget();
    const call = budget.begin();
    for (let retry = 0; retry < 1_000; retry++) expect(await admitted(budget, call)).toBe(true);
    budget.end(call, true);
  });

  it("lets one at a time go ahead for nothing, and the next when that one has ended", async () => {
    const budget = await spent();
    const [scout, next] = [budget.begin(), budget.begin()];
    const gone: string[] = [];
    void budget.admit(scout, forever).then(() => gone.push("scout"));
    void budget.admit(next, forever).then(() => gone.push("next"));
    await settled();
    expect(gone).toEqual(["scout"]);
    expect(await admitted(budget, scout)).toBe(true);
    budget.end(scout, false);
    await settled();
    expect(gone).toEqual(["scout", "next"]);
  });

  it("lets the line go in its order, twice as many after each answer, and one after a failure", async () => {
    const budget = new RetryBudget();
    const calls = Array.from({ length: 40 }, () => budget.begin());
    const gone: number[] = [];
    const scout = (i: number) => calls[i] as BudgetedCall;
    calls.forEach((call, i) => {
      void budget.admit(call, forever).then(() => gone.push(i));
    });
    await settled();
    // 10 at first, 8 of the calls, and the scout.
    expect(gone).toEqual(Array.from({ length: 19 }, (_, i) => i));
    budget.end(scout(18), true);
    await settled();
    expect(gone.slice(19)).toEqual([19, 20]);
    budget.end(scout(19), true);
    await settled();
    expect(gone.slice(21)).toEqual([21, 22, 23]);
    // One of the four that are ahead fails: it waits like the others, and until no other is ahead nobody follows.
    void budget.admit(scout(20), forever).then(() => gone.push(20));
    budget.end(scout(21), false);
    budget.end(scout(22), false);
    await settled();
    expect(gone.slice(24)).toEqual([]);
    budget.end(scout(23), false);
    await settled();
    expect(gone.slice(24)).toEqual([24]);
  });

  it("gives up a wait when it is told to, and forgets who waited", async () => {
    const budget = await spent();
    const [scout, last] = [budget.begin(), budget.begin()];
    expect(await admitted(budget, scout)).toBe(true);
    const ending = new AbortController();
    const waiting = budget.admit(last, ending.signal);
    await settled();
    ending.abort();
    expect(await waiting).toBe(false);
    expect(await budget.admit(last, ending.signal)).toBe(false);
    budget.end(scout, true);
    expect(last.isScout).toBe(false);
    expect(await admitted(budget, budget.begin())).toBe(true);
  });
});

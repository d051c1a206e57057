import type { Answer, CustomerAnswers } from "./run-scenario.ts";
import type { ScenarioShape } from "./scenario.ts";
import { formatUnits } from "./scenario-currency.ts";

/**
 * The output file of a run: JSON, indented by two, with a line end behind it.
 *
 * - `per-customer`: one `{"id", "recv": […]}` for each customer object.
 * - `per-event` and `extended`: one `{"id", "recv": [one entry]}` for each event, `id` being the customer's.
 * - `final-balance`: one `{"id", "balance"}` for each customer object.
 *
 * Money is JSON numbers in whole units, written from the exact minor units: `570`, `12.34`.
 */
export function writeOutput(shape: ScenarioShape, customers: readonly CustomerAnswers[]): string {
  return `${JSON.stringify(outputOf(shape, customers), null, 2)}\n`;
}

function outputOf(shape: ScenarioShape, customers: readonly CustomerAnswers[]): object[] {
  switch (shape) {
    case "per-customer":
      return customers.map(({ id, answers }) => ({ id, recv: answers.map((answer) => entry(answer)) }));
    case "per-event":
      return customers.flatMap(({ id, answers }) => answers.map((answer) => ({ id, recv: [placedEntry(answer)] })));
    case "extended":
      return customers.flatMap(({ id, answers }) => answers.map((answer) => ({ id, recv: [accountEntry(answer)] })));
    case "final-balance":
      return customers.map(({ id, finalBalanceMinor }) => ({ id, balance: units(finalBalanceMinor) }));
  }
}

function entry(answer: Answer): object {
  return { interface: answer.event.interface, ...received(answer) };
}

function placedEntry(answer: Answer): object {
  return { interface: answer.event.interface, branch: answer.event.branch, ...received(answer) };
}

function accountEntry(answer: Answer): object {
  const { event } = answer;
  const accounts = event.interface === "transfer" ? { from: event.from, to: event.to } : { account: event.account };
  return { interface: event.interface, branch: event.branch, ...accounts, ...received(answer) };
}

/** What the bank answered. `JSON.stringify` leaves out the balances that are undefined because nobody asked for them. */
function received(answer: Answer): object {
  if (!("outcome" in answer)) return { balance: units(answer.balanceMinor) };
  if ("fromBalanceMinor" in answer || "toBalanceMinor" in answer) {
    return {
      result: answer.outcome,
      fromBalance: units(answer.fromBalanceMinor),
      toBalance: units(answer.toBalanceMinor),
    };
  }
  return { result: answer.outcome, balance: units("balanceMinor" in answer ? answer.balanceMinor : undefined) };
}

// In Node since version 21, but not yet in TypeScript's library. It puts a number's text into the JSON as it is, where
// a float would round amounts above 2^53.
const { rawJSON } = JSON as typeof JSON & { rawJSON(text: string): object };

/** The exact amount as a JSON number, whole where it is whole. */
function units(minor: bigint | undefined): object | undefined {
  return minor === undefined ? undefined : rawJSON(formatUnits(minor).replace(/\.00$/, ""));
}

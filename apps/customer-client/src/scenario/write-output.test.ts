import { describe, expect, it } from "vitest";
import type { Answer } from "./run-scenario.ts";
import { writeOutput } from "./write-output.ts";

const ACCOUNT = "shared";
const deposit: Answer = {
  event: { interface: "deposit", branch: 2, account: ACCOUNT, amountMinor: 5n },
  outcome: "success",
};
const withdraw: Answer = {
  event: { interface: "withdraw", branch: 3, account: ACCOUNT, amountMinor: 5n },
  outcome: "fail",
};
const query = (balanceMinor: bigint): Answer => ({
  event: { interface: "query", branch: 2, account: ACCOUNT },
  balanceMinor,
});

describe("writeOutput", () => {
  it("gives a per-customer file one indented entry for each customer object, in order", () => {
    const output = writeOutput("per-customer", [
      { id: 2, answers: [deposit, query(57_000n)] },
      { id: 1, answers: [] },
      { id: 2, answers: [withdraw] },
    ]);
    expect(output).toBe(`[
  {
    "id": 2,
    "recv": [
      {
        "interface": "deposit",
        "result": "success"
      },
      {
        "interface": "query",
        "balance": 570
      }
    ]
  },
  {
    "id": 1,
    "recv": []
  },
  {
    "id": 2,
    "recv": [
      {
        "interface": "withdraw",
        "result": "fail"
      }
    ]
  }
]
`);
  });

  it("gives a per-event file one entry for each event, with its branch and the customer's id", () => {
    const output = writeOutput("per-event", [
      { id: 7, answers: [deposit, query(1n)] },
      { id: 8, answers: [] },
      { id: 9, answers: [withdraw] },
    ]);
    expect(JSON.parse(output)).toEqual([
      { id: 7, recv: [{ interface: "deposit", branch: 2, result: "success" }] },
      { id: 7, recv: [{ interface: "query", branch: 2, balance: 0.01 }] },
      { id: 9, recv: [{ interface: "withdraw", branch: 3, result: "fail" }] },
    ]);
    expect(output.replace(/\s/g, "")).toContain('{"interface":"deposit","branch":2,"result":"success"}');
  });

  it("gives a final-balance file one balance for each customer object", () => {
    const output = writeOutput("final-balance", [
      { id: 1, answers: [deposit], finalBalanceMinor: 0n },
      { id: 1, answers: [], finalBalanceMinor: 1250n },
    ]);
    expect(JSON.parse(output)).toEqual([
      { id: 1, balance: 0 },
      { id: 1, balance: 12.5 },
    ]);
  });

  it("gives an extended file one entry for each event, with its accounts", () => {
    const transfer: Answer = {
      event: { interface: "transfer", branch: 1, from: "a", to: "b", amountMinor: 5n },
      outcome: "success",
    };
    const output = writeOutput("extended", [{ id: 7, answers: [transfer, query(100n)] }]);
    expect(JSON.parse(output)).toEqual([
      { id: 7, recv: [{ interface: "transfer", branch: 1, from: "a", to: "b", result: "success" }] },
      { id: 7, recv: [{ interface: "query", branch: 2, account: "shared", balance: 1 }] },
    ]);
    const withBalances: Answer = { ...transfer, fromBalanceMinor: 0n, toBalanceMinor: 1005n };
    expect(JSON.parse(writeOutput("extended", [{ id: 7, answers: [withBalances] }]))).toEqual([
      {
        id: 7,
        recv: [
          { interface: "transfer", branch: 1, from: "a", to: "b", result: "success", fromBalance: 0, toBalance: 10.05 },
        ],
      },
    ]);
  });

  it("adds balances behind the results where there are some", () => {
    const output = writeOutput("per-customer", [{ id: 1, answers: [{ ...withdraw, balanceMinor: 300n }] }]);
    expect(JSON.parse(output)).toEqual([{ id: 1, recv: [{ interface: "withdraw", result: "fail", balance: 3 }] }]);
  });

  it.each([
    [0n, "0"],
    [1n, "0.01"],
    [10n, "0.10"],
    [100n, "1"],
    [1234n, "12.34"],
    [9223372036854775807n, "92233720368547758.07"],
    [9223372036854775800n, "92233720368547758"],
    [-250n, "-2.50"],
  ])("writes %s minor units as the number %s, exactly", (minor, text) => {
    expect(writeOutput("per-customer", [{ id: 1, answers: [query(minor)] }])).toContain(`"balance": ${text}\n`);
  });

  it("writes an empty array for a file without customers", () => {
    expect(writeOutput("per-event", [])).toBe("[]\n");
  });
});

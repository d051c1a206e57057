import { describe, expect, it } from "vitest";
import { checkHistory } from "./check-history.ts";
import { aboutHistory } from "./format/history-writer.ts";
import type { History, Operation, ReadOperation, WitnessRecord, WriteOperation } from "./history.ts";

const NO_JOURNAL = aboutHistory({ hasJournal: false });

function deposit(account: string, times: readonly [number, number | undefined], amount = 10n): WriteOperation {
  const [invokeMs, returnMs] = times;
  const outcome = returnMs === undefined ? ({ status: "unknown" } as const) : ({ status: "ok", position: 0 } as const);
  const request = `${account}-${invokeMs}-${amount}`;
  return { client: request, kind: "deposit", account, amount, request, invokeMs, returnMs, outcome };
}

function read(balances: Readonly<Record<string, bigint>>, times: readonly [number, number]): ReadOperation {
  const [invokeMs, returnMs] = times;
  const accounts = Object.keys(balances);
  return {
    client: `reader-${invokeMs}`,
    kind: accounts.length === 1 ? "balance" : "total",
    accounts,
    consistency: { mode: "linearizable" },
    invokeMs,
    returnMs,
    outcome: { status: "ok", position: 0, balances: Object.values(balances) },
  };
}

function blind(...operations: readonly Operation[]): History {
  return { about: NO_JOURNAL, accounts: [], records: [], operations };
}

function linearizableIn(history: History) {
  const { violations } = checkHistory(history, { useHints: false });
  return violations.filter(({ guarantee }) => guarantee === "linearizable");
}

describe("the black-box checker", () => {
  it("sees two readers who saw two deposits in different orders, which no account shows by itself", () => {
    const deposits = [deposit("1", [0, 100]), deposit("2", [0, 100])];
    const [first, second] = [read({ "1": 10n, "2": 0n }, [10, 20]), read({ "1": 0n, "2": 10n }, [10, 20])];
    const [violation, ...others] = linearizableIn(blind(...deposits, first, second));
    expect(others).toEqual([]);
    expect(new Set(violation?.operations)).toEqual(new Set([first, second]));
    // One of them alone is right.
    expect(linearizableIn(blind(...deposits, first))).toEqual([]);
    expect(linearizableIn(blind(...deposits, second))).toEqual([]);
  });

  it("names an account alone where it is wrong alone", () => {
    const coupled = read({ "1": 10n, "2": 0n }, [1, 2]);
    const stale = read({ "1": 0n }, [30, 40]);
    const written = deposit("1", [0, 20]);
    const [violation, ...others] = linearizableIn(blind(written, coupled, stale, deposit("2", [50, 60])));
    expect(others).toEqual([]);
    expect(violation?.message).toBe(
      "no order explains this answer, from when the state was known: at 20 ms account 1 held 10",
    );
    expect(violation?.operations).toEqual([stale, written]);
  });

  it("takes all attempts of a request for one", () => {
    const first = { ...deposit("1", [0, undefined]), request: "r" };
    const retry = { ...deposit("1", [50, 60]), request: "r" };
    const early = read({ "1": 10n }, [10, 20]);
    expect(linearizableIn(blind(first, early, retry, read({ "1": 10n }, [70, 80])))).toEqual([]);
    expect(linearizableIn(blind(first, early, retry, read({ "1": 20n }, [70, 80])))).toHaveLength(1);
    // Without the first attempt nobody could have seen it so early.
    expect(linearizableIn(blind(early, retry))).toHaveLength(1);
  });

  it("takes an effect of what was not applied for one that cannot be", () => {
    const refused: Operation = { ...deposit("1", [0, 5]), outcome: { status: "notApplied" } };
    expect(linearizableIn(blind(refused, read({ "1": 10n }, [10, 20])))).toHaveLength(1);
    expect(linearizableIn(blind(refused, read({ "1": 0n }, [10, 20])))).toEqual([]);
  });

  it("judges rejections by what was there", () => {
    const rejected = ([invokeMs, returnMs]: readonly [number, number]): Operation => ({
      client: "c",
      kind: "withdraw",
      account: "1",
      amount: 10n,
      request: "w",
      invokeMs,
      returnMs,
      outcome: { status: "rejected", reason: "INSUFFICIENT_FUNDS" },
    });
    expect(linearizableIn(blind(deposit("1", [0, 10]), rejected([5, 20])))).toEqual([]);
    expect(linearizableIn(blind(deposit("1", [0, 10]), rejected([11, 20])))).toHaveLength(1);
  });

  it("says that it is undecided, and not ok, when it has looked at too many states", () => {
    const unknown = Array.from({ length: 14 }, (_, n) => deposit("1", [0, undefined], 1n << BigInt(n)));
    const history = blind(...unknown, read({ "1": 9999n }, [5, 6]));
    expect(checkHistory(history, { statesMax: 500 })).toMatchObject({
      verdict: "undecided",
      violations: [],
      undecided: [{ accounts: ["1"], reason: "more than 500 states, at 6 ms" }],
    });
    expect(checkHistory(history).verdict).toBe("ok");
  });
});

describe("a history that does not begin at the beginning", () => {
  const accounts = [
    { account: "cash", currency: "USD", balance: -70n, floor: "none" as const },
    { account: "1", currency: "USD", balance: 70n, floor: 50n },
  ];
  const record: WitnessRecord = { position: 101, kind: "withdrawal", debit: "1", credit: "cash", amount: 20n };
  const withdrawal = (outcome: WriteOperation["outcome"]): Operation => ({
    client: "c",
    kind: "withdraw",
    account: "1",
    amount: 20n,
    request: "w",
    invokeMs: 1,
    returnMs: 2,
    outcome,
  });
  const shown = (balance: bigint, position: number): Operation => ({
    ...read({ "1": balance }, [3, 4]),
    outcome: { status: "ok", position, balances: [balance] },
  });
  const about = aboutHistory({ startPosition: 100 });

  it("is checked from the balances that it begins with", () => {
    const operations = [withdrawal({ status: "ok", position: 101 }), shown(50n, 101)];
    const history = { about, accounts, records: [{ ...record, request: "w" }], operations };
    expect(checkHistory(history)).toMatchObject({ verdict: "ok", statistics: { blackBox: { provedByOrder: 1 } } });
    const twice = [...history.records, { ...record, position: 102, amount: 1n, request: "x" }];
    expect(checkHistory({ ...history, records: twice }).statistics.violationsOf).toEqual({
      "asked-for": 1,
      "balance-floor": 1,
    });
  });

  it("may hold only a part of the requests, if it says so; then there is nothing for the black-box checker", () => {
    const history = { accounts, records: [{ ...record, request: "somebody's" }], operations: [shown(50n, 101)] };
    expect(checkHistory({ ...history, about: { ...about, isComplete: false } })).toMatchObject({
      verdict: "ok",
      statistics: { blackBox: undefined },
    });
    expect(checkHistory({ ...history, about }).statistics.violationsOf).toEqual({ "asked-for": 1, linearizable: 1 });
  });
});

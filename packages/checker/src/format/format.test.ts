import { seeds, withSeed } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import type { Operation } from "../history.ts";
import { Simulation } from "../simulation.test-util.ts";
import { HistoryFormatError, readHistory, readHistoryStream } from "./history-reader.ts";
import { HistoryRecorder } from "./history-recorder.ts";
import { HistoryWriter, writeHistory } from "./history-writer.ts";

const FILE = "packages/checker/src/format/format.test.ts";
const FIRST = '{"type":"history","version":1}';
const OPERATION = {
  type: "operation",
  client: "c1",
  kind: "deposit",
  account: "1",
  amount: "5",
  request: "r1",
  invokeMs: 1,
  returnMs: 2,
  outcome: { status: "ok", position: 1 },
};
const READ = {
  type: "operation",
  client: "c1",
  kind: "balance",
  accounts: ["1"],
  consistency: { mode: "local" },
  invokeMs: 1,
  returnMs: 2,
  outcome: { status: "ok", position: 1, balances: ["5"] },
};

function problemOf(...lines: readonly (string | object)[]): string {
  try {
    readHistory(lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))));
  } catch (error) {
    if (error instanceof HistoryFormatError) return error.message;
    throw error;
  }
  return "none";
}

describe("the history format", () => {
  it.each(seeds(2))("says again what it was told, seed %i", (seed) =>
    withSeed(seed, FILE, async (random) => {
      const { history } = new Simulation(random, { hasHolds: true }).run(500);
      const told = {
        ...history,
        about: { ...history.about, description: "a life", seed: String(seed), isComplete: false },
        accounts: [
          { account: "7", currency: "USD", balance: -(2n ** 70n), floor: "none" as const },
          { account: "8", currency: "EUR", balance: 0n, floor: -5n },
        ],
      };
      const lines: string[] = [];
      writeHistory(told, (line) => lines.push(line));
      expect(lines.every((line) => !line.includes("\n"))).toBe(true);
      expect(readHistory(lines)).toEqual(told);
      async function* streamed() {
        yield* lines;
      }
      expect(await readHistoryStream(streamed())).toEqual(told);
    }),
  );

  it("reads records of every kind", () => {
    const records = [
      { kind: "accountOpened", account: "1", currency: "USD", floor: "-10", ceiling: "100" },
      { kind: "accountUpdated", account: "1", floor: "none" },
      { kind: "accountState", account: "1", state: "frozen" },
      { kind: "deposit", debit: "2", credit: "1", amount: "5", request: "r1", timeMs: 1.5 },
      { kind: "interest" },
      { kind: "hold", account: "1", hold: 6, held: "3" },
      { kind: "capture", debit: "1", credit: "2", amount: "1", hold: 6, held: "2" },
      { kind: "holdsExpired", holds: [6] },
      { kind: "group", records: 2, request: "r2" },
      { kind: "rejected", reason: "INSUFFICIENT_FUNDS", request: "r3" },
      { kind: "other" },
    ].map((record, n) => ({ type: "record", position: n + 1, ...record }));
    const { records: read } = readHistory([FIRST, ...records.map((record) => JSON.stringify(record)), ""]);
    expect(read.map(({ kind }) => kind)).toEqual(records.map(({ kind }) => kind));
    expect(read[0]).toMatchObject({ floor: -10n, ceiling: 100n });
    expect(read[1]).toMatchObject({ floor: "none" });
    expect(read[6]).toMatchObject({ held: 2n, amount: 1n });
  });

  it.each([
    ["nothing at all", [], 'line 1: the history is empty; it begins with a line of type "history"'],
    ["no first line", [OPERATION], "line 1: the first line is of type history, not operation"],
    ["a version of the future", ['{"type":"history","version":2}'], "line 1: version 2 is not known; 1 is"],
    ["a second first line", [FIRST, FIRST], "line 2: there is a second line of type history"],
    ["no JSON", [FIRST, "{"], /^line 2: it is no JSON: /],
    ["no object", [FIRST, "[1]"], "line 2: it is no JSON object"],
    [
      "a type of the future",
      [FIRST, { type: "x" }],
      'line 2: type is one of operation, record, account, history, not "x"',
    ],
    [
      "a field of the future",
      [FIRST, { ...OPERATION, colour: 1 }],
      "line 2: colour is a field that this version does not know here",
    ],
    [
      "a field of the future inside",
      [FIRST, { ...READ, consistency: { mode: "local", maxStalenessMs: 5 } }],
      "line 2: consistency.maxStalenessMs is a field that this version does not know here",
    ],
    ["a missing field", [FIRST, { ...OPERATION, request: undefined }], "line 2: request is missing; it is a text"],
    [
      "an amount as a number",
      [FIRST, "", { ...OPERATION, amount: 5 }],
      'line 3: amount is an amount such as "1250", not 5',
    ],
    ["an amount with zeros in front", [FIRST, { ...OPERATION, amount: "05" }], /^line 2: amount is an amount such as/],
    ["a deposit of nothing", [FIRST, { ...OPERATION, amount: "0" }], "line 2: amount is 0; it is at least 1"],
    [
      "a time that runs backwards",
      [FIRST, { ...OPERATION, returnMs: 0.5 }],
      "line 2: it returned at 0.5, before it was invoked at 1: is that one clock?",
    ],
    [
      "an answer without a time",
      [FIRST, { ...OPERATION, returnMs: undefined }],
      "line 2: returnMs is missing, and the outcome is ok",
    ],
    [
      "a position that is none",
      [FIRST, { ...OPERATION, outcome: { status: "ok", position: 1.5 } }],
      "line 2: outcome.position is a whole number, not 1.5",
    ],
    [
      "too few balances",
      [FIRST, { ...READ, outcome: { ...READ.outcome, balances: [] } }],
      "line 2: outcome.balances has 0 entries for 1 accounts",
    ],
    [
      "a balance of two accounts",
      [FIRST, { ...READ, accounts: ["1", "2"] }],
      "line 2: accounts has 2 entries; a balance is of one account",
    ],
    [
      "a write's answer to a read",
      [FIRST, { ...READ, outcome: { status: "rejected", reason: "X" } }],
      'line 2: outcome.status is one of ok, notApplied, unknown, not "rejected"',
    ],
    [
      "a record without a journal",
      ['{"type":"history","version":1,"journal":false}', { type: "record", position: 1, kind: "other" }],
      "line 2: there is a record, and the first line says journal: false",
    ],
    [
      "a bad item of a group",
      [FIRST, { ...OPERATION, kind: "group", amount: undefined, account: undefined, items: [{ kind: "deposit" }] }],
      "line 2: items[0].account is missing; it is a text",
    ],
  ] as const)("refuses %s", (_, lines, problem) => {
    const told = problemOf(...(lines as readonly (string | object)[]));
    if (typeof problem === "string") expect(told).toBe(problem);
    else expect(told).toMatch(problem);
  });
});

describe("the recorder", () => {
  it("times calls from right before they are sent until their answer, and leaves none out", () => {
    let nowMs = 10;
    const lines: string[] = [];
    const writer = new HistoryWriter((line) => lines.push(line), { hasJournal: false });
    const recorder = new HistoryRecorder(
      (operation) => writer.operation(operation),
      () => nowMs++,
    );
    const endWrite = recorder.write({ client: "a", kind: "deposit", account: "1", amount: 5n, request: "r1" });
    const endRead = recorder.read({ client: "b", kind: "balance", accounts: ["1"], consistency: { mode: "local" } });
    recorder.write({ client: "c", kind: "deposit", account: "1", amount: 6n, request: "r2" });
    endRead({ status: "ok", position: 3, balances: [0n] });
    endWrite({ status: "ok", position: 4 });
    recorder.close();
    recorder.close();

    const times = ({ client, invokeMs, outcome, returnMs }: Operation) => [client, invokeMs, returnMs, outcome.status];
    expect(readHistory(lines).operations.map(times)).toEqual([
      ["b", 11, 13, "ok"],
      ["a", 10, 14, "ok"],
      ["c", 12, undefined, "unknown"],
    ]);
    expect(() => endWrite({ status: "unknown" })).toThrow("this call has its outcome already");
  });
});

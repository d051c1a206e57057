import { describe, expect, it } from "vitest";
import { type RunCheckOptions, runCheck } from "./run-check.ts";

const GOOD = [
  '{"type":"history","version":1,"description":"by hand"}',
  '{"type":"record","position":1,"kind":"accountOpened","account":"cash","currency":"USD","floor":"none"}',
  '{"type":"record","position":2,"kind":"accountOpened","account":"1","currency":"USD","request":"r1"}',
  '{"type":"record","position":3,"kind":"deposit","debit":"cash","credit":"1","amount":"500","request":"r2"}',
  '{"type":"operation","client":"ada","kind":"openAccount","request":"r1","invokeMs":1,"returnMs":2,' +
    '"outcome":{"status":"ok","position":2,"account":"1"}}',
  '{"type":"operation","client":"ada","kind":"deposit","account":"1","amount":"500","request":"r2","invokeMs":3,' +
    '"returnMs":4,"session":"ada","outcome":{"status":"ok","position":3}}',
];
const STALE =
  '{"type":"operation","client":"ada","server":"branch-2","kind":"balance","accounts":["1"],"session":"ada",' +
  '"consistency":{"mode":"linearizable"},"invokeMs":5,"returnMs":6.25,' +
  '"outcome":{"status":"ok","position":2,"balances":["0"]}}';

async function run(lines: readonly string[], options?: RunCheckOptions) {
  const printed: string[] = [];
  async function* stream() {
    yield* lines;
  }
  const code = await runCheck(stream(), (line) => printed.push(line), options);
  return { code, printed };
}

describe("the command", () => {
  it("says ok in a few lines", async () => {
    expect(await run(GOOD)).toEqual({
      code: 0,
      printed: [
        "operations: 2 (reads 0, writes 2, unknown 0), records: 3, clients: 1, sessions: 1, violations: 0",
        "black box: sets of accounts 1, right in the journal's order 1, states looked at for the others 0",
        "ok",
      ],
    });
  });

  it("tells each violation with the calls that contradict each other", async () => {
    const { code, printed } = await run([...GOOD, STALE]);
    expect(code).toBe(1);
    const read = "    ada: linearizable read of 1 at branch-2 [5, 6.25 ms] → 0 at 2";
    const deposit = "    ada: deposit 500 to 1 (r2) [3, 4 ms] → done at 3";
    expect(printed).toEqual([
      "operations: 3 (reads 1, writes 2, unknown 0), records: 3, clients: 1, sessions: 1, violations: 3",
      "black box: sets of accounts 1, right in the journal's order 0, states looked at for the others 2",
      "VIOLATED linearizable-read (1): A linearizable read sees all that was acknowledged to anybody before it was sent.",
      "  it shows position 2, and 3 was acknowledged before it was sent",
      read,
      deposit,
      "VIOLATED read-your-writes (1): A session sees its own writes.",
      "  session ada knew position 3, and its read shows 2",
      read,
      deposit,
      "VIOLATED linearizable (1): There is one order of all operations that explains every answer, positions aside.",
      "  no order explains this answer, from when the state was known: at 4 ms account 1 held 500",
      read,
      deposit,
      "VIOLATED",
    ]);
  });

  it("gives all of it to programs", async () => {
    const { code, printed } = await run([...GOOD, STALE], { json: true, blackBox: false });
    expect(code).toBe(1);
    expect(printed).toHaveLength(1);
    expect(JSON.parse(printed[0]!)).toMatchObject({
      verdict: "violated",
      operations: 3,
      reads: 1,
      writes: 2,
      unknown: 0,
      violations: [
        { guarantee: "linearizable-read", operations: [{ client: "ada", kind: "balance" }, { amount: "500" }] },
        { guarantee: "read-your-writes" },
      ],
      undecided: [],
      statistics: { records: 3, violationsOf: { "linearizable-read": 1, "read-your-writes": 1 } },
    });
  });

  it("keeps the first violations of each guarantee, and counts all", async () => {
    const { printed } = await run([...GOOD, ...Array.from({ length: 15 }, () => STALE)], { json: true, keptMax: 2 });
    const { statistics, violations } = JSON.parse(printed[0]!) as {
      statistics: { violationsOf: Record<string, number> };
      violations: { guarantee: string }[];
    };
    expect(statistics.violationsOf["read-your-writes"]).toBe(15);
    expect(violations.filter(({ guarantee }) => guarantee === "read-your-writes")).toHaveLength(2);
  });

  it("says that it is undecided where it does not know an operation", async () => {
    const hold =
      '{"type":"operation","client":"ada","kind":"other","name":"placeHold","accounts":["1"],"request":"r3","invokeMs":5,' +
      '"returnMs":6,"outcome":{"status":"ok","position":4}}';
    const record = '{"type":"record","position":4,"kind":"hold","account":"1","hold":4,"held":"100","request":"r3"}';
    const { code, printed } = await run([...GOOD, record, hold]);
    expect(code).toBe(3);
    expect(printed.slice(-2)).toEqual([
      "UNDECIDED for account 1: operations that the black-box checker does not know",
      "UNDECIDED",
    ]);
  });

  it("says what is wrong with a file that is no history", async () => {
    const lines = [...GOOD, '{"type":"operation"}'];
    expect(await run(lines)).toEqual({
      code: 2,
      printed: ["This is no history: line 7: kind is missing; it is a text"],
    });
    expect((await run(lines, { json: true })).printed).toEqual(['{"error":"line 7: kind is missing; it is a text"}']);
  });
});

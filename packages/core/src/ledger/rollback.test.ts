import { describe, expect, it } from "vitest";
import { InvariantError } from "../assert.ts";
import { BranchState } from "../branch.ts";
import type { Command, GroupItem } from "../command.ts";
import { hashCommand } from "../command-hash.ts";
import type { LedgerRecord } from "../record.ts";
import { RecordKind, SYSTEM_PRINCIPAL } from "../record.ts";
import { apply, beginBatch, unapply } from "./apply.ts";
import { mark, rollback } from "./apply-all.ts";
import { decide, dueHolds } from "./decide.ts";
import {
  branch,
  deposit,
  epochBegun,
  execute,
  open,
  requestFor,
  requestId,
  smallLedger,
  stateRoot,
  transfer,
  withdraw,
} from "./ledger.test-util.ts";
import { formatLevelRaised } from "./ledger-bank.test-util.ts";
import { checkSums, observe } from "./observe.test-util.ts";

describe("rollback", () => {
  it("takes back every kind of record", () => {
    const ledger = smallLedger();
    const before = observe(ledger);
    const start = mark(ledger);
    beginBatch(ledger, 2000);
    const records: LedgerRecord[] = [];
    const own = (record: LedgerRecord) => {
      apply(ledger, record);
      records.push(record);
    };
    const run = (command: Command, options: Parameters<typeof requestFor>[1] = {}) => {
      const first = start.position + 1;
      const request = requestFor(command, options);
      for (const record of decide(ledger, request, hashCommand(command), (position) => records[position - first]))
        own(record);
      return ledger.position;
    };
    const acted = { principal: SYSTEM_PRINCIPAL, branch: 0, request: undefined } as const;
    run(branch(1), { principal: "ada" });
    run({ kind: "registerBranch", branch: 1, name: "again", address: "" }, { principal: "bob" });
    run(open("JPY"), { branch: 1, principal: "carl" });
    const deposited = run(deposit("1", 5n), { branch: 1, principal: "dora" });
    run(withdraw("1", 3n), { branch: 1 });
    run(transfer("1", "2", 7n));
    run(transfer("1", "2", 7000n), { principal: "emil" });
    for (const record of [epochBegun(2), stateRoot(10), stateRoot(11, 9), formatLevelRaised(2)]) own(record);
    run({ kind: "openAccount", type: 2, owner: "", displayName: "", currency: "USD", alias: "rent", floor: -5n });
    run({ kind: "updateAccount", account: "1", displayName: "n", metadata: { k: "v" }, floor: 1n, ceiling: 5000n });
    run({ kind: "freezeAccount", account: "2" });
    run({ kind: "reverse", transaction: deposited });
    run({ kind: "applyInterest", account: "1", rate: 100_000_000 });
    run({ kind: "applyInterest", account: "1", rate: 0 });
    const hold = { kind: "placeHold", account: "1", amount: { currency: "USD", minor: 20n }, expiresMs: 3000 } as const;
    const [captured, released] = [run(hold), run(hold)];
    run(hold);
    run({ kind: "captureHold", hold: captured, amount: { currency: "USD", minor: 5n }, to: "" });
    run({ kind: "captureHold", hold: captured, to: "rent" });
    run({ kind: "extendHold", hold: released, expiresMs: 4000 });
    run({ kind: "releaseHold", hold: released });
    run({ kind: "group", items: [deposit("1", 1n), hold, { kind: "unfreezeAccount", account: "2" }] as GroupItem[] });
    run({ kind: "cancelRequest" });
    beginBatch(ledger, 3000);
    own(dueHolds(ledger) as LedgerRecord);
    own({ ...acted, kind: RecordKind.TIME_TICKED });
    own(formatLevelRaised(3));
    run({ kind: "renameBranch", target: 1, name: "South" });
    const members = [{ branch: 1, copyId: new Uint8Array(16).fill(1) }];
    run({ kind: "setDurability", copies: 1, members }, { principal: "fritz" });
    run({ kind: "setBranchState", target: 1, state: BranchState.RETIRED });
    run({ kind: "setDurability", copies: 0, members: [] });
    run({ kind: "setBranchState", target: 1, state: BranchState.DRAINING });
    run({ kind: "setBranchState", target: 1, state: BranchState.ACTIVE });
    run({ kind: "setBranchState", target: 1, state: BranchState.RETIRED });
    own({ ...epochBegun(3), promotedFrom: new Uint8Array(16).fill(9) });
    expect(new Set(records.map((record) => record.kind)).size).toBe(Object.keys(RecordKind).length);
    checkSums(ledger);
    rollback(ledger, start, records);
    expect(observe(ledger)).toEqual(before);
    checkSums(ledger);
  });

  it("frees the ids, numbers and names that were used, for the same or for another use", () => {
    const ledger = smallLedger();
    const start = mark(ledger);
    const first = execute(ledger, deposit("3", 5n, "EUR"), { id: requestId(50) });
    const observed = observe(ledger);
    rollback(ledger, start, first);
    expect(ledger.findRequest("dev", requestId(50))).toBe(-1);
    expect(execute(ledger, deposit("3", 5n, "EUR"), { id: requestId(50) })).toEqual(first);
    expect(observe(ledger)).toEqual(observed);
    rollback(ledger, start, first);
    execute(ledger, open("USD"), { id: requestId(50) });
    expect(ledger.findAccount("4")).toBe(4);
    expect(ledger.findAccount("cash/0/EUR")).toBeUndefined();
  });

  it("goes back over several batches, the newest first or all at once", () => {
    const ledger = smallLedger();
    const states = [observe(ledger)];
    const marks = [mark(ledger)];
    const batches: LedgerRecord[][] = [];
    for (let n = 0; n < 3; n++) {
      beginBatch(ledger, 2000 + n);
      batches.push([
        ...execute(ledger, deposit("1", BigInt(n + 1))),
        ...execute(ledger, open(n === 1 ? "CHF" : "USD")),
      ]);
      states.push(observe(ledger));
      marks.push(mark(ledger));
    }
    for (const n of [2, 1]) {
      rollback(ledger, marks[n] as never, batches[n] as LedgerRecord[]);
      expect(observe(ledger)).toEqual(states[n]);
    }
    batches[1] = [...execute(ledger, withdraw("1", 1n)), ...execute(ledger, open("GBP"))];
    rollback(ledger, marks[0] as never, [...(batches[0] as LedgerRecord[]), ...batches[1]]);
    expect(observe(ledger)).toEqual(states[0]);
  });

  it("takes back the time of a batch without records", () => {
    const ledger = smallLedger();
    const before = observe(ledger);
    const start = mark(ledger);
    beginBatch(ledger, 9999);
    rollback(ledger, start, []);
    expect(observe(ledger)).toEqual(before);
  });

  it("throws when the records are not those since the mark", () => {
    const ledger = smallLedger();
    const start = mark(ledger);
    const records = execute(ledger, transfer("1", "2", 5n));
    const after = observe(ledger);
    for (const others of [[], [...records, ...records]])
      expect(() => rollback(ledger, start, others)).toThrow("exactly the records since the mark");
    expect(observe(ledger)).toEqual(after);
    const other = records.map((record) => ({ ...record, amount: 6n }) as LedgerRecord);
    expect(() => rollback(ledger, start, other)).toThrow("rolling back restores the digest");
  });

  it("reaches only what forgetUndo was not told to be committed", () => {
    const ledger = smallLedger();
    const beforeCommitted = mark(ledger);
    const committed = [...execute(ledger, open("USD")), ...execute(ledger, transfer("1", "2", 1n))];
    const before = observe(ledger);
    const start = mark(ledger);
    const pending = [...execute(ledger, open("CHF")), ...execute(ledger, transfer("1", "2", 1n))];
    const after = observe(ledger);
    ledger.forgetUndo(start.position);
    expect(observe(ledger)).toEqual(after);
    rollback(ledger, start, pending);
    expect(observe(ledger)).toEqual(before);
    expect(() => rollback(ledger, beforeCommitted, committed)).toThrow("what is committed is never taken back");
    expect(observe(ledger)).toEqual(before);
    // Nor does an older answer about what is committed bring it back.
    ledger.forgetUndo(1);
    expect(() => unapply(ledger, committed.at(-1) as LedgerRecord)).toThrow(InvariantError);
    checkSums(ledger);
  });

  it("is possible again for what comes after", () => {
    const ledger = smallLedger();
    ledger.forgetUndo(ledger.position);
    const before = observe(ledger);
    const start = mark(ledger);
    rollback(ledger, start, execute(ledger, deposit("3", 1n, "EUR"), { principal: "new" }));
    expect(observe(ledger)).toEqual(before);
  });

  it("costs no memory for what is committed", () => {
    const ledger = smallLedger();
    for (let n = 0; n < 100; n++) execute(ledger, open("USD"));
    const { undoSteps } = ledger as unknown as { undoSteps: unknown[] };
    expect(undoSteps.length).toBeGreaterThanOrEqual(100);
    ledger.forgetUndo(ledger.position - 1);
    expect(undoSteps).toHaveLength(1);
    ledger.forgetUndo(ledger.position);
    expect(undoSteps).toHaveLength(0);
  });
});

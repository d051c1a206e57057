import { afterEach, describe, expect, it, vi } from "vitest";
import { AccountState } from "../account.ts";
import { BranchState } from "../branch.ts";
import type { LedgerRecord } from "../record.ts";
import { RecordKind } from "../record.ts";
import { apply, unapply } from "./apply.ts";
import { branch, deposit, epochBegun, open, stateRoot, transfer, withdraw } from "./ledger.test-util.ts";
import { Ledger } from "./ledger.ts";
import { observe } from "./observe.test-util.ts";
import { World } from "./world.test-util.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const usd = (minor: bigint) => ({ currency: "USD", minor });
const own = { principal: "bank", branch: 0, request: undefined } as const;

/** A life in which every kind of record happens. */
function records(): LedgerRecord[] {
  const world = new World();
  world.apply(epochBegun(1));
  world.must(branch(1));
  const account = world.account("USD", { alias: "ada", metadata: { k: "v" } });
  const other = world.account("EUR", { alias: "77" });
  world.must(deposit(account, 1_000n));
  world.must({ kind: "updateAccount", account: other, displayName: "x", ceiling: 9n, metadata: { a: "b" } });
  world.must({ kind: "freezeAccount", account: other });
  const receiver = world.account("USD");
  const paid = world.must(transfer(account, receiver, 10n));
  world.must(transfer(account, "fees/1/USD", 1n));
  world.must({ kind: "reverse", transaction: paid });
  world.must(withdraw(account, 1n), 1);
  world.must({ kind: "applyInterest", account, rate: 1_000_000 });
  const expiresMs = world.ledger.timeMs + 10;
  const place = () => world.must({ kind: "placeHold", account, amount: usd(10n), expiresMs });
  const [captured, released, extended] = [place(), place(), place()];
  place();
  world.must({ kind: "captureHold", hold: captured, amount: usd(5n), to: receiver });
  world.must({ kind: "captureHold", hold: captured, to: "" });
  world.must({ kind: "releaseHold", hold: released });
  world.must({ kind: "extendHold", hold: extended, expiresMs: expiresMs + 10 });
  world.must({ kind: "group", items: [open("JPY"), deposit(account, 1n)] as never });
  for (const record of world.decide(withdraw(account, 1_000_000n))) world.apply(record);
  world.apply(stateRoot(3));
  world.apply({ ...own, kind: RecordKind.TIME_TICKED });
  world.passTime(10);
  world.must(branch(2));
  world.must({ kind: "renameBranch", target: 2, name: "South" });
  world.must({ kind: "setBranchState", target: 2, state: BranchState.DRAINING });
  world.must({ kind: "setDurability", copies: 1, members: [{ branch: 1, copyId: new Uint8Array(16).fill(1) }] });
  world.must({ kind: "setDurability", copies: 0, members: [] });
  world.apply({ ...epochBegun(2), promotedFrom: new Uint8Array(16).fill(1) });
  expect(new Set(world.records.map(({ kind }) => kind)).size).toBe(Object.keys(RecordKind).length);
  expect(world.ledger.accounts.states).toContain(AccountState.FROZEN);
  return world.records;
}

/** The steps of which every change is made. */
const STEPS = [
  "addAccount",
  "addCurrency",
  "addEpoch",
  "addHold",
  "addRequest",
  "addReversal",
  "changeHold",
  "internPrincipal",
  "keepBack",
  "post",
  "setBranch",
  "setDetails",
  "setDurability",
  "setState",
] as const satisfies readonly (keyof Ledger)[];

describe("a failure inside apply", () => {
  it("at any step of any record leaves the ledger as it was, and the record can be applied after all", () => {
    const ledger = new Ledger({ hashSeed: 1 });
    // As when the holds' time came.
    const timesMs = 1_000_010;
    ledger.timeMs = 1_000_000;
    const failed = new Set<string>();
    for (const record of records()) {
      if (record.kind === RecordKind.HOLDS_EXPIRED) ledger.timeMs = timesMs;
      const before = observe(ledger);
      for (const step of STEPS) if (failAtEach(ledger, record, step, before) > 0) failed.add(step);
      apply(ledger, record);
    }
    expect([...failed].sort()).toEqual(STEPS);
  });
});

/** Lets the first, the second, … call of the step fail. Gives how many there were. */
function failAtEach(ledger: Ledger, record: LedgerRecord, step: (typeof STEPS)[number], before: unknown): number {
  // Where money only moves, both balances are there already, and adding to them needs nothing that could be wanting.
  if (step === "post" && record.kind <= RecordKind.TRANSFER) return 0;
  for (let failing = 0; ; failing++) {
    let calls = 0;
    const spy = vi.spyOn(ledger, step as "post").mockImplementation((...args) => {
      if (calls++ === failing) throw new RangeError("no memory");
      return Ledger.prototype[step as "post"].apply(ledger, args);
    });
    // What takes a step back must not fail: it needs nothing new.
    const reverting = vi.spyOn(ledger, "revertRecord").mockImplementation(() => {
      spy.mockRestore();
      Ledger.prototype.revertRecord.apply(ledger);
    });
    const position = ledger.position;
    try {
      apply(ledger, record);
    } catch (error) {
      expect(String(error)).toBe("RangeError: no memory");
      expect(observe(ledger)).toEqual(before);
      continue;
    } finally {
      spy.mockRestore();
      reverting.mockRestore();
    }
    // It was not called so often: the record was applied, and is taken back for the next step.
    expect(ledger.position).toBe(position + 1);
    unapply(ledger, record);
    expect(observe(ledger)).toEqual(before);
    return failing;
  }
}

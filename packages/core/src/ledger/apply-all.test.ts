import { describe, expect, it, vi } from "vitest";
import { InvariantError } from "../assert.ts";
import type { AccountIndex } from "../identifiers.ts";
import { toHex } from "../identifiers.ts";
import type { LedgerRecord, MovementRecord } from "../record.ts";
import { RecordKind } from "../record.ts";
import { RecordList } from "../record-list.ts";
import { apply } from "./apply.ts";
import { applyAll, mark, rollback } from "./apply-all.ts";
import { deposit, execute, newLedger, open, requestId } from "./ledger.test-util.ts";
import type { Ledger } from "./ledger.ts";
import { EXACT_BOUND } from "./movements.ts";
import { checkSums } from "./observe.test-util.ts";

const CASH = 2 as AccountIndex;
const [ADA, BOB, EUROS] = [0, 1, 3] as AccountIndex[] as [AccountIndex, AccountIndex, AccountIndex];

/** Ada has 100, Bob nothing, both in dollars; a third account is in euros. */
function ledgerOfThree(): Ledger {
  const ledger = newLedger();
  const commands = [open("USD"), open("USD"), deposit("1", 100n), open("EUR")];
  for (const [i, command] of commands.entries()) execute(ledger, command, { id: requestId(100 + i) });
  return ledger;
}

function transfer(n: number, changes: Partial<MovementRecord> = {}): MovementRecord {
  const request = { id: requestId(n), hashLow: n, hashHigh: -n };
  return {
    kind: RecordKind.TRANSFER,
    principal: "p",
    branch: 0,
    request,
    debit: ADA,
    credit: BOB,
    amount: 1n,
    ...changes,
  };
}

function failureOf(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof InvariantError) return error.message;
    throw error;
  }
}

describe("applyAll of a record list", () => {
  it.each<[string, Partial<MovementRecord>]>([
    ["takes more than there is", { amount: 99n }],
    ["is answered a second time", { request: transfer(1).request }],
    ["names an account that there is not", { credit: 9 as AccountIndex }],
    ["pays to itself", { credit: ADA }],
    ["mixes currencies", { credit: EUROS }],
    ["moves nothing", { amount: 0n }],
    ["moves less than nothing", { amount: -1n }],
    ["leaves the range", { debit: CASH, amount: 2n ** 63n - 1n }],
  ])("refuses a movement that %s, as apply does, and keeps those before it", (_, changes) => {
    const records: LedgerRecord[] = [transfer(1), transfer(2), transfer(3, changes), transfer(4)];
    const [one, columns] = [ledgerOfThree(), ledgerOfThree()];
    const expected = failureOf(() => {
      for (const record of records) apply(one, record);
    });
    expect(expected).toBeDefined();
    expect(failureOf(() => applyAll(columns, RecordList.of(records)))).toBe(expected);
    expect(columns.position).toBe(one.position);
    expect(toHex(columns.digestBytes())).toBe(toHex(one.digestBytes()));
    checkSums(columns);
  });

  it("never takes back what is committed", () => {
    const ledger = ledgerOfThree();
    const start = mark(ledger);
    const list = RecordList.of([transfer(1), transfer(2)]);
    applyAll(ledger, list);
    ledger.forgetUndo(ledger.position);
    const digest = toHex(ledger.digestBytes());
    expect(failureOf(() => rollback(ledger, start, list))).toBe("what is committed is never taken back");
    expect(toHex(ledger.digestBytes())).toBe(digest);
  });

  it.each([ADA, BOB])("changes nothing when what is frozen of account %i cannot be kept", (account) => {
    const ledger = ledgerOfThree();
    const keep = ledger.accounts.beforePosting.bind(ledger.accounts);
    const full = vi.spyOn(ledger.accounts, "beforePosting").mockImplementation((index) => {
      if (index === account) throw new RangeError("Array buffer allocation failed");
      keep(index);
    });
    const digest = toHex(ledger.digestBytes());
    expect(() => apply(ledger, transfer(1))).toThrow(RangeError);
    expect(() => applyAll(ledger, RecordList.of([transfer(1)]))).toThrow(RangeError);
    expect(toHex(ledger.digestBytes())).toBe(digest);
    checkSums(ledger);
    full.mockRestore();
    applyAll(ledger, RecordList.of([transfer(1)]));
  });

  it("takes the largest numbers, and several who act, and gives all of it back", () => {
    const exact = BigInt(EXACT_BOUND);
    const records: LedgerRecord[] = [
      transfer(1),
      transfer(1, { principal: "q", branch: 7 }),
      transfer(2, { request: undefined }),
      transfer(3, { debit: CASH, credit: BOB, amount: exact - 1n }),
      transfer(4, { debit: CASH, credit: BOB, amount: exact + 1n }),
      transfer(5, { debit: BOB, credit: ADA, amount: 2n * exact - 7n }),
      {
        kind: RecordKind.EPOCH_BEGUN,
        principal: "p",
        branch: 0,
        request: undefined,
        number: 1,
        id: new Uint8Array(16),
        bankId: new Uint8Array(16),
        lossAccepted: false,
      },
      transfer(6),
    ];
    const [one, columns] = [ledgerOfThree(), ledgerOfThree()];
    for (const record of records) apply(one, record);
    const start = mark(columns);
    for (let round = 0; round < 2; round++) {
      applyAll(columns, RecordList.of(records));
      expect(toHex(columns.digestBytes())).toBe(toHex(one.digestBytes()));
      checkSums(columns);
      rollback(columns, start, RecordList.of(records));
      expect(toHex(columns.digestBytes())).toBe(toHex(start.digest));
      checkSums(columns);
    }
  });
});

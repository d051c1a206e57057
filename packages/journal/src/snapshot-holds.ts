import type { AccountIndex, HoldColumns, HoldView, Ledger } from "@bank/core";
import { AMOUNT_MAX, assert, HoldState, isHoldState, remainingOf } from "@bank/core";
import type { HoldsPage, ReversalsPage } from "@bank/proto";
import { HoldsPageSchema, ReversalsPageSchema } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { isTime } from "./check-record.ts";
import { JournalFormatError } from "./errors.ts";
import { ColumnReader, ColumnWriter } from "./fixed-columns.ts";

export const HOLDS_PER_PAGE = 4096;
export const REVERSALS_PER_PAGE = 4096;

/** Holds `from` to before `to`, the ended ones too. */
export function encodeHolds(holds: HoldColumns, from: number, to: number): HoldsPage {
  const count = to - from;
  return create(HoldsPageSchema, {
    positions: new ColumnWriter(count, 8).integers(holds.positions, from).bytes,
    accounts: new ColumnWriter(count, 4).words(holds.accounts, from).bytes,
    held: new ColumnWriter(count, 8).int64s(holds.held, from).bytes,
    captured: new ColumnWriter(count, 8).int64s(holds.captured, from).bytes,
    expiresMs: new ColumnWriter(count, 8).integers(holds.expiresMs, from).bytes,
    states: holds.states.slice(from, to),
  });
}

/** Gives the number of holds. Throws: `JournalFormatError`. */
export function loadHolds(ledger: Ledger, page: HoldsPage): number {
  const count = page.states.length;
  if (count === 0 || count > HOLDS_PER_PAGE)
    throw new JournalFormatError(`a page of holds has 1 to ${HOLDS_PER_PAGE}, not ${count}`);
  const positions = new ColumnReader(page.positions, count, 8);
  const accounts = new ColumnReader(page.accounts, count, 4);
  const held = new ColumnReader(page.held, count, 8);
  const captured = new ColumnReader(page.captured, count, 8);
  const expiresMs = new ColumnReader(page.expiresMs, count, 8);
  let last = ledger.holds.count === 0 ? 0 : ledger.holds.viewAt(ledger.holds.count - 1).hold;
  for (let i = 0; i < count; i++) {
    const state = page.states[i] as number;
    if (!isHoldState(state)) throw new JournalFormatError(`hold state ${state} is unknown: use a newer program`);
    const view: HoldView = {
      hold: positions.integer(i),
      account: accounts.word(i) as AccountIndex,
      held: held.int64(i),
      captured: captured.int64(i),
      expiresMs: expiresMs.integer(i),
      state,
    };
    if (view.hold <= last) throw new JournalFormatError("the positions of holds do not ascend");
    checkHold(ledger, view);
    ledger.addHold(view);
    last = view.hold;
  }
  return count;
}

/** What a hold shows by itself. */
function checkHold(ledger: Ledger, { account, held, captured, expiresMs, state }: HoldView): void {
  if (account >= ledger.accounts.count || !ledger.isCustomerAccount(account))
    throw new JournalFormatError("a hold is on no customer's account");
  if (held < 1n || held > AMOUNT_MAX || captured < 0n || captured > held)
    throw new JournalFormatError("a hold is of an amount, of which it has captured no more");
  if ((captured === held) !== (state === HoldState.CAPTURED))
    throw new JournalFormatError("a hold has ended by captures exactly when all of it is captured");
  if (!isTime(expiresMs) || (expiresMs === 0 && state === HoldState.EXPIRED))
    throw new JournalFormatError("a hold expires in the years that there are, or never");
}

/** Once all is loaded: accounts keep back what their open holds have left. Throws: `JournalFormatError`. */
export function checkHeld({ accounts, holds }: Ledger): void {
  const left = new Map<AccountIndex, bigint>();
  for (let i = 0; i < holds.count; i++) {
    const hold = holds.viewAt(i);
    const remaining = remainingOf(hold);
    if (remaining > 0n) left.set(hold.account, (left.get(hold.account) ?? 0n) + remaining);
  }
  for (let account = 0 as AccountIndex; account < accounts.count; account++)
    if (accounts.held[account] !== (left.get(account) ?? 0n))
      throw new JournalFormatError("an account does not keep back what its open holds have left");
}

/** So many are sorted in a few milliseconds. */
const REVERSALS_PER_RUN = 32_768;

/** Originals of the first `count` reversals, as runs that are sorted each by itself. */
export function* sortedRuns(ledger: Ledger, count: number): Generator<Float64Array> {
  // A map gives its entries in the order in which they came, also those that come while it is read.
  const originals = ledger.reversals.keys();
  for (let from = 0; from < count; from += REVERSALS_PER_RUN) {
    const run = new Float64Array(Math.min(REVERSALS_PER_RUN, count - from));
    for (let i = 0; i < run.length; i++) {
      const { value } = originals.next();
      assert(value !== undefined, "reversals that were there are not taken away");
      run[i] = value;
    }
    yield run.sort();
  }
}

/** All values of the runs, ascending, as many at a time as fit on a page. */
export function* merged(runs: readonly Float64Array[]): Generator<Float64Array> {
  const next = runs.map(() => 0);
  for (let left = runs.reduce((sum, run) => sum + run.length, 0); left > 0; ) {
    const page = new Float64Array(Math.min(left, REVERSALS_PER_PAGE));
    for (let i = 0; i < page.length; i++) {
      let least = Number.POSITIVE_INFINITY;
      let from = 0;
      for (let r = 0; r < runs.length; r++) {
        // `undefined` behind the end of a run is not less than anything.
        const value = runs[r]?.[next[r] as number] as number;
        if (value < least) {
          least = value;
          from = r;
        }
      }
      page[i] = least;
      next[from] = (next[from] as number) + 1;
    }
    left -= page.length;
    yield page;
  }
}

/** The reversals of these movements. */
export function encodeReversals(ledger: Ledger, originals: Float64Array): ReversalsPage {
  const count = originals.length;
  const reversals = originals.map((original) => ledger.reversalOf(original) ?? 0);
  return create(ReversalsPageSchema, {
    originals: new ColumnWriter(count, 8).integers(originals, 0).bytes,
    reversals: new ColumnWriter(count, 8).integers(reversals, 0).bytes,
  });
}

/**
 * Gives the number of reversals.
 * @param last the last original of the page before; 0 for none.
 * Throws: `JournalFormatError`.
 */
export function loadReversals(ledger: Ledger, page: ReversalsPage, last: number): { count: number; last: number } {
  const count = page.originals.length / 8;
  if (!Number.isInteger(count) || count === 0 || count > REVERSALS_PER_PAGE)
    throw new JournalFormatError(`a page of reversals has 1 to ${REVERSALS_PER_PAGE}, not ${count}`);
  const originals = new ColumnReader(page.originals, count, 8);
  const reversals = new ColumnReader(page.reversals, count, 8);
  let before = last;
  for (let i = 0; i < count; i++) {
    const original = originals.integer(i);
    const reversal = reversals.integer(i);
    if (original <= before) throw new JournalFormatError("the positions of reversed movements do not ascend");
    if (reversal <= original) throw new JournalFormatError("a movement is reversed before it is made");
    ledger.addReversal(original, reversal);
    before = original;
  }
  return { count, last: before };
}

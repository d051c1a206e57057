import { describe, expect, it } from "vitest";
import { InvariantError } from "../assert.ts";
import { HoldState, type HoldView } from "../hold.ts";
import type { AccountIndex } from "../identifiers.ts";
import { Random, SEED, seeded } from "../random.test-util.ts";
import { HoldTable } from "./hold-table.ts";
import { deposit } from "./ledger.test-util.ts";
import { World } from "./world.test-util.ts";

function view(hold: number, account: number, expiresMs = 0): HoldView {
  return { hold, account: account as AccountIndex, held: 5n, captured: 0n, expiresMs, state: HoldState.OPEN };
}

describe("HoldTable", () => {
  it(`knows each account's open holds, and what is due, over ends, returns and undo ${seeded("ledger/hold-table.test.ts")}`, () => {
    const random = new Random(SEED);
    const table = new HoldTable();
    const twin: HoldView[] = [];
    for (let step = 0; step < 4_000; step++) {
      if (twin.length === 0 || random.chance(40)) {
        const next = view((twin.at(-1)?.hold ?? 0) + 1 + random.below(3), random.below(200), random.below(40));
        table.push(next);
        twin.push(next);
      } else if (random.chance(25)) {
        table.pop();
        twin.pop();
      } else {
        const index = random.below(twin.length);
        const was = twin[index] as HoldView;
        const state = was.state === HoldState.OPEN ? HoldState.RELEASED : HoldState.OPEN;
        const to = { captured: BigInt(random.below(5)), expiresMs: random.chance(50) ? was.expiresMs : 50, state };
        table.change(index, to);
        twin[index] = { ...was, ...to };
      }
      if (step % 20 !== 0) continue;
      const open = twin.filter(({ state }) => state === HoldState.OPEN);
      const account = random.below(200) as AccountIndex;
      const expected = open.filter((hold) => hold.account === account).map(({ hold }) => hold);
      expect(table.openOf(account)).toEqual(expected);
      const from = random.below((twin.at(-1)?.hold ?? 0) + 2);
      const page = expected.filter((hold) => hold >= from).slice(0, 3);
      expect(table.openFrom(account, from, 3)).toEqual(page);
      const ending = open.filter(({ expiresMs }) => expiresMs !== 0);
      const inOrder = ending.sort((a, b) => a.expiresMs - b.expiresMs || a.hold - b.hold);
      expect(table.nextExpiryMs()).toBe(inOrder[0]?.expiresMs);
      const due = inOrder.filter(({ expiresMs }) => expiresMs <= 20).map(({ hold }) => hold);
      expect(table.due(20, 1_000_000)).toEqual(due);
      expect(table.due(20, 7)).toEqual(due.slice(0, 7));
    }
    expect(table.count).toBe(twin.length);
    twin.forEach((hold, index) => {
      expect(table.viewAt(index)).toEqual(hold);
      expect(table.find(hold.hold)).toBe(index);
    });
    expect(table.find((twin.at(-1)?.hold ?? 0) + 1)).toBe(-1);
  });

  it("begins a page with the first open hold behind one that has ended, or is another account's", () => {
    const table = new HoldTable();
    for (const [hold, account] of [
      [1, 7],
      [2, 8],
      [4, 7],
      [6, 7],
    ] as const)
      table.push(view(hold, account));
    const account = 7 as AccountIndex;
    table.change(2, { captured: 0n, expiresMs: 0, state: HoldState.EXPIRED });
    expect([0, 1, 2, 3, 4, 6, 7].map((from) => table.openFrom(account, from, 9))).toEqual([
      [1, 6],
      [1, 6],
      [6],
      [6],
      [6],
      [6],
      [],
    ]);
  });

  it("refuses a position that is not above all others", () => {
    const table = new HoldTable();
    table.push(view(5, 0));
    expect(() => table.push(view(5, 0))).toThrow(InvariantError);
    expect(table.count).toBe(1);
  });
});

describe("a hold whose time has come", () => {
  it("can be captured, released or extended by nobody, even before the record that ends it", () => {
    const world = new World();
    const account = world.account("USD");
    world.must(deposit(account, 100n));
    const expiresMs = world.ledger.timeMs + 10;
    const hold = world.must({ kind: "placeHold", account, amount: { currency: "USD", minor: 10n }, expiresMs });
    world.ledger.timeMs = expiresMs - 1;
    expect(world.reasonFor({ kind: "captureHold", hold, to: "" })).toBeUndefined();
    world.ledger.timeMs = expiresMs;
    expect(world.reasonFor({ kind: "captureHold", hold, to: "" })).toBe("HOLD_ENDED");
    expect(world.reasonFor({ kind: "releaseHold", hold })).toBe("HOLD_ENDED");
    expect(world.reasonFor({ kind: "extendHold", hold, expiresMs: expiresMs + 1 })).toBe("HOLD_ENDED");
  });
});

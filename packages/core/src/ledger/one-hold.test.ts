import { describe, expect, it } from "vitest";
import type { Command } from "../command.ts";
import { HoldState } from "../hold.ts";
import { deposit } from "./ledger.test-util.ts";
import { Twins } from "./twins.test-util.ts";

const START_MS = 1_000_000;
const EXPIRES_MS = START_MS + 1000;

/** Every order of some things. */
function* orders<T>(things: readonly T[]): Generator<readonly T[]> {
  if (things.length === 0) yield [];
  for (const [at, first] of things.entries())
    for (const rest of orders([...things.slice(0, at), ...things.slice(at + 1)])) yield [first, ...rest];
}

/** Accounts 1, with 1.00 EUR of which all is held, and 2; gives the hold. */
function heldEuro(): { twins: Twins; hold: number } {
  const twins = new Twins(1);
  twins.passTime(START_MS);
  for (const owner of ["Ada", "Bob"])
    twins.do({ kind: "openAccount", type: 2, owner, displayName: "", currency: "EUR", floor: -500n });
  twins.do(deposit("1", 100n, "EUR"));
  twins.do({
    kind: "placeHold",
    account: "1",
    amount: { currency: "EUR", minor: 100n },
    expiresMs: EXPIRES_MS,
  });
  twins.commit();
  return { twins, hold: twins.ledger.position };
}

/** What was captured, as far as one who is told yes or no can know. */
function capturedBy(said: readonly string[]): bigint {
  return BigInt(/ captured (\d+) to /.exec(said.join("\n"))?.[1] ?? 0);
}

describe("captures of one hold, in every order in which they can come", () => {
  it("never take more than was held, and take what fits when it is their turn", () => {
    const { twins, hold } = heldEuro();
    const { ledger } = twins;
    const amounts = [100n, 60n, 40n, 30n, 10n, undefined];
    const totals = new Set<bigint>();
    for (const order of orders(amounts)) {
      twins.passTime(START_MS);
      let left = 100n;
      for (const minor of order) {
        const amount = minor === undefined ? undefined : { currency: "EUR", minor };
        const said = twins.do({ kind: "captureHold", hold, amount, to: left % 20n === 0n ? "2" : "" });
        const taken = minor ?? left;
        const fits = left > 0n && taken <= left;
        expect(capturedBy(said)).toBe(fits ? taken : 0n);
        if (!fits) expect(said[0]).toContain(left === 0n ? "HOLD_ENDED" : "HOLD_AMOUNT_EXCEEDED");
        if (fits) left -= taken;
        const view = ledger.viewHold(hold);
        expect(view).toMatchObject({ held: 100n, captured: 100n - left });
        expect(view?.state).toBe(left === 0n ? HoldState.CAPTURED : HoldState.OPEN);
        expect([ledger.accounts.posted[0], ledger.accounts.held[0]]).toEqual([left, left]);
      }
      totals.add(100n - left);
      twins.refuse();
    }
    // Whatever is left can always be captured whole, so in every order the whole hold is paid out, and once.
    expect([...totals]).toEqual([100n]);
  });

  it("and releases, extensions, a freeze and the hold's end: it ends once, and nothing leaves it afterwards", () => {
    const { twins, hold } = heldEuro();
    const { ledger } = twins;
    const part = { kind: "captureHold", hold, amount: { currency: "EUR", minor: 70n }, to: "2" } as const;
    const steps: readonly (Command | "time")[] = [
      part,
      { ...part, to: "" },
      { kind: "captureHold", hold, to: "" },
      { kind: "releaseHold", hold },
      { kind: "extendHold", hold, expiresMs: EXPIRES_MS + 1000 },
      { kind: "freezeAccount", account: "1" },
      "time",
    ];
    const ends = new Set<string>();
    for (const order of orders(steps)) {
      twins.passTime(START_MS);
      let captured = 0n;
      let ended: HoldState | undefined;
      for (const step of order) {
        if (step === "time") passTimeWithin(twins, EXPIRES_MS);
        else captured += capturedBy(twins.do(step));
        const view = ledger.viewHold(hold);
        if (view === undefined) throw new Error("the hold is gone");
        expect(view.captured).toBe(captured);
        if (ended !== undefined) expect(view.state).toBe(ended);
        else if (view.state !== HoldState.OPEN) ended = view.state;
        expect(ledger.accounts.posted[0]).toBe(100n - captured);
        expect(ledger.accounts.held[0]).toBe(ended === undefined ? 100n - captured : 0n);
      }
      expect(captured).toBeLessThanOrEqual(100n);
      ends.add(`${ended} ${captured}`);
      twins.refuse();
    }
    const { CAPTURED, EXPIRED, RELEASED } = HoldState;
    // Released, expired or captured, each with nothing or with a part taken out before.
    expect([...ends].sort()).toEqual(
      [`${CAPTURED} 100`, `${RELEASED} 0`, `${RELEASED} 70`, `${EXPIRED} 0`, `${EXPIRED} 70`].sort(),
    );
  });
});

/** Time passes in the midst of what is taken back as one batch. */
function passTimeWithin({ bank, twin }: Twins, timeMs: number): void {
  expect(bank.continueAt(timeMs)).toEqual(twin.passTime(timeMs));
}

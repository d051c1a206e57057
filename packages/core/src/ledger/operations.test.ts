import { describe, expect, it } from "vitest";
import type { Command } from "../command.ts";
import { AMOUNT_MAX } from "../limits.ts";
import { OPERATIONS } from "../operations.ts";
import { FORMAT_LEVEL_MAX } from "../record.ts";
import { BRANCH_LADDERS, type Ladder, ladder, RETIRED, set } from "./ladder.test-util.ts";
import { branch, deposit, transfer, withdraw } from "./ledger.test-util.ts";
import { World } from "./world.test-util.ts";

const usd = (minor: bigint) => ({ currency: "USD", minor });

/** Every account name below that is `none` is nobody's. */
const LADDERS: Readonly<Record<Command["kind"], (world: World) => Ladder>> = {
  openAccount: (world) => {
    const taken = world.account("USD");
    const command = { kind: "openAccount", type: 2, owner: "\ud800", displayName: "", currency: "XYZ", alias: taken };
    const notFull = [world.pretendFull("aliases"), world.pretendFull("accounts")];
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { owner: "Ada" })],
      ["UNKNOWN_CURRENCY", () => set(command, { currency: "EUR" })],
      ...levelAndBranch(world),
      ["ALIAS_TAKEN", () => set(command, { alias: "ada" })],
      ["ACCOUNT_LIMIT_EXCEEDED", () => notFull[1]?.()],
      ["TABLE_FULL", () => notFull[0]?.()],
    ]);
  },

  updateAccount: (world) => {
    const savings = world.account("USD", { type: 1 });
    const checking = world.account("USD");
    const closed = world.account("USD");
    world.must({ kind: "closeAccount", account: closed });
    world.must(deposit(checking, 100n));
    const command = { kind: "updateAccount", account: "", floor: -1n, ceiling: 50n, expectedVersion: 99 };
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { account: "none" })],
      ...levelAndBranch(world),
      ["ACCOUNT_NOT_FOUND", () => set(command, { account: closed })],
      ["STALE_VERSION", () => set(command, { expectedVersion: 2 })],
      ["ACCOUNT_CLOSED", () => set(command, { account: savings, expectedVersion: 1 })],
      ["OVERDRAFT_NOT_ALLOWED", () => set(command, { account: checking, expectedVersion: 2, floor: 101n })],
      ["FLOOR_ABOVE_BALANCE", () => set(command, { floor: 100n })],
      ["CEILING_BELOW_BALANCE", () => set(command, { ceiling: 100n })],
    ]);
  },

  freezeAccount: (world) => {
    const command = { kind: "freezeAccount", account: "", expectedVersion: 99 };
    const [closed, frozen, usable] = threeStates(world);
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { account: "none" })],
      ...levelAndBranch(world),
      ["ACCOUNT_NOT_FOUND", () => set(command, { account: closed })],
      ["STALE_VERSION", () => set(command, { expectedVersion: 2 })],
      ["ACCOUNT_CLOSED", () => set(command, { account: frozen })],
      ["ACCOUNT_FROZEN", () => set(command, { account: usable, expectedVersion: 1 })],
    ]);
  },

  unfreezeAccount: (world) => {
    const command = { kind: "unfreezeAccount", account: "", expectedVersion: 99 };
    const [closed, frozen, usable] = threeStates(world);
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { account: "none" })],
      ...levelAndBranch(world),
      ["ACCOUNT_NOT_FOUND", () => set(command, { account: closed })],
      ["STALE_VERSION", () => set(command, { expectedVersion: 2 })],
      ["ACCOUNT_CLOSED", () => set(command, { account: usable, expectedVersion: 1 })],
      ["ACCOUNT_NOT_FROZEN", () => set(command, { account: frozen, expectedVersion: 2 })],
    ]);
  },

  closeAccount: (world) => {
    const command = { kind: "closeAccount", account: "", expectedVersion: 99 };
    const [closed, frozen, usable] = threeStates(world, 100n);
    const hold = world.must({ kind: "placeHold", account: usable, amount: usd(1n), expiresMs: 0 });
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { account: "none" })],
      ...levelAndBranch(world),
      ["ACCOUNT_NOT_FOUND", () => set(command, { account: closed })],
      ["STALE_VERSION", () => set(command, { expectedVersion: undefined })],
      ["ACCOUNT_CLOSED", () => set(command, { account: frozen })],
      ["ACCOUNT_FROZEN", () => set(command, { account: usable })],
      ["HOLDS_OPEN", () => world.must({ kind: "releaseHold", hold })],
      ["BALANCE_NOT_ZERO", () => world.must(withdraw(usable, 100n))],
    ]);
  },

  deposit: (world) => {
    const command = { kind: "deposit", account: "", amount: { currency: "XYZ", minor: 0n }, expectedVersion: 99 };
    const [closed, frozen] = threeStates(world);
    const full = world.account("USD", { ceiling: AMOUNT_MAX - 5n });
    world.must(deposit(full, AMOUNT_MAX - 10n), 3);
    const notFull = world.pretendFull("accounts");
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { account: "none" })],
      ["INVALID_AMOUNT", () => set(command, { amount: { currency: "XYZ", minor: 100n } })],
      ["UNKNOWN_CURRENCY", () => set(command, { amount: { currency: "EUR", minor: 100n } })],
      ...atBranch(world),
      ["ACCOUNT_NOT_FOUND", () => set(command, { account: closed })],
      ["STALE_VERSION", () => set(command, { expectedVersion: undefined })],
      ["CURRENCY_MISMATCH", () => set(command, { amount: usd(100n) })],
      ["ACCOUNT_CLOSED", () => set(command, { account: frozen })],
      ["ACCOUNT_FROZEN", () => set(command, { account: full })],
      ["CEILING_EXCEEDED", () => world.must({ kind: "updateAccount", account: full, ceiling: null })],
      ["BALANCE_LIMIT_EXCEEDED", () => set(command, { amount: usd(10n) })],
      ["ACCOUNT_LIMIT_EXCEEDED", notFull],
    ]);
  },

  withdraw: (world) => {
    const command = { kind: "withdraw", account: "", amount: { currency: "XYZ", minor: 0n }, expectedVersion: 99 };
    const [closed, frozen, poor] = threeStates(world);
    // The cash of branch 2 is all that a balance can hold: nothing can be paid in there any more.
    world.must(branch(2));
    const rich = world.account("USD");
    world.must(deposit(rich, AMOUNT_MAX));
    world.must(withdraw(rich, AMOUNT_MAX), 2);
    world.must(deposit(rich, 100n), 3);
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { account: "none" })],
      ["INVALID_AMOUNT", () => set(command, { amount: { currency: "XYZ", minor: 100n } })],
      ["UNKNOWN_CURRENCY", () => set(command, { amount: { currency: "EUR", minor: 100n } })],
      ...atBranch(world),
      ["ACCOUNT_NOT_FOUND", () => set(command, { account: closed })],
      ["STALE_VERSION", () => set(command, { expectedVersion: undefined })],
      ["CURRENCY_MISMATCH", () => set(command, { amount: usd(100n) })],
      ["ACCOUNT_CLOSED", () => set(command, { account: frozen })],
      ["ACCOUNT_FROZEN", () => set(command, { account: poor })],
      ["INSUFFICIENT_FUNDS", () => set(command, { account: rich })],
      ["BALANCE_LIMIT_EXCEEDED", () => moveWhereNothingFits(world, () => (world.branch = 4))],
      ["ACCOUNT_LIMIT_EXCEEDED", () => undoPretence(world)],
    ]);
  },

  transfer: (world) => {
    const command = { kind: "transfer", from: "", to: "fees/1/USD", amount: { currency: "XYZ", minor: 0n } };
    set(command, { expectedVersion: 99 });
    const [closed, frozen, poor] = threeStates(world);
    const rich = world.account("USD");
    const capped = world.account("USD", { ceiling: 10n });
    const brimful = world.account("USD");
    world.must(deposit(rich, 1_000n));
    world.must(deposit(brimful, AMOUNT_MAX), 3);
    const notFull = { end: () => undefined as unknown };
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { from: "none" })],
      ["INVALID_AMOUNT", () => set(command, { amount: { currency: "XYZ", minor: 100n } })],
      ["UNKNOWN_CURRENCY", () => set(command, { amount: { currency: "EUR", minor: 100n } })],
      ...levelAndBranch(world),
      ["ACCOUNT_NOT_FOUND", () => set(command, { from: closed, to: closed })],
      ["SAME_ACCOUNT", () => set(command, { to: frozen })],
      ["STALE_VERSION", () => set(command, { expectedVersion: undefined })],
      ["CURRENCY_MISMATCH", () => set(command, { amount: usd(100n) })],
      ["ACCOUNT_CLOSED", () => set(command, { from: poor })],
      ["ACCOUNT_FROZEN", () => set(command, { to: capped })],
      ["INSUFFICIENT_FUNDS", () => set(command, { from: rich })],
      ["CEILING_EXCEEDED", () => set(command, { to: brimful })],
      [
        "BALANCE_LIMIT_EXCEEDED",
        () => {
          set(command, { to: "fees/1/USD" });
          notFull.end = world.pretendFull("accounts");
        },
      ],
      ["ACCOUNT_LIMIT_EXCEEDED", () => notFull.end()],
    ]);
  },

  reverse: (world) => {
    const command: Record<string, unknown> = { kind: "reverse", transaction: 0, expectedVersion: 99 };
    world.must(branch(3));
    const [a, b, c] = [world.account("USD"), world.account("USD"), world.account("USD")];
    const paid = (from: string, to: string) => {
      world.must(deposit(from, 100n));
      return world.must(transfer(from, to, 100n));
    };
    const undone = paid(a, b);
    const reversal = world.must({ kind: "reverse", transaction: undone });
    world.must(withdraw(a, 100n));
    const toClosed = paid(b, a);
    world.must(withdraw(a, 100n));
    world.must({ kind: "closeAccount", account: a });
    const toFrozen = paid(b, c);
    world.must({ kind: "freezeAccount", account: c });
    const d = world.account("USD");
    const toPoor = paid(b, d);
    world.must(withdraw(d, 50n));
    world.must({ kind: "updateAccount", account: b, ceiling: 1n });
    const e = world.account("USD");
    world.must(deposit(e, 5n));
    const fromBrimful = world.must(withdraw(e, 5n));
    world.must(deposit(e, AMOUNT_MAX), 3);
    const notFull = world.pretendFull("reversals");
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { transaction: 9_999 })],
      ...levelAndBranch(world),
      ["TRANSACTION_NOT_FOUND", () => set(command, { transaction: reversal })],
      ["NOT_REVERSIBLE", () => set(command, { transaction: undone })],
      ["STALE_VERSION", () => set(command, { expectedVersion: undefined })],
      ["ALREADY_REVERSED", () => set(command, { transaction: toClosed })],
      ["ACCOUNT_CLOSED", () => set(command, { transaction: toFrozen })],
      ["ACCOUNT_FROZEN", () => set(command, { transaction: toPoor })],
      ["INSUFFICIENT_FUNDS", () => world.must(deposit(d, 50n))],
      ["CEILING_EXCEEDED", () => set(command, { transaction: fromBrimful })],
      ["BALANCE_LIMIT_EXCEEDED", () => world.must(withdraw(e, 5n), 3)],
      ["TABLE_FULL", notFull],
    ]);
  },

  applyInterest: (world) => {
    const command = { kind: "applyInterest", account: "", rate: -1, expectedVersion: 99 };
    const [closed, frozen] = threeStates(world);
    const overdrawn = world.account("USD", { floor: -10n });
    world.must(withdraw(overdrawn, 5n));
    const rich = world.account("USD", { ceiling: AMOUNT_MAX - 1n });
    world.must(deposit(rich, AMOUNT_MAX - 5n), 3);
    const notFull = world.pretendFull("accounts");
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { account: "none" })],
      ["INVALID_RATE", () => set(command, { rate: 100_000_000 })],
      ...levelAndBranch(world),
      ["ACCOUNT_NOT_FOUND", () => set(command, { account: closed })],
      ["STALE_VERSION", () => set(command, { expectedVersion: undefined })],
      ["ACCOUNT_CLOSED", () => set(command, { account: frozen })],
      ["ACCOUNT_FROZEN", () => set(command, { account: overdrawn })],
      ["NEGATIVE_BALANCE", () => set(command, { account: rich })],
      ["CEILING_EXCEEDED", () => world.must({ kind: "updateAccount", account: rich, ceiling: null })],
      ["BALANCE_LIMIT_EXCEEDED", () => world.must(withdraw(rich, AMOUNT_MAX - 100n), 3)],
      ["ACCOUNT_LIMIT_EXCEEDED", notFull],
    ]);
  },

  placeHold: (world) => {
    const command = { kind: "placeHold", account: "", amount: { currency: "XYZ", minor: 0n }, expiresMs: 1 };
    set(command, { expectedVersion: 99 });
    const [closed, frozen, poor] = threeStates(world);
    const notFull = world.pretendFull("holds");
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { account: "none" })],
      ["INVALID_AMOUNT", () => set(command, { amount: { currency: "XYZ", minor: 100n } })],
      ["UNKNOWN_CURRENCY", () => set(command, { amount: { currency: "EUR", minor: 100n } })],
      ...levelAndBranch(world),
      ["ACCOUNT_NOT_FOUND", () => set(command, { account: closed })],
      ["STALE_VERSION", () => set(command, { expectedVersion: undefined })],
      ["CURRENCY_MISMATCH", () => set(command, { amount: usd(100n) })],
      ["ACCOUNT_CLOSED", () => set(command, { account: frozen })],
      ["ACCOUNT_FROZEN", () => set(command, { account: poor })],
      ["EXPIRY_NOT_LATER", () => set(command, { expiresMs: 0 })],
      // An overdraft is no help: a hold never draws on it.
      ["INSUFFICIENT_FUNDS", () => world.must(deposit(poor, 100n))],
      ["TABLE_FULL", notFull],
    ]);
  },

  captureHold: (world) => {
    const command: Record<string, unknown> = { kind: "captureHold", hold: 0, to: "none", expectedVersion: 99 };
    set(command, { amount: { currency: "XYZ", minor: 0n } });
    const payer = world.account("USD");
    const [closed, frozen] = threeStates(world);
    const capped = world.account("USD", { ceiling: 10n });
    const brimful = world.account("USD");
    world.must(deposit(payer, 1_000n));
    world.must(deposit(brimful, AMOUNT_MAX), 3);
    const place = () => world.must({ kind: "placeHold", account: payer, amount: usd(100n), expiresMs: 0 });
    const [ended, hold] = [place(), place()];
    world.must({ kind: "releaseHold", hold: ended });
    const notFull = { end: () => undefined as unknown };
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { hold: 9_999 })],
      ["INVALID_AMOUNT", () => set(command, { amount: { currency: "XYZ", minor: 101n } })],
      ["UNKNOWN_CURRENCY", () => set(command, { amount: { currency: "EUR", minor: 101n } })],
      ...levelAndBranch(world),
      ["HOLD_NOT_FOUND", () => set(command, { hold: ended })],
      ["ACCOUNT_NOT_FOUND", () => set(command, { to: payer })],
      ["SAME_ACCOUNT", () => set(command, { to: closed })],
      ["STALE_VERSION", () => set(command, { expectedVersion: undefined })],
      ["HOLD_ENDED", () => set(command, { hold })],
      ["CURRENCY_MISMATCH", () => set(command, { amount: usd(101n) })],
      ["ACCOUNT_CLOSED", () => set(command, { to: frozen })],
      ["ACCOUNT_FROZEN", () => set(command, { to: capped })],
      ["HOLD_AMOUNT_EXCEEDED", () => set(command, { amount: usd(100n) })],
      ["CEILING_EXCEEDED", () => set(command, { to: brimful })],
      [
        "BALANCE_LIMIT_EXCEEDED",
        () => {
          set(command, { to: "" });
          notFull.end = world.pretendFull("accounts");
        },
      ],
      ["ACCOUNT_LIMIT_EXCEEDED", () => notFull.end()],
    ]);
  },

  releaseHold: (world) => {
    const command = { kind: "releaseHold", hold: 0, expectedVersion: 99 };
    const [ended, hold] = twoHolds(world, 0);
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { hold: 9_999 })],
      ...levelAndBranch(world),
      ["HOLD_NOT_FOUND", () => set(command, { hold: ended })],
      ["STALE_VERSION", () => set(command, { expectedVersion: undefined })],
      ["HOLD_ENDED", () => set(command, { hold })],
    ]);
  },

  extendHold: (world) => {
    const command = { kind: "extendHold", hold: 0, expiresMs: 1, expectedVersion: 99 };
    const [ended, everlasting] = twoHolds(world, 0);
    const [, passing] = twoHolds(world, world.ledger.timeMs + 10);
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { hold: 9_999 })],
      ...levelAndBranch(world),
      ["HOLD_NOT_FOUND", () => set(command, { hold: ended })],
      ["STALE_VERSION", () => set(command, { expectedVersion: undefined })],
      ["HOLD_ENDED", () => set(command, { hold: everlasting })],
      ["HOLD_NEVER_EXPIRES", () => set(command, { hold: passing, expiresMs: world.ledger.timeMs + 10 })],
      ["EXPIRY_NOT_LATER", () => set(command, { expiresMs: world.ledger.timeMs + 11 })],
    ]);
  },

  group: (world) => {
    const account = world.account("USD");
    const command: Record<string, unknown> = { kind: "group", items: [] };
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { items: [deposit(account, 1n)] })],
      ...levelAndBranch(world),
    ]);
  },

  cancelRequest: (world) => {
    world.ledger.formatLevel = 1;
    // What is cancelled is answered by a rejection: the only answer that a cancelled request can have.
    return {
      command: { kind: "cancelRequest" },
      steps: [["FORMAT_LEVEL_TOO_LOW", () => (world.ledger.formatLevel = FORMAT_LEVEL_MAX)]],
    };
  },

  ...BRANCH_LADDERS,
};

function levelAndBranch(world: World): Ladder["steps"] {
  // No more than it needs.
  return [["FORMAT_LEVEL_TOO_LOW", () => (world.ledger.formatLevel = 2)], ...atBranch(world)];
}

/** Nothing was ever booked at branch 1: its accounts are not open. */
function atBranch(world: World): Ladder["steps"] {
  return [
    ["BRANCH_NOT_FOUND", () => (world.branch = RETIRED)],
    ["BRANCH_RETIRED", () => (world.branch = world.ledger.hasBranch(2) ? 2 : 1)],
  ];
}

/** Accounts of which the first is closed, the second frozen and the third open. */
function threeStates(world: World, balance = 0n): [closed: string, frozen: string, open: string] {
  world.must(branch(3));
  const [closed, frozen, usable] = [world.account("USD"), world.account("USD"), world.account("USD")];
  world.account("EUR");
  world.must({ kind: "closeAccount", account: closed });
  world.must({ kind: "freezeAccount", account: frozen });
  if (balance > 0n) world.must(deposit(usable, balance));
  return [closed, frozen, usable];
}

function twoHolds(world: World, expiresMs: number): [ended: number, open: number] {
  const account = world.account("USD");
  world.must(deposit(account, 100n));
  const place = () => world.must({ kind: "placeHold", account, amount: usd(10n), expiresMs });
  const [ended, hold] = [place(), place()];
  world.must({ kind: "releaseHold", hold: ended });
  return [ended, hold];
}

const pretences = new WeakMap<World, () => void>();

/** At a branch whose cash account is not open, in a ledger that can open none. */
function moveWhereNothingFits(world: World, move: () => void): void {
  world.must(branch(4));
  move();
  pretences.set(world, world.pretendFull("accounts"));
}

function undoPretence(world: World): void {
  pretences.get(world)?.();
}

describe("each operation", () => {
  it.each(Object.keys(LADDERS) as Command["kind"][])("%s is answered in the order of OPERATIONS", (kind) => {
    const world = new World();
    const { command, steps } = LADDERS[kind](world);
    expect(steps.map(([reason]) => reason)).toEqual(OPERATIONS[kind]);
    for (const [reason, mend] of steps) {
      expect(world.reasonFor({ ...command } as unknown as Command)).toBe(reason);
      mend();
    }
    const answer = world.reasonFor({ ...command } as unknown as Command);
    expect(answer).toBe(kind === "cancelRequest" ? "REQUEST_CANCELLED" : undefined);
  });
});

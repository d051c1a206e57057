import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { AccountState } from "../account.ts";
import type { Command } from "../command.ts";
import { HoldState } from "../hold.ts";
import { deposit, transfer, withdraw } from "./ledger.test-util.ts";
import { World } from "./world.test-util.ts";

const PAGE = "docs/reference/accounts.md";
const page = readFileSync(new URL(`../../../../${PAGE}`, import.meta.url), "utf8");

/** The table of states: what each operation is answered with, by state. */
function documented(): Map<string, readonly string[]> {
  const section = page.split(/^## /m).find((text) => text.startsWith("States\n")) ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("|"));
  const cells = rows.map((line) => line.split("|").map((cell) => cell.trim().replaceAll("`", "")));
  expect(cells[0]?.slice(1, 5)).toEqual(["operation", "open", "frozen", "closed"]);
  return new Map(cells.slice(2).map((row) => [row[1] as string, row.slice(2, 5)]));
}

const NO_HOLD = "never: no hold is open";
const usd = (minor: bigint) => ({ currency: "USD", minor });

/** An account in a state, with money and a hold as far as the state allows, and another that is open. */
class Subject {
  readonly world = new World();
  readonly account: string;
  readonly other: string;
  /** A movement on the account that can be reversed by itself. */
  readonly movement: number;
  /** A hold on the account; undefined where none can be. */
  readonly hold: number | undefined;
  /** A hold on the other account. */
  readonly otherHold: number;

  constructor(state: AccountState) {
    const { world } = this;
    this.account = world.account("USD");
    this.other = world.account("USD");
    for (const account of [this.account, this.other]) world.must(deposit(account, 1_000n));
    this.movement = world.must(transfer(this.other, this.account, 10n));
    const place = (account: string) =>
      world.must({ kind: "placeHold", account, amount: usd(10n), expiresMs: world.ledger.timeMs + 10 });
    this.hold = state === AccountState.CLOSED ? undefined : place(this.account);
    this.otherHold = place(this.other);
    if (state === AccountState.FROZEN) world.must({ kind: "freezeAccount", account: this.account });
    if (state !== AccountState.CLOSED) return;
    world.must(withdraw(this.account, 1_010n));
    world.must({ kind: "closeAccount", account: this.account });
  }

  /** What the command is answered with, in the words of the table. */
  answer(command: Command): string {
    const reason = this.world.reasonFor(command);
    if (reason === undefined) this.world.must(command);
    return reason ?? "yes";
  }

  onHold(command: (hold: number) => Command): string {
    return this.hold === undefined ? this.withoutHold() : this.answer(command(this.hold));
  }

  withoutHold(): string {
    const { ledger } = this.world;
    const account = ledger.findCustomerAccount(this.account);
    if (account === undefined || ledger.openHoldsOf(account).length > 0) throw new Error("a hold is open after all");
    return NO_HOLD;
  }
}

const OPERATIONS: Readonly<Record<string, (subject: Subject) => string>> = {
  deposit: (s) => s.answer(deposit(s.account, 1n)),
  withdrawal: (s) => s.answer(withdraw(s.account, 1n)),
  "transfer from it": (s) => s.answer(transfer(s.account, s.other, 1n)),
  "transfer to it": (s) => s.answer(transfer(s.other, s.account, 1n)),
  "reversal of a movement on it": (s) => s.answer({ kind: "reverse", transaction: s.movement }),
  interest: (s) => s.answer({ kind: "applyInterest", account: s.account, rate: 1_000_000 }),
  "placing a hold": (s) => s.answer({ kind: "placeHold", account: s.account, amount: usd(1n), expiresMs: 0 }),
  "capturing a hold on it": (s) => s.onHold((hold) => ({ kind: "captureHold", hold, to: "" })),
  "capture that pays to it": (s) => s.answer({ kind: "captureHold", hold: s.otherHold, to: s.account }),
  "releasing a hold on it": (s) => s.onHold((hold) => ({ kind: "releaseHold", hold })),
  "extending a hold on it": (s) =>
    s.onHold((hold) => ({ kind: "extendHold", hold, expiresMs: s.world.ledger.timeMs + 20 })),
  "expiry of a hold on it": (s) => {
    if (s.hold === undefined) return s.withoutHold();
    s.world.passTime(10);
    return s.world.ledger.viewHold(s.hold)?.state === HoldState.EXPIRED ? "yes" : "no";
  },
  update: (s) => s.answer({ kind: "updateAccount", account: s.account, displayName: "Holidays" }),
  freeze: (s) => s.answer({ kind: "freezeAccount", account: s.account }),
  unfreeze: (s) => s.answer({ kind: "unfreezeAccount", account: s.account }),
  close: (s) => {
    // Where the state allows it, the account is emptied first: at zero it is only the state that decides.
    if (s.world.reasonFor(withdraw(s.account, 1n)) === undefined) {
      s.world.must({ kind: "releaseHold", hold: s.hold as number });
      s.world.must(withdraw(s.account, 1_010n));
    }
    return s.answer({ kind: "closeAccount", account: s.account });
  },
  reads: (s) => (s.world.ledger.findAccount(s.account) === undefined ? "no" : "yes"),
};

describe(`the table of states in ${PAGE}`, () => {
  it("has a row for every operation", () => {
    expect([...documented().keys()]).toEqual(Object.keys(OPERATIONS));
  });

  const states = [AccountState.OPEN, AccountState.FROZEN, AccountState.CLOSED];
  const cases = Object.keys(OPERATIONS).flatMap((name) => states.map((state, column) => ({ name, state, column })));
  it.each(cases)("$name in state $state is as it says", ({ name, state, column }) => {
    const subject = new Subject(state);
    const { accounts } = subject.world.ledger;
    const index = subject.world.ledger.findCustomerAccount(subject.account) as number;
    const before = accounts.posted[index];
    expect(OPERATIONS[name]?.(subject)).toBe(documented().get(name)?.[column]);
    if (state !== AccountState.OPEN) expect(accounts.posted[index]).toBe(before);
  });
});

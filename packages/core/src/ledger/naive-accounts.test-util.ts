import type { ChangeState, OpenAccount, UpdateAccount } from "../command.ts";
import type { NaiveBooks } from "./naive-books.test-util.ts";
import { naiveDecimal } from "./naive-books.test-util.ts";
import {
  availableOf,
  checkNotClosed,
  checkNotFrozen,
  checkVersion,
  findCustomer,
  NaiveNo,
} from "./naive-checks.test-util.ts";
import { told } from "./told.test-util.ts";

export function openAccount(books: NaiveBooks, branch: number, command: OpenAccount): void {
  const alias = command.alias ?? "";
  if (alias !== "" && books.customer(alias) !== undefined) throw new NaiveNo("ALIAS_TAKEN", { alias });
  // Whoever chooses a number has it; the others count on, and pass over what was chosen.
  let number = books.lastNumber + 1;
  while (books.customer(`${number}`) !== undefined) number++;
  const isChosen = alias.length < 16 && /^[1-9]\d*$/.test(alias);
  books.useCurrency(command.currency);
  const account = {
    name: isChosen ? alias : `${number}`,
    type: command.type === 1 ? "savings" : "checking",
    alias,
    owner: command.owner,
    displayName: command.displayName,
    metadata: command.metadata ?? {},
    currency: command.currency,
    branch,
    state: "open",
    posted: 0n,
    held: 0n,
    floor: command.floor ?? 0n,
    ceiling: command.ceiling,
    version: 1,
  } as const;
  books.say(told.opened(account));
  books.open(account);
}

export function updateAccount(books: NaiveBooks, command: UpdateAccount): void {
  const account = findCustomer(books, command.account);
  checkVersion(account, command.expectedVersion);
  checkNotClosed(account);
  const { name, currency, posted } = account;
  const { floor, ceiling } = command;
  if (floor !== undefined && floor < 0n && account.type === "savings")
    throw new NaiveNo("OVERDRAFT_NOT_ALLOWED", { account: name });
  if (floor !== undefined && availableOf(account) < floor)
    throw new NaiveNo("FLOOR_ABOVE_BALANCE", {
      account: name,
      available: naiveDecimal(availableOf(account), currency),
      currency,
      floor: naiveDecimal(floor, currency),
    });
  if (ceiling !== undefined && ceiling !== null && posted > ceiling)
    throw new NaiveNo("CEILING_BELOW_BALANCE", {
      account: name,
      ceiling: naiveDecimal(ceiling, currency),
      currency,
      posted: naiveDecimal(posted, currency),
    });
  const terms = {
    displayName: command.displayName ?? account.displayName,
    metadata: command.metadata ?? account.metadata,
    floor: floor ?? account.floor,
    ceiling: ceiling === undefined ? account.ceiling : (ceiling ?? undefined),
  };
  books.say(told.updated({ name, ...terms }));
  books.change(name, terms);
}

export function changeState(books: NaiveBooks, command: ChangeState): void {
  const account = findCustomer(books, command.account);
  const { name, currency, posted } = account;
  checkVersion(account, command.expectedVersion);
  checkNotClosed(account);
  if (command.kind === "unfreezeAccount") {
    if (account.state !== "frozen") throw new NaiveNo("ACCOUNT_NOT_FROZEN", { account: name });
  } else checkNotFrozen(account);
  if (command.kind === "closeAccount") {
    const held = books.heldOn(name);
    if (held !== 0n) throw new NaiveNo("HOLDS_OPEN", { account: name, currency, held: naiveDecimal(held, currency) });
    if (posted !== 0n)
      throw new NaiveNo("BALANCE_NOT_ZERO", { account: name, currency, posted: naiveDecimal(posted, currency) });
  }
  const state = ({ freezeAccount: "frozen", unfreezeAccount: "open", closeAccount: "closed" } as const)[command.kind];
  books.say(told.state(name, state));
  books.change(name, { state });
}

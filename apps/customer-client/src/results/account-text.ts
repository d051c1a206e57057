import type { Account, AccountUpdate } from "@bank/client";
import { BALANCE_MIN } from "@bank/core";
import { metadataText } from "../metadata-text.ts";
import { moneyText } from "../money-text.ts";
import { printable } from "../printable.ts";
import { pairs } from "../table.ts";
import { timeText } from "../time-text.ts";

/** All about an account as it stands, a line each. */
export function accountText(account: Account): string {
  return pairs({
    alias: printable(account.alias ?? ""),
    type: account.type,
    state: account.state,
    owner: printable(account.owner),
    name: printable(account.displayName),
    posted: moneyText(account.posted),
    held: moneyText(account.held),
    available: moneyText(account.available),
    floor: floorText(account),
    ceiling: ceilingText(account),
    metadata: metadataText(account.metadata),
    branch: branchText(account.homeBranch),
    version: String(account.version),
    opened: timeText(account.openedAtMs),
  });
}

/** What an account was opened with. There is nothing on it yet. */
export function newAccountText(account: Account): string {
  return pairs({
    alias: printable(account.alias ?? ""),
    type: account.type,
    owner: printable(account.owner),
    name: printable(account.displayName),
    currency: account.currency,
    floor: floorText(account),
    ceiling: ceilingText(account),
    metadata: metadataText(account.metadata),
    branch: branchText(account.homeBranch),
    opened: timeText(account.openedAtMs),
  });
}

/** Everything that can be changed of an account, as it is from here on. */
export function accountUpdateText(update: AccountUpdate): string {
  return pairs({
    name: printable(update.displayName),
    floor: moneyText(update.floor),
    ceiling: ceilingText(update) ?? "none",
    metadata: metadataText(update.metadata),
  });
}

export function branchText(number: number): string {
  return number === 0 ? "0 (head office)" : String(number);
}

/** Nothing for what nearly every account has: a floor of zero, or, as the bank's own accounts, none. */
function floorText({ floor }: Pick<Account, "floor">): string | undefined {
  return floor.minor === 0n || floor.minor === BALANCE_MIN ? undefined : moneyText(floor);
}

function ceilingText({ ceiling }: Pick<Account, "ceiling">): string | undefined {
  return ceiling === undefined ? undefined : moneyText(ceiling);
}

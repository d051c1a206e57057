import type { Hold } from "@bank/client";
import { moneyText } from "../money-text.ts";
import { printable } from "../printable.ts";
import { pairs } from "../table.ts";
import { timeText } from "../time-text.ts";

/** All about a hold, a line each. */
export function holdText(hold: Hold): string {
  return pairs({
    account: printable(hold.account),
    state: hold.state,
    amount: moneyText(hold.amount),
    captured: moneyText(hold.captured),
    remaining: moneyText(hold.remaining),
    expires: expiryText(hold),
  });
}

export function expiryText({ expiresAtMs }: Pick<Hold, "expiresAtMs">): string {
  return expiresAtMs === undefined ? "never" : timeText(expiresAtMs);
}

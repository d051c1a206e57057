import type { GroupCommand } from "@bank/client";
import { percentOf } from "../commands/interest.ts";
import { UsageError } from "../usage-error.ts";
import type { Fields } from "./fields.ts";
import { LineProblem } from "./line-problem.ts";

/** How the commands of a batch file are read, by the names that they have there. */
export const BATCH_COMMANDS: Readonly<Record<string, (fields: Fields) => GroupCommand>> = {
  deposit: (fields) => ({
    kind: "deposit",
    account: fields.text("account"),
    amount: fields.money("amount"),
    ...expected(fields),
  }),
  withdraw: (fields) => ({
    kind: "withdraw",
    account: fields.text("account"),
    amount: fields.money("amount"),
    ...expected(fields),
  }),
  transfer: (fields) => ({
    kind: "transfer",
    from: fields.text("from"),
    to: fields.text("to"),
    amount: fields.money("amount"),
    ...expected(fields),
  }),
  reverse: (fields) => ({ kind: "reverse", transaction: fields.position("transaction"), ...expected(fields) }),
  apply_interest: (fields) => ({
    kind: "applyInterest",
    account: fields.text("account"),
    rate: rateOf(fields.text("rate")),
    ...expected(fields),
  }),
  open_account: openAccount,
  update_account: (fields) => ({
    kind: "updateAccount",
    account: fields.text("account"),
    displayName: fields.optionalText("name"),
    metadata: fields.optionalMetadata("metadata"),
    floor: fields.optionalSignedMinor("floor"),
    ceiling: fields.take("ceiling") === null ? null : fields.optionalMoney("ceiling")?.minor,
    ...expected(fields),
  }),
  freeze_account: (fields) => ({ kind: "freezeAccount", account: fields.text("account"), ...expected(fields) }),
  unfreeze_account: (fields) => ({ kind: "unfreezeAccount", account: fields.text("account"), ...expected(fields) }),
  close_account: (fields) => ({ kind: "closeAccount", account: fields.text("account"), ...expected(fields) }),
  place_hold: (fields) => ({
    kind: "placeHold",
    account: fields.text("account"),
    amount: fields.money("amount"),
    expiresAtMs: fields.optionalTime("expires_at"),
    ...expected(fields),
  }),
  capture_hold: (fields) => ({
    kind: "captureHold",
    hold: fields.position("hold"),
    amount: fields.optionalMoney("amount"),
    to: fields.optionalText("to"),
    ...expected(fields),
  }),
  release_hold: (fields) => ({ kind: "releaseHold", hold: fields.position("hold"), ...expected(fields) }),
  extend_hold: (fields) => ({
    kind: "extendHold",
    hold: fields.position("hold"),
    expiresAtMs: requiredTime(fields),
    ...expected(fields),
  }),
};

function openAccount(fields: Fields): GroupCommand {
  const type = fields.optionalText("type");
  if (type !== undefined && type !== "savings" && type !== "checking")
    throw new LineProblem('"type" must be "savings" or "checking"');
  const overdraft = fields.optionalMinor("overdraft");
  return {
    kind: "openAccount",
    type,
    currency: fields.currency("open_account"),
    owner: fields.optionalText("owner"),
    displayName: fields.optionalText("name"),
    alias: fields.optionalText("alias"),
    metadata: fields.optionalMetadata("metadata"),
    floor: overdraft === undefined ? undefined : -overdraft,
    ceiling: fields.optionalMoney("ceiling")?.minor,
  };
}

function expected(fields: Fields): { expectedVersion: number | undefined } {
  return { expectedVersion: fields.optionalPosition("expect_version") };
}

function requiredTime(fields: Fields): number {
  const timeMs = fields.optionalTime("expires_at");
  if (timeMs === undefined) throw new LineProblem('it has no "expires_at"');
  return timeMs;
}

function rateOf(text: string): string {
  try {
    return percentOf(text);
  } catch (error) {
    throw error instanceof UsageError ? new LineProblem(error.message) : error;
  }
}

import type { BankClient, Money } from "@bank/client";
import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { checkAmountText, parseMoney } from "../money-text.ts";
import { parsePosition } from "../positions.ts";
import { doneReport } from "../results/done-report.ts";
import { UsageError } from "../usage-error.ts";
import { addChangeOptions, type VersionedArguments, versionedOptions } from "./change-options.ts";
import { addCurrencyOption, type CurrencyArguments, clientAndMoney, unchanging } from "./currency.ts";
import { defineCommand, type Run } from "./define.ts";
import { addExpiryOptions, type ExpiryArguments, expiryOf } from "./expiry.ts";

type PlaceArguments = VersionedArguments & CurrencyArguments & ExpiryArguments;
type CaptureArguments = VersionedArguments & CurrencyArguments & { readonly to?: string };
type ExtendArguments = VersionedArguments & ExpiryArguments;

/** `bank hold place`, `capture`, `release` and `extend` */
export function addHoldChangeCommands(hold: Command, run: Run): void {
  defineCommand(
    hold,
    run,
    {
      usage: "place <account> <amount>",
      changes: true,
      description: "Keep money of an account back for a later capture.",
      details: "A hold never draws on an overdraft. Without a time it stays until it is captured or released.",
      examples: [
        ["hold place 1 30 --expires-in 7d", "for a week"],
        ["hold place 1 30 --expires-at 2026-12-31T23:00:00Z", ""],
      ],
    },
    place,
    (command) => addChangeOptions(addCurrencyOption(addExpiryOptions(command))),
  );
  defineCommand(
    hold,
    run,
    {
      usage: "capture <hold> [amount]",
      changes: true,
      description: "Take held money out: to another account, or in cash. Without an amount, all that is left.",
      details: "A hold can be captured several times, until nothing is left of it.",
      examples: [
        ["hold capture 9 --to 2", "all of it, to account 2"],
        ["hold capture 9 12.50", "a part of it, in cash"],
      ],
    },
    capture,
    (command) =>
      addChangeOptions(
        addCurrencyOption(command.option("--to <account>", "who receives it (default: it is paid out in cash)")),
      ),
  );
  defineCommand(
    hold,
    run,
    {
      usage: "release <hold>",
      changes: true,
      description: "Give back what is left of a hold, and end it.",
      examples: [["hold release 9", ""]],
    },
    release,
    addChangeOptions,
  );
  defineCommand(
    hold,
    run,
    {
      usage: "extend <hold>",
      changes: true,
      description: "Let a hold live longer.",
      examples: [
        ["hold extend 9 --expires-in 7d", "a week from now"],
        ["hold extend 9 --expires-at 2026-12-31T23:00:00Z", ""],
      ],
    },
    extend,
    (command) => addChangeOptions(addExpiryOptions(command)),
  );
}

async function place(
  context: CommandContext,
  [account = "", amount = ""]: readonly string[],
  given: PlaceArguments,
): Promise<Report> {
  const options = versionedOptions(context, given);
  const expiresAtMs = expiryOf(context, given);
  const { client, money } = await clientAndMoney(context, { account, amount, ...given });
  const placed = await client.placeHold(account, money, { ...options(), expiresAtMs });
  return doneReport(client, placed, { kind: "hold", hold: placed.hold });
}

async function capture(
  context: CommandContext,
  [hold = "", amount]: readonly string[],
  given: CaptureArguments,
): Promise<Report> {
  const options = versionedOptions(context, given);
  const position = parsePosition(hold, "hold number");
  if (amount !== undefined) checkAmountText(amount);
  const client = await context.client();
  const part = amount === undefined ? undefined : await partOf(context, client, { position, amount, ...given });
  const captured = await client.captureHold(position, { ...options(), amount: part, to: given.to });
  return doneReport(client, captured, { kind: "capture", capture: captured.capture });
}

/** An amount in the currency that was said, or in that of the hold. */
async function partOf(
  context: CommandContext,
  client: BankClient,
  given: CurrencyArguments & { readonly position: number; readonly amount: string },
): Promise<Money> {
  const { position, amount, currency } = given;
  if (currency !== undefined) return parseMoney(amount, currency.toUpperCase());
  const { hold } = await unchanging(client, (consistency) =>
    client.getHold(position, { ...context.call(), consistency }),
  );
  return parseMoney(amount, hold.amount.currency);
}

async function release(
  context: CommandContext,
  [hold = ""]: readonly string[],
  given: VersionedArguments,
): Promise<Report> {
  const options = versionedOptions(context, given);
  const position = parsePosition(hold, "hold number");
  const client = await context.client();
  const released = await client.releaseHold(position, options());
  return doneReport(client, released, { kind: "hold", hold: released.hold });
}

async function extend(
  context: CommandContext,
  [hold = ""]: readonly string[],
  given: ExtendArguments,
): Promise<Report> {
  const options = versionedOptions(context, given);
  const position = parsePosition(hold, "hold number");
  const expiresAtMs = expiryOf(context, given);
  if (expiresAtMs === undefined) throw new UsageError("Until when? --expires-in or --expires-at says it.");
  const client = await context.client();
  const extended = await client.extendHold(position, expiresAtMs, options());
  return doneReport(client, extended, { kind: "hold", hold: extended.hold });
}

import type { AccountChanges, BankClient, Metadata } from "@bank/client";
import { type Command, Option } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { refuseMalformed } from "../core-command.ts";
import { collectMetadata } from "../metadata-text.ts";
import { checkAmountText, checkSignedAmountText, parseMoney, parseSignedMinor } from "../money-text.ts";
import { doneReport } from "../results/done-report.ts";
import { UsageError } from "../usage-error.ts";
import { addChangeOptions, type VersionedArguments, versionedOptions } from "./change-options.ts";
import { addCurrencyOption, type CurrencyArguments, currencyOf } from "./currency.ts";
import { defineCommand, type Run } from "./define.ts";

interface UpdateArguments extends VersionedArguments, CurrencyArguments {
  readonly name?: string;
  readonly metadata?: Metadata;
  readonly clearMetadata?: boolean;
  readonly floor?: string;
  readonly ceiling?: string;
}

/** `bank account update`, `freeze`, `unfreeze` and `close` */
export function addAccountChangeCommands(account: Command, run: Run): void {
  addUpdateCommand(account, run);
  defineCommand(
    account,
    run,
    {
      usage: "freeze <account>",
      changes: true,
      description: "Freeze an account: no money moves on it until it is unfrozen.",
      details: "Its holds can be released and extended, and they expire; none is placed or captured.",
      examples: [["account freeze 1", ""]],
    },
    (context, args, given: VersionedArguments) => changeState("freezeAccount", context, args, given),
    addChangeOptions,
  );
  defineCommand(
    account,
    run,
    {
      usage: "unfreeze <account>",
      changes: true,
      description: "Open a frozen account again.",
      examples: [["account unfreeze 1", ""]],
    },
    (context, args, given: VersionedArguments) => changeState("unfreezeAccount", context, args, given),
    addChangeOptions,
  );
  defineCommand(
    account,
    run,
    {
      usage: "close <account>",
      changes: true,
      description: "Close an account for good.",
      details: "Only an open account at zero and without open holds can be closed.",
      examples: [["account close 1", ""]],
    },
    (context, args, given: VersionedArguments) => changeState("closeAccount", context, args, given),
    addChangeOptions,
  );
}

function addUpdateCommand(account: Command, run: Run): void {
  defineCommand(
    account,
    run,
    {
      usage: "update <account>",
      changes: true,
      description: "Change an account's name, metadata, floor or ceiling. What is not named stays as it is.",
      details:
        "The floor is what has to stay; a checking account may have one below zero, its overdraft. --metadata gives all of\n" +
        "the metadata anew: what is not named is gone.",
      examples: [
        ["account update 1 --name 'Holidays'", ""],
        ["account update 1 --floor -100.00", "an overdraft of 100.00"],
        ["account update 1 --ceiling none", "may hold anything"],
        ["account update 1 --metadata advisor=Bo", "and no other metadata"],
      ],
    },
    update,
    (command) =>
      addChangeOptions(
        addCurrencyOption(
          command
            .option("--name <text>", "what its owner calls it")
            .addOption(
              new Option("--metadata <key=value>", "a text by name; may be repeated")
                .argParser(collectMetadata)
                .conflicts("clearMetadata"),
            )
            .option("--clear-metadata", "take all metadata away")
            .option("--floor <amount>", "what has to stay; below zero, an overdraft")
            .option("--ceiling <amount>", "how much it may hold; none for any amount"),
        ),
      ),
  );
}

async function update(
  context: CommandContext,
  [account = ""]: readonly string[],
  given: UpdateArguments,
): Promise<Report> {
  const options = versionedOptions(context, given);
  const { name: displayName, metadata, clearMetadata, floor, ceiling } = given;
  if ([displayName, metadata, clearMetadata, floor, ceiling].every((each) => each === undefined))
    throw new UsageError("Nothing to change: --name, --metadata, --clear-metadata, --floor and --ceiling say what.");
  if (floor !== undefined) checkSignedAmountText(floor);
  if (ceiling !== undefined && ceiling !== "none") checkAmountText(ceiling);
  const client = await context.client();
  const changes: AccountChanges = {
    displayName,
    metadata: clearMetadata === true ? {} : metadata,
    ...(await limits(context, client, { ...given, account })),
  };
  refuseMalformed({ kind: "updateAccount", account, ...changes });
  const updated = await client.updateAccount(account, changes, options());
  return doneReport(client, updated, { kind: "accountUpdate", update: updated.update });
}

/** Floor and ceiling in minor units; the account is asked for its currency only where one of them is given. */
async function limits(
  context: CommandContext,
  client: BankClient,
  given: UpdateArguments & { readonly account: string },
): Promise<Pick<AccountChanges, "floor" | "ceiling">> {
  const { floor, ceiling } = given;
  if (floor === undefined && (ceiling === undefined || ceiling === "none"))
    return ceiling === undefined ? {} : { ceiling: null };
  const currency = await currencyOf(context, client, given);
  return {
    floor: floor === undefined ? undefined : parseSignedMinor(floor, currency),
    ceiling: ceiling === undefined ? undefined : ceiling === "none" ? null : parseMoney(ceiling, currency).minor,
  };
}

async function changeState(
  method: "freezeAccount" | "unfreezeAccount" | "closeAccount",
  context: CommandContext,
  [account = ""]: readonly string[],
  given: VersionedArguments,
): Promise<Report> {
  const options = versionedOptions(context, given);
  const client = await context.client();
  const changed = await client[method](account, options());
  return doneReport(client, changed, { kind: "stateChange", change: changed.change });
}

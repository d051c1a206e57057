import type { Account } from "@bank/client";
import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { accountDocument, readDocument } from "../documents.ts";
import { amountText } from "../money-text.ts";
import { staleText } from "../positions.ts";
import { printable } from "../printable.ts";
import { accountText } from "../results/account-text.ts";
import { table } from "../table.ts";
import { defineCommand, type Run } from "./define.ts";
import { addListOptions, type ListArguments, limitOf, moreText, readPages } from "./pages.ts";
import { addReadOptions, type ReadArguments, reader } from "./read-options.ts";

/** `bank account show` and `bank account list` */
export function addAccountReadCommands(account: Command, run: Run): void {
  defineCommand(
    account,
    run,
    {
      usage: "show <account>",
      description: "Show an account with its balances.",
      examples: [
        ["account show 1", ""],
        ["account show cash/1/USD", "the cash of branch 1"],
      ],
    },
    show,
    addReadOptions,
  );
  defineCommand(
    account,
    run,
    {
      usage: "list",
      description: "List accounts in the order of their opening.",
      examples: [
        ["account list", "the first 100"],
        ["account list --all --json", "every one"],
      ],
    },
    list,
    (command) => addListOptions(addReadOptions(command)).option("--internal", "also the bank's own accounts"),
  );
}

async function show(context: CommandContext, [number = ""]: readonly string[], given: ReadArguments): Promise<Report> {
  const { client, consistency, options } = await reader(context, given);
  const reading = await client.getAccount(number, options());
  return {
    document: { account: accountDocument(reading.account), ...readDocument(reading, client.session) },
    text: `Account ${printable(reading.account.number)}\n${accountText(reading.account)}${staleText(reading, consistency)}`,
  };
}

interface AccountListArguments extends ReadArguments, ListArguments {
  readonly internal?: boolean;
}

async function list(context: CommandContext, _: readonly string[], given: AccountListArguments): Promise<Report> {
  limitOf(given);
  const { client, consistency, options } = await reader(context, given);
  const includeInternal = given.internal === true;
  const listed = await readPages(
    given,
    (page) => client.listAccountsPage({ ...options(), ...page, includeInternal }),
    ({ accounts }) => accounts,
  );
  return {
    document: {
      accounts: listed.entries.map(accountDocument),
      next_page_token: listed.nextPageToken ?? null,
      ...readDocument(listed.page, client.session),
    },
    text: listText(listed.entries) + moreText(listed) + staleText(listed.page, consistency),
  };
}

function listText(accounts: readonly Account[]): string {
  if (accounts.length === 0) return "There are no accounts yet. `bank account open` opens one.\n";
  return table<Account>(
    [
      { title: "ACCOUNT", cell: ({ number }) => printable(number) },
      { title: "ALIAS", cell: ({ alias }) => printable(alias ?? "") },
      { title: "TYPE", cell: ({ type }) => type },
      { title: "STATE", cell: ({ state }) => state },
      { title: "POSTED", align: "right", cell: ({ posted }) => amountText(posted) },
      { title: "AVAILABLE", align: "right", cell: ({ available }) => amountText(available) },
      { title: "", cell: ({ currency }) => currency },
      { title: "BRANCH", align: "right", cell: ({ homeBranch }) => String(homeBranch) },
      { title: "OWNER", cell: ({ owner }) => printable(owner) },
      { title: "NAME", cell: ({ displayName }) => printable(displayName) },
    ],
    accounts,
  );
}

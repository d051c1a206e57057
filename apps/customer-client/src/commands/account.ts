import type { Account, AccountOpened, AccountPage, BankClient, ReadOptions } from "@bank/client";
import { type Command, Option } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { accountDocument, doneDocument, type JsonObject, readDocument } from "../documents.ts";
import { amountText, decimalsOf, moneyText } from "../money-text.ts";
import { printable } from "../printable.ts";
import { pairs, table } from "../table.ts";
import { UsageError } from "../usage-error.ts";
import { defineCommand, type Run } from "./define.ts";
import { addReadOptions, type ReadArguments, reader } from "./read-options.ts";

/** `bank account …` */
export function addAccountCommands(program: Command, run: Run): void {
  const account = program.command("account").description("Open accounts and look at them.");
  defineCommand(
    account,
    run,
    {
      usage: "open",
      changes: true,
      description: "Open an account. The bank gives it the next number.",
      examples: [
        ["account open --owner Ada", "a savings account in USD"],
        ["account open --type checking --owner Ada --currency EUR --branch 2", "at branch 2"],
      ],
    },
    open,
    (command) =>
      command
        .addOption(new Option("--type <type>", "what for").choices(["savings", "checking"]).default("savings"))
        .option("--owner <name>", "whose it is")
        .option("--currency <code>", "ISO 4217 code, for life", "USD")
        .option("--name <text>", "what its owner calls it"),
  );
  defineCommand(
    account,
    run,
    {
      usage: "show <account>",
      description: "Show an account with its balance.",
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
    (command) =>
      addReadOptions(command)
        .option("--limit <n>", "how many at the most", "100")
        .option("--all", "all of them")
        .option("--page-token <token>", "go on behind an earlier list")
        .option("--internal", "also the bank's own accounts"),
  );
}

interface OpenArguments {
  readonly type: "savings" | "checking";
  readonly owner?: string;
  readonly currency: string;
  readonly name?: string;
}

async function open(context: CommandContext, _: readonly string[], options: OpenArguments): Promise<Report> {
  const { type, owner, name: displayName } = options;
  const currency = options.currency.toUpperCase();
  decimalsOf(currency);
  const client = await context.client();
  const opened = await client.openAccount({ type, owner, displayName, currency }, context.mutation());
  return {
    document: { account: accountDocument(opened.account), ...doneDocument(opened, client.session) },
    text: openedText(opened) + accountText(opened.account),
  };
}

function openedText({ account: { number }, replayed }: AccountOpened): string {
  return replayed
    ? `Account ${number} was opened before under this request id; nothing was done now.\n`
    : `Opened account ${number}.\n`;
}

async function show(context: CommandContext, [number = ""]: readonly string[], given: ReadArguments): Promise<Report> {
  const { client, options } = await reader(context, given);
  const reading = await client.getAccount(number, options());
  return {
    document: { account: accountDocument(reading.account), ...readDocument(reading, client.session) },
    text: `Account ${printable(reading.account.number)}\n${accountText(reading.account)}`,
  };
}

function accountText(account: Account): string {
  return pairs({
    type: account.type,
    owner: printable(account.owner),
    name: printable(account.displayName),
    balance: moneyText(account.balance),
    branch: branchText(account.homeBranch),
    opened: new Date(account.openedAtMs).toISOString(),
  });
}

function branchText(number: number): string {
  return number === 0 ? "0 (head office)" : String(number);
}

interface ListArguments extends ReadArguments {
  readonly limit: string;
  readonly all?: boolean;
  readonly pageToken?: string;
  readonly internal?: boolean;
}

/** The largest page that a server gives. */
const PAGE_SIZE_MAX = 1_000;

async function list(context: CommandContext, _: readonly string[], given: ListArguments): Promise<Report> {
  const limit = given.all === true ? Number.POSITIVE_INFINITY : limitOf(given.limit);
  const { client, options } = await reader(context, given);
  const accounts: Account[] = [];
  let page: AccountPage;
  let pageToken = given.pageToken;
  do {
    page = await nextPage(client, options(), { ...given, pageToken, pageSize: limit - accounts.length });
    accounts.push(...page.accounts);
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined && accounts.length < limit);
  const document: JsonObject = {
    accounts: accounts.map(accountDocument),
    next_page_token: pageToken ?? null,
    ...readDocument(page, client.session),
  };
  return { document, text: listText(accounts, pageToken) };
}

function nextPage(
  client: BankClient,
  options: ReadOptions,
  {
    pageSize,
    pageToken,
    internal,
  }: { readonly pageSize: number; readonly pageToken: string | undefined; readonly internal?: boolean },
): Promise<AccountPage> {
  const includeInternal = internal === true;
  return client.listAccountsPage({
    ...options,
    pageToken,
    includeInternal,
    pageSize: Math.min(pageSize, PAGE_SIZE_MAX),
  });
}

function listText(accounts: readonly Account[], pageToken: string | undefined): string {
  if (accounts.length === 0) return "There are no accounts yet. `bank account open` opens one.\n";
  const rows = table<Account>(
    [
      { title: "ACCOUNT", cell: ({ number }) => printable(number) },
      { title: "TYPE", cell: ({ type }) => type },
      { title: "BALANCE", align: "right", cell: ({ balance }) => amountText(balance) },
      { title: "", cell: ({ currency }) => currency },
      { title: "BRANCH", align: "right", cell: ({ homeBranch }) => String(homeBranch) },
      { title: "OWNER", cell: ({ owner }) => printable(owner) },
      { title: "NAME", cell: ({ displayName }) => printable(displayName) },
    ],
    accounts,
  );
  return pageToken === undefined
    ? rows
    : `${rows}There are more: --all lists them, --page-token ${pageToken} the next.\n`;
}

function limitOf(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text))
    throw new UsageError(`--limit ${JSON.stringify(text)} is not a whole number from 1.`, { limit: text });
  return Number(text);
}

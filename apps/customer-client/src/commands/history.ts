import type { AccountTransaction, Money, TransactionFilter, TransactionKind } from "@bank/client";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { accountTransactionDocument, readDocument } from "../documents.ts";
import { amountText, checkSignedAmountText, parseMinor } from "../money-text.ts";
import { staleText } from "../positions.ts";
import { printable } from "../printable.ts";
import { table } from "../table.ts";
import { parseTime, timeText } from "../time-text.ts";
import { UsageError } from "../usage-error.ts";
import { addCurrencyOption, type CurrencyArguments, currencyOf } from "./currency.ts";
import { defineCommand, type Run } from "./define.ts";
import { addListOptions, type ListArguments, limitOf, moreText, readPages } from "./pages.ts";
import { addPastOptions, type PastArguments, reader } from "./read-options.ts";

const KINDS: readonly TransactionKind[] = ["deposit", "withdrawal", "transfer", "reversal", "interest", "capture"];

interface HistoryArguments extends PastArguments, ListArguments, CurrencyArguments {
  readonly oldestFirst?: boolean;
  readonly from?: string;
  readonly before?: string;
  readonly kind?: readonly TransactionKind[];
  readonly min?: string;
  readonly max?: string;
  readonly with?: string;
}

/** `bank history` */
export function addHistoryCommand(program: Command, run: Run): void {
  defineCommand(
    program,
    run,
    {
      usage: "history <account>",
      description: "List the transactions of an account, the newest first.",
      details: "Times are as in RFC 3339; a date alone is its first moment in UTC.",
      examples: [
        ["history 1", "the last 100"],
        ["history 1 --from 2026-01-01 --before 2026-02-01 --all", "all of January"],
        ["history 1 --kind deposit --kind transfer --min 1000", "of 1,000 or more"],
        ["history 1 --with 2 --oldest-first", "what went between accounts 1 and 2"],
        ["history 1 --at-position 40", "as it stood behind transaction 40"],
      ],
    },
    history,
    (command) =>
      addCurrencyOption(
        addListOptions(addPastOptions(command))
          .option("--oldest-first", "the oldest first")
          .option("--from <time>", "not before this moment")
          .option("--before <time>", "before this moment")
          .addOption(new Option("--kind <kind>", "of this kind; may be repeated").choices(KINDS).argParser(collectKind))
          .option("--min <amount>", "of at least so much")
          .option("--max <amount>", "of at most so much")
          .option("--with <account>", "with this account on the other side"),
      ),
  );
}

function collectKind(text: string, before: readonly TransactionKind[] = []): readonly TransactionKind[] {
  const kind = KINDS.find((each) => each === text);
  if (kind === undefined) throw new InvalidArgumentError(`Allowed choices are ${KINDS.join(", ")}.`);
  return before.includes(kind) ? before : [...before, kind];
}

async function history(
  context: CommandContext,
  [account = ""]: readonly string[],
  given: HistoryArguments,
): Promise<Report> {
  limitOf(given);
  const { oldestFirst } = given;
  const unfinished = filterOf(given);
  const { client, consistency, options } = await reader(context, given);
  const filter = {
    ...unfinished,
    ...(await amountsOf(given, () => currencyOf(context, client, { account, ...given }))),
  };
  const listed = await readPages(
    given,
    (page) => client.transactionsPage(account, { ...options(), ...page, ...filter, oldestFirst }),
    ({ transactions }) => transactions,
  );
  return {
    document: {
      account: { number: account },
      transactions: listed.entries.map(accountTransactionDocument),
      next_page_token: listed.nextPageToken ?? null,
      ...readDocument(listed.page, client.session),
    },
    text: historyText(listed.entries) + moreText(listed) + staleText(listed.page, consistency),
  };
}

/** What can be said without the account's currency. Throws: `UsageError`. */
function filterOf({ from, before, kind, min, max, with: counterparty }: HistoryArguments): TransactionFilter {
  for (const amount of [min, max]) if (amount !== undefined) checkSignedAmountText(amount);
  const fromTimeMs = from === undefined ? undefined : parseTime(from, "--from");
  const beforeTimeMs = before === undefined ? undefined : parseTime(before, "--before");
  if (min !== undefined && max !== undefined && isMore(min, max))
    throw new UsageError(`Nothing is of at least ${min} and at most ${max}: --min is more than --max.`, { min, max });
  if (fromTimeMs !== undefined && beforeTimeMs !== undefined && fromTimeMs >= beforeTimeMs)
    throw new UsageError(`Nothing was from ${from} on and before ${before}: --from is no earlier than --before.`);
  return {
    fromTimeMs,
    beforeTimeMs,
    kinds: kind,
    counterparty,
  };
}

/** Compares decimals, whatever their currency. */
function isMore(a: string, b: string): boolean {
  const places = Math.max(...[a, b].map((text) => (text.split(".")[1] ?? "").length));
  const units = (text: string) => {
    const [whole = "", part = ""] = text.split(".");
    return BigInt(whole + part.padEnd(places, "0"));
  };
  return units(a) > units(b);
}

async function amountsOf(
  { min, max }: HistoryArguments,
  currency: () => Promise<string>,
): Promise<Pick<TransactionFilter, "amountMin" | "amountMax">> {
  if (min === undefined && max === undefined) return {};
  const code = await currency();
  return {
    amountMin: min === undefined ? undefined : parseMinor(min, code),
    amountMax: max === undefined ? undefined : parseMinor(max, code),
  };
}

function historyText(transactions: readonly AccountTransaction[]): string {
  if (transactions.length === 0) return "There are no such transactions.\n";
  return table<AccountTransaction>(
    [
      { title: "TRANSACTION", align: "right", cell: ({ transaction }) => String(transaction.position) },
      { title: "TIME", cell: ({ transaction }) => timeText(transaction.timeMs) },
      { title: "KIND", cell: ({ transaction }) => transaction.kind },
      { title: "WITH", cell: counterpartyOf },
      { title: "CHANGE", align: "right", cell: ({ change }) => signedText(change) },
      { title: "POSTED", align: "right", cell: ({ postedAfter }) => amountText(postedAfter) },
      { title: "", cell: ({ change }) => change.currency },
      { title: "BRANCH", align: "right", cell: ({ transaction }) => String(transaction.branch) },
      { title: "NOTE", cell: noteOf },
    ],
    transactions,
  );
}

/** Whoever has the other side: where the account paid, the one that received. */
function counterpartyOf({ transaction, change }: AccountTransaction): string {
  return printable(change.minor < 0n ? transaction.creditAccount : transaction.debitAccount);
}

function signedText(change: Money): string {
  return change.minor > 0n ? `+${amountText(change)}` : amountText(change);
}

function noteOf({ transaction: { reverses, reversedBy, hold } }: AccountTransaction): string {
  const notes = [
    reverses === undefined ? undefined : `reverses ${reverses}`,
    reversedBy === undefined ? undefined : `reversed by ${reversedBy}`,
    hold === undefined ? undefined : `hold ${hold}`,
  ];
  return notes.filter((note) => note !== undefined).join(", ");
}

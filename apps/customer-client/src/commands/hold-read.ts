import type { Hold } from "@bank/client";
import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { holdDocument, readDocument } from "../documents.ts";
import { amountText } from "../money-text.ts";
import { parsePosition, staleText } from "../positions.ts";
import { printable } from "../printable.ts";
import { expiryText, holdText } from "../results/hold-text.ts";
import { table } from "../table.ts";
import { defineCommand, type Run } from "./define.ts";
import { addListOptions, type ListArguments, limitOf, moreText, readPages } from "./pages.ts";
import { addReadOptions, type ReadArguments, reader } from "./read-options.ts";

/** `bank hold show` and `bank hold list` */
export function addHoldReadCommands(hold: Command, run: Run): void {
  defineCommand(
    hold,
    run,
    {
      usage: "show <hold>",
      description: "Show a hold, open or ended.",
      examples: [["hold show 9", ""]],
    },
    show,
    addReadOptions,
  );
  defineCommand(
    hold,
    run,
    {
      usage: "list <account>",
      description: "List the open holds of an account, the oldest first.",
      examples: [
        ["hold list 1", "the first 100"],
        ["hold list 1 --all --json", "every one"],
      ],
    },
    list,
    (command) => addListOptions(addReadOptions(command)),
  );
}

async function show(context: CommandContext, [hold = ""]: readonly string[], given: ReadArguments): Promise<Report> {
  const position = parsePosition(hold, "hold number");
  const { client, consistency, options } = await reader(context, given);
  const reading = await client.getHold(position, options());
  return {
    document: { hold: holdDocument(reading.hold), ...readDocument(reading, client.session) },
    text: `Hold ${reading.hold.position}\n${holdText(reading.hold)}${staleText(reading, consistency)}`,
  };
}

async function list(
  context: CommandContext,
  [account = ""]: readonly string[],
  given: ReadArguments & ListArguments,
): Promise<Report> {
  limitOf(given);
  const { client, consistency, options } = await reader(context, given);
  const listed = await readPages(
    given,
    (page) => client.holdsPage(account, { ...options(), ...page }),
    ({ holds }) => holds,
  );
  return {
    document: {
      account: { number: account },
      holds: listed.entries.map(holdDocument),
      next_page_token: listed.nextPageToken ?? null,
      ...readDocument(listed.page, client.session),
    },
    text: listText(listed.entries, account) + moreText(listed) + staleText(listed.page, consistency),
  };
}

function listText(holds: readonly Hold[], account: string): string {
  if (holds.length === 0) return `There are no open holds on account ${printable(account)}.\n`;
  return table<Hold>(
    [
      { title: "HOLD", align: "right", cell: ({ position }) => String(position) },
      { title: "AMOUNT", align: "right", cell: ({ amount }) => amountText(amount) },
      { title: "CAPTURED", align: "right", cell: ({ captured }) => amountText(captured) },
      { title: "REMAINING", align: "right", cell: ({ remaining }) => amountText(remaining) },
      { title: "", cell: ({ amount }) => amount.currency },
      { title: "EXPIRES", cell: expiryText },
    ],
    holds,
  );
}

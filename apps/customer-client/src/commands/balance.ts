import type { BalanceReading, Consistency } from "@bank/client";
import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { moneyDocument, readDocument } from "../documents.ts";
import { moneyText } from "../money-text.ts";
import { ageText, stateText } from "../positions.ts";
import { table } from "../table.ts";
import { defineCommand, type Run } from "./define.ts";
import { addPastOptions, type PastArguments, reader } from "./read-options.ts";

/** `bank balance` */
export function addBalanceCommand(program: Command, run: Run): void {
  defineCommand(
    program,
    run,
    {
      usage: "balance <account>",
      description: "Show the balances of an account, now or in the past.",
      details:
        "Posted is what is booked, held what open holds keep back, available posted minus held. A balance of the past is\n" +
        "the same at every branch.",
      examples: [
        ["balance 1", "the newest"],
        ["balance 1 --at-time 2026-01-31T23:59:59Z", "as it stood at the end of that second"],
        ["balance 1 --at-position 12", "as it stood behind transaction 12"],
        ["balance 1 --branch 2 --consistency local", "as branch 2 has it, also without the bank"],
        ["balance 1 --max-staleness 500ms", "at most half a second old"],
        ["balance 1 --consistency session --session TOKEN", "with all that an earlier command has seen"],
      ],
    },
    balance,
    addPastOptions,
  );
}

async function balance(
  context: CommandContext,
  [account = ""]: readonly string[],
  given: PastArguments,
): Promise<Report> {
  const { client, consistency, options } = await reader(context, given);
  const reading = await client.balance(account, options());
  return { document: balanceDocument(reading, client.session), text: balanceText(reading, consistency) };
}

function balanceDocument(reading: BalanceReading, session: string | undefined): Report["document"] {
  const { account, posted, held, available, version, readPosition } = reading;
  return {
    account: { number: account },
    posted: moneyDocument(posted),
    held: moneyDocument(held),
    available: moneyDocument(available),
    version: version === undefined ? undefined : String(version),
    ...readDocument(reading, session),
    read_position: String(readPosition),
  };
}

function balanceText(reading: BalanceReading, consistency: Consistency): string {
  const { posted, held, available } = reading;
  const rows = [
    { name: "posted", money: posted },
    { name: "held", money: held },
    { name: "available", money: available },
  ];
  const lines = table(
    [
      { title: "", cell: ({ name }) => name },
      { title: "", align: "right", cell: ({ money }) => moneyText(money) },
    ],
    rows,
  );
  const age = ageText(reading, consistency);
  return `${lines.trimStart()}as of      ${stateText(reading)}${age === undefined ? "" : `, ${age}`}\n`;
}

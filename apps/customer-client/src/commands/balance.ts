import type { BalanceReading, Consistency } from "@bank/client";
import { type Command, Option } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { moneyDocument, readDocument } from "../documents.ts";
import { moneyText } from "../money-text.ts";
import { parsePosition, stateText } from "../positions.ts";
import { table } from "../table.ts";
import { parseTime } from "../time-text.ts";
import { defineCommand, type Run } from "./define.ts";
import { addReadOptions, type ReadArguments, reader } from "./read-options.ts";

interface BalanceArguments extends ReadArguments {
  readonly atPosition?: string;
  readonly atTime?: string;
}

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
        ["balance 1 --branch 2 --mode local", "as branch 2 has it, also without the bank"],
        ["balance 1 --mode session --session TOKEN", "with all that an earlier command has seen"],
      ],
    },
    balance,
    (command) =>
      addReadOptions(command)
        .addOption(new Option("--at-position <n>", "as it stood at this position").conflicts("atTime"))
        .option("--at-time <time>", "as it stood at the end of this moment, as in RFC 3339"),
  );
}

async function balance(
  context: CommandContext,
  [account = ""]: readonly string[],
  given: BalanceArguments,
): Promise<Report> {
  const past = pastOf(given);
  const { client, options } = await reader(context, given);
  const reading = await client.balance(account, { ...options(), ...(past === undefined ? {} : { consistency: past }) });
  return { document: balanceDocument(reading, client.session), text: balanceText(reading, given) };
}

function pastOf({ atPosition, atTime }: BalanceArguments): Consistency | undefined {
  if (atPosition !== undefined) return { mode: "position", position: parsePosition(atPosition, "position") };
  if (atTime !== undefined) return { mode: "time", time: new Date(parseTime(atTime, "--at-time")) };
  return undefined;
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

function balanceText(reading: BalanceReading, { mode }: BalanceArguments): string {
  const { posted, held, available, stalenessMs } = reading;
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
  // Only the newest is what it is by having been asked for.
  const age = stalenessMs === undefined ? "of unknown age" : `at most ${stalenessMs} ms old`;
  return `${lines.trimStart()}as of      ${stateText(reading)}${mode === "linearizable" ? "" : `, ${age}`}\n`;
}

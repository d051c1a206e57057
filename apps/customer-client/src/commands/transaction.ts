import type { Transaction } from "@bank/client";
import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { readDocument, transactionDocument } from "../documents.ts";
import { moneyText } from "../money-text.ts";
import { parsePosition, staleText } from "../positions.ts";
import { printable } from "../printable.ts";
import { branchText } from "../results/account-text.ts";
import { pairs } from "../table.ts";
import { timeText } from "../time-text.ts";
import { defineCommand, type Run } from "./define.ts";
import { addPastOptions, type PastArguments, reader } from "./read-options.ts";

/** `bank transaction …` */
export function addTransactionCommands(program: Command, run: Run): void {
  const transaction = program.command("transaction").description("Look at single movements of money.");
  defineCommand(
    transaction,
    run,
    {
      usage: "show <transaction>",
      description: "Show a transaction.",
      examples: [["transaction show 12", ""]],
    },
    show,
    addPastOptions,
  );
}

async function show(context: CommandContext, [number = ""]: readonly string[], given: PastArguments): Promise<Report> {
  const position = parsePosition(number, "transaction number");
  const { client, consistency, options } = await reader(context, given);
  const reading = await client.transaction(position, options());
  return {
    document: { transaction: transactionDocument(reading.transaction), ...readDocument(reading, client.session) },
    text: `Transaction ${reading.transaction.position}\n${transactionText(reading.transaction)}${staleText(reading, consistency)}`,
  };
}

function transactionText(transaction: Transaction): string {
  const { reverses, reversedBy, hold } = transaction;
  return pairs({
    kind: transaction.kind,
    amount: moneyText(transaction.amount),
    from: printable(transaction.debitAccount),
    to: printable(transaction.creditAccount),
    reverses: reverses === undefined ? undefined : `transaction ${reverses}`,
    "reversed by": reversedBy === undefined ? undefined : `transaction ${reversedBy}`,
    hold: hold === undefined ? undefined : String(hold),
    branch: branchText(transaction.branch),
    time: timeText(transaction.timeMs),
    "request id": transaction.requestId,
  });
}

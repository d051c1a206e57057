import type { FinalOutcome, RequestOutcome } from "@bank/client";
import { parseRequestId } from "@bank/core";
import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { readDocument } from "../documents.ts";
import { EXIT } from "../exit-code.ts";
import { errorDocument } from "../failure-report.ts";
import { staleText, stateText } from "../positions.ts";
import { printable } from "../printable.ts";
import { resultDocument } from "../results/result-document.ts";
import { resultSentence } from "../results/result-sentence.ts";
import { resultDetails } from "../results/result-text.ts";
import { UsageError } from "../usage-error.ts";
import { defineCommand, type Run } from "./define.ts";
import { addReadOptions, type ReadArguments, reader } from "./read-options.ts";

/** `bank outcome` and `bank cancel` */
export function addRequestCommands(program: Command, run: Run): void {
  defineCommand(
    program,
    run,
    {
      usage: "outcome <request-id>",
      description: "Tell what became of a change, also years later.",
      details:
        "Carried out, rejected, cancelled, under way, or not seen. Not seen is not final: the change may still be on its\n" +
        "way. The same command with its --request-id, or `bank cancel`, settles it.",
      examples: [["outcome 3f0c8a52-6a1e-4c57-9d0b-6a1f6f1c2b11", ""]],
    },
    outcome,
    addReadOptions,
  );
  defineCommand(
    program,
    run,
    {
      usage: "cancel <request-id>",
      description: "Rule out that a change is ever carried out.",
      details: "A change that was carried out stays so: then this tells it, and the exit code is 1.",
      examples: [["cancel 3f0c8a52-6a1e-4c57-9d0b-6a1f6f1c2b11", ""]],
    },
    cancel,
  );
}

async function outcome(context: CommandContext, [text = ""]: readonly string[], given: ReadArguments): Promise<Report> {
  const requestId = checkedId(text);
  const { client, consistency, options } = await reader(context, given);
  const found = await client.outcome(requestId, options());
  return {
    document: outcomeDocument(found, client.session),
    text: outcomeText(found) + staleText(found, consistency),
  };
}

async function cancel(context: CommandContext, [text = ""]: readonly string[]): Promise<Report> {
  const requestId = checkedId(text);
  const client = await context.client();
  const found = await client.cancelRequest(requestId, context.call());
  const document = outcomeDocument(found, client.session);
  if (found.state !== "committed") return { document, text: outcomeText(found) };
  const message = `Request ${requestId} was carried out before: it cannot be cancelled.`;
  return {
    exitCode: EXIT.REJECTED,
    document: {
      code: "FAILED_PRECONDITION",
      reason: "ALREADY_CARRIED_OUT",
      message,
      metadata: { position: String(found.answeredPosition), request_id: requestId },
      ...document,
    },
    text: `bank: ${message}\n${committedText(found)}`,
  };
}

function checkedId(text: string): string {
  if (parseRequestId(text) === undefined)
    throw new UsageError(`${JSON.stringify(text)} is no request id: it is a UUID.`, { request_id: text });
  return text.toLowerCase();
}

const STATE_NAMES = {
  committed: "committed",
  rejected: "rejected",
  cancelled: "cancelled",
  inProgress: "in_progress",
  notSeen: "not_seen",
} as const satisfies Record<RequestOutcome["state"], string>;

function outcomeDocument(found: RequestOutcome, session: string | undefined): Report["document"] {
  return {
    request_id: found.requestId,
    state: STATE_NAMES[found.state],
    answered_position: "answeredPosition" in found ? String(found.answeredPosition) : undefined,
    result: found.state === "committed" ? resultDocument(found.result) : undefined,
    error: found.state === "rejected" ? errorDocument(found.error) : undefined,
    ...readDocument(found, session),
  };
}

function outcomeText(found: RequestOutcome): string {
  const name = `Request ${found.requestId}`;
  switch (found.state) {
    case "committed":
      return `${name} was carried out, at position ${found.answeredPosition}.\n${committedText(found)}`;
    case "rejected":
      return `${name} was rejected, at position ${found.answeredPosition}, and never will be carried out.\n  ${printable(found.error.message)}\n`;
    case "cancelled":
      return `${name} is cancelled, at position ${found.answeredPosition}: it was not carried out and never will be.\n`;
    case "inProgress":
      return `${name} is under way: it waits, or is being written.\n`;
    case "notSeen":
      return (
        `${name} was not seen up to ${stateText(found)}. That is not final: it may still be on its way.\n` +
        "  The same command with this --request-id, or `bank cancel`, settles it.\n"
      );
  }
}

function committedText({ result }: Extract<FinalOutcome, { state: "committed" }>): string {
  return `  ${resultSentence(result)}\n${resultDetails(result)}`;
}

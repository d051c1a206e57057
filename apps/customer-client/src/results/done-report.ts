import type { BankClient, CommandResult, Done } from "@bank/client";
import type { Report } from "../command-context.ts";
import { doneDocument } from "../documents.ts";
import { propagationText, propagationWarning } from "./propagation-text.ts";
import { resultDocument } from "./result-document.ts";
import { resultSentence } from "./result-sentence.ts";
import { resultDetails } from "./result-text.ts";

/** What a command that changes something has to say once it is done. */
export function doneReport(client: BankClient, done: Done, result: CommandResult): Report {
  return {
    document: { ...resultDocument(result), ...doneDocument(done, client.session) },
    text: `${beforeText(done)}${resultSentence(result)}\n${afterText(done)}${resultDetails(result)}${propagationText(done.propagation)}`,
    warning: propagationWarning(done.propagation),
  };
}

function beforeText({ preview, replayed }: Done): string {
  return preview && !replayed ? "Dry run: nothing was done. Otherwise this would be the answer:\n" : "";
}

function afterText({ replayed }: Done): string {
  return replayed ? "  This request id was answered before; nothing was done now.\n" : "";
}

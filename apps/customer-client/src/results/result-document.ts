import type { CommandResult } from "@bank/client";
import {
  accountDocument,
  accountUpdateDocument,
  captureDocument,
  holdDocument,
  interestDocument,
  type JsonObject,
  transactionDocument,
} from "../documents.ts";

/** What a command did, under the name of what came of it. */
export function resultDocument(result: CommandResult): JsonObject {
  switch (result.kind) {
    case "transaction":
      return { transaction: transactionDocument(result.transaction) };
    case "account":
      return { account: accountDocument(result.account) };
    case "accountUpdate":
      return { account_update: accountUpdateDocument(result.update) };
    case "stateChange":
      return { state_change: { account: result.change.account, state: result.change.state } };
    case "interest":
      return { interest: interestDocument(result.interest) };
    case "hold":
      return { hold: holdDocument(result.hold) };
    case "capture":
      return { capture: captureDocument(result.capture) };
    case "group":
      return {
        group: { position: String(result.group.position), results: result.group.results.map(resultDocument) },
      };
  }
}

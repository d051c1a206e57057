import type { RequestResult } from "@bank/client";
import {
  accountDocument,
  accountUpdateDocument,
  captureDocument,
  durabilityDocument,
  holdDocument,
  interestDocument,
  type JsonObject,
  transactionDocument,
} from "../documents.ts";

/** What a request did, under the name of what came of it. */
export function resultDocument(result: RequestResult): JsonObject {
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
    case "branchChange": {
      const { number, name, state } = result.change;
      return { branch_change: { number, name, state } };
    }
    case "durability":
      return { durability: durabilityDocument(result.durability) };
    case "group":
      return {
        group: { position: String(result.group.position), results: result.group.results.map(resultDocument) },
      };
  }
}

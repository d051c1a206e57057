import type { RequestResult, Transaction } from "@bank/client";
import { moneyText } from "../money-text.ts";
import { pairs } from "../table.ts";
import { accountUpdateText, branchText, newAccountText } from "./account-text.ts";
import { resultSentence } from "./result-sentence.ts";

/** What a request did, beyond its sentence: names and values, one pair a line. */
export function resultDetails(result: RequestResult): string {
  switch (result.kind) {
    case "transaction":
      return pairs(placeOf(result.transaction));
    case "account":
      return newAccountText(result.account);
    case "accountUpdate":
      return accountUpdateText(result.update);
    // Their sentences say it all.
    case "stateChange":
    case "hold":
    case "branchChange":
    case "durability":
      return "";
    case "interest":
      return result.interest.transaction === undefined ? "" : pairs(placeOf(result.interest.transaction));
    case "capture": {
      const { transaction, hold } = result.capture;
      return pairs({ ...placeOf(transaction), "left in hold": moneyText(hold.remaining) });
    }
    case "group":
      return result.group.results.map((each, i) => `  ${i + 1}. ${resultSentence(each)}\n`).join("");
  }
}

/** What is only tried has no number yet. */
function placeOf({ branch, position }: Transaction): { branch: string; transaction: string | undefined } {
  return { branch: branchText(branch), transaction: position === 0 ? undefined : String(position) };
}

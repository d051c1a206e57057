import type { AccountState, Capture, Hold, Interest, RequestResult, Transaction } from "@bank/client";
import { moneyText } from "../money-text.ts";
import { printable } from "../printable.ts";
import { timeText } from "../time-text.ts";
import { branchChangeSentence, durabilitySentence } from "./branch-sentence.ts";

/** What a request did, in one sentence. */
export function resultSentence(result: RequestResult): string {
  switch (result.kind) {
    case "transaction":
      return transactionSentence(result.transaction);
    case "account":
      return `Opened account ${printable(result.account.number)}.`;
    case "accountUpdate":
      return `Changed account ${printable(result.update.account)}.`;
    case "stateChange":
      return `${STATE_VERBS[result.change.state]} account ${printable(result.change.account)}.`;
    case "interest":
      return interestSentence(result.interest);
    case "hold":
      return holdSentence(result.hold);
    case "capture":
      return captureSentence(result.capture);
    case "branchChange":
      return branchChangeSentence(result.change);
    case "durability":
      return durabilitySentence(result.durability);
    case "group":
      return `Carried out a group of ${result.group.results.length}.`;
  }
}

const STATE_VERBS: Readonly<Record<AccountState, string>> = { open: "Unfroze", frozen: "Froze", closed: "Closed" };

function transactionSentence({ kind, amount, debitAccount, creditAccount, reverses, hold }: Transaction): string {
  const money = moneyText(amount);
  const from = `from account ${printable(debitAccount)}`;
  const to = `account ${printable(creditAccount)}`;
  switch (kind) {
    case "deposit":
      return `Deposited ${money} into ${to}.`;
    case "withdrawal":
      return `Withdrew ${money} ${from}.`;
    case "transfer":
      return `Transferred ${money} ${from} to ${to}.`;
    case "reversal":
      return `Reversed transaction ${reverses ?? "?"}: ${money} went back ${from} to ${to}.`;
    case "interest":
      return `Paid ${money} of interest into ${to}.`;
    case "capture":
      return `Captured ${money} of hold ${hold ?? "?"}: ${from} to ${to}.`;
  }
}

function interestSentence({ account, ratePercent, balance, amount, transaction }: Interest): string {
  const name = `account ${printable(account)}`;
  const what = `${ratePercent} % of ${moneyText(balance)}`;
  return transaction === undefined
    ? `Interest of ${what} on ${name} rounds to zero: nothing was booked.`
    : `Paid ${moneyText(amount)} of interest into ${name}: ${what}.`;
}

function holdSentence({ position, account, amount, captured, remaining, state, expiresAtMs }: Hold): string {
  const of = `account ${printable(account)}`;
  switch (state) {
    case "open": {
      const until = expiresAtMs === undefined ? "until it is captured or released" : `until ${timeText(expiresAtMs)}`;
      return `${holdName(position)} keeps back ${moneyText(remaining)} of ${of}, ${until}.`;
    }
    case "captured":
      return `Hold ${position} on ${of} was captured in full.`;
    case "released":
    case "expired": {
      const rest = moneyText({ currency: amount.currency, minor: amount.minor - captured.minor });
      const ended = state === "released" ? `Released hold ${position}` : `Hold ${position} expired`;
      return `${ended}: ${rest} of ${of} can be used again.`;
    }
  }
}

/** What is only tried has no number yet. */
function holdName(position: number): string {
  return position === 0 ? "A hold" : `Hold ${position}`;
}

function captureSentence({ transaction, hold }: Capture): string {
  const { creditAccount, debitAccount, amount } = transaction;
  const [what, from] = [`${moneyText(amount)} of hold ${hold.position}`, `account ${printable(debitAccount)}`];
  // No customer's account and no account for fees has such a name.
  return creditAccount.startsWith("cash/")
    ? `Captured ${what}: paid out in cash from ${from}.`
    : `Captured ${what}: from ${from} to account ${printable(creditAccount)}.`;
}

import { isCustomerType } from "./account.ts";
import type { Command } from "./command.ts";
import { currencyDecimals } from "./currency.ts";
import {
  ACCOUNT_REFERENCE_LENGTH_MAX,
  ADDRESS_LENGTH_MAX,
  AMOUNT_MAX,
  BRANCH_NUMBER_MAX,
  TEXT_LENGTH_MAX,
} from "./limits.ts";
import type { Money } from "./money.ts";
import type { Refusal, RefusalReason } from "./reasons.ts";

/**
 * Everything that is wrong with a command whatever the state is: the first problem found, or undefined. A refusal is
 * not remembered and uses up no request id. Checked again where the command is decided, whoever checked before.
 */
export function checkCommand(command: Command): Refusal | undefined {
  switch (command.kind) {
    case "openAccount":
      if (!isCustomerType(command.type)) return malformed("customers have savings or checking accounts");
      return (
        checkText("owner", command.owner, TEXT_LENGTH_MAX) ??
        checkText("display_name", command.displayName, TEXT_LENGTH_MAX) ??
        checkCurrency(command.currency)
      );
    case "deposit":
    case "withdraw":
      return checkReference("account", command.account) ?? checkAmount(command.amount);
    case "transfer":
      return (
        checkReference("from_account", command.from) ??
        checkReference("to_account", command.to) ??
        checkAmount(command.amount)
      );
    case "registerBranch":
      if (!Number.isInteger(command.branch) || command.branch < 1 || command.branch > BRANCH_NUMBER_MAX)
        return malformed(`a branch has a number from 1 to ${BRANCH_NUMBER_MAX}`);
      return (
        checkText("address", command.address, ADDRESS_LENGTH_MAX) ?? checkText("name", command.name, TEXT_LENGTH_MAX)
      );
  }
}

function checkReference(field: string, reference: string): Refusal | undefined {
  return reference === "" ? malformed(`${field} is empty`) : checkText(field, reference, ACCOUNT_REFERENCE_LENGTH_MAX);
}

/**
 * Half of a surrogate pair has no UTF-8: the journal would hold another text than the ledger that decided it, and every
 * replica would come to another digest.
 */
function checkText(field: string, text: string, lengthMax: number): Refusal | undefined {
  if (text.length > lengthMax) return malformed(`${field} is longer than ${lengthMax} characters`);
  return text.isWellFormed() ? undefined : malformed(`${field} is not well-formed Unicode`);
}

function checkCurrency(currency: string): Refusal | undefined {
  return currencyDecimals(currency) === undefined ? refuse("UNKNOWN_CURRENCY", { currency }) : undefined;
}

function checkAmount(amount: Money): Refusal | undefined {
  if (amount.minor <= 0n || amount.minor > AMOUNT_MAX)
    return refuse("INVALID_AMOUNT", { amount: amount.minor.toString() });
  return checkCurrency(amount.currency);
}

function malformed(problem: string): Refusal {
  return refuse("INVALID_REQUEST", { problem });
}

function refuse(reason: RefusalReason, metadata: Record<string, string>): Refusal {
  return { reason, metadata, outcome: "NOT_APPLIED" };
}

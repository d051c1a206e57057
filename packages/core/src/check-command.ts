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
        checkText("owner", command.owner) ??
        checkText("display_name", command.displayName) ??
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
      if (command.address.length > ADDRESS_LENGTH_MAX)
        return malformed(`address is longer than ${ADDRESS_LENGTH_MAX} characters`);
      return checkText("name", command.name);
  }
}

function checkText(field: string, text: string): Refusal | undefined {
  return text.length > TEXT_LENGTH_MAX ? malformed(`${field} is longer than ${TEXT_LENGTH_MAX} characters`) : undefined;
}

function checkReference(field: string, reference: string): Refusal | undefined {
  if (reference === "") return malformed(`${field} is empty`);
  if (reference.length <= ACCOUNT_REFERENCE_LENGTH_MAX) return undefined;
  return malformed(`${field} is longer than ${ACCOUNT_REFERENCE_LENGTH_MAX} characters`);
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

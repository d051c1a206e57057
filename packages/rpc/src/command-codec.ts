import {
  type Command,
  AccountType as CoreAccountType,
  type Money as CoreMoney,
  isAccountType,
  isCustomerType,
  parseRequestId,
  RefusalError,
  type Request,
} from "@bank/core";
import {
  type BatchItem,
  type DepositRequest,
  type ForwardedCommand,
  ForwardedCommandSchema,
  type Money,
  type OpenAccountRequest,
  type TransferRequest,
  type WithdrawRequest,
} from "@bank/proto";
import { create } from "@bufbuild/protobuf";

/** The commands of the API, with the names that they have inside `ForwardedCommand`. */
export type CommandCase =
  | { readonly case: "openAccount"; readonly value: OpenAccountRequest }
  | { readonly case: "deposit"; readonly value: DepositRequest }
  | { readonly case: "withdraw"; readonly value: WithdrawRequest }
  | { readonly case: "transfer"; readonly value: TransferRequest };

/** A command as a branch passes it on. */
export function forwardedCommand(branch: number, command: CommandCase, session: string): ForwardedCommand {
  return create(ForwardedCommandSchema, { branch, command, session });
}

/** Throws: `RefusalError` INVALID_REQUEST. */
export function commandOfBatchItem({ command }: BatchItem): CommandCase {
  if (command.case === undefined) throw invalid("an item of the batch names no command");
  return command;
}

/**
 * A forwarded command as the ledger takes it.
 * Throws: `RefusalError` INVALID_REQUEST for what the message's rules would have refused.
 */
export function requestFromForwarded(forwarded: ForwardedCommand, principal: string): Request {
  const { branch, command } = forwarded;
  if (command.case === undefined) throw invalid("a forwarded command names no command");
  const id = parseRequestId(command.value.requestId);
  if (id === undefined) throw invalid("request_id is not a UUID");
  return { principal, branch, id, command: coreCommand(command) };
}

function coreCommand(command: CommandCase): Command {
  switch (command.case) {
    case "openAccount": {
      const { type: asked, owner, displayName, currencyCode: currency } = command.value;
      const type = asked === 0 ? CoreAccountType.SAVINGS : asked;
      if (!isAccountType(type) || !isCustomerType(type)) throw invalid("customers have savings or checking accounts");
      return { kind: "openAccount", type, owner, displayName, currency };
    }
    case "deposit":
      return { kind: "deposit", account: command.value.account, amount: coreMoney(command.value.amount) };
    case "withdraw":
      return { kind: "withdraw", account: command.value.account, amount: coreMoney(command.value.amount) };
    case "transfer": {
      const { fromAccount: from, toAccount: to, amount } = command.value;
      return { kind: "transfer", from, to, amount: coreMoney(amount) };
    }
  }
}

function coreMoney(money: Money | undefined): CoreMoney {
  if (money === undefined) throw invalid("amount is missing");
  return { currency: money.currencyCode, minor: money.amountMinor };
}

function invalid(problem: string): RefusalError {
  return new RefusalError("INVALID_REQUEST", { problem });
}

import type { BatchCommand, GroupCommand } from "@bank/client";
import { AccountType, type Command, checkCommand, describe, type GroupItem, parseRate } from "@bank/core";
import { UsageError } from "./usage-error.ts";

/** Says before anybody is asked what is wrong with a command whatever the state is. Throws: `UsageError`. */
export function refuseMalformed(command: BatchCommand): void {
  const refusal = checkCommand(coreCommand(command));
  if (refusal !== undefined) throw new UsageError(describe(refusal.reason, refusal.metadata), refusal.metadata);
}

/** The command as the ledger has it, to be checked before anything is sent. */
export function coreCommand(command: BatchCommand): Command {
  return command.kind === "group" ? { kind: "group", items: command.items.map(coreItem) } : coreItem(command);
}

function coreItem(command: GroupCommand): GroupItem {
  switch (command.kind) {
    case "openAccount": {
      const { owner = "", displayName = "", currency = "USD", type = "savings" } = command;
      const { alias, metadata, floor, ceiling } = command;
      const types = { savings: AccountType.SAVINGS, checking: AccountType.CHECKING } as const;
      return { kind: "openAccount", type: types[type], owner, displayName, currency, alias, metadata, floor, ceiling };
    }
    case "applyInterest":
      return { ...command, rate: parseRate(command.rate) ?? Number.NaN };
    case "placeHold":
      return { ...command, expiresMs: command.expiresAtMs ?? 0 };
    case "captureHold":
      return { ...command, to: command.to ?? "" };
    case "extendHold":
      return { ...command, expiresMs: command.expiresAtMs };
    default:
      return command;
  }
}

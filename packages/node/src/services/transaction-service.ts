import { COMMANDS_PER_CALL_MAX } from "@bank/core";
import type { BatchResult, CommandOutcome, TransactionService } from "@bank/proto";
import { type CommandCase, commandCount, commandOfBatchItem, type ItemCase, malformed } from "@bank/rpc";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { Teller } from "../teller.ts";
import { executeAll, executeMovement, executeOne } from "./call.ts";
import { executeMovements } from "./execute-movements.ts";
import { getTransaction, listTransactions } from "./history-reads.ts";

/** Moving money, and many commands at once. */
export function transactionService(teller: Teller): ServiceImpl<typeof TransactionService> {
  const move = async (context: HandlerContext, command: CommandCase) => {
    const { value: transaction, ...rest } = await executeOne(teller, context, command, "transaction");
    return { transaction, ...rest };
  };
  return {
    deposit: (value, context) =>
      executeMovement(teller, context, { case: "deposit", value }, "bank.v1.DepositResponse"),
    withdraw: (value, context) =>
      executeMovement(teller, context, { case: "withdraw", value }, "bank.v1.WithdrawResponse"),
    transfer: (value, context) =>
      executeMovement(teller, context, { case: "transfer", value }, "bank.v1.TransferResponse"),
    reverseTransaction: (request, context) => move(context, { case: "reverse", value: request }),

    applyInterest: async (request, context) => {
      const command = { case: "applyInterest", value: request } as const;
      const { value: interest, ...rest } = await executeOne(teller, context, command, "interest");
      return { interest, ...rest };
    },

    executeGroup: async (request, context) => {
      const { value: group, ...rest } = await executeOne(teller, context, { case: "group", value: request }, "group");
      return { group, ...rest };
    },

    executeBatch: async (request, context) => {
      const commands = request.items.map(commandOfBatchItem);
      requireCallSize(commands);
      const { outcomes, readInfo } = await executeAll(teller, context, commands);
      return { results: outcomes.map(resultOf), readInfo };
    },

    executeMovements: (request, context) => executeMovements(teller, context, request),

    getTransaction: (request, context) => getTransaction(teller, context, request),
    listTransactions: (request, context) => listTransactions(teller, context, request),
  };
}

/** Those inside groups count: each has a result. */
function requireCallSize(commands: readonly ItemCase[]): void {
  const count = commands.reduce((sum, command) => sum + commandCount(command), 0);
  if (count <= COMMANDS_PER_CALL_MAX) return;
  const description = `must have at most ${COMMANDS_PER_CALL_MAX} commands, those inside groups counted, not ${count}`;
  throw malformed([{ field: "items", description }]);
}

function resultOf({ result }: CommandOutcome): BatchResult {
  if (result === undefined) throw new Error("an item of a batch has a result");
  return result;
}

import type { BatchResult, CommandOutcome, TransactionService } from "@bank/proto";
import { type CommandCase, commandOfBatchItem } from "@bank/rpc";
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
      const { outcomes, readInfo } = await executeAll(teller, context, commands);
      return { results: outcomes.map(resultOf), readInfo };
    },

    executeMovements: (request, context) => executeMovements(teller, context, request),

    getTransaction: (request, context) => getTransaction(teller, context, request),
    listTransactions: (request, context) => listTransactions(teller, context, request),
  };
}

function resultOf({ result }: CommandOutcome): BatchResult {
  if (result === undefined) throw new Error("an item of a batch has a result");
  return result;
}

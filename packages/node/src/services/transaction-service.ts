import { type BatchResult, BatchResultSchema, type CommandOutcome, type TransactionService } from "@bank/proto";
import { type CommandCase, commandOfBatchItem } from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { Teller } from "../teller.ts";
import { executeAll, executeOne, writeInfo } from "./call.ts";

/** Moving money. */
export function transactionService(teller: Teller): ServiceImpl<typeof TransactionService> {
  const move = async (context: HandlerContext, command: CommandCase) => {
    const { result, replayed, readInfo } = await executeOne(teller, context, command);
    if (result.case !== "transaction") throw new Error(`a ${command.case} ended as ${result.case}`);
    return { transaction: result.value, replayed, readInfo };
  };
  return {
    deposit: (request, context) => move(context, { case: "deposit", value: request }),
    withdraw: (request, context) => move(context, { case: "withdraw", value: request }),
    transfer: (request, context) => move(context, { case: "transfer", value: request }),
    executeBatch: async (request, context) => {
      const outcomes = await executeAll(teller, context, request.items.map(commandOfBatchItem));
      const position = outcomes.reduce((highest, { position: p }) => (p > highest ? p : highest), 0n);
      return { results: outcomes.map(batchResult), readInfo: writeInfo(teller, position) };
    },
  };
}

function batchResult({ result, replayed }: CommandOutcome): BatchResult {
  if (result.case !== "transaction" && result.case !== "failure")
    throw new Error(`an item of a batch ended as ${result.case}`);
  return create(BatchResultSchema, { result, replayed });
}

import { randomUUID } from "node:crypto";
import { COMMANDS_PER_CALL_MAX } from "@bank/core";
import { AccountType, BatchItemSchema, TransactionService } from "@bank/proto";
import { connectToServer } from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { OPENING_MINOR } from "./prepared-bank.ts";

/**
 * Opens accounts in an empty bank that runs, and pays the same into each, by calls. For a bank that keeps its journal nowhere;
 * others begin with a prepared folder. Gives the number of deposits.
 */
export async function fillBank(url: string, accounts: number): Promise<number> {
  const connection = connectToServer(url);
  const client = createClient(TransactionService, connection.transport);
  try {
    const execute = async (from: number, item: (number: number) => Parameters<typeof command>[0]) => {
      const count = Math.min(COMMANDS_PER_CALL_MAX, accounts + 1 - from);
      const { results } = await client.executeBatch({
        items: Array.from({ length: count }, (_, i) => command(item(from + i))),
      });
      for (const { result } of results) if (result.case === "failure") throw new Error(result.value.message);
    };
    for (let from = 1; from <= accounts; from += COMMANDS_PER_CALL_MAX)
      await execute(from, () => ({
        case: "openAccount",
        value: { requestId: randomUUID(), type: AccountType.SAVINGS, currencyCode: "USD" },
      }));
    for (let from = 1; from <= accounts; from += COMMANDS_PER_CALL_MAX)
      await execute(from, (number) => ({
        case: "deposit",
        value: {
          requestId: randomUUID(),
          account: String(number),
          amount: { currencyCode: "USD", amountMinor: OPENING_MINOR },
        },
      }));
    return accounts;
  } finally {
    connection.close();
  }
}

type Init = NonNullable<Parameters<typeof create<typeof BatchItemSchema>>[1]>;

function command(item: NonNullable<Init["command"]>) {
  return create(BatchItemSchema, { command: item });
}

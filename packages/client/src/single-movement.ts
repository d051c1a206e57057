import type { DepositResponse, TransferResponse, WithdrawResponse } from "@bank/proto";
import type { Caller } from "./caller.ts";
import { cashFields, transactionOf, transferMessage } from "./messages/index.ts";
import type { BatchCommand, Booked, MutationOptions } from "./types/index.ts";

/** A movement between accounts as the caller named them. */
export type MovementCommand = Extract<BatchCommand, { readonly kind: "deposit" | "withdraw" | "transfer" }>;

/** Books a movement in a call of its own. Rejects as `Caller.mutate`. */
export function bookAlone(caller: Caller, command: MovementCommand, options: MutationOptions): Promise<Booked> {
  return caller.mutate(
    options,
    (head, sending, { transactions }): Promise<DepositResponse | WithdrawResponse | TransferResponse> => {
      switch (command.kind) {
        case "deposit":
          return transactions.deposit(cashFields(command, head), sending);
        case "withdraw":
          return transactions.withdraw(cashFields(command, head), sending);
        case "transfer":
          return transactions.transfer(transferMessage(command, head), sending);
      }
    },
    ({ transaction }) => ({ transaction: transactionOf(transaction) }),
  );
}

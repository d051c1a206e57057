import { type BranchNumber, type Ledger, RefusalError } from "@bank/core";
import type { BranchService } from "@bank/proto";
import { durabilityMessage } from "@bank/rpc";
import type { ServiceImpl } from "@connectrpc/connect";
import type { Teller } from "../teller.ts";
import { BranchOverview } from "./branch-messages.ts";
import { executeOne, readAt } from "./call.ts";

/** Which branches there are, how current this server and its followers are, and what an operator decides about them. */
export function branchService(teller: Teller): ServiceImpl<typeof BranchService> {
  return {
    getBranch: async (request, context) => {
      const number = request.number ?? teller.branch;
      const { value, readInfo } = await readAt(teller, context, (ledger) => {
        requireBranch(ledger, number);
        return new BranchOverview(teller).branch(ledger, number);
      });
      return { branch: value, readInfo };
    },

    listBranches: async (_request, context) => {
      const { value, readInfo } = await readAt(teller, context, (ledger) => {
        const overview = new BranchOverview(teller);
        return {
          branches: [0, ...ledger.branchNumbers()].map((number) => overview.branch(ledger, number)),
          durability: durabilityMessage(ledger.durability),
        };
      });
      return { ...value, readInfo };
    },

    updateBranch: async (request, context) => {
      const command = { case: "updateBranch", value: request } as const;
      const { value: change, ...rest } = await executeOne(teller, context, command, "branchChange");
      const { ledger } = teller;
      // What the request changed is told as it changed it; what it did not is told as it is now.
      const branch = new BranchOverview(teller).branch(ledger, change.number);
      if (change.name !== "") branch.name = change.name;
      if (change.state !== 0) branch.state = change.state;
      return { branch, ...rest };
    },

    setDurability: async (request, context) => {
      const command = { case: "setDurability", value: request } as const;
      const { value: durability, ...rest } = await executeOne(teller, context, command, "durability");
      return { durability, ...rest };
    },
  };
}

function requireBranch(ledger: Ledger, number: BranchNumber): void {
  if (ledger.hasBranch(number)) return;
  throw new RefusalError("READ_BRANCH_NOT_FOUND", { branch: String(number), position: String(ledger.position) });
}

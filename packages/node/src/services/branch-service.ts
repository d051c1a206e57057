import { type BranchNumber, type Ledger, RefusalError, toHex } from "@bank/core";
import { type Branch, BranchSchema, type BranchService, ReplicaStatusSchema } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { Teller } from "../teller.ts";
import { readAt } from "./call.ts";

/** Which branches there are, and how current this server is. */
export function branchService(teller: Teller): Partial<ServiceImpl<typeof BranchService>> {
  return {
    getBranch: async (request, context) => {
      const number = request.number ?? teller.branch;
      const { value, readInfo } = await readAt(teller, context, (ledger) => {
        if (!ledger.hasBranch(number))
          throw new RefusalError("READ_BRANCH_NOT_FOUND", {
            branch: String(number),
            position: String(ledger.position),
          });
        return branchMessage(teller, ledger, number);
      });
      return { branch: value, readInfo };
    },

    listBranches: async (_request, context) => {
      const { value, readInfo } = await readAt(teller, context, (ledger) =>
        [0, ...ledger.branchNumbers()].map((number) => branchMessage(teller, ledger, number)),
      );
      return { branches: value, readInfo };
    },
  };
}

function branchMessage(teller: Teller, ledger: Ledger, number: BranchNumber): Branch {
  const { name, address } = ledger.branches.get(number) ?? { name: "head office", address: teller.bankUrl };
  const branch = create(BranchSchema, { number, name, address });
  if (teller.hosted.has(number)) {
    const { durablePosition, connected, historyPosition } = teller.currency();
    branch.status = create(ReplicaStatusSchema, {
      appliedPosition: BigInt(ledger.position),
      durablePosition: BigInt(durablePosition),
      digest: toHex(ledger.digestBytes()),
      connected,
      ...(historyPosition === undefined ? {} : { historyPosition: BigInt(historyPosition) }),
    });
  }
  return branch;
}

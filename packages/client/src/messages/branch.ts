import type * as wire from "@bank/proto";
import type { Branch, BranchStatus } from "../types/index.ts";
import { present, safeNumber, textOf } from "./fields.ts";

export function branchOf(branch: wire.Branch | undefined): Branch {
  const { number, address, name, status } = present(branch, "the branch");
  return { number, address: textOf(address), name, status: status === undefined ? undefined : statusOf(status) };
}

function statusOf({ digest, connected, ...status }: wire.ReplicaStatus): BranchStatus {
  const { appliedPosition, durablePosition, historyPosition } = status;
  return {
    appliedPosition: safeNumber(appliedPosition),
    durablePosition: safeNumber(durablePosition),
    digest,
    connected,
    historyPosition: historyPosition === undefined ? undefined : safeNumber(historyPosition),
  };
}

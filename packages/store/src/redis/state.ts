import { copyBytes } from "../bytes.ts";
import type { StoreGap, StoreHead, StoreState } from "../port.ts";
import type { Tenure } from "./tenure.ts";

/** What a tenure found, or knows by now; the caller's to change. */
export function stateOf({ facts, head, clean, gap }: Tenure): StoreState {
  const { bankId, epoch } = facts;
  return {
    bankId: bankId && copyBytes(bankId),
    head: head && copyHead(head),
    epoch,
    closedCleanly: clean,
    gap: copyGap(gap),
  };
}

export function copyGap(gap: StoreGap | undefined): StoreGap | undefined {
  if (gap === undefined) return undefined;
  return { after: gap.after, filled: gap.filled && copyHead(gap.filled), upTo: copyHead(gap.upTo) };
}

function copyHead({ position, chainHash }: StoreHead): StoreHead {
  return { position, chainHash: copyBytes(chainHash) };
}

import * as wire from "@bank/proto";
import type { AskedPropagation, Propagation } from "../types/index.ts";
import { present } from "./fields.ts";

/** How far a write had spread; undefined where its answer does not say. */
export function propagationOf(info: wire.ReadInfo | undefined): Propagation | undefined {
  const propagation = info?.propagation;
  if (propagation === undefined) return undefined;
  const { satisfied, copiesReached, reached, missing, disconnected, appliedHere } = propagation;
  return {
    asked: present(askedOf(propagation), `what propagation ${propagation.asked} is`),
    satisfied,
    copiesReached,
    reached: [...reached],
    missing: [...missing],
    disconnected: [...disconnected],
    appliedHere,
  };
}

function askedOf({ asked, copiesAsked }: wire.Propagation): AskedPropagation | undefined {
  switch (asked) {
    case wire.PropagationMode.UNSPECIFIED:
    case wire.PropagationMode.BANK:
      return "bank";
    case wire.PropagationMode.QUORUM:
      return { quorum: copiesAsked };
    case wire.PropagationMode.ALL_BRANCHES:
      return "all-branches";
    default:
      return undefined;
  }
}

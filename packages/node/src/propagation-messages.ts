import { type Propagation as PropagationMessage, PropagationMode, PropagationSchema } from "@bank/proto";
import type { Propagation, PropagationAsked } from "@bank/replica";
import { create } from "@bufbuild/protobuf";

/** What was asked for, as it goes over the wire. */
export function propagationMode(asked: PropagationAsked): PropagationMode {
  switch (asked.mode) {
    case "bank":
      return PropagationMode.BANK;
    case "quorum":
      return PropagationMode.QUORUM;
    case "allBranches":
      return PropagationMode.ALL_BRANCHES;
  }
}

/** What was asked for, as it came over the wire. */
export function propagationAsked(mode: PropagationMode, copies: number): PropagationAsked {
  switch (mode) {
    case PropagationMode.QUORUM:
      return { mode: "quorum", copies };
    case PropagationMode.ALL_BRANCHES:
      return { mode: "allBranches" };
    default:
      return { mode: "bank" };
  }
}

/** How far a write has spread, as it goes over the wire. */
export function propagationMessage(propagation: Propagation, appliedHere: boolean): PropagationMessage {
  const { asked, satisfied, copiesReached, reached, missing, disconnected } = propagation;
  return create(PropagationSchema, {
    asked: propagationMode(asked),
    copiesAsked: asked.mode === "quorum" ? asked.copies : 0,
    satisfied,
    copiesReached,
    reached: [...reached],
    missing: [...missing],
    disconnected: [...disconnected],
    appliedHere,
  });
}

/** How far a write has spread, as it came over the wire. */
export function propagationFrom(message: PropagationMessage): Propagation {
  const { asked, copiesAsked, satisfied, copiesReached, reached, missing, disconnected } = message;
  return { asked: propagationAsked(asked, copiesAsked), satisfied, copiesReached, reached, missing, disconnected };
}

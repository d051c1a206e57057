import * as wire from "@bank/proto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Branch, BranchChange, BranchChanged, BranchState, BranchStatus, Durability } from "../types/index.ts";
import { malformedField, positionOf, present, safeNumber, textOf } from "./fields.ts";

const WIRE_STATES = {
  active: wire.BranchState.ACTIVE,
  draining: wire.BranchState.DRAINING,
  retired: wire.BranchState.RETIRED,
} as const satisfies Record<BranchState, wire.BranchState>;

const STATES: ReadonlyMap<wire.BranchState, BranchState> = new Map([
  // A bank of the release before knows of no other state, and says none.
  [wire.BranchState.UNSPECIFIED, "active"],
  ...(Object.keys(WIRE_STATES) as BranchState[]).map((state) => [WIRE_STATES[state], state] as const),
]);

export function branchOf(branch: wire.Branch | undefined): Branch {
  const { number, address, name, state, status } = present(branch, "the branch");
  return {
    number,
    address: textOf(address),
    name,
    state: present(STATES.get(state), `what branch state ${state} is`),
    status: status === undefined ? undefined : statusOf(status),
  };
}

function statusOf(status: wire.ReplicaStatus): BranchStatus {
  const { digest, connected, follows, followers, connectedSince, historyPosition, stalenessMs } = status;
  return {
    appliedPosition: safeNumber(status.appliedPosition),
    durablePosition: safeNumber(status.durablePosition),
    digest,
    connected,
    historyPosition: historyPosition === undefined ? undefined : safeNumber(historyPosition),
    lagPositions: safeNumber(status.lagPositions),
    stalenessMs: stalenessMs === undefined ? undefined : safeNumber(stalenessMs),
    follows,
    followers,
    connectedSinceMs: connectedSince === undefined ? undefined : timestampMs(connectedSince),
    formatLevel: status.formatLevel === 0 ? undefined : status.formatLevel,
    copyId: textOf(status.copyId),
    upstream: textOf(status.upstream),
  };
}

/** What a request changed of a branch. */
export function branchChangedOf({ number, name, state }: wire.BranchChange): BranchChanged {
  return {
    number,
    name: textOf(name),
    state:
      state === wire.BranchState.UNSPECIFIED ? undefined : present(STATES.get(state), `what branch state ${state} is`),
  };
}

/** A bank of the release before has none, and says nothing. */
export function durabilityOf(durability: wire.Durability | undefined): Durability {
  if (durability === undefined) return { copies: 0, branches: [], position: undefined };
  const { copies, branches, position } = durability;
  return { copies, branches: [...branches], position: positionOf(position) };
}

/** Throws: `RefusalError` INVALID_REQUEST for what the wire cannot carry. */
export function updateBranchMessage(
  number: number,
  change: BranchChange,
  requestId: string,
): MessageInitShape<typeof wire.UpdateBranchRequestSchema> {
  const head = { requestId, number: branchNumberMessage("number", number) };
  if ("name" in change) return { ...head, change: { case: "name", value: change.name } };
  return { ...head, change: { case: "state", value: WIRE_STATES[change.state] ?? wire.BranchState.UNSPECIFIED } };
}

/** Throws: `RefusalError` INVALID_REQUEST for what the wire cannot carry. */
export function setDurabilityMessage(
  { copies, branches }: Pick<Durability, "copies" | "branches">,
  requestId: string,
): MessageInitShape<typeof wire.SetDurabilityRequestSchema> {
  if (!Number.isInteger(copies) || copies < 0 || copies > 0xffff)
    throw malformedField("copies", `must be a whole number from 0, not ${copies}`);
  return { requestId, copies, branches: branches.map((number) => branchNumberMessage("branches", number)) };
}

function branchNumberMessage(field: string, number: number): number {
  if (Number.isInteger(number) && number >= 0 && number <= 0xffff) return number;
  throw malformedField(field, `must be the number of a branch, not ${number}`);
}

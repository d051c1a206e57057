import { BRANCH_STATE_WORDS, BranchState, byBranch } from "../branch.ts";
import type { RegisterBranch, RenameBranch, SetBranchState, SetDurability } from "../command.ts";
import type { BranchNumber } from "../identifiers.ts";
import type { BranchRegisteredRecord, LedgerRecord } from "../record.ts";
import { RecordKind } from "../record.ts";
import { type Decision, Rejected } from "./decision.ts";

/** A branch that registers may be new, and is the only one that speaks of itself. */
export function decideRegisterBranch(decision: Decision, command: RegisterBranch): LedgerRecord[] {
  const { branch: number, address } = command;
  requireLife(decision, [number]);
  const known = decision.ledger.branches.get(number)?.name ?? "";
  // Older journals have branches without a name.
  const name = command.name || known || `branch ${number}`;
  return registered(decision, { number, name, address });
}

export function decideRenameBranch(decision: Decision, { target: number, name }: RenameBranch): LedgerRecord[] {
  requireKnown(decision, [number]);
  requireLife(decision, [number]);
  return registered(decision, { number, name, address: decision.ledger.branches.get(number)?.address ?? "" });
}

export function decideSetBranchState(decision: Decision, { target, state }: SetBranchState): LedgerRecord[] {
  const { ledger } = decision;
  requireKnown(decision, [target]);
  if (target === 0) throw new Rejected("BRANCH_IS_HEAD_OFFICE", {});
  requireLife(decision, [target]);
  const branch = String(target);
  if (ledger.branches.get(target)?.state === state)
    throw new Rejected("BRANCH_STATE_UNCHANGED", { branch, state: BRANCH_STATE_WORDS[state] });
  // Nobody would ever know again how many of the members there are to promise anything.
  if (state === BranchState.RETIRED && ledger.isCounted(target)) throw new Rejected("BRANCH_COUNTED", { branch });
  return decision.answer({ ...decision.answering(), kind: RecordKind.BRANCH_STATE_CHANGED, target, state });
}

export function decideSetDurability(decision: Decision, command: SetDurability): LedgerRecord[] {
  const { copies } = command;
  const members = byBranch(command.members).map(({ branch, copyId }) => ({ branch, copyId: copyId.slice() }));
  const branches = members.map(({ branch }) => branch);
  requireKnown(decision, branches);
  requireLife(decision, branches);
  return decision.answer({ ...decision.answering(), kind: RecordKind.DURABILITY_SET, copies, members });
}

function registered(
  decision: Decision,
  branch: Pick<BranchRegisteredRecord, "number" | "name" | "address">,
): LedgerRecord[] {
  return decision.answer({ ...decision.answering(), kind: RecordKind.BRANCH_REGISTERED, ...branch });
}

/** Where the command is booked, and the branches that it is about. */
function requireKnown({ ledger, context }: Decision, branches: readonly BranchNumber[]): void {
  for (const branch of [context.branch, ...branches])
    if (!ledger.hasBranch(branch)) throw new Rejected("BRANCH_NOT_FOUND", { branch: String(branch) });
}

/** Likewise, none of them retired. */
function requireLife({ ledger, context }: Decision, branches: readonly BranchNumber[]): void {
  for (const branch of [context.branch, ...branches])
    if (ledger.isRetired(branch)) throw new Rejected("BRANCH_RETIRED", { branch: String(branch) });
}

import { parseFeesAccountName } from "../account.ts";
import { assert } from "../assert.ts";
import { BranchState } from "../branch.ts";
import { checkCommand } from "../check-command.ts";
import type { Administration, Command, Group, GroupItem, RegisterBranch, Request } from "../command.ts";
import type { CommandHash } from "../command-hash.ts";
import type { BranchNumber, Position } from "../identifiers.ts";
import { formatRequestId } from "../identifiers.ts";
import { EXPIRIES_PER_RECORD_MAX, RECORDS_PER_COMMAND_MAX } from "../limits.ts";
import { RefusalError, type RejectionReason } from "../reasons.ts";
import type { HoldsExpiredRecord, LedgerRecord, Rejection } from "../record.ts";
import { RecordKind, SYSTEM_PRINCIPAL } from "../record.ts";
import { apply, unapply } from "./apply.ts";
import { decideChangeState, decideOpenAccount, decideUpdateAccount } from "./decide-accounts.ts";
import {
  decideRegisterBranch,
  decideRenameBranch,
  decideSetBranchState,
  decideSetDurability,
} from "./decide-branches.ts";
import { decideCaptureHold, decideExtendHold, decidePlaceHold, decideReleaseHold } from "./decide-holds.ts";
import { decideDeposit, decideInterest, decideReverse, decideTransfer, decideWithdraw } from "./decide-movements.ts";
import { Decision, type DecisionContext, type RecordLookup, Rejected } from "./decision.ts";
import type { Ledger } from "./ledger.ts";

/**
 * Decides one request that was never answered before: reads the state, changes nothing, and gives the records that
 * carry out the decision. The last of them answers the request, by its effect or by a rejection; those before it define
 * what the last one needs (a currency, one of the bank's own accounts) or, of a group, carry out its items.
 *
 * In which order rejections are checked, `OPERATIONS` says. Holds whose time has come are ended before, by `dueHolds`.
 *
 * Throws: `RefusalError` STALE_VERSION and FORMAT_LEVEL_TOO_LOW, which are not remembered; `InvariantError` for a
 * command that `checkCommand` refuses.
 *
 * @param lookup the records at the positions of `originalsOf(command)`.
 */
export function decide(
  ledger: Ledger,
  request: Request,
  hash: CommandHash,
  lookup: RecordLookup = none,
): LedgerRecord[] {
  const { principal, branch, command } = request;
  assert(checkCommand(command) === undefined, "only a command that was checked is decided");
  requireLevel(ledger, command);
  const key = { id: request.id, hashLow: hash.low, hashHigh: hash.high };
  const context: DecisionContext = { ledger, principal, branch, request: key, lookup };
  if (command.kind === "cancelRequest")
    return rejected(context, { reason: "REQUEST_CANCELLED", metadata: { request_id: formatRequestId(request.id) } });
  const closed = isAboutBranches(command) ? undefined : whyClosed(ledger, branch);
  if (closed !== undefined) return rejected(context, { reason: closed, metadata: { branch: String(branch) } });
  if (command.kind === "group") return decideGroup(context, command);
  const decided = decideItem(context, command);
  return decided instanceof Rejected ? rejected(context, decided) : decided;
}

/** Upper bound on the number of records that `decide` gives for a command. */
export function recordsMax(command: Command): number {
  return command.kind === "group" ? command.items.length * RECORDS_PER_COMMAND_MAX + 1 : RECORDS_PER_COMMAND_MAX;
}

/** Positions of the records that `decide` looks up. */
export function originalsOf(command: Command): readonly Position[] {
  if (command.kind === "reverse") return [command.transaction];
  return command.kind === "group" ? command.items.flatMap(originalsOf) : [];
}

/**
 * The record that ends holds whose time has come, as many as one record can; undefined when none is due. Whoever
 * executes commands applies it, and asks again, before the first command of a batch.
 */
export function dueHolds(ledger: Ledger): HoldsExpiredRecord | undefined {
  const holds = ledger.holds.due(ledger.timeMs, EXPIRIES_PER_RECORD_MAX);
  if (holds.length === 0) return undefined;
  return { kind: RecordKind.HOLDS_EXPIRED, principal: SYSTEM_PRINCIPAL, branch: 0, request: undefined, holds };
}

function none(): undefined {
  return undefined;
}

/** What a decision can be about that is no group. */
type Single = GroupItem | RegisterBranch | Administration;

/** These look at all the branches that they name in one go. */
function isAboutBranches(command: Command): command is RegisterBranch | Administration {
  switch (command.kind) {
    case "registerBranch":
    case "renameBranch":
    case "setBranchState":
    case "setDurability":
      return true;
    default:
      return false;
  }
}

/** Why nothing may be booked at a branch; undefined where it may. */
function whyClosed(ledger: Ledger, branch: BranchNumber): RejectionReason | undefined {
  if (branch === 0) return undefined;
  const state = ledger.branches.get(branch)?.state;
  if (state === undefined) return "BRANCH_NOT_FOUND";
  return state === BranchState.RETIRED ? "BRANCH_RETIRED" : undefined;
}

function decideItem(context: DecisionContext, command: Single): LedgerRecord[] | Rejected {
  try {
    return run(new Decision(context), command);
  } catch (error) {
    if (error instanceof Rejected) return error;
    throw error;
  }
}

function run(decision: Decision, command: Single): LedgerRecord[] {
  switch (command.kind) {
    case "openAccount":
      return decideOpenAccount(decision, command);
    case "updateAccount":
      return decideUpdateAccount(decision, command);
    case "freezeAccount":
    case "unfreezeAccount":
    case "closeAccount":
      return decideChangeState(decision, command);
    case "deposit":
      return decideDeposit(decision, command);
    case "withdraw":
      return decideWithdraw(decision, command);
    case "transfer":
      return decideTransfer(decision, command);
    case "reverse":
      return decideReverse(decision, command);
    case "applyInterest":
      return decideInterest(decision, command);
    case "placeHold":
      return decidePlaceHold(decision, command);
    case "captureHold":
      return decideCaptureHold(decision, command);
    case "releaseHold":
      return decideReleaseHold(decision, command);
    case "extendHold":
      return decideExtendHold(decision, command);
    case "registerBranch":
      return decideRegisterBranch(decision, command);
    case "renameBranch":
      return decideRenameBranch(decision, command);
    case "setBranchState":
      return decideSetBranchState(decision, command);
    case "setDurability":
      return decideSetDurability(decision, command);
  }
}

/** Each item is decided on what the items before it have done; in the end all of it is taken back, whatever came out. */
function decideGroup(context: DecisionContext, { items }: Group): LedgerRecord[] {
  const { ledger, principal, branch, request } = context;
  const records: LedgerRecord[] = [];
  const start = ledger.position;
  // What the group itself has moved is in no journal yet, and can be reversed like anything else.
  const lookup: RecordLookup = (position) => records[position - start - 1] ?? context.lookup(position);
  try {
    for (const [i, item] of items.entries()) {
      const decided = decideGroupItem({ ...context, request: undefined, lookup }, item, i + 1);
      if (decided instanceof Rejected)
        return rejected(context, { reason: decided.reason, metadata: decided.metadata, item: i + 1 });
      for (const record of decided) {
        apply(ledger, record);
        records.push(record);
      }
    }
  } finally {
    for (const record of [...records].reverse()) unapply(ledger, record);
  }
  return [...records, { kind: RecordKind.GROUP_COMMITTED, principal, branch, request, records: records.length }];
}

function decideGroupItem(context: DecisionContext, command: GroupItem, item: number): LedgerRecord[] | Rejected {
  try {
    return decideItem(context, command);
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error;
    const { reason, metadata, outcome } = error.refusal;
    throw new RefusalError(reason, metadata, outcome, { cause: error, item });
  }
}

function rejected(
  { principal, branch, request }: DecisionContext,
  { reason, metadata, item }: Pick<Rejection, "reason" | "metadata" | "item">,
): LedgerRecord[] {
  const rejection: Rejection = item === undefined ? { reason, metadata } : { reason, metadata, item };
  return [{ kind: RecordKind.REJECTED, principal, branch, request, rejection }];
}

function requireLevel(ledger: Ledger, command: Command): void {
  const needed = levelOf(command);
  if (needed <= ledger.formatLevel) return;
  throw new RefusalError("FORMAT_LEVEL_TOO_LOW", { level: String(ledger.formatLevel), needed: String(needed) });
}

/** The format level that the records of a command need. */
function levelOf(command: Command): number {
  switch (command.kind) {
    case "deposit":
    case "withdraw":
    case "registerBranch":
    case "renameBranch":
      return 1;
    case "setBranchState":
    case "setDurability":
      return 3;
    case "transfer":
      return parseFeesAccountName(command.to) === undefined ? 1 : 2;
    case "openAccount": {
      const { alias = "", metadata = {}, floor = 0n, ceiling } = command;
      const isPlain = alias === "" && Object.keys(metadata).length === 0 && floor === 0n && ceiling === undefined;
      return isPlain ? 1 : 2;
    }
    default:
      return 2;
  }
}

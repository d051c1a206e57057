import type * as wire from "@bank/proto";
import { UnexpectedReplyError } from "../attempt-failure.ts";
import type {
  CommandGroup,
  CommandResult,
  GroupCommand,
  GroupItemResult,
  GroupResult,
  RequestResult,
} from "../types/index.ts";
import { accountOf, accountStateChangeOf, accountUpdateOf } from "./account.ts";
import { branchChangedOf, durabilityOf } from "./branch.ts";
import { present, safeNumber } from "./fields.ts";
import { captureOf, holdOf } from "./hold.ts";
import { interestOf, transactionOf } from "./transaction.ts";

type WireResult = wire.BatchResult["result"];

/** What comes of a command that is carried out. */
const RESULT_KINDS = {
  openAccount: "account",
  updateAccount: "accountUpdate",
  freezeAccount: "stateChange",
  unfreezeAccount: "stateChange",
  closeAccount: "stateChange",
  deposit: "transaction",
  withdraw: "transaction",
  transfer: "transaction",
  reverse: "transaction",
  applyInterest: "interest",
  placeHold: "hold",
  captureHold: "capture",
  releaseHold: "hold",
  extendHold: "hold",
} as const satisfies Record<GroupCommand["kind"], GroupItemResult["kind"]>;

/** What a command did. Throws: `UnexpectedReplyError` for what no such command does. */
export function resultOfCommand(command: GroupCommand | CommandGroup, result: WireResult): CommandResult {
  if (command.kind !== "group") return resultOfItem(command, result);
  if (result.case !== "group") throw new UnexpectedReplyError(`it answered a group with ${caseOf(result)}`);
  return { kind: "group", group: resultOfGroup(command.items, result.value) };
}

/** What a group did. Throws: `UnexpectedReplyError` for what no such group does. */
export function resultOfGroup(items: readonly GroupCommand[], group: wire.GroupResult | undefined): GroupResult {
  const { position, results } = present(group, "what the group did");
  if (results.length !== items.length)
    throw new UnexpectedReplyError(`it gave ${results.length} results for ${items.length} items of a group`);
  return {
    position: safeNumber(position),
    results: items.map((item, i) => resultOfItem(item, (results[i] as wire.BatchResult).result)),
  };
}

/** What a request did, whatever it was. Throws: `UnexpectedReplyError` when it says nothing, or a failure. */
export function requestResultOf(result: WireResult): RequestResult {
  switch (result.case) {
    case "group": {
      const { position, results } = result.value;
      const items = results.map((each) => groupItemResultOf(each.result));
      return { kind: "group", group: { position: safeNumber(position), results: items } };
    }
    case "branchChange":
      return { kind: "branchChange", change: branchChangedOf(result.value) };
    case "durability":
      return { kind: "durability", durability: durabilityOf(result.value) };
    default:
      return groupItemResultOf(result);
  }
}

function resultOfItem({ kind }: GroupCommand, result: WireResult): GroupItemResult {
  const translated = groupItemResultOf(result);
  if (translated.kind !== RESULT_KINDS[kind])
    throw new UnexpectedReplyError(`it answered the command ${kind} with ${caseOf(result)}`);
  return translated;
}

function groupItemResultOf(result: WireResult): GroupItemResult {
  switch (result.case) {
    case "transaction":
      return { kind: "transaction", transaction: transactionOf(result.value) };
    case "account":
      return { kind: "account", account: accountOf(result.value) };
    case "accountUpdate":
      return { kind: "accountUpdate", update: accountUpdateOf(result.value) };
    case "stateChange":
      return { kind: "stateChange", change: accountStateChangeOf(result.value) };
    case "interest":
      return { kind: "interest", interest: interestOf(result.value) };
    case "hold":
      return { kind: "hold", hold: holdOf(result.value) };
    case "capture":
      return { kind: "capture", capture: captureOf(result.value) };
    default:
      throw new UnexpectedReplyError(`it gave ${caseOf(result)} where something was done`);
  }
}

function caseOf(result: WireResult): string {
  return result.case === undefined ? "an empty result" : `the result ${JSON.stringify(result.case)}`;
}

import type { CommandOutcome, Propagation } from "@bank/proto";
import type { PropagationAsked } from "@bank/replica";
import { type CommandCase, readPropagation } from "@bank/rpc";
import type { HandlerContext } from "@connectrpc/connect";
import { propagationMessage } from "../propagation-messages.ts";
import type { Teller } from "../teller.ts";
import { limitOf } from "./asked-read.ts";

/** How far a call's writes should spread, by its header. Throws: `RefusalError` INVALID_REQUEST. */
export function askedPropagation({ requestHeader }: HandlerContext): PropagationAsked {
  return readPropagation(requestHeader);
}

/**
 * How far what a call did has spread, once it is as far as asked, or its caller's time is nearly over. Undefined where
 * nothing more than the bank's commit was asked for, and where nothing was done: a rejection concerns nobody else, nor does
 * a preview. Never rejects: what was done is committed.
 */
export async function propagationOf(
  teller: Teller,
  context: HandlerContext,
  asked: PropagationAsked,
  done: { readonly commands: readonly CommandCase[]; readonly outcomes: readonly CommandOutcome[] },
): Promise<Propagation | undefined> {
  const { commands, outcomes } = done;
  if (asked.mode === "bank") return undefined;
  const positions = outcomes.flatMap((outcome, i) => (isDone(commands[i], outcome) ? Number(outcome.position) : []));
  if (positions.length === 0) return undefined;
  const position = Math.max(...positions);
  const told = await teller.awaitPropagation(position, asked, limitOf(context));
  return propagationMessage(told, teller.shows(position));
}

function isDone(command: CommandCase | undefined, { result }: CommandOutcome): boolean {
  const isPreview = command !== undefined && "validateOnly" in command.value && command.value.validateOnly;
  return result?.result.case !== undefined && result.result.case !== "failure" && !isPreview;
}

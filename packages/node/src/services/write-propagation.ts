import type { Position } from "@bank/core";
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
  return asked.mode === "bank" ? undefined : propagationUpTo(teller, context, asked, newestDone(done));
}

/**
 * Likewise, of what was done up to a position.
 *
 * @param position 0 for nothing.
 */
export async function propagationUpTo(
  teller: Teller,
  context: HandlerContext,
  asked: PropagationAsked,
  position: Position,
): Promise<Propagation | undefined> {
  if (asked.mode === "bank" || position === 0) return undefined;
  const told = await teller.awaitPropagation(position, asked, limitOf(context));
  return propagationMessage(told, teller.shows(position));
}

function newestDone(done: {
  readonly commands: readonly CommandCase[];
  readonly outcomes: readonly CommandOutcome[];
}): Position {
  const { commands, outcomes } = done;
  return outcomes.reduce(
    (newest, outcome, i) => (isDone(commands[i], outcome) ? Math.max(newest, Number(outcome.position)) : newest),
    0,
  );
}

function isDone(command: CommandCase | undefined, { result }: CommandOutcome): boolean {
  const isPreview = command !== undefined && "validateOnly" in command.value && command.value.validateOnly;
  return result?.result.case !== undefined && result.result.case !== "failure" && !isPreview;
}

import { ANONYMOUS_PRINCIPAL, formatRequestId, RefusalError, requestOfOrder } from "@bank/core";
import {
  type CommandOutcome,
  type Failure,
  type ForwardedCommand,
  type ForwardedMovements,
  type ForwardedMovementsOutcome,
  ForwardedMovementsOutcomeSchema,
  ForwardedMovementsSchema,
} from "@bank/proto";
import type { CallLimit, MovementsAnswer, MovementsCall } from "@bank/replica";
import {
  connectErrorFromFailure,
  decodeMovements,
  encodeMovementsReply,
  failureFromConnectError,
  failureFromRefusal,
  forwardedCommand,
  itemFromCommand,
  type MovementColumns,
  ordersOf,
} from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { replyFromOutcomes } from "./movement-replies.ts";

const NO_EPOCH = new Uint8Array(0);

/** What a call asks for. Throws: `RefusalError` for what is no call: those that came with it are not to suffer for it. */
export function columnsOf({ movements }: MovementsCall): MovementColumns {
  try {
    return decodeMovements(movements);
  } catch (cause) {
    const problem = "the movements of the call cannot be read";
    throw new RefusalError("INVALID_REQUEST", { problem }, "NOT_APPLIED", { cause });
  }
}

/** A call as it goes over the wire. */
export function callMessage({ branch, session, movements }: MovementsCall): ForwardedMovements {
  return create(ForwardedMovementsSchema, { branch, session, movements });
}

/** An answer as it goes over the wire. Throws: an error that is no word of a server. */
export function answerMessage({ result, position, epochId }: MovementsAnswer): ForwardedMovementsOutcome {
  return create(ForwardedMovementsOutcomeSchema, {
    result:
      result instanceof Error ? { case: "failure", value: failureOf(result) } : { case: "movements", value: result },
    position: BigInt(position),
    epochId,
  });
}

/** An answer as it came over the wire. */
export function answerFrom({ result, position, epochId }: ForwardedMovementsOutcome): MovementsAnswer {
  if (result.case === undefined) throw new Error("a call of movements has an outcome");
  const told = result.case === "failure" ? connectErrorFromFailure(result.value) : result.value;
  return { result: told, position: Number(position), epochId };
}

/**
 * Has a server of the release before this one decide a call, row by row. Rejects with what `submit` rejects with, unless it
 * is a refusal: that is the answer.
 *
 * @param submit one outcome for each command, in order.
 */
export async function submitRows(
  call: MovementsCall,
  limit: CallLimit,
  submit: (commands: readonly ForwardedCommand[], limit: CallLimit) => Promise<readonly CommandOutcome[]>,
): Promise<MovementsAnswer> {
  try {
    const outcomes = await submit(commandsOf(call), limit);
    const newest = outcomes.reduce<CommandOutcome | undefined>(
      (last, outcome) => (outcome.position > (last?.position ?? 0n) ? outcome : last),
      undefined,
    );
    const result = encodeMovementsReply(replyFromOutcomes(outcomes, call.branch));
    return { result, position: Number(newest?.position ?? 0n), epochId: newest?.epochId ?? NO_EPOCH };
  } catch (error) {
    if (error instanceof RefusalError) return refusedCall(error);
    throw error;
  }
}

/** Nothing of the call was begun, or nothing is known of it. */
export function refusedCall(error: RefusalError): MovementsAnswer {
  return { result: error, position: 0, epochId: NO_EPOCH };
}

/** Throws: `RefusalError` for a malformed call. */
function commandsOf(call: MovementsCall): ForwardedCommand[] {
  const { branch, session } = call;
  const orders = ordersOf(columnsOf(call), { principal: ANONYMOUS_PRINCIPAL, branch });
  return Array.from({ length: orders.count }, (_, row) => {
    const { id, command } = requestOfOrder(orders, row);
    if (command.kind !== "deposit" && command.kind !== "withdraw" && command.kind !== "transfer")
      throw new Error(`a row is no ${command.kind}`);
    const { command: asked } = itemFromCommand(command, { requestId: formatRequestId(id) });
    if (asked.case === undefined) throw new Error("a command has a message");
    return forwardedCommand(branch, asked, session);
  });
}

function failureOf(error: Error): Failure {
  if (error instanceof RefusalError) return failureFromRefusal(error);
  const failure = error instanceof ConnectError ? failureFromConnectError(error) : undefined;
  if (failure === undefined) throw error;
  return failure;
}

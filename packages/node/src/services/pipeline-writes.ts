import {
  CancelRequestResponseSchema,
  type CommandOutcome,
  type ExecuteMovementsRequest,
  ExecuteMovementsRequestSchema,
  type RequestService,
} from "@bank/proto";
import {
  type CommandCase,
  commandOfBatchItem,
  decodeMovements,
  encodeMovementsReply,
  type MovementColumns,
  malformed,
  requireValid,
  SESSION_HEADER,
} from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { Teller } from "../teller.ts";
import { requireOpen } from "./asked-read.ts";
import { writeInfo } from "./call.ts";
import { executeMovements } from "./execute-movements.ts";
import { PatientLimit } from "./patient-limit.ts";
import type { AskingCall, Operation, Reply } from "./pipeline-call.ts";
import { askedPropagation, propagationOf } from "./write-propagation.ts";

/**
 * Carries out the commands of calls that ask alike, in one call of the teller, so that they share a batch. Each is answered
 * by itself, with a state that contains its own outcome. Rejects with what concerns all of them.
 */
export async function writeTogether(
  teller: Teller,
  calls: readonly AskingCall[],
  context: HandlerContext,
): Promise<void> {
  requireOpen(teller, context, "OUTCOME_UNKNOWN");
  const asked = askedPropagation(context);
  const session = context.requestHeader.get(SESSION_HEADER) ?? "";
  const commands = calls.map(({ call }) => commandOf(call.call));
  const outcomes = await execute(teller, commands, { context, session });
  if (asked.mode === "bank") {
    for (const [i, call] of calls.entries()) call.answer(told(teller, outcomes[i]));
    return;
  }
  // What spreads faster is not kept back by what spreads slower.
  await Promise.all(
    calls.map(async (call, i) => {
      const done = { commands: commands.slice(i, i + 1), outcomes: outcomes.slice(i, i + 1) };
      const propagation = await propagationOf(teller, context, asked, done);
      const reply = told(teller, outcomes[i]);
      if (propagation !== undefined && reply.readInfo !== undefined) reply.readInfo.propagation = propagation;
      call.answer(reply);
    }),
  );
}

async function execute(
  teller: Teller,
  commands: readonly CommandCase[],
  { context, session }: { readonly context: HandlerContext; readonly session: string },
): Promise<readonly CommandOutcome[]> {
  const limit = new PatientLimit(context);
  try {
    return await teller.execute(commands, { signal: limit.signal, timeoutMs: limit.timeoutMs, session });
  } finally {
    limit.over();
  }
}

/** Rules out a request. */
export async function cancel(
  requests: Pick<ServiceImpl<typeof RequestService>, "cancelRequest">,
  call: Operation,
  context: HandlerContext,
): Promise<Reply> {
  if (call.case !== "cancelRequest") throw new Error(`${call.case} rules nothing out`);
  const value = create(CancelRequestResponseSchema, await requests.cancelRequest(call.value, context));
  return { reply: { case: "cancelRequest", value } };
}

/** Carries out movements in columns. Rejects with what the call by itself rejects with. */
export async function move(teller: Teller, call: Operation, context: HandlerContext): Promise<Reply> {
  if (call.case !== "movements") throw new Error(`${call.case} moves nothing`);
  const request = movementsOf(call.value);
  // The columns are of the kind that this takes, whatever their type says.
  requireValid(ExecuteMovementsRequestSchema, request as ExecuteMovementsRequest);
  const { readInfo, ...told } = await executeMovements(teller, context, request);
  const reply = { case: "movements", value: encodeMovementsReply(told) } as const;
  return { reply, ...(readInfo === undefined ? {} : { readInfo }) };
}

/** Throws: `RefusalError` INVALID_REQUEST for bytes that are no such message: the stream itself goes on. */
function movementsOf(bytes: Uint8Array): MovementColumns {
  try {
    return decodeMovements(bytes);
  } catch (cause) {
    const description = `must be an encoded ExecuteMovementsRequest: ${cause instanceof Error ? cause.message : cause}`;
    throw malformed([{ field: "movements", description }]);
  }
}

function commandOf(call: Operation): CommandCase {
  if (call.case !== "item") throw new Error(`${call.case} is no command`);
  return commandOfBatchItem(call.value);
}

function told(teller: Teller, outcome: CommandOutcome | undefined): Reply {
  if (outcome?.result === undefined) throw new Error("a command has a result");
  return { reply: { case: "result", value: outcome.result }, readInfo: writeInfo(teller, [outcome]) };
}

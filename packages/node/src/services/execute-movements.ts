import type { ExecuteMovementsResponse } from "@bank/proto";
import type { CallLimit } from "@bank/replica";
import { type MovementColumns, type MovementsReply, SESSION_HEADER } from "@bank/rpc";
import type { HandlerContext } from "@connectrpc/connect";
import { newestDone, timeOfReply } from "../movement-replies.ts";
import type { Teller } from "../teller.ts";
import { requireOpen } from "./asked-read.ts";
import { writtenInfo } from "./call.ts";
import { PatientLimit } from "./patient-limit.ts";
import { askedPropagation, propagationUpTo } from "./write-propagation.ts";

/**
 * Movements in columns: what became of each, and a state that contains them, once they have spread as far as the call asked
 * for. Rejects with `RefusalError`, also DRAINING.
 *
 * @param request its columns are typed arrays where the codec of movements has read it, and else what protobuf-es makes of
 * them; those of the answer likewise.
 */
export async function executeMovements(
  teller: Teller,
  context: HandlerContext,
  request: MovementColumns,
): Promise<ExecuteMovementsResponse> {
  requireOpen(teller, context, "OUTCOME_UNKNOWN");
  const asked = askedPropagation(context);
  const session = context.requestHeader.get(SESSION_HEADER) ?? "";
  const done = await within(context, (limit) => teller.executeMovements(request, { ...limit, session }));
  const { reply, position, epochId } = done;
  const newest = asked.mode === "bank" ? 0 : newestDone(reply);
  const propagation = await propagationUpTo(teller, context, asked, newest);
  const info = writtenInfo(teller, { position, epochId, time: timeOfReply(reply, position) });
  if (propagation !== undefined) info.propagation = propagation;
  return withInfo(reply, info, request.debitAccounts instanceof BigUint64Array);
}

async function within<T>(context: HandlerContext, call: (limit: CallLimit) => Promise<T>): Promise<T> {
  const limit = new PatientLimit(context);
  try {
    return await call({ signal: limit.signal, timeoutMs: limit.timeoutMs });
  } finally {
    limit.over();
  }
}

function withInfo(
  reply: MovementsReply,
  readInfo: NonNullable<MovementsReply["readInfo"]>,
  hasCodec: boolean,
): ExecuteMovementsResponse {
  const { positions } = reply;
  // What goes through the codec of movements is never looked at as the type says.
  const shown = hasCodec || Array.isArray(positions) ? positions : Array.from(positions);
  return Object.assign(reply as ExecuteMovementsResponse, { positions: shown as bigint[], readInfo });
}

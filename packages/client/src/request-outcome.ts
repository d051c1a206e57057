import { RequestState, type BatchResult as WireBatchResult, type ReadInfo as WireReadInfo } from "@bank/proto";
import { resultFailure, UnexpectedReplyError } from "./attempt-failure.ts";
import { BankError } from "./bank-error.ts";
import { type Caller, checkRequestId } from "./caller.ts";
import { readInfoOf, requestResultOf, safeNumber } from "./messages/index.ts";
import type { CallOptions, FinalOutcome, ReadOptions, RequestOutcome } from "./types/index.ts";

/** What became of a request. Rejects with: `BankError`. */
export function readOutcome(caller: Caller, requestId: string, options: ReadOptions): Promise<RequestOutcome> {
  return caller.read(
    options,
    async (sending, server) => {
      checkRequestId(requestId);
      return server.requests.getOutcome({ requestId }, sending);
    },
    (reply, server) => {
      switch (reply.state) {
        case RequestState.IN_PROGRESS:
          return { requestId, state: "inProgress", ...readInfoOf(reply.readInfo) };
        case RequestState.NOT_SEEN:
          return { requestId, state: "notSeen", ...readInfoOf(reply.readInfo) };
        default:
          return finalOutcome(reply, { requestId, server: server.url });
      }
    },
  );
}

/** Rules out a request, or tells how it was answered before. Rejects with: `BankError`. */
export function cancelRequest(caller: Caller, requestId: string, options: CallOptions): Promise<FinalOutcome> {
  return caller.retried({ ...options, mutates: true, requestId }, async (call) => {
    checkRequestId(requestId);
    return caller.once(
      // Nothing tells whether the answer is of now or of long ago.
      { ...call, isBeyondSession: () => false },
      (sending, server) => server.requests.cancelRequest({ requestId }, sending),
      (reply, server) => finalOutcome(reply, { requestId, server: server.url }),
    );
  });
}

interface OutcomeReply {
  readonly state: RequestState;
  readonly result?: WireBatchResult | undefined;
  readonly position: bigint;
  readonly readInfo?: WireReadInfo | undefined;
}

/** Throws: `UnexpectedReplyError`. */
function finalOutcome(
  { state, result, position, readInfo }: OutcomeReply,
  { requestId, server }: { readonly requestId: string; readonly server: string },
): FinalOutcome {
  const said = { requestId, answeredPosition: safeNumber(position), ...readInfoOf(readInfo) };
  switch (state) {
    case RequestState.COMMITTED:
      return { ...said, state: "committed", result: requestResultOf(result?.result ?? { case: undefined }) };
    case RequestState.REJECTED:
      return { ...said, state: "rejected", error: rejectionOf(result, requestId, server) };
    case RequestState.CANCELLED:
      return { ...said, state: "cancelled" };
    default:
      throw new UnexpectedReplyError(`it left out what request state ${state} is`);
  }
}

/** What the call of the request got, or would have got. */
function rejectionOf(result: WireBatchResult | undefined, requestId: string, server: string): BankError {
  if (result?.result.case !== "failure") throw new UnexpectedReplyError("it left out why the request was rejected");
  const failure = resultFailure(result.result.value, server);
  const metadata = { ...failure.metadata, request_id: requestId };
  return new BankError({ ...failure, metadata, requestId, attempts: 0 });
}

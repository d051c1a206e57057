import { parseRequestId, type RequestId } from "@bank/core";
import { type BatchResult, type RequestService, RequestState } from "@bank/proto";
import { connectErrorFromFailure, malformed, resultFromRecord } from "@bank/rpc";
import type { ServiceImpl } from "@connectrpc/connect";
import type { Teller } from "../teller.ts";
import { askedRead } from "./asked-read.ts";
import { executeAny, readInfo } from "./call.ts";

/** What became of requests. */
export function requestService(teller: Teller): ServiceImpl<typeof RequestService> {
  return {
    getOutcome: async (request, context) => {
      const { consistency, limit } = askedRead(teller, context);
      const found = await teller.outcomeOf(consistency, requestId(request.requestId), limit.signal);
      const info = { readInfo: readInfo(found) };
      switch (found.value.kind) {
        case "inProgress":
          return { state: RequestState.IN_PROGRESS, ...info };
        case "notSeen":
          return { state: RequestState.NOT_SEEN, ...info };
        case "answered": {
          const result = resultFromRecord(teller.ledger, found.value);
          return { ...answered(result), position: BigInt(found.value.position), ...info };
        }
      }
    },

    cancelRequest: async (request, context) => {
      const command = { case: "cancelRequest", value: request } as const;
      const told = await executeAny(teller, context, command);
      const { result } = told.result;
      // A rejection is an answer, and so is the cancellation; a refusal is none.
      if (result.case === "failure" && result.value.position === 0n) throw connectErrorFromFailure(result.value);
      return { ...answered(told.result), position: told.position, readInfo: told.readInfo };
    },
  };
}

/** The answer as the request itself got it; a cancelled one got none. */
function answered(told: BatchResult): { state: RequestState; result?: BatchResult } {
  const result = { ...told, replayed: false };
  if (result.result.case !== "failure") return { state: RequestState.COMMITTED, result };
  if (result.result.value.reason === "REQUEST_CANCELLED") return { state: RequestState.CANCELLED };
  return { state: RequestState.REJECTED, result };
}

function requestId(text: string): RequestId {
  const id = parseRequestId(text);
  if (id === undefined) throw malformed([{ field: "request_id", description: "value must be a valid UUID" }]);
  return id;
}

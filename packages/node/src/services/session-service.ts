import { type PipelinedReply, type PipelineResponse, PipelineResponseSchema, type SessionService } from "@bank/proto";
import { writtenReplies } from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { Teller } from "../teller.ts";
import { PipelineDesk } from "./pipeline-desk.ts";
import { PipelineStream } from "./pipeline-stream.ts";

/**
 * Many calls over one stream: the same operations with the same answers as by themselves.
 *
 * @param ending aborts when the server begins to close.
 */
export function sessionService(teller: Teller, ending: AbortSignal): ServiceImpl<typeof SessionService> {
  const desk = new PipelineDesk(teller);
  return {
    pipeline: (requests, context) => {
      const isJson = context.requestHeader.get("content-type")?.includes("json") === true;
      const stream = new PipelineStream((calls) => desk.begin(calls, context), isJson ? plainReplies : writtenReplies);
      return stream.answer(requests, { ending, gone: context.signal });
    },
  };
}

function plainReplies(replies: PipelinedReply[]): PipelineResponse {
  return create(PipelineResponseSchema, { replies });
}

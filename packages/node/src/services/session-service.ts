import type { SessionService } from "@bank/proto";
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
      const stream = new PipelineStream((calls) => desk.begin(calls, context));
      return stream.answer(requests, { ending, gone: context.signal });
    },
  };
}

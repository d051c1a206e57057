import type { Transport } from "@connectrpc/connect";
import type { ServerPipeline } from "./pipeline-server.ts";
import { pipelineTransport } from "./pipeline-transport.ts";

/** So many calls may be under way as calls of their own: a stream is worth opening for more. */
const OWN_CALLS_MAX = 2;

/**
 * Makes each call as one of its own while few are under way; beyond that, single operations go over the session stream, where
 * a call costs a fraction. The answers and errors are the same either way.
 */
export function busyTransport(pipeline: ServerPipeline, own: Transport): Transport {
  const streamed = pipelineTransport(pipeline, own);
  let underWay = 0;
  return {
    stream: own.stream.bind(own),
    unary: async (...call) => {
      const way = underWay < OWN_CALLS_MAX ? own : streamed;
      underWay++;
      try {
        return await way.unary(...call);
      } finally {
        underWay--;
      }
    },
  };
}

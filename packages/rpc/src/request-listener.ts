import type { ReportUnsent } from "@bank/quick-unary";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";

type NodeRequest = Parameters<typeof universalRequestFromNodeRequest>[0];
type NodeResponse = Parameters<typeof universalResponseToNodeResponse>[1];

/**
 * What serves the routes of a router, over either HTTP.
 *
 * Connect's own adapter does the same, but prints to the console what it could not send, with no way to be told of it.
 * Source: connect-node 2.2, `connect-node-adapter.ts`.
 */
export function requestListener(
  { handlers }: ConnectRouter,
  reportUnsent: ReportUnsent,
): (request: NodeRequest, response: NodeResponse) => void {
  const byPath = new Map(handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    // A call by GET has its message behind the path.
    const handler = byPath.get(request.url?.split("?", 2)[0] ?? "");
    if (handler === undefined) {
      response.writeHead(404);
      response.end();
      return;
    }
    const answer = async () =>
      universalResponseToNodeResponse(
        await handler(universalRequestFromNodeRequest(request, response, undefined, undefined)),
        response,
      );
    answer().catch((error: unknown) => {
      // What Connect calls a stream that was gone before anything was written: the caller hung up.
      if (ConnectError.from(error).code === Code.Aborted) return;
      reportUnsent({ method: `${handler.service.typeName}/${handler.method.name}`, error });
    });
  };
}

import { once } from "node:events";
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createConnectRouter } from "@connectrpc/connect";
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import type { UnaryCodec } from "./codec.ts";
import { quickUnary, type ReportUnsent, takeStreams } from "./quick-unary.ts";
import { type RouteOptions, recordRoutes } from "./record-routes.ts";
import type { StreamCodec } from "./stream-codec.ts";
import {
  type Happenings,
  READ_BYTES_MAX,
  TIMEOUT_MAX_MS,
  testInterceptor,
  testRoutes,
} from "./test-service.test-util.ts";

export interface TestServer {
  readonly url: string;
  readonly session: ClientHttp2Session;
  /** How many streams the quick way has taken. */
  readonly taken: { count: number };
  readonly happenings: Happenings;
  readonly unsent: Parameters<ReportUnsent>[0][];
  /** Ends connections when their calls have ended. */
  close(): Promise<void>;
}

export interface TestServerOptions {
  readonly isQuick: boolean;
  readonly routeOptions?: RouteOptions;
  readonly codecs?: readonly UnaryCodec[];
  readonly streamCodecs?: readonly StreamCodec[];
}

/** One server for the test service: with the quick way, or with Connect's adapter alone. */
export async function startTestServer({
  isQuick,
  routeOptions,
  codecs = [],
  streamCodecs = [],
}: TestServerOptions): Promise<TestServer> {
  const happenings: Happenings = { entered: 0, streams: 0, yielded: 0, aborted: [] };
  const unsent: Parameters<ReportUnsent>[0][] = [];
  const taken = { count: 0 };
  const options: RouteOptions = {
    interceptors: [testInterceptor],
    readMaxBytes: READ_BYTES_MAX,
    maxTimeoutMs: TIMEOUT_MAX_MS,
    acceptCompression: [compressionGzip, compressionBrotli],
    ...routeOptions,
  };
  const { router, routes } = recordRoutes(createConnectRouter(options), options);
  testRoutes(happenings)(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const server = createServer((request, response) => {
    const handler = handlers.get(request.url.split("?", 2)[0] ?? "");
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
      if (ConnectError.from(error).code !== Code.Aborted) unsent.push({ method: handler.method.name, error });
    });
  });
  if (isQuick) {
    const take = quickUnary({ routes, codecs, streamCodecs, reportUnsent: (each) => unsent.push(each) });
    takeStreams(server, (stream, headers) => {
      const isTaken = take(stream, headers);
      if (isTaken) taken.count++;
      return isTaken;
    });
  }
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  // Clients may say more than once what Node would say only once.
  const session = connect(url, { strictSingleValueFields: false } as object);
  return {
    url,
    session,
    taken,
    happenings,
    unsent,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      session.close();
      await closed;
    },
  };
}

export interface TestRequest {
  readonly headers: OutgoingHttpHeaders;
  /** Each is written by itself, in a turn of its own. */
  readonly pieces: readonly Uint8Array[];
  /** False to leave the request open. */
  readonly ends?: boolean;
}

export interface TestAnswer {
  readonly header: IncomingHttpHeaders;
  readonly trailer: IncomingHttpHeaders;
  /** In hexadecimal. */
  readonly body: string;
}

/** What a bare client sees of a call. `date` is left out: it is the time. */
export function exchange(
  session: ClientHttp2Session,
  { headers, pieces, ends = true }: TestRequest,
): Promise<TestAnswer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":method": "POST", te: "trailers", ...headers }, { endStream: false });
    let header: IncomingHttpHeaders = {};
    let trailer: IncomingHttpHeaders = {};
    const body: Buffer[] = [];
    stream.on("error", reject);
    stream.on("response", ({ date: _date, ...others }) => {
      header = others;
    });
    stream.on("trailers", (fields) => {
      trailer = fields;
    });
    stream.on("data", (chunk: Buffer) => body.push(chunk));
    stream.on("end", () => {
      resolve({ header: named(header), trailer: named(trailer), body: Buffer.concat(body).toString("hex") });
      if (!ends) stream.close();
    });
    const write = (at: number) => {
      const piece = pieces[at];
      if (piece !== undefined) stream.write(piece, () => setImmediate(write, at + 1));
      else if (ends) stream.end();
    };
    write(0);
  });
}

/** The fields without what Node says about them. */
function named(fields: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(fields));
}

/** One server with the quick way, and one with Connect's adapter alone. */
export async function startBothServers(): Promise<{ readonly quick: TestServer; readonly slow: TestServer }> {
  const [quick, slow] = await Promise.all([startTestServer({ isQuick: true }), startTestServer({ isQuick: false })]);
  return { quick, slow };
}

/** Breaks off what is still open: Connect's adapter leaves streams open whose requests it has not read to their end. */
export async function closeBothServers(both: { readonly quick: TestServer; readonly slow: TestServer }): Promise<void> {
  const servers = [both.quick, both.slow];
  for (const { session } of servers) session.destroy();
  await Promise.all(servers.map((server) => server.close()));
}

/** A message of the test service. */
export function message(text: string): Uint8Array {
  return toBinary(StringValueSchema, create(StringValueSchema, { value: text }));
}

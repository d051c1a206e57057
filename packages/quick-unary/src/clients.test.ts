import { create } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import { ConnectError, type Transport } from "@connectrpc/connect";
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { startTestServer, type TestServer } from "./both-servers.test-util.ts";
import { doMethod } from "./test-service.test-util.ts";

let quick: TestServer;
let slow: TestServer;

beforeAll(async () => {
  quick = await startTestServer({ isQuick: true });
  slow = await startTestServer({ isQuick: false });
});

afterAll(async () => {
  await Promise.all([quick.close(), slow.close()]);
});

type Protocol = (baseUrl: string, sessionManager: Http2SessionManager) => Transport;

describe.each<[string, Protocol]>([
  ["gRPC", (baseUrl, sessionManager) => createGrpcTransport({ baseUrl, sessionManager })],
  ["Connect", (baseUrl, sessionManager) => createConnectTransport({ baseUrl, sessionManager, httpVersion: "2" })],
  [
    "gRPC that compresses",
    (baseUrl, sessionManager) =>
      createGrpcTransport({ baseUrl, sessionManager, sendCompression: compressionGzip, compressMinBytes: 0 }),
  ],
])("a client that speaks %s", (_name, transportTo) => {
  it.each(["echo:Grüezi", "long:200000", "header:x", "fail:5", "fail:16", "error", "headerAndFail", "wait"])(
    "sees the same of %s",
    async (text) => {
      const taken = quick.taken.count;
      const [ours, theirs] = await Promise.all([seen(quick), seen(slow)]);
      expect(ours).toEqual(theirs);
      expect(quick.taken.count).toBe(taken + 1);

      async function seen({ url }: TestServer): Promise<unknown> {
        const manager = new Http2SessionManager(url);
        try {
          return await callOf(transportTo(url, manager), text);
        } finally {
          manager.abort();
        }
      }
    },
  );
});

it("a server that closes waits for the call that is under way", async () => {
  const server = await startTestServer({ isQuick: true });
  const manager = new Http2SessionManager(server.url);
  const transport = createGrpcTransport({ baseUrl: server.url, sessionManager: manager });
  const call = callOf(transport, "wait", 300);
  await vi.waitUntil(() => server.happenings.entered > 0, { interval: 1 });
  const closing = server.close();
  expect(await call).toMatchObject({ error: { code: 4 } });
  manager.abort();
  await closing;
});

async function callOf(
  transport: Transport,
  value: string,
  timeoutMs = value === "wait" ? 20 : 5_000,
): Promise<unknown> {
  const message = create(StringValueSchema, { value });
  try {
    const { header, trailer, message: answer } = await transport.unary(doMethod, undefined, timeoutMs, {}, message);
    return { header: fields(header), trailer: fields(trailer), answer };
  } catch (reason) {
    const { code, rawMessage, details, metadata } = ConnectError.from(reason);
    return { error: { code, rawMessage, details, metadata: fields(metadata) } };
  }
}

function fields(headers: Headers): readonly (readonly [string, string])[] {
  return [...headers].filter(([name]) => name !== "date");
}

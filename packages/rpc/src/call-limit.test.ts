import { once } from "node:events";
import { connect } from "node:http2";
import { BranchService } from "@bank/proto";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { expect, it, onTestFinished, vi } from "vitest";
import { FRAME, H2, headers, settings } from "./raw-http2.test-util.ts";
import { CALLS_PER_CONNECTION_MAX } from "./serve.ts";
import { connectBare, grpcTransport, startServer } from "./wire.test-util.ts";

const MAX = 8;
const CALLS = 100;

/** A server whose calls wait for a gate, and how many of them there were at once. */
async function start(callsPerConnectionMax: number | undefined, quickUnary = true) {
  const gate = Promise.withResolvers<void>();
  const calls = { now: 0, most: 0 };
  const { serving, incidents } = await startServer(
    (router) => {
      router.service(BranchService, {
        listBranches: async () => {
          calls.now++;
          calls.most = Math.max(calls.most, calls.now);
          await gate.promise;
          // The next may come as soon as this one has ended, and not before.
          await new Promise((resolve) => setImmediate(resolve));
          calls.now--;
          return {};
        },
      });
    },
    0,
    { quickUnary, ...(callsPerConnectionMax === undefined ? {} : { callsPerConnectionMax }) },
  );
  return { url: serving.url, gate, calls, incidents };
}

const transports: Record<string, (url: string) => Transport> = {
  "our own": grpcTransport,
  "Connect's, in gRPC": (baseUrl) => createGrpcTransport({ baseUrl }),
  "Connect's, in Connect": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" }),
};

it.each(Object.keys(transports))(
  "%s clients wait with more calls than a connection may have, and all are answered",
  async (name) => {
    for (const isQuick of [true, false]) {
      const { url, gate, calls, incidents } = await start(MAX, isQuick);
      const client = createClient(BranchService, (transports[name] as (url: string) => Transport)(url));
      // What a connection may have it knows from the first answer at the latest.
      const all = [client.listBranches({})];
      await vi.waitUntil(() => calls.now === 1, { interval: 1 });
      for (let i = 1; i < CALLS; i++) all.push(client.listBranches({}, { timeoutMs: 10_000 }));
      await vi.waitUntil(() => calls.now === MAX, { interval: 1 });
      gate.resolve();
      expect((await Promise.all(all)).length).toBe(CALLS);
      expect(calls.most).toBe(MAX);
      expect(incidents).toEqual([]);
    }
  },
);

it("clients are told how many a connection may have", async () => {
  const { url } = await start(undefined);
  const session = connect(url);
  onTestFinished(() => session.destroy());
  await once(session, "remoteSettings");
  expect(session.remoteSettings.maxConcurrentStreams).toBe(CALLS_PER_CONNECTION_MAX);
});

it("a client that opens more nevertheless is refused them", async () => {
  const { url } = await start(MAX);
  const socket = await connectBare(Number(new URL(url).port));
  const refused: number[] = [];
  let bytes = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    for (;;) {
      const length = bytes.length < 9 ? Number.POSITIVE_INFINITY : 9 + bytes.readUIntBE(0, 3);
      if (bytes.length < length) return;
      if (bytes[3] === FRAME.reset) refused.push(bytes.readUInt32BE(5), bytes.readUInt32BE(9));
      bytes = bytes.subarray(length);
    }
  });
  const fields = {
    ":method": "POST",
    ":scheme": "http",
    ":authority": "bank",
    ":path": "/bank.v1.BranchService/ListBranches",
    "content-type": "application/grpc",
  };
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(settings());
  // Their requests never end.
  for (let i = 0; i < MAX + 2; i++) socket.write(headers(2 * i + 1, fields));
  await vi.waitUntil(() => refused.length === 4, { interval: 1 });
  expect(refused).toEqual([2 * MAX + 1, H2.refused, 2 * MAX + 3, H2.refused]);
});

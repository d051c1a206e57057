import { once } from "node:events";
import { constants, type OutgoingHttpHeaders } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { expect, it, onTestFinished, vi } from "vitest";
import { startTestServer } from "./both-servers.test-util.ts";
import { PATH, WATCH_PATH } from "./test-service.test-util.ts";
import { REQUEST_TIMEOUT_MS } from "./unary-call.ts";

const GRPC = { ":path": PATH, "content-type": "application/grpc" };
const CONNECT = { ":path": PATH, "content-type": "application/proto" };
const WATCH = { ":path": WATCH_PATH, "content-type": "application/grpc" };

const text = (value: string) => toBinary(StringValueSchema, create(StringValueSchema, { value }));

async function start() {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const server = await startTestServer({ isQuick: true });
  onTestFinished(async () => {
    vi.useRealTimers();
    await server.close();
  });
  /** A stream that the server has taken, and what it was answered with. */
  const open = async (headers: OutgoingHttpHeaders, first: Uint8Array | undefined) => {
    const { count } = server.taken;
    const stream = server.session.request({ ":method": "POST", ...headers }, { endStream: false });
    const answer: { code: unknown; body: string; isClosed: boolean } = { code: undefined, body: "", isClosed: false };
    stream.on("response", (fields) => {
      answer.code = fields[":status"] === 200 ? fields["grpc-status"] : fields[":status"];
    });
    stream.on("trailers", (fields) => {
      answer.code = fields["grpc-status"];
    });
    stream.on("data", (bytes: Buffer) => {
      answer.body += bytes.toString("latin1");
    });
    stream.on("close", () => {
      answer.isClosed = true;
    });
    if (first !== undefined) stream.write(first);
    while (server.taken.count === count) await turn();
    await turns();
    return { stream, answer };
  };
  return { server, open };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
/** Enough for bytes to go there and back. */
async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn();
}

it.each<[string, OutgoingHttpHeaders, Uint8Array | undefined, unknown]>([
  ["nothing in gRPC", GRPC, undefined, String(Code.DeadlineExceeded)],
  ["nothing in Connect", CONNECT, undefined, 504],
  ["nothing, for a stream", WATCH, undefined, String(Code.DeadlineExceeded)],
  ["half a message", GRPC, encodeEnvelope(0, text("echo:x")).subarray(0, 9), String(Code.DeadlineExceeded)],
  ["a message without its end", GRPC, encodeEnvelope(0, text("echo:x")), String(Code.DeadlineExceeded)],
  ["what Connect reads", GRPC, Buffer.of(0, 0), String(Code.DeadlineExceeded)],
  ["nothing, with a deadline before", { ...GRPC, "grpc-timeout": "1S" }, undefined, String(Code.DeadlineExceeded)],
  ["nothing, with a deadline behind", { ...GRPC, "grpc-timeout": "50S" }, undefined, String(Code.DeadlineExceeded)],
])("a request of %s is answered when its time is up, and its stream ends", async (_name, headers, first, code) => {
  const { server, open } = await start();
  const { stream, answer } = await open(headers, first);
  const closed = once(stream, "close");
  vi.advanceTimersByTime(REQUEST_TIMEOUT_MS - 100);
  await turns();
  expect(answer).toEqual({ code: undefined, body: "", isClosed: false });
  vi.advanceTimersByTime(200);
  await closed;
  expect(answer.code).toBe(code);
  expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
  expect(server.happenings.entered).toBe(0);
});

it("a request that was refused before its end does not stand open for ever", async () => {
  const { open } = await start();
  const { stream, answer } = await open({ ...GRPC, "grpc-timeout": "x" }, undefined);
  await vi.waitUntil(() => answer.code === String(Code.InvalidArgument), { interval: 1 });
  const closed = once(stream, "close");
  vi.advanceTimersByTime(REQUEST_TIMEOUT_MS - 100);
  await turns();
  expect(answer.isClosed).toBe(false);
  vi.advanceTimersByTime(200);
  await closed;
});

it("a request that was complete in time is worked on for as long as that takes", async () => {
  const { server, open } = await start();
  const unary = await open(GRPC, encodeEnvelope(0, text("wait")));
  const stream = await open(WATCH, encodeEnvelope(0, text("first wait")));
  for (const each of [unary, stream]) each.stream.end();
  await vi.waitUntil(() => server.happenings.entered === 1 && stream.answer.body !== "", { interval: 1 });
  vi.advanceTimersByTime(10 * REQUEST_TIMEOUT_MS);
  await turns();
  for (const { answer } of [unary, stream]) expect(answer).toMatchObject({ code: undefined, isClosed: false });
  expect(server.happenings.aborted).toEqual([]);
  for (const each of [unary, stream]) each.stream.close(constants.NGHTTP2_CANCEL);
});

it("a deadline before the request was complete is told its handler", async () => {
  const { server, open } = await start();
  const { stream, answer } = await open({ ...GRPC, "grpc-timeout": "1S" }, undefined);
  vi.advanceTimersByTime(2_000);
  await turns();
  stream.end(encodeEnvelope(0, text("wait")));
  await once(stream, "close");
  expect(answer.code).toBe(String(Code.DeadlineExceeded));
  expect(server.happenings.aborted).toEqual([{ code: Code.DeadlineExceeded, message: expect.any(String) }]);
});

import { once } from "node:events";
import { type ClientHttp2Stream, constants, type OutgoingHttpHeaders } from "node:http2";
import { gzipSync } from "node:zlib";
import { Code } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  closeBothServers,
  exchange,
  message,
  startBothServers,
  startTestServer,
  type TestAnswer,
  type TestRequest,
  type TestServer,
} from "./both-servers.test-util.ts";
import { READ_BYTES_MAX, WATCH_PATH } from "./test-service.test-util.ts";

// Calls that are answered with a stream go to two servers: one with the quick way and one with Connect's adapter alone. Their
// answers must be the same but for the date and the order of fields.

let quick: TestServer;
let slow: TestServer;

beforeAll(async () => {
  ({ quick, slow } = await startBothServers());
});

afterAll(() => closeBothServers({ quick, slow }));

function watch(text: string, headers: OutgoingHttpHeaders = {}): TestRequest {
  return watchOf([encodeEnvelope(0, message(text))], headers);
}

function watchOf(pieces: readonly Uint8Array[], headers: OutgoingHttpHeaders = {}): TestRequest {
  return { headers: { ":path": WATCH_PATH, "content-type": "application/grpc", ...headers }, pieces };
}

/** How many messages the handler has given, once it is asked for no more: more than `few`. */
async function yieldedInTheEnd(few: number): Promise<number> {
  let yielded = 0;
  await vi.waitFor(
    () => {
      const before = yielded;
      yielded = quick.happenings.yielded;
      expect(yielded).toBe(before);
      expect(yielded).toBeGreaterThan(few);
    },
    { interval: 100 },
  );
  return yielded;
}

/** The answer that both give. */
async function answerOf(request: TestRequest, isTaken = true): Promise<TestAnswer> {
  const before = quick.taken.count;
  const [ours, theirs] = await Promise.all([exchange(quick.session, request), exchange(slow.session, request)]);
  expect(ours).toEqual(theirs);
  expect(quick.taken.count - before).toBe(isTaken ? 1 : 0);
  await expect.poll(() => [quick.happenings.streams, slow.happenings.streams]).toEqual([0, 0]);
  return ours;
}

describe("the answer to", () => {
  it.each([
    "one",
    "one two three",
    "",
    "count:2000",
    "one later two later later three",
    "long:20000 long:300000 short long:2000000 later end",
    "bare:made",
    "header:x",
    "header:x one header:y",
  ])("a stream of %s", async (script) => {
    expect((await answerOf(watch(script))).trailer["grpc-status"]).toBe("0");
  });

  it.each(["fail:5", "fail:16", "one fail:7", "long:300000 fail:14", "count:500 later fail:8", "header:x one fail:3"])(
    "one that fails: %s",
    async (script) => {
      const { trailer } = await answerOf(watch(script));
      expect(trailer["grpc-status"]).toBe(String(script.match(/fail:(\d+)/)?.[1]));
      expect(trailer["grpc-status-details-bin"]).toBeDefined();
    },
  );

  it.each(["error", "one error", "broken", "one broken", "count:5 later broken never"])(
    "one whose handler is wrong: %s",
    async (script) => {
      expect((await answerOf(watch(script))).trailer["grpc-status"]).toBe(String(Code.Internal));
    },
  );

  it.each<[string, OutgoingHttpHeaders]>([
    ["that an interceptor refuses", { "x-intercept": "refuse" }],
    ["to which an interceptor adds", { "x-intercept": "answer" }],
    ["in a subtype", { "content-type": "application/grpc+proto" }],
    ["with a deadline far away", { "grpc-timeout": "1H" }],
    ["with a deadline that is none", { "grpc-timeout": "soon" }],
    ["with a deadline longer than is allowed", { "grpc-timeout": "90000S" }],
    ["that may be compressed", { "grpc-accept-encoding": "gzip" }],
    ["in an encoding that nobody knows", { "grpc-encoding": "strange" }],
  ])("one %s", async (_what, headers) => {
    await answerOf(watch("one two", headers));
  });

  it("one that ends at its deadline", async () => {
    const { trailer } = await answerOf(watch("one wait", { "grpc-timeout": "60m" }));
    expect(trailer["grpc-status"]).toBe(String(Code.DeadlineExceeded));
    expect(quick.happenings.aborted.splice(0)).toEqual(slow.happenings.aborted.splice(0));
  });

  it.each<[string, readonly Uint8Array[], OutgoingHttpHeaders?]>([
    ["nothing", []],
    ["two messages", [encodeEnvelope(0, message("one")), encodeEnvelope(0, message("two"))]],
    ["half a message", [encodeEnvelope(0, message("one")).subarray(0, 7)]],
    ["half a prefix", [Uint8Array.of(0, 0)]],
    ["no message of the type", [encodeEnvelope(0, Uint8Array.of(255))]],
    [
      "a message in three pieces",
      [0, 3, 8].map((at) =>
        encodeEnvelope(0, message("in pieces")).subarray(at, at === 0 ? 3 : at === 3 ? 8 : undefined),
      ),
    ],
    ["a message that is too long", [encodeEnvelope(0, message("x".repeat(READ_BYTES_MAX)))]],
    ["a compressed message", [encodeEnvelope(1, gzipSync(message("one two")))], { "grpc-encoding": "gzip" }],
    ["a compressed message that nobody announced", [encodeEnvelope(1, gzipSync(message("one two")))]],
    ["no compressed message", [encodeEnvelope(1, Uint8Array.of(1, 2, 3))], { "grpc-encoding": "gzip" }],
  ])("a request of %s", async (_what, pieces, headers) => {
    await answerOf(watchOf(pieces, headers));
  });

  it("what the quick way leaves to Connect", async () => {
    await answerOf(
      { ...watch("one"), headers: { ...watch("one").headers, "content-type": "application/grpc-web" } },
      false,
    );
    await answerOf(
      { ...watch("one"), headers: { ...watch("one").headers, "content-type": "application/connect+proto" } },
      false,
    );
  });
});

/** Opens a stream and reads nothing of it. */
async function open({ session }: TestServer, script: string): Promise<ClientHttp2Stream> {
  const { headers, pieces } = watch(script);
  const stream = session.request({ ":method": "POST", te: "trailers", ...headers });
  stream.on("error", () => undefined);
  stream.end(pieces[0]);
  await once(stream, "response");
  return stream;
}

it("a failure that cannot be told ends the stream, and is reported", async () => {
  for (const script of ["fail:none", "one fail:none"])
    await expect(exchange(quick.session, watch(script))).rejects.toThrow("NGHTTP2_INTERNAL_ERROR");
  const unsent = { method: "test.v1.TestService/Watch", error: expect.any(Error) };
  expect(quick.unsent.splice(0)).toEqual([unsent, unsent]);
  expect(quick.happenings.streams).toBe(0);
});

describe("a caller who", () => {
  it("leaves ends the stream's signal, and its handler", async () => {
    const seen = [];
    for (const server of [quick, slow]) {
      const stream = await open(server, "one wait");
      expect(server.happenings.streams).toBe(1);
      stream.close(constants.NGHTTP2_CANCEL);
      await expect.poll(() => server.happenings.streams).toBe(0);
      seen.push(server.happenings.aborted.splice(0));
    }
    expect(seen[0]).toEqual(seen[1]);
    expect(quick.unsent).toEqual([]);
  });

  it("loses the connection ends the handler too, also where it waits for room", async () => {
    const server = await startTestServer({ isQuick: true });
    await open(server, "one wait");
    await open(server, "endless:100000");
    server.session.destroy();
    await expect.poll(() => server.happenings.streams).toBe(0);
    await server.close();
  });

  it("does not read is not sent more than some, while another is sent everything", async () => {
    const stream = await open(quick, "endless:100000");
    stream.pause();
    const yielded = await yieldedInTheEnd(3);
    // What the other end has taken, and what waits here.
    expect(yielded * 100_000).toBeLessThan(3 * 1024 * 1024);
    const other = await exchange(quick.session, watch("count:10"));
    expect(other.trailer["grpc-status"]).toBe("0");
    let bytes = 0;
    stream.on("data", (piece: Buffer) => {
      bytes += piece.length;
    });
    stream.resume();
    await expect.poll(() => bytes).toBeGreaterThan(5_000_000);
    stream.close(constants.NGHTTP2_CANCEL);
    await expect.poll(() => quick.happenings.streams).toBe(0);
  });

  it("does not read small messages does not make them gather either", async () => {
    quick.happenings.yielded = 0;
    const stream = await open(quick, "endless:1");
    stream.pause();
    const yielded = await yieldedInTheEnd(100);
    // What fits into the window of the other end, of eight bytes each, and what waits here.
    expect(yielded).toBeLessThan(65_535 / 8 + 1_000);
    stream.close(constants.NGHTTP2_CANCEL);
    await expect.poll(() => quick.happenings.streams).toBe(0);
  });
});

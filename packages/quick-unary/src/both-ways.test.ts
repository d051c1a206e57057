import { once } from "node:events";
import { constants, type OutgoingHttpHeaders } from "node:http2";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { Code } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  closeBothServers,
  exchange,
  message,
  startBothServers,
  type TestAnswer,
  type TestRequest,
  type TestServer,
} from "./both-servers.test-util.ts";
import { LACKING_PATH, LOOK_PATH, PATH, READ_BYTES_MAX, TIMEOUT_MAX_MS } from "./test-service.test-util.ts";

// Every case goes to two servers: one with the quick way and one with Connect's adapter alone. Their answers must be the same
// but for the date and the order of fields: Headers sorts those it has, and what was never in Headers is not sorted.

const NEXT = { interval: 1 };

let quick: TestServer;
let slow: TestServer;

beforeAll(async () => {
  ({ quick, slow } = await startBothServers());
});

afterAll(() => closeBothServers({ quick, slow }));

/** A call of `Do` in gRPC. */
function grpc(text: string, headers: OutgoingHttpHeaders = {}): TestRequest {
  return grpcOf([encodeEnvelope(0, message(text))], headers);
}

function grpcOf(pieces: readonly Uint8Array[], headers: OutgoingHttpHeaders = {}): TestRequest {
  return { headers: { ":path": PATH, "content-type": "application/grpc", ...headers }, pieces };
}

/** A call of `Do` in Connect. */
function connect(text: string, headers: OutgoingHttpHeaders = {}): TestRequest {
  return connectOf([message(text)], headers);
}

function connectOf(pieces: readonly Uint8Array[], headers: OutgoingHttpHeaders = {}): TestRequest {
  return { headers: { ":path": PATH, "content-type": "application/proto", ...headers }, pieces };
}

/** The answer that both give. */
async function answerOf(request: TestRequest, isTaken = true): Promise<TestAnswer> {
  const before = quick.taken.count;
  const [ours, theirs] = await Promise.all([exchange(quick.session, request), exchange(slow.session, request)]);
  expect(ours).toEqual(theirs);
  expect(quick.taken.count - before).toBe(isTaken ? 1 : 0);
  return ours;
}

function statusOf({ header, trailer }: TestAnswer): unknown {
  return trailer["grpc-status"] ?? header[":status"];
}

/** The message of a gRPC answer. */
function textOf({ body }: TestAnswer): string {
  return Buffer.from(body, "hex").subarray(5).toString("utf8");
}

const CODES = Object.values(Code).filter((code): code is Code => typeof code === "number");
const HEADERS = { "x-mine": "1", "x-some-bin": "AAEC", "user-agent": "a test" };

describe("the answer to", () => {
  const doings: Record<string, [text: string, headers?: OutgoingHttpHeaders]> = {
    "an echo": ["echo:Grüezi \u{1f3e6}"],
    "an answer given later": ["later:on"],
    "an empty text": ["echo:"],
    "what a message can be made of": ["bare:bones"],
    "an empty answer": ["empty"],
    "a long answer": ["long:500000"],
    "an answer that is just copied": ["long:16380"],
    "an answer that is just not copied": ["long:16400"],
    "an answer that cannot be written": ["broken"],
    "an error that is none of Connect's": ["error"],
    "nothing thrown": ["nothing"],
    "a word thrown": ["word"],
    "headers and trailers": ["header:value"],
    "headers and then a failure": ["headerAndFail"],
    "a type of its own": ["type"],
    "a field": ["ask:x-mine", HEADERS],
    "a field in bytes": ["ask:x-some-bin", HEADERS],
    "a field that there is not": ["ask:x-none", HEADERS],
    "a pseudo-header": ["wrongName"],
    "a field of several values": ["ask:x-mine", { "x-mine": ["1", "2"] }],
    "an empty field": ["ask:x-mine", { "x-mine": "" }],
    cookies: ["ask:cookie", { cookie: ["a=1", "b=2"] }],
    "cookies set by a client": ["ask:set-cookie", { "set-cookie": ["a=1", "b=2"] }],
    "all headers": ["headers", HEADERS],
    "changed headers": ["change", HEADERS],
    "the context": ["context"],
    "a context with a deadline": ["context", { "grpc-timeout": "10S", "connect-timeout-ms": "10000" }],
    "another message by an interceptor": ["echo:x", { "x-intercept": "message" }],
    "other headers by an interceptor": ["headers", { "x-intercept": "headers" }],
    "another signal by an interceptor": ["context", { "x-intercept": "signal" }],
    "values of an interceptor": ["context", { "x-intercept": "values" }],
    "a refusal by an interceptor": ["echo:x", { "x-intercept": "refuse" }],
    "a failure behind the handler": ["header:x", { "x-intercept": "fail" }],
    "fields that an interceptor adds": ["header:x", { "x-intercept": "answer" }],
    "what an interceptor puts in its place": ["header:x", { "x-intercept": "replace" }],
    "an expired deadline": ["wait", { "grpc-timeout": "20m", "connect-timeout-ms": "20" }],
    "no time at all": ["wait", { "grpc-timeout": "0m", "connect-timeout-ms": "0" }],
    "no time at all, unnoticed": ["echo:x", { "grpc-timeout": "0m", "connect-timeout-ms": "0" }],
    "a deadline of nanoseconds": ["wait", { "grpc-timeout": "1n", "connect-timeout-ms": "1" }],
    "the longest deadline": [
      "echo:x",
      { "grpc-timeout": `${TIMEOUT_MAX_MS}m`, "connect-timeout-ms": `${TIMEOUT_MAX_MS}` },
    ],
    "too long a deadline": [
      "echo:x",
      { "grpc-timeout": `${TIMEOUT_MAX_MS + 1}m`, "connect-timeout-ms": `${TIMEOUT_MAX_MS + 1}` },
    ],
    "a deadline that is none": ["echo:x", { "grpc-timeout": "soon", "connect-timeout-ms": "soon" }],
    "an empty deadline": ["echo:x", { "grpc-timeout": "", "connect-timeout-ms": "" }],
    "compression unknown to us": ["echo:x", { "grpc-encoding": "zip", "content-encoding": "zip" }],
    "a wish for unknown compression": ["long:5000", { "grpc-accept-encoding": "zip", "accept-encoding": "zip" }],
    "a wish for no compression": ["long:5000", { "grpc-accept-encoding": "identity", "accept-encoding": "identity" }],
    "a wish for compression": ["long:5000", { "grpc-accept-encoding": "zip, gzip", "accept-encoding": "zip, gzip" }],
    "a wish for brotli": ["long:50000", { "grpc-accept-encoding": "br,gzip", "accept-encoding": "br,gzip" }],
    "a wish for compression of little": ["echo:x", { "grpc-accept-encoding": "gzip", "accept-encoding": "gzip" }],
    "a failure with compression": ["fail:5", { "grpc-accept-encoding": "gzip", "accept-encoding": "gzip" }],
    "a failure larger than the least that is compressed": [`fail:${"5".repeat(3)}`, { "accept-encoding": "gzip" }],
    "an odd version of the protocol": ["echo:x", { "connect-protocol-version": "2" }],
    ...Object.fromEntries(CODES.map((code) => [`code ${code}`, [`fail:${code}`]])),
    "code 0": ["fail:0"],
    "a code that there is not": ["fail:99"],
    "a failure passed on": ["passOn:5"],
  };

  it.each(Object.entries(doings))("%s is the same in gRPC", async (_name, [text, headers]) => {
    await answerOf(grpc(text, headers));
  });

  it.each(Object.entries(doings))("%s is the same in Connect", async (_name, [text, headers]) => {
    await answerOf(connect(text, headers));
  });
});

it("says what it should, and not only the same", async () => {
  expect(await answerOf(grpc("echo:x"))).toEqual({
    header: { ":status": 200, "content-type": "application/grpc+proto" },
    trailer: { "grpc-status": "0" },
    body: Buffer.from(encodeEnvelope(0, message("x"))).toString("hex"),
  });
  expect(await answerOf(connect("echo:x"))).toEqual({
    header: { ":status": 200, "content-type": "application/proto", "content-length": "3" },
    trailer: {},
    body: Buffer.from(message("x")).toString("hex"),
  });
  expect(statusOf(await answerOf(grpc("wait", { "grpc-timeout": "20m" })))).toBe("4");
  expect(statusOf(await answerOf(connect("wait", { "connect-timeout-ms": "20" })))).toBe(504);
  expect(statusOf(await answerOf(grpc("fail:9")))).toBe("9");
  expect((await answerOf(grpc("fail:9"))).trailer).toMatchObject({
    "grpc-message": expect.stringMatching(/^it%20failed%3A%20100%20%25.*%C3%BC/),
    "grpc-status-details-bin": expect.any(String),
    "x-meta": "one",
  });
  expect((await answerOf(grpc("long:5000", { "grpc-accept-encoding": "gzip" }))).body).toMatch(/^01/);
  expect(statusOf(await answerOf({ ...grpc("echo:x"), headers: { ...grpc("").headers, ":path": LACKING_PATH } }))).toBe(
    "12",
  );
});

describe("a request", () => {
  const whole = encodeEnvelope(0, message("echo:in pieces"));
  const second = encodeEnvelope(0, message("echo:another"));
  const tooLong = Buffer.alloc(5);
  tooLong.writeUInt32BE(READ_BYTES_MAX + 1, 1);
  const zipped = (flags: number, bytes: Uint8Array) => encodeEnvelope(flags, new Uint8Array(bytes));
  const plain = message("echo:compressed");

  it.each<[string, string, readonly Uint8Array[], OutgoingHttpHeaders?]>([
    ["in two pieces", "0", [whole.subarray(0, 9), whole.subarray(9)]],
    ["in pieces of one byte", "0", [...whole].map((byte) => Uint8Array.of(byte))],
    ["whose prefix comes alone", "0", [whole.subarray(0, 5), whole.subarray(5)]],
    ["with a message of no bytes", "13", [Buffer.alloc(5)]],
    ["without a message", "12", []],
    ["of half a prefix", "3", [whole.subarray(0, 3)]],
    ["of a prefix alone", "12", [whole.subarray(0, 5)]],
    ["that is cut off", "3", [whole.subarray(0, 9)]],
    ["that is cut off in its second piece", "3", [whole.subarray(0, 9), whole.subarray(9, 12)]],
    ["of two messages", "12", [whole, second]],
    ["of two messages at once", "12", [Buffer.concat([whole, second])]],
    ["of two messages, cut in the first", "12", [whole.subarray(0, 9), Buffer.concat([whole.subarray(9), second])]],
    ["of a message and half a prefix", "3", [whole, second.subarray(0, 2)]],
    ["of a message and half of another", "3", [Buffer.concat([whole, second.subarray(0, 8)])]],
    ["of a message and one too long", "8", [Buffer.concat([whole, tooLong])]],
    ["of a message and one that is none", "13", [whole, encodeEnvelope(0, Uint8Array.of(255))]],
    ["that is no message", "13", [encodeEnvelope(0, Uint8Array.of(255, 255))]],
    ["that is no message, and another", "13", [encodeEnvelope(0, Uint8Array.of(255)), second]],
    ["with flags that nobody knows", "0", [zipped(0x80, plain)]],
    ["with the flag of Connect's streams", "0", [zipped(2, plain)]],
    ["compressed without a word", "13", [zipped(1, gzipSync(plain))]],
    ["compressed against its word", "13", [zipped(1, gzipSync(plain))], { "grpc-encoding": "identity" }],
    ["compressed with gzip", "0", [zipped(1, gzipSync(plain))], { "grpc-encoding": "gzip" }],
    ["compressed with brotli", "0", [zipped(1, brotliCompressSync(plain))], { "grpc-encoding": "br" }],
    ["that could be compressed and is not", "0", [zipped(0, plain)], { "grpc-encoding": "gzip" }],
    ["that says gzip and is not", "3", [zipped(1, plain)], { "grpc-encoding": "gzip" }],
    ["of compressed nothing", "13", [zipped(1, Buffer.alloc(0))], { "grpc-encoding": "gzip" }],
    [
      "small while compressed",
      "8",
      [zipped(1, gzipSync(Buffer.alloc(READ_BYTES_MAX + 1)))],
      { "grpc-encoding": "gzip" },
    ],
    ["that is too long", "8", [tooLong]],
    ["that is too long, and comes", "8", [Buffer.concat([tooLong, Buffer.alloc(READ_BYTES_MAX + 1)])]],
  ])("%s is answered the same in gRPC", async (_name, status, pieces, headers) => {
    expect(statusOf(await answerOf(grpcOf(pieces, headers)))).toBe(status);
  });

  it.each<[string, number, readonly Uint8Array[], OutgoingHttpHeaders?]>([
    ["in two pieces", 200, [plain.subarray(0, 4), plain.subarray(4)]],
    ["of a known length", 200, [plain], { "content-length": plain.length }],
    ["without a byte", 500, []],
    ["that is no message", 500, [Uint8Array.of(255, 255)]],
    ["compressed with gzip", 200, [gzipSync(plain)], { "content-encoding": "gzip" }],
    ["compressed with brotli", 200, [brotliCompressSync(plain)], { "content-encoding": "br" }],
    ["that says identity", 200, [plain], { "content-encoding": "identity" }],
    ["that says gzip and is not", 400, [plain], { "content-encoding": "gzip" }],
    ["small while compressed", 429, [gzipSync(Buffer.alloc(READ_BYTES_MAX + 1))], { "content-encoding": "gzip" }],
    ["that is too long", 429, [Buffer.alloc(READ_BYTES_MAX + 1)]],
    ["that is too long, as it says", 429, [Buffer.alloc(READ_BYTES_MAX + 1)], { "content-length": READ_BYTES_MAX + 1 }],
  ])("%s is answered the same in Connect", async (_name, status, pieces, headers) => {
    expect(statusOf(await answerOf(connectOf(pieces, headers)))).toBe(status);
  });

  it("larger than the windows of flow control comes through, and so does its answer", async () => {
    const text = `echo:${"ä".repeat(900_000)}`;
    const bytes = encodeEnvelope(0, message(text));
    for (const size of [bytes.length, 100_000]) {
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
      expect(textOf(await answerOf(grpcOf(pieces)))).toContain("ä".repeat(900_000));
    }
    expect((await answerOf(connect(text))).header["content-length"]).toBe("1800004");
  });

  it("that goes on after its refusal is answered before it ends", async () => {
    const request = { ...grpcOf([tooLong, Buffer.alloc(10)]), ends: false };
    expect(statusOf(await answerOf(request))).toBe("8");
    expect(statusOf(await answerOf({ ...grpc("echo:x", { "grpc-timeout": "x" }), ends: false }))).toBe("3");
    expect(statusOf(await answerOf({ ...grpcOf([whole, second]), ends: false }))).toBe("12");
  });
});

describe("what is not an ordinary unary call", () => {
  const json = Buffer.from('"echo:json"');
  it.each<[string, TestRequest, number]>([
    ["JSON in gRPC", grpcOf([encodeEnvelope(0, json)], { "content-type": "application/grpc+json" }), 200],
    ["JSON in Connect", connectOf([json], { "content-type": "application/json" }), 200],
    ["gRPC-Web", grpc("echo:web", { "content-type": "application/grpc-web+proto" }), 200],
    ["an upper-case type", grpc("echo:x", { "content-type": "Application/gRPC" }), 200],
    ["an unknown type", grpc("echo:x", { "content-type": "text/plain" }), 415],
    ["no type", { headers: { ":path": PATH }, pieces: [] }, 415],
    ["an unknown method", grpc("echo:x", { ":path": "/test.v1.TestService/No" }), 404],
    ["an unknown service", grpc("echo:x", { ":path": "/No/Do" }), 404],
    ["a query behind the path", grpc("echo:x", { ":path": `${PATH}?a=1` }), 200],
    ["PUT", grpc("echo:x", { ":method": "PUT" }), 405],
    ["GET without side effects", { headers: get("echo%3Ax", LOOK_PATH), pieces: [] }, 200],
    ["GET with side effects", { headers: get("echo%3Ax", PATH), pieces: [] }, 405],
    ["an expectation", grpc("echo:x", { expect: "miracles" }), 417],
  ])("%s is Connect's to answer", async (_name, request, status) => {
    expect((await answerOf(request, false)).header[":status"]).toBe(status);
  });

  function get(text: string, path: string): OutgoingHttpHeaders {
    return { ":method": "GET", ":path": `${path}?connect=v1&encoding=json&message=%22${text}%22` };
  }
});

it("a call is told the address that it came to, whatever the one before came to and whatever scheme it names", async () => {
  for (const authority of ["one.bank", "two.bank", "two.bank", "one.bank"])
    for (const scheme of ["http", "https", "https", "http"]) {
      const text = textOf(await answerOf(grpc("context", { ":authority": authority, ":scheme": scheme })));
      expect(JSON.parse(text.slice(text.indexOf("{"))).url).toBe(`http://${authority}${PATH}`);
    }
});

it("a failure that cannot be told ends the call, and is reported", async () => {
  await expect(exchange(quick.session, grpc("unspeakable"))).rejects.toThrow("NGHTTP2_INTERNAL_ERROR");
  expect(quick.unsent.splice(0)).toEqual([{ method: "test.v1.TestService/Do", error: expect.any(Error) }]);
});

describe("a caller that breaks off", () => {
  it.each(["application/grpc", "application/proto"])("aborts the signal of the handler, in %s", async (type) => {
    const body = type === "application/grpc" ? encodeEnvelope(0, message("wait")) : message("wait");
    const codes = [constants.NGHTTP2_CANCEL, constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_REFUSED_STREAM];
    for (const server of [quick, slow]) {
      server.happenings.aborted.length = 0;
      for (const code of codes) {
        const entered = server.happenings.entered;
        const stream = server.session.request({ ":method": "POST", ":path": PATH, "content-type": type });
        // The client's own errors are what it asked for.
        stream.on("error", () => undefined);
        stream.end(body);
        await vi.waitUntil(() => server.happenings.entered > entered, NEXT);
        const aborted = server.happenings.aborted.length;
        stream.close(code);
        await vi.waitUntil(() => server.happenings.aborted.length > aborted, NEXT);
      }
    }
    expect(quick.happenings.aborted).toEqual(slow.happenings.aborted);
    expect(quick.happenings.aborted[0]?.code).toBe(Code.Canceled);
    expect(quick.unsent).toEqual([]);
  });

  it("in the middle of its request is not heard of", async () => {
    const entered = quick.happenings.entered;
    const taken = quick.taken.count;
    const stream = quick.session.request({ ":method": "POST", ":path": PATH, "content-type": "application/grpc" });
    stream.write(encodeEnvelope(0, message("wait")).subarray(0, 8));
    await vi.waitUntil(() => quick.taken.count > taken, NEXT);
    stream.close(constants.NGHTTP2_CANCEL);
    await once(stream, "close");
    await answerOf(grpc("echo:x"));
    expect(quick.happenings.entered).toBe(entered);
    expect(quick.unsent).toEqual([]);
  });

  it.each(["application/grpc", "application/proto"])("in the middle of its answer is told of, in %s", async (type) => {
    const asked = message("long:4000000");
    const stream = quick.session.request({ ":method": "POST", ":path": PATH, "content-type": type });
    stream.end(type === "application/grpc" ? encodeEnvelope(0, asked) : asked);
    await once(stream, "readable");
    stream.close(constants.NGHTTP2_CANCEL);
    await vi.waitUntil(() => quick.unsent.length > 0, NEXT);
    expect(quick.unsent.splice(0)).toEqual([{ method: "test.v1.TestService/Do", error: expect.any(Error) }]);
  });
});

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { exchange, startTestServer, type TestServer } from "./both-servers.test-util.ts";
import { unaryCodec } from "./codec.ts";
import { doMethod, LOOK_PATH, PATH } from "./test-service.test-util.ts";

let server: TestServer;
const decoded: Uint8Array<ArrayBuffer>[] = [];
let breaks = "";

beforeAll(async () => {
  const codec = unaryCodec(doMethod, {
    decode: (bytes) => {
      if (breaks === "decode") throw new Error("it cannot be read");
      decoded.push(bytes);
      return create(StringValueSchema, { value: `echo:${fromBinary(StringValueSchema, bytes).value}` });
    },
    encode: ({ value }) => {
      if (breaks === "encode") throw new Error("it cannot be written");
      return toBinary(StringValueSchema, create(StringValueSchema, { value: `${value}, encoded` }));
    },
  });
  server = await startTestServer({ isQuick: true, codecs: [codec] });
});

beforeEach(() => {
  breaks = "";
  decoded.length = 0;
});

afterAll(() => server.close());

async function say(text: string, path = PATH): Promise<{ readonly text: string; readonly status: string }> {
  const bytes = encodeEnvelope(0, toBinary(StringValueSchema, create(StringValueSchema, { value: text })));
  const headers = { ":path": path, "content-type": "application/grpc" };
  const { body, trailer } = await exchange(server.session, { headers, pieces: [bytes] });
  const answer = Buffer.from(body, "hex").subarray(5);
  return {
    text: answer.length === 0 ? "" : fromBinary(StringValueSchema, answer).value,
    status: `${trailer["grpc-status"]} ${decodeURIComponent(String(trailer["grpc-message"] ?? ""))}`.trim(),
  };
}

it("reads and writes the messages of its method alone", async () => {
  expect(await say("hello")).toEqual({ text: "hello, encoded", status: "0" });
  expect(await say("echo:hello", LOOK_PATH)).toEqual({ text: "hello", status: "0" });
});

it("is given bytes that are its own, from the beginning of their buffer", async () => {
  for (const length of [3, 40_000]) await say("x".repeat(length));
  expect(decoded).toHaveLength(2);
  for (const bytes of decoded) {
    expect(bytes.byteOffset).toBe(0);
    expect(bytes.buffer.byteLength).toBe(bytes.byteLength);
  }
});

it("is answered for as the generated way is where it throws", async () => {
  breaks = "decode";
  expect(await say("hello")).toEqual({ text: "", status: "13 parse binary: it cannot be read" });
  breaks = "encode";
  expect(await say("hello")).toEqual({ text: "", status: "13 serialize binary: it cannot be written" });
});

it("has answers that are not copied sent as they are", async () => {
  const long = "x".repeat(100_000);
  expect((await say(long)).text).toBe(`${long}, encoded`);
});

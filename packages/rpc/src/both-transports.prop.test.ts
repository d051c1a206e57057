import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { AccountService, GetAccountRequestSchema, GetAccountResponseSchema } from "@bank/proto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ConnectError, type Interceptor } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connectToServer, type ServerConnection } from "./transport.ts";

// Unary calls by the quick way and by Connect's transport must end in the same way, whatever a server answers.

/** `BANK_TEST_SEED` where it is set, so that a failure can be repeated, else a new one. */
const SEED = Number(process.env["BANK_TEST_SEED"] ?? 1 + Math.floor(Math.random() * 0x7fff_fffe));
const REPEAT = `[seed ${SEED}; repeat: BANK_TEST_SEED=${SEED} npx vitest run packages/rpc/src/both-transports.prop.test.ts]`;
const RUNS = 150;

/** What the server does; the request says so. */
interface Script {
  readonly status: number;
  readonly header: Readonly<Record<string, string>>;
  /** In hexadecimal; each comes by itself. */
  readonly pieces: readonly string[];
  /** Undefined for an answer that ends without trailers. */
  readonly trailer: Readonly<Record<string, string>> | undefined;
  /** Undefined for an orderly end; a code that the stream is reset with, before or behind the header. */
  readonly reset: { readonly code: number; readonly isEarly: boolean } | undefined;
}

const server = createServer();
/** What the server saw of each call. */
const seen: IncomingHttpHeaders[] = [];
let quick: ServerConnection;
let slow: ServerConnection;

const interceptor: Interceptor = (next) => async (request) => {
  request.header.set("x-intercepted", "yes");
  const response = await next(request);
  response.header.set("x-seen", String(response.trailer.has("x-t")));
  return response;
};

beforeAll(async () => {
  server.on("stream", (stream, headers) => {
    seen.push(headers);
    const body: Buffer[] = [];
    stream.on("error", () => undefined);
    stream.on("data", (chunk: Buffer) => body.push(chunk));
    stream.on("end", () => {
      const message = fromBinary(GetAccountRequestSchema, Buffer.concat(body).subarray(5));
      void play(stream, JSON.parse(message.account) as Script);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  quick = connectToServer(url, { interceptors: [interceptor] });
  slow = connectToServer(url, { interceptors: [interceptor], quickUnary: false });
});

afterAll(() => {
  quick.close();
  slow.close();
  server.close();
});

async function play(stream: ServerHttp2Stream, script: Script): Promise<void> {
  const { status, header, pieces, trailer, reset } = script;
  if (reset?.isEarly === true) {
    stream.close(reset.code);
    return;
  }
  stream.respond({ ":status": status, ...header }, { waitForTrailers: trailer !== undefined });
  stream.on("wantTrailers", () => stream.sendTrailers(trailer ?? {}));
  for (const piece of pieces) {
    await new Promise((resolve) => setImmediate(resolve));
    if (stream.closed) return;
    stream.write(Buffer.from(piece, "hex"));
  }
  if (reset !== undefined) stream.close(reset.code);
  else stream.end();
}

const reply = (name: string) =>
  toBinary(GetAccountResponseSchema, create(GetAccountResponseSchema, { account: { displayName: name } }));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

const value = fc.string({ unit: fc.constantFrom(..."az09 %,;=\u00e4"), maxLength: 8 }).map((text) => text.trim());
const fields = fc.dictionary(fc.constantFrom("x-h", "x-t", "x-b-bin", "grpc-message"), value, { maxKeys: 3 });
const statusFields = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ "grpc-status": "0" }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom("1", "5", "13", "16", "99", "", "x").map((code) => ({ "grpc-status": code })),
  },
  { weight: 1, arbitrary: fc.constant({ "grpc-status": "5", "grpc-status-details-bin": "CAUSBG5vbmU" }) },
  { weight: 1, arbitrary: fc.constant({ "grpc-status": "0", "grpc-status-details-bin": "!" }) },
  { weight: 1, arbitrary: fc.constant({}) },
);
const envelope = fc.oneof(
  { weight: 8, arbitrary: fc.string({ maxLength: 30 }).map((name) => encodeEnvelope(0, reply(name))) },
  { weight: 1, arbitrary: fc.constant(encodeEnvelope(0, reply("x".repeat(70_000)))) },
  { weight: 1, arbitrary: fc.constant(encodeEnvelope(1, reply("compressed?"))) },
  { weight: 1, arbitrary: fc.constant(encodeEnvelope(0, Uint8Array.of(255))) },
  { weight: 1, arbitrary: fc.constant(Uint8Array.of(0, 255, 255, 255, 255)) },
);
const body = fc
  .record({
    envelopes: fc.oneof(
      { weight: 6, arbitrary: envelope.map((one) => [one]) },
      { weight: 2, arbitrary: fc.array(envelope, { maxLength: 2 }) },
    ),
    cut: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(9) }),
    at: fc.nat(20),
  })
  .map(({ envelopes, cut, at }) => {
    const bytes = Buffer.concat(envelopes);
    const kept = bytes.subarray(0, Math.max(0, bytes.length - cut));
    return [kept.subarray(0, at), kept.subarray(at)].filter((piece) => piece.length > 0).map(hex);
  });
const script: fc.Arbitrary<Script> = fc.record({
  status: fc.oneof({ weight: 9, arbitrary: fc.constant(200) }, { weight: 1, arbitrary: fc.constantFrom(404, 503) }),
  header: fc
    .tuple(
      fields,
      fc.oneof(
        { weight: 9, arbitrary: fc.constant({ "content-type": "application/grpc+proto" }) },
        { weight: 1, arbitrary: fc.constantFrom({}, { "content-type": "text/html" }) },
      ),
      fc.oneof({ weight: 9, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: statusFields }),
      fc.oneof(
        { weight: 9, arbitrary: fc.constant({}) },
        { weight: 1, arbitrary: fc.constantFrom("identity", "gzip").map((name) => ({ "grpc-encoding": name })) },
      ),
    )
    .map((all) => Object.assign({}, ...all) as Record<string, string>),
  pieces: body,
  trailer: fc.oneof(
    {
      weight: 9,
      arbitrary: fc.tuple(fields, statusFields).map((all) => Object.assign({}, ...all) as Record<string, string>),
    },
    { weight: 1, arbitrary: fc.constant(undefined) },
  ),
  reset: fc.oneof(
    { weight: 9, arbitrary: fc.constant(undefined) },
    {
      weight: 1,
      arbitrary: fc.record({ code: fc.constantFrom(0, 1, 2, 5, 7, 8, 11, 12), isEarly: fc.boolean() }),
    },
  ),
});

const GRPC = { "content-type": "application/grpc+proto" };
/** Where the two once differed. */
const KNOWN: readonly Script[] = [
  // Reset when the message and its status are there, but not the end.
  {
    status: 200,
    header: { ...GRPC, "grpc-status": "0" },
    pieces: [hex(encodeEnvelope(0, reply("")))],
    trailer: undefined,
    reset: { code: 8, isEarly: false },
  },
  // No message, and no status either.
  { status: 200, header: GRPC, pieces: ["0000000001ff"], trailer: {}, reset: undefined },
];

async function outcome(
  { transport }: ServerConnection,
  request: Script,
  headers: Record<string, string>,
): Promise<unknown> {
  const message = { account: JSON.stringify(request) };
  try {
    const answer = await transport.unary(AccountService.method.getAccount, undefined, 20_000, headers, message);
    return { header: named(answer.header), trailer: named(answer.trailer), message: answer.message };
  } catch (reason) {
    const { code, rawMessage, metadata, details } = ConnectError.from(reason);
    // What a broken stream leaves in the words of an error is Node's, and depends on what was read before.
    return { code, message: request.reset === undefined ? rawMessage : "", metadata: named(metadata), details };
  }
}

/** But for the time. */
function named(headers: Headers): readonly (readonly [string, string])[] {
  return [...headers].filter(([name]) => name !== "date");
}

it("both ways of calling end in the same way", async () => {
  await fc
    .assert(
      fc.asyncProperty(script, fields, async (request, headers) => {
        seen.length = 0;
        const ours = await outcome(quick, request, headers);
        const theirs = await outcome(slow, request, headers);
        expect(ours).toEqual(theirs);
        expect(seen).toHaveLength(2);
        expect({ ...seen[0] }).toEqual({ ...seen[1] });
      }),
      { seed: SEED, numRuns: RUNS, examples: KNOWN.map((one) => [one, {}]) },
    )
    .catch((error: unknown) => {
      throw new Error(REPEAT, { cause: error });
    });
});

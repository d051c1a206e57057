import { once } from "node:events";
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { FollowRequestSchema, FollowResponseSchema, JournalService } from "@bank/proto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { connectToServer, type ServerConnection } from "./transport.ts";

// Calls that are answered with a stream, by the quick way and by Connect's transport, must give the same messages and end in
// the same way, whatever a server answers.

/** `BANK_TEST_SEED` where it is set, so that a failure can be repeated, else a new one. */
const SEED = Number(process.env["BANK_TEST_SEED"] ?? 1 + Math.floor(Math.random() * 0x7fff_fffe));
const REPEAT = `[seed ${SEED}; repeat: BANK_TEST_SEED=${SEED} npx vitest run packages/rpc/src/both-streams.prop.test.ts]`;
const RUNS = 60;

/** What the server does; the request says so. */
interface Script {
  readonly status: number;
  readonly header: Readonly<Record<string, string>>;
  /** In hexadecimal; each comes by itself. */
  readonly pieces: readonly string[];
  /** Undefined for an answer that ends without trailers. */
  readonly trailer: Readonly<Record<string, string>> | undefined;
  /** A code that the stream is reset with behind the messages; undefined for an orderly end. */
  readonly reset: number | undefined;
}

const server = createServer();
/** Streams whose requests have come. */
const streams: ServerHttp2Stream[] = [];
let url: string;
let quick: ServerConnection;
let slow: ServerConnection;

beforeAll(async () => {
  server.on("stream", (stream) => {
    streams.push(stream);
    const body: Buffer[] = [];
    stream.on("error", () => undefined);
    stream.on("data", (chunk: Buffer) => body.push(chunk));
    stream.on("end", () => {
      const { follower } = fromBinary(FollowRequestSchema, Buffer.concat(body).subarray(5));
      if (follower !== "") void play(stream, JSON.parse(follower) as Script);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  quick = connectToServer(url);
  slow = connectToServer(url, { quickUnary: false });
});

afterAll(() => {
  quick.close();
  slow.close();
  server.close();
});

async function play(stream: ServerHttp2Stream, { status, header, pieces, trailer, reset }: Script): Promise<void> {
  stream.respond({ ":status": status, ...header }, { waitForTrailers: trailer !== undefined });
  stream.on("wantTrailers", () => stream.sendTrailers(trailer ?? {}));
  for (const piece of pieces) {
    await new Promise((resolve) => setImmediate(resolve));
    if (stream.closed) return;
    stream.write(Buffer.from(piece, "hex"));
  }
  if (reset !== undefined) stream.close(reset);
  else stream.end();
}

const batch = (length: number) =>
  toBinary(FollowResponseSchema, create(FollowResponseSchema, { frame: new Uint8Array(length).fill(9), echo: 7n }));
const good = fc.oneof(
  { weight: 12, arbitrary: fc.nat(40).map((length) => encodeEnvelope(0, batch(length))) },
  { weight: 3, arbitrary: fc.constantFrom(0, 70_000, 400_000).map((length) => encodeEnvelope(0, batch(length))) },
  { weight: 1, arbitrary: fc.constant(encodeEnvelope(0, new Uint8Array(0))) },
);
const bad = fc.constantFrom(
  encodeEnvelope(1, gzipSync(batch(3))),
  encodeEnvelope(2, batch(3)),
  encodeEnvelope(0, Uint8Array.of(255)),
  Uint8Array.of(0, 255, 255, 255, 255),
);
const body = fc
  .record({
    envelopes: fc.array(good, { maxLength: 6 }),
    // Of two in one piece Connect may tell of either.
    wrong: fc.oneof({ weight: 5, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: bad.map((one) => [one]) }),
    lost: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(9) }),
    cuts: fc.array(fc.nat(90), { maxLength: 8 }),
  })
  .map(({ envelopes, wrong, lost, cuts }) => {
    const bytes = Buffer.concat([...envelopes, ...wrong]);
    let rest = bytes.subarray(0, Math.max(0, bytes.length - lost));
    const pieces = cuts.map((at) => {
      const piece = rest.subarray(0, at);
      rest = rest.subarray(at);
      return piece;
    });
    return [...pieces, rest].filter((piece) => piece.length > 0).map((piece) => piece.toString("hex"));
  });
const statusFields = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ "grpc-status": "0" }) },
  { weight: 3, arbitrary: fc.constantFrom("1", "5", "14", "x").map((code) => ({ "grpc-status": code, "x-t": "1" })) },
  { weight: 1, arbitrary: fc.constant({ "grpc-status": "5", "grpc-status-details-bin": "CAUSBG5vbmU" }) },
  { weight: 1, arbitrary: fc.constant({}) },
);
const script: fc.Arbitrary<Script> = fc.record({
  status: fc.oneof({ weight: 12, arbitrary: fc.constant(200) }, { weight: 1, arbitrary: fc.constantFrom(404, 503) }),
  header: fc
    .tuple(
      fc.oneof(
        { weight: 12, arbitrary: fc.constant({ "content-type": "application/grpc+proto" }) },
        { weight: 1, arbitrary: fc.constantFrom({}, { "content-type": "text/html" }) },
      ),
      fc.oneof({ weight: 12, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: statusFields }),
      fc.oneof(
        { weight: 12, arbitrary: fc.constant({}) },
        { weight: 1, arbitrary: fc.constantFrom("identity", "gzip").map((name) => ({ "grpc-encoding": name })) },
      ),
    )
    .map((all) => Object.assign({}, ...all) as Record<string, string>),
  pieces: body,
  trailer: fc.oneof({ weight: 12, arbitrary: statusFields }, { weight: 1, arbitrary: fc.constant(undefined) }),
  reset: fc.oneof(
    { weight: 9, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom(0, 1, 2, 5, 7, 8, 11, 12) },
  ),
});

interface Outcome {
  readonly messages: readonly string[];
  readonly headers: readonly unknown[];
  readonly end: unknown;
}

async function outcome({ transport }: ServerConnection, request: Script): Promise<Outcome> {
  const messages: string[] = [];
  let end: unknown;
  const headers: unknown[] = [];
  const note = (fields: Headers) => {
    headers.push([...fields].filter(([name]) => name !== "date"));
  };
  try {
    const client = createClient(JournalService, transport);
    const options = { onHeader: note, onTrailer: note };
    for await (const { frame, echo } of client.follow({ follower: JSON.stringify(request) }, options))
      messages.push(`${frame.length} ${echo}`);
  } catch (reason) {
    const { code, rawMessage, metadata, details } = ConnectError.from(reason);
    note(metadata);
    end = { code, message: request.reset === undefined ? rawMessage : "", details };
  }
  // How much was read before a stream broke is left to chance.
  return request.reset === undefined ? { messages, headers, end } : { messages: [], headers: [], end };
}

it("both ways give the same messages, and end in the same way", async () => {
  await fc
    .assert(
      fc.asyncProperty(script, async (request) => {
        const [ours, theirs] = await Promise.all([outcome(quick, request), outcome(slow, request)]);
        // Connect looks at the next prefix before it gives a message: of those before a fault it may give one less.
        const count = theirs.end === undefined ? ours.messages.length : theirs.messages.length;
        expect({ ...ours, messages: ours.messages.slice(0, count) }).toEqual(theirs);
      }),
      { seed: SEED, numRuns: RUNS },
    )
    .catch((error: unknown) => {
      throw new Error(REPEAT, { cause: error });
    });
});

/** A stream on which nothing has been said yet. */
async function opened(connection: ServerConnection, signal?: AbortSignal) {
  streams.length = 0;
  const client = createClient(JournalService, connection.transport);
  const messages = client.follow({}, signal === undefined ? {} : { signal })[Symbol.asyncIterator]();
  const first = messages.next();
  first.catch(() => undefined);
  await vi.waitUntil(() => streams.length === 1, { interval: 1 });
  const stream = streams[0] as ServerHttp2Stream;
  stream.respond({ ":status": 200, "content-type": "application/grpc+proto" });
  return { messages, first, stream };
}

it.each<[string, boolean]>([
  ["the quick way", true],
  ["Connect's transport", false],
])(
  "by %s, a call ends at once when its caller gives it up, and when the connection is dropped",
  async (_name, isQuick) => {
    const connection = connectToServer(url, { quickUnary: isQuick });
    const leaving = new AbortController();
    const left = await opened(connection, leaving.signal);
    leaving.abort(new Error("enough"));
    await expect(left.first).rejects.toMatchObject({ code: Code.Canceled });
    await vi.waitUntil(() => left.stream.closed, { interval: 1 });
    expect(left.stream.rstCode).not.toBe(0);

    const lost = await opened(connection);
    lost.stream.write(encodeEnvelope(0, batch(20)).subarray(0, 17));
    connection.reset("the link is down");
    await expect(lost.first).rejects.toMatchObject({ code: Code.Unavailable, rawMessage: "the link is down" });
    await vi.waitUntil(() => lost.stream.closed, { interval: 1 });
    connection.close();
  },
);

it("who does not read is sent no more than some, and reads everything in order later", async () => {
  const { messages, first, stream } = await opened(quick);
  const MEGABYTES = 40;
  let taken = 0;
  for (let i = 0; i < MEGABYTES; i++)
    stream.write(encodeEnvelope(0, batch(1_000_000 + i)), () => {
      taken++;
    });
  expect((await first).value?.frame.length).toBe(1_000_000);
  let before = -1;
  await vi.waitUntil(
    () => {
      const isStill = taken === before;
      before = taken;
      return isStill;
    },
    { interval: 100 },
  );
  // In the windows of HTTP/2, on the way, and what waits to be asked for.
  expect(taken).toBeLessThan(10);
  for (let i = 1; i < MEGABYTES; i++) expect((await messages.next()).value?.frame.length).toBe(1_000_000 + i);
  stream.close(0);
});

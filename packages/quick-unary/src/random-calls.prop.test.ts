import { create, toBinary } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import { encodeBinaryHeader } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { exchange, startTestServer, type TestRequest, type TestServer } from "./both-servers.test-util.ts";
import { PATH } from "./test-service.test-util.ts";

/** `BANK_TEST_SEED` where it is set, so that a failure can be repeated, else a new one. */
const SEED = Number(process.env["BANK_TEST_SEED"] ?? 1 + Math.floor(Math.random() * 0x7fff_fffe));
const REPEAT = `[seed ${SEED}; repeat: BANK_TEST_SEED=${SEED} npx vitest run packages/quick-unary/src/random-calls.prop.test.ts]`;
const RUNS = 150;

let quick: TestServer;
let slow: TestServer;

beforeAll(async () => {
  quick = await startTestServer({ isQuick: true });
  slow = await startTestServer({ isQuick: false });
});

afterAll(async () => {
  slow.session.destroy();
  await Promise.all([quick.close(), slow.close()]);
});

const NAMES = [
  "x-some",
  "x-other-bin",
  "cookie",
  "user-agent",
  "grpc-timeout",
  "connect-timeout-ms",
  "connect-protocol-version",
  "grpc-encoding",
  "content-encoding",
  "grpc-accept-encoding",
  "accept-encoding",
  "x-intercept",
];
const VALUES = [
  "",
  "1",
  "10S",
  "99999999H",
  "5000",
  "gzip",
  "br",
  "identity",
  "zip, br",
  "message",
  "headers",
  "replace",
  "answer",
];
const DOINGS = [
  "echo",
  "later",
  "bare",
  "empty",
  "long",
  "fail",
  "passOn",
  "header",
  "headerAndFail",
  "ask",
  "headers",
  "change",
  "context",
  "nothing",
];

const visible = fc
  .string({ unit: fc.constantFrom(...'az09 ~!"#%,;=\t\u00e4\u00ff'), maxLength: 12 })
  .map((text) => text.trim());
const value = fc.oneof(
  fc.constantFrom(...VALUES),
  visible,
  fc.uint8Array({ maxLength: 20 }).map((bytes) => encodeBinaryHeader(bytes)),
);
const headers = fc.dictionary(
  fc.constantFrom(...NAMES),
  fc.oneof(value, fc.array(value, { minLength: 1, maxLength: 3 })),
  { maxKeys: 4 },
);
const text = fc
  .tuple(
    fc.constantFrom(...DOINGS),
    fc.oneof(fc.constantFrom(...NAMES, "1", "5", "16", "20000"), fc.string({ unit: "binary", maxLength: 40 })),
  )
  .map((parts) => parts.join(":"));
const payload: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 5, arbitrary: text.map((said) => toBinary(StringValueSchema, create(StringValueSchema, { value: said }))) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 30 }) },
);
/** Most often one message, in a few pieces; else more, fewer, or one that is cut off. */
const grpcBody = fc
  .record({
    envelopes: fc.oneof<fc.MaybeWeightedArbitrary<{ flags: number; bytes: Uint8Array }[]>[]>(
      { weight: 8, arbitrary: payload.map((bytes) => [{ flags: 0, bytes }]) },
      {
        weight: 2,
        arbitrary: fc.array(fc.record({ flags: fc.constantFrom(0, 0, 1, 2, 255), bytes: payload }), { maxLength: 3 }),
      },
    ),
    cut: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(20) }),
  })
  .map(({ envelopes, cut }) => {
    const bytes = Buffer.concat(envelopes.map((one) => encodeEnvelope(one.flags, one.bytes)));
    return bytes.subarray(0, Math.max(0, bytes.length - cut));
  });

function inPieces(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const ends = [...new Set(at.map((share) => Math.floor(share * bytes.length)))].sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
}

const request: fc.Arbitrary<TestRequest> = fc
  .record({
    isGrpc: fc.boolean(),
    grpcBody,
    payload,
    headers,
    at: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }),
  })
  .map((parts) => ({
    headers: {
      ":path": PATH,
      ...parts.headers,
      "content-type": parts.isGrpc ? "application/grpc+proto" : "application/proto",
    },
    pieces: inPieces(parts.isGrpc ? parts.grpcBody : parts.payload, parts.at),
  }));

it("both ways give the same answer to every call", async () => {
  await fc
    .assert(
      fc.asyncProperty(request, async (one) => {
        const [ours, theirs] = await Promise.all([exchange(quick.session, one), exchange(slow.session, one)]);
        expect(ours).toEqual(theirs);
      }),
      { seed: SEED, numRuns: RUNS },
    )
    .catch((error: unknown) => {
      throw new Error(REPEAT, { cause: error });
    });
  // Not one of them went the other way.
  expect(quick.taken.count).toBeGreaterThanOrEqual(RUNS);
});

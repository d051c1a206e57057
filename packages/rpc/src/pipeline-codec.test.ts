import {
  PipelinedCallSchema,
  type PipelinedReply,
  PipelinedReplySchema,
  PipelineRequestSchema,
  type PipelineResponse,
  PipelineResponseSchema,
} from "@bank/proto";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { writtenCalls, writtenReplies } from "./pipeline-codec.ts";

// Mostly plain: one field that is not leaves the whole answer to protobuf-es.
const text = fc.oneof(
  { arbitrary: fc.string({ unit: "grapheme-ascii", maxLength: 40 }), weight: 40 },
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.constant("x".repeat(3_000)),
);
const uint64 = fc.oneof(
  { arbitrary: fc.bigInt(0n, 2n ** 53n - 1n), weight: 20 },
  { arbitrary: fc.constantFrom(0n, 1n, 127n, 128n, 2n ** 53n - 1n), weight: 20 },
  fc.bigInt(0n, 2n ** 64n - 1n),
);
const int64 = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n);
const some = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined, freq: 6 });
const money = some(
  fc.record({
    currencyCode: text,
    amountMinor: fc.oneof(
      uint64.map((n) => n / 2n),
      int64,
    ),
  }),
);
const time = some(fc.record({ seconds: fc.bigInt(0n, 2n ** 40n), nanos: fc.integer({ min: 0, max: 999_999_999 }) }));
const readInfo = some(
  fc.record({
    position: uint64,
    stalenessMs: some(uint64),
    session: text,
    time,
    connected: fc.boolean(),
    epoch: uint64,
  }),
);
const transaction = fc.record({
  position: uint64,
  kind: fc.integer({ min: 0, max: 6 }),
  debitAccount: text,
  creditAccount: text,
  amount: money,
  branch: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  time,
  requestId: text,
  reverses: uint64,
  hold: uint64,
  reversedBy: uint64,
});
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.integer({ min: 0, max: 70_000 }).map((length) => new Uint8Array(length).fill(7)),
);
const failure = fc.record({ code: fc.integer({ min: 0, max: 16 }), reason: text, message: text });
const reply = fc.oneof(
  { arbitrary: transaction.map((value) => result({ case: "transaction", value })), weight: 4 },
  {
    arbitrary: fc
      .record({ posted: money, held: money, available: money, version: some(uint64), position: uint64, time, readInfo })
      .map((value) => ({ case: "getBalance", value })),
    weight: 4,
  },
  failure.map((value) => ({ case: "failure", value })),
  failure.map((value) => result({ case: "failure", value })),
  fc.record({ number: text }).map((account) => ({ case: "getAccount", value: { account } })),
  { arbitrary: bytes.map((value) => ({ case: "movements", value })), weight: 4 },
);

function result(value: { readonly case: string; readonly value: object }) {
  return { case: "result", value: { replayed: value.case === "transaction", result: value } };
}

const replies = fc.array(
  fc
    .record({ id: uint64, reply, readInfo })
    .map((init) => create(PipelinedReplySchema, init as MessageInitShape<typeof PipelinedReplySchema>)),
  { maxLength: 6 },
);

function inOrder({ replies: list }: PipelineResponse, of: readonly PipelinedReply[]): PipelinedReply[] {
  // Which of them were written by hand does not matter.
  const left = [...list];
  return of.map(
    ({ id }) =>
      left.splice(
        left.findIndex((one) => one.id === id),
        1,
      )[0] as PipelinedReply,
  );
}

describe("answers that are written by hand", () => {
  it("are read as protobuf-es reads its own", () => {
    fc.assert(
      fc.property(replies, (list) => {
        const unique = list.filter(({ id }, i) => list.findIndex((one) => one.id === id) === i);
        const bytes = toBinary(PipelineResponseSchema, writtenReplies(unique));
        const expected = toBinary(PipelineResponseSchema, create(PipelineResponseSchema, { replies: unique }));
        expect(bytes.length).toBe(expected.length);
        const read = fromBinary(PipelineResponseSchema, bytes);
        expect(read.$unknown).toBeUndefined();
        expect(inOrder(read, unique)).toEqual(fromBinary(PipelineResponseSchema, expected).replies);
      }),
    );
  });

  it("are as protobuf-es writes them where one call of movements is alone, also one that is asked for", () => {
    const fields = fc.record({ id: uint64, timeoutMs: fc.nat(), session: text, propagation: text, consistency: text });
    fc.assert(
      fc.property(fields, bytes, readInfo, fc.boolean(), (head, value, info, isAlone) => {
        const call = create(PipelinedCallSchema, { ...head, call: { case: "movements", value } });
        const other = create(PipelinedCallSchema, { id: head.id + 1n, call: { case: "getAccount", value: {} } });
        const calls = isAlone ? [call] : [call, other];
        const asked = toBinary(PipelineRequestSchema, writtenCalls(calls));
        expect(fromBinary(PipelineRequestSchema, asked)).toEqual(
          fromBinary(PipelineRequestSchema, toBinary(PipelineRequestSchema, create(PipelineRequestSchema, { calls }))),
        );
        const told = { id: head.id, reply: { case: "movements", value }, readInfo: info } as const;
        const reply = create(PipelinedReplySchema, told as MessageInitShape<typeof PipelinedReplySchema>);
        const answered = fromBinary(PipelineResponseSchema, toBinary(PipelineResponseSchema, writtenReplies([reply])));
        expect(answered.$unknown).toBeUndefined();
        expect(answered.replies).toEqual([reply]);
      }),
    );
  });

  it("are as many as there are, however long they get together", () => {
    const value = { position: 5n, requestId: "x".repeat(1_000) };
    const list = Array.from({ length: 300 }, (_, i) =>
      create(PipelinedReplySchema, { id: BigInt(i + 1), reply: result({ case: "transaction", value }) } as never),
    );
    const message = writtenReplies(list);
    expect(message.replies).toEqual([]);
    expect(fromBinary(PipelineResponseSchema, toBinary(PipelineResponseSchema, message)).replies).toEqual(list);
  });

  it("are those of movements and balances", () => {
    const init = [
      { id: 1n, reply: result({ case: "transaction", value: { position: 5n, requestId: "x" } }) },
      { id: 2n, reply: { case: "getBalance", value: { version: 0n } } },
      { id: 3n, reply: { case: "getAccount", value: {} } },
      { id: 4n, reply: result({ case: "transaction", value: { requestId: "é" } }) },
    ] as MessageInitShape<typeof PipelinedReplySchema>[];
    const list = init.map((one) => create(PipelinedReplySchema, one));
    const message = writtenReplies(list);
    expect(fromBinary(PipelineResponseSchema, toBinary(PipelineResponseSchema, message)).replies).toHaveLength(4);
    expect(message.replies.map(({ id }) => id)).toEqual([3n, 4n]);
  });
});

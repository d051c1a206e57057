import {
  AccountOpenedSchema,
  ActorSchema,
  BatchHeaderSchema,
  BatchPayloadSchema,
  EpochBegunSchema,
  file_bank_journal_v1_batch,
  file_bank_journal_v1_snapshot,
  RejectedSchema,
  SnapshotHeaderSchema,
  SnapshotPageSchema,
} from "@bank/proto";
import type { DescMessage } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { JournalFormatError } from "./errors.ts";
import { checkWire } from "./wire-check.ts";

const of = (...bytes: readonly number[]) => Uint8Array.from(bytes);

function problem(schema: DescMessage, ...bytes: readonly number[]): string | undefined {
  try {
    checkWire(schema, of(...bytes));
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(JournalFormatError);
    return (error as Error).message;
  }
}

describe("what protobuf itself writes", () => {
  test("passes, for every type of field", () => {
    const messages: [DescMessage, Uint8Array][] = [
      [
        BatchHeaderSchema,
        toBinary(
          BatchHeaderSchema,
          create(BatchHeaderSchema, { format: 0xffff_ffff, epochId: of(1), firstPosition: 2n ** 64n - 1n, count: 1 }),
        ),
      ],
      [
        BatchPayloadSchema,
        toBinary(
          BatchPayloadSchema,
          create(BatchPayloadSchema, {
            kinds: of(0, 0),
            actors: [{}, { principal: "€", branch: 128 }],
            actor: [0, 127, 128, 0xffff_ffff],
            debit: [0, 0xffff_ffff],
            amount: [0n, 2n ** 64n - 1n],
            accountsOpened: [{}, { number: 2n ** 63n, floor: -1n }, { floor: 1n }],
            rejections: [{ keys: ["", ""], values: [""] }],
            epochsBegun: [{ lossAccepted: true }],
          }),
        ),
      ],
      [
        SnapshotPageSchema,
        toBinary(SnapshotPageSchema, create(SnapshotPageSchema, { content: { case: "accounts", value: {} } })),
      ],
    ];
    for (const [schema, bytes] of messages) expect(() => checkWire(schema, bytes)).not.toThrow();
    expect(() => checkWire(ActorSchema, new Uint8Array(0))).not.toThrow();
  });

  test("is of the types that the check knows, in every message of the formats", () => {
    for (const { messages } of [file_bank_journal_v1_batch, file_bank_journal_v1_snapshot])
      for (const message of messages) expect(() => checkWire(message, new Uint8Array(0))).not.toThrow();
  });
});

describe("fields that this program does not know", () => {
  const named = (type: string, field: number) =>
    `bank.journal.v1.${type} has field ${field}, which this program does not know: use a newer program`;

  test("are refused at the top, whatever their wire type", () => {
    for (const bytes of [
      [0, 1],
      [1, 0, 0, 0, 0, 0, 0, 0, 0],
      [2, 0],
      [5, 0, 0, 0, 0],
    ] as const) {
      const [wireType, ...value] = bytes as readonly [number, ...number[]];
      expect(problem(BatchHeaderSchema, 0x40 | wireType, ...value)).toBe(named("BatchHeader", 8));
    }
    // Groups, which no proto3 message has: one that begins, one that ends.
    expect(problem(BatchHeaderSchema, 0x43, 0x44)).toBe(named("BatchHeader", 8));
    expect(problem(BatchHeaderSchema, 0x44)).toBe(named("BatchHeader", 8));
    expect(problem(SnapshotHeaderSchema, 0x48, 1)).toBe(named("SnapshotHeader", 9));
    expect(problem(BatchPayloadSchema, 0xca, 1, 0)).toBe(named("BatchPayload", 25));
  });

  test("are refused inside a message, and inside one in there", () => {
    expect(problem(BatchPayloadSchema, 0x12, 2, 0x18, 1)).toBe(named("Actor", 3));
    // The second of two: looking only at the first would not do.
    expect(problem(BatchPayloadSchema, 0x12, 2, 0x10, 1, 0x12, 2, 0x18, 1)).toBe(named("Actor", 3));
    expect(problem(SnapshotPageSchema, 0x0a, 4, 0x22, 2, 0x18, 1)).toBe(named("CurrencyEntry", 3));
    expect(problem(SnapshotPageSchema, 0x1a, 2, 0x28, 1)).toBe(named("RequestsPage", 5));
    expect(problem(SnapshotPageSchema, 0x32, 0)).toBe(named("SnapshotPage", 6));
  });

  test("are refused with the smallest and the largest numbers", () => {
    expect(problem(ActorSchema, 0x00, 1)).toBe(named("Actor", 0));
    expect(problem(ActorSchema, 0xf8, 0xff, 0xff, 0xff, 0x0f, 1)).toBe(named("Actor", 536_870_911));
    expect(problem(ActorSchema, 0x80, 0x80, 0x80, 0x80, 0x10, 1)).toBe("an integer has more than 32 bits");
  });
});

describe("a second encoding of the same contents", () => {
  /** What a lenient decoder makes of it: nothing that it would tell anybody. */
  function same(schema: DescMessage, bytes: readonly number[], plain: readonly number[]): void {
    expect(fromBinary(schema, of(...bytes))).toEqual(fromBinary(schema, of(...plain)));
    expect(problem(schema, ...plain)).toBeUndefined();
  }

  test.each<[string, DescMessage, readonly number[], readonly number[]]>([
    ["is out of place", ActorSchema, [0x10, 1, 0x0a, 1, 0x61], [0x0a, 1, 0x61, 0x10, 1]],
    ["is out of place", ActorSchema, [0x10, 2, 0x10, 1], [0x10, 1]],
    ["is out of place", BatchPayloadSchema, [0x0a, 1, 1, 0x0a, 1, 2], [0x0a, 1, 2]],
    [
      "is out of place",
      BatchPayloadSchema,
      [0x32, 4, 1, 0, 0, 0, 0x32, 4, 2, 0, 0, 0],
      [0x32, 8, 1, 0, 0, 0, 2, 0, 0, 0],
    ],
    ["is out of place", RejectedSchema, [0x1a, 1, 0x61, 0x12, 1, 0x62], [0x12, 1, 0x62, 0x1a, 1, 0x61]],
    ["excludes the one before", SnapshotPageSchema, [0x0a, 0, 0x12, 0], [0x12, 0]],
    ["has another wire type", ActorSchema, [0x11, 1], [0x10, 1]],
    ["has another wire type", ActorSchema, [0x15, 1], [0x10, 1]],
    ["has another wire type", BatchPayloadSchema, [0x18, 5], [0x1a, 1, 5]],
    ["has another wire type", BatchPayloadSchema, [0x35, 5, 0, 0, 0], [0x32, 4, 5, 0, 0, 0]],
    ["an integer is padded", ActorSchema, [0x10, 0x81, 0], [0x10, 1]],
    ["an integer is padded", ActorSchema, [0x90, 0, 1], [0x10, 1]],
    ["an integer is padded", ActorSchema, [0x0a, 0x81, 0, 0x61], [0x0a, 1, 0x61]],
    ["an integer is padded", BatchPayloadSchema, [0x1a, 2, 0x80, 0], [0x1a, 1, 0]],
    ["has more than 32 bits", ActorSchema, [0x10, 0x81, 0x80, 0x80, 0x80, 0x10], [0x10, 1]],
    ["has more than 1 bits", EpochBegunSchema, [0x20, 2], [0x20, 1]],
    ["has more than 1 bits", EpochBegunSchema, [0x20, 0x81, 1], [0x20, 1]],
    ["is written out though zero", ActorSchema, [0x10, 0], []],
    ["is written out though zero", EpochBegunSchema, [0x20, 0], []],
    ["is written out though zero", AccountOpenedSchema, [0x49, 0, 0, 0, 0, 0, 0, 0, 0], []],
    ["is written out though empty", ActorSchema, [0x0a, 0], []],
    ["is written out though empty", BatchPayloadSchema, [0x0a, 0], []],
    ["is written out though empty", BatchPayloadSchema, [0x32, 0], []],
  ])("is refused: %s", (message, schema, bytes, plain) => {
    same(schema, bytes, plain);
    expect(problem(schema, ...bytes)).toContain(message);
  });

  test("is refused when an integer goes on beyond 64 bits", () => {
    const nine = Array.from({ length: 9 }, () => 0xff);
    expect(problem(BatchHeaderSchema, 0x18, ...nine, 0x01)).toBeUndefined();
    expect(problem(BatchHeaderSchema, 0x18, ...nine, 0x02)).toBe("an integer has more than 64 bits");
    expect(problem(BatchHeaderSchema, 0x18, ...nine, 0x81, 0x01)).toBe("an integer does not end");
    expect(problem(BatchHeaderSchema, 0x08, 0xff, 0xff, 0xff, 0xff, 0x0f)).toBeUndefined();
    expect(problem(BatchHeaderSchema, 0x08, ...nine, 0x01)).toBe("an integer has more than 32 bits");
  });
});

describe("bytes that end too early or too late", () => {
  test.each<[string, DescMessage, readonly number[]]>([
    ["a tag", ActorSchema, [0x90]],
    ["an integer", ActorSchema, [0x10]],
    ["an integer", ActorSchema, [0x10, 0x80]],
    ["a length", ActorSchema, [0x0a]],
    ["a text", ActorSchema, [0x0a, 2, 0x61]],
    ["a fixed value", AccountOpenedSchema, [0x49, 1, 0, 0, 0, 0, 0, 0]],
    ["a packed value", BatchPayloadSchema, [0x32, 5, 1, 0, 0, 0, 2]],
    ["a packed value", BatchPayloadSchema, [0x42, 4, 1, 0, 0, 0]],
    ["a packed integer", BatchPayloadSchema, [0x1a, 1, 0x80]],
    // Behind each of these stands a byte that would complete it, outside the message that it belongs to.
    ["an integer of a nested message", BatchPayloadSchema, [0x12, 2, 0x10, 0x80, 1]],
    ["a tag of a nested message that has no value", BatchPayloadSchema, [0x12, 1, 0x10, 0x1a, 1, 1]],
    ["a text of a nested message", BatchPayloadSchema, [0x12, 2, 0x0a, 1, 0x61]],
    ["a packed integer behind its column", BatchPayloadSchema, [0x1a, 1, 0x80, 1]],
    ["a fixed value of a nested message", BatchPayloadSchema, [0x4a, 2, 0x49, 1, 0, 0, 0, 0, 0, 0, 0]],
    ["a tag of a nested message", BatchPayloadSchema, [0x12, 1, 0x90, 1]],
  ])("are refused inside %s", (_, schema, bytes) => {
    expect(problem(schema, ...bytes)).toMatch(/reaches too far|does not end|ends inside a value/);
  });
});

test("a field of a type that no format has is a bug of the program, not of the bytes", () => {
  expect(() => checkWire(DurationSchema, new Uint8Array(0))).toThrow(TypeError);
});

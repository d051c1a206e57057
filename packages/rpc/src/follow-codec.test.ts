import { FollowResponseSchema } from "@bank/proto";
import { create, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { followCodec } from "./follow-codec.ts";

type FollowResponse = MessageShape<typeof FollowResponseSchema>;

const frames = [0, 1, 5, 200, 16 * 1024, 16 * 1024 + 1, 300_000].map((length) =>
  new Uint8Array(length).fill(length % 251),
);
const number = fc.oneof(
  fc.constantFrom(0n, 1n, 127n, 128n, 2n ** 31n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 64n - 1n),
  fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }),
);
const bytes = (length: number) => fc.constantFrom(new Uint8Array(0), new Uint8Array(length).fill(7));
const messages = fc.array(
  fc
    .record({
      frame: fc.constantFrom(...frames),
      chainHash: bytes(32),
      committedPosition: number,
      bankId: bytes(16),
      reportPosition: number,
      echo: number,
    })
    .map((fields) => create(FollowResponseSchema, fields)),
  { maxLength: 6 },
);

function read(pieces: readonly Uint8Array[]): FollowResponse {
  const all = Buffer.concat(pieces);
  expect(all[0]).toBe(0);
  expect(all.readUInt32BE(1)).toBe(all.length - 5);
  return fromBinary(FollowResponseSchema, all.subarray(5));
}

it("what is written of the messages of a journal's stream is read as the same messages, each told twice", () => {
  fc.assert(
    fc.property(messages, (all) => {
      const { write } = followCodec();
      // To two followers, and with other news to a third.
      for (const message of all)
        for (const told of [message, create(FollowResponseSchema, message), { ...message, echo: message.echo ^ 1n }])
          expect(plain(read(write(told)))).toEqual(plain(told));
    }),
    { numRuns: 60 },
  );
});

/** Bytes are compared as text: thousands of numbers take long. */
function plain({ frame, chainHash, bankId, ...rest }: FollowResponse): object {
  const text = [frame, chainHash, bankId].map((each) => Buffer.from(each).toString("base64"));
  return { ...rest, text };
}

it("a small frame is written once for all that are told the same of it, and a large one is not copied", () => {
  const { write } = followCodec();
  const [, , , smallFrame, , , largeFrame] = frames;
  if (smallFrame === undefined || largeFrame === undefined) throw new Error("there are frames of both kinds");
  const told = { chainHash: new Uint8Array(32), committedPosition: 70n };
  const small = create(FollowResponseSchema, { ...told, frame: smallFrame });
  const later = create(FollowResponseSchema, { ...told, frame: smallFrame, committedPosition: 71n });
  const pieces = write(small);
  expect(write(create(FollowResponseSchema, small))).toBe(pieces);
  expect(write(later)).not.toBe(pieces);
  expect(write(create(FollowResponseSchema, { ...told, frame: largeFrame })).at(-1)).toBe(largeFrame);
});

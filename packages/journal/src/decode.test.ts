import { ActorSchema, BatchPayloadSchema } from "@bank/proto";
import { describe, expect, test } from "vitest";
import { copyBytes, decodeStrictly, safeInteger } from "./decode.ts";
import { JournalFormatError } from "./errors.ts";

describe("safeInteger", () => {
  test("gives what a number can hold exactly", () => {
    expect(safeInteger(0n, "x")).toBe(0);
    expect(safeInteger(9_007_199_254_740_991n, "x")).toBe(Number.MAX_SAFE_INTEGER);
  });

  test("refuses what a number would round, and names the field", () => {
    expect(() => safeInteger(9_007_199_254_740_992n, "count")).toThrow(
      new JournalFormatError("count is 9007199254740992, beyond every real journal"),
    );
    // As a number these are the same as their neighbours.
    expect(() => safeInteger(9_007_199_254_740_993n, "x")).toThrow(JournalFormatError);
    expect(() => safeInteger(2n ** 64n - 1n, "x")).toThrow(JournalFormatError);
  });
});

describe("decodeStrictly", () => {
  test("gives the message", () => {
    const bytes = Uint8Array.of(0x0a, 3, 0xe2, 0x82, 0xac, 0x10, 0xac, 2);
    expect(decodeStrictly(ActorSchema, bytes)).toMatchObject({ principal: "€", branch: 300 });
  });

  test("keeps a byte-order mark and null: they are text", () => {
    const bytes = Uint8Array.of(0x0a, 4, 0xef, 0xbb, 0xbf, 0);
    expect(decodeStrictly(ActorSchema, bytes).principal).toBe("\uFEFF\0");
  });

  test.each([
    ["a byte that never occurs", [0xff]],
    ["a character that is cut off", [0xe2, 0x82]],
    ["a character in too many bytes", [0xc0, 0x80]],
    ["half of a surrogate pair", [0xed, 0xa0, 0xbd]],
    ["a character beyond Unicode", [0xf4, 0x90, 0x80, 0x80]],
  ])("refuses a text that is no UTF-8: %s", (_, text) => {
    const bytes = Uint8Array.of(0x0a, text.length, ...text);
    expect(() => decodeStrictly(ActorSchema, bytes)).toThrow(
      new JournalFormatError("bank.journal.v1.Actor cannot be decoded"),
    );
  });

  test("refuses unknown fields, and names the message and the field", () => {
    expect(() => decodeStrictly(BatchPayloadSchema, Uint8Array.of(0x12, 2, 0x18, 1))).toThrow(
      new JournalFormatError(
        "bank.journal.v1.Actor has field 3, which this program does not know: use a newer program",
      ),
    );
  });
});

describe("copyBytes", () => {
  test.each([
    ["an array", Uint8Array.of(1, 2, 3)],
    ["a part of an array", Uint8Array.of(0, 1, 2, 3, 4).subarray(1, 4)],
    ["a Buffer, whose slices are views", Buffer.from([1, 2, 3])],
  ])("gives memory of its own for %s", (_, bytes) => {
    const copy = copyBytes(bytes);
    bytes.fill(9);
    expect([...copy]).toEqual([1, 2, 3]);
    expect(copy.buffer.byteLength).toBe(3);
    expect(copy.constructor).toBe(Uint8Array);
  });
});

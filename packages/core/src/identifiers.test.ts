import { describe, expect, it } from "vitest";
import { bytesEqual, formatRequestId, parseRequestId, requestIdFromBytes, toHex } from "./identifiers.ts";
import { Random, SEED, seeded } from "./random.test-util.ts";

const UUID = "00112233-4455-6677-8899-aabbccddeeff";
const BYTES = [0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];

describe("request ids", () => {
  it("are read from a UUID byte by byte", () => {
    expect([...(parseRequestId(UUID) ?? [])]).toEqual(BYTES);
  });

  it("are read in either case, of any version, the nil UUID included", () => {
    expect([...(parseRequestId(UUID.toUpperCase()) ?? [])]).toEqual(BYTES);
    expect([...(parseRequestId("00000000-0000-0000-0000-000000000000") ?? [])]).toEqual(new Array(16).fill(0));
    expect(parseRequestId("ffffffff-ffff-ffff-ffff-ffffffffffff")).toBeDefined();
  });

  it.each([
    "",
    "00112233",
    UUID.replaceAll("-", ""),
    `{${UUID}}`,
    `urn:uuid:${UUID}`,
    `${UUID}\n`,
    ` ${UUID}`,
    `${UUID}0`,
    UUID.slice(0, -1),
    UUID.replace("a", "g"),
    UUID.replace("a", "à"),
    "0011223-34455-6677-8899-aabbccddeeff",
  ])("are not read from %j", (text) => {
    expect(parseRequestId(text)).toBeUndefined();
  });

  it(`are written as they are read ${seeded("identifiers.test.ts")}`, () => {
    const random = new Random(SEED);
    for (let i = 0; i < 1000; i++) {
      const id = random.requestId();
      expect(parseRequestId(formatRequestId(id))).toEqual(id);
    }
    expect(formatRequestId(requestIdFromBytes(Uint8Array.from(BYTES)))).toBe(UUID);
  });

  it("have exactly 16 bytes", () => {
    expect(requestIdFromBytes(new Uint8Array(16))).toHaveLength(16);
    for (const length of [0, 15, 17, 32]) expect(() => requestIdFromBytes(new Uint8Array(length))).toThrow(RangeError);
  });
});

describe("toHex", () => {
  it("writes two lower-case digits a byte", () => {
    expect(toHex(Uint8Array.of(0, 1, 9, 10, 15, 16, 127, 128, 255))).toBe("0001090a0f107f80ff");
    expect(toHex(new Uint8Array(0))).toBe("");
  });
});

describe("bytesEqual", () => {
  it("compares length and every byte", () => {
    expect(bytesEqual(Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2, 3))).toBe(true);
    expect(bytesEqual(new Uint8Array(0), new Uint8Array(0))).toBe(true);
    expect(bytesEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 2, 3))).toBe(false);
    expect(bytesEqual(Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2))).toBe(false);
    for (let i = 0; i < 16; i++) {
      const changed = Uint8Array.from(BYTES);
      changed[i] = (changed[i] as number) ^ 1;
      expect(bytesEqual(Uint8Array.from(BYTES), changed)).toBe(false);
    }
  });
});

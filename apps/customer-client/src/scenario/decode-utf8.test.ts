import { describe, expect, it } from "vitest";
import { decodeUtf8 } from "./decode-utf8.ts";

const bytes = (...parts: (string | number)[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.of(part))));

describe("decodeUtf8", () => {
  it("gives the text, characters of every length included", () => {
    expect(decodeUtf8(bytes("aé€🏦\n"), "f")).toBe("aé€🏦\n");
  });

  it("leaves out one byte order mark", () => {
    expect(decodeUtf8(bytes("\uFEFF[]"), "f")).toBe("[]");
    expect(decodeUtf8(bytes("\uFEFF\uFEFF[]"), "f")).toBe("\uFEFF[]");
  });

  it("takes a replacement character that really stands in the file", () => {
    expect(decodeUtf8(bytes("\uFFFD"), "f")).toBe("\uFFFD");
  });

  it.each([
    ["a byte that never occurs", bytes("[\n  é", 0xff, "]"), 2, 4],
    ["Latin-1", bytes('{"name": "J', 0xfc, 'rgen"}'), 1, 12],
    ["a continuation byte alone", bytes("ab\r\n", 0x80), 2, 1],
    ["a lone surrogate", bytes("x", 0xed, 0xa0, 0x80), 1, 2],
    ["an overlong form", bytes("\n\n", 0xc0, 0xaf), 3, 1],
    ["a character that the file's end cuts off", bytes("[]🏦", 0xf0, 0x9f), 1, 4],
    ["a bad byte behind a byte order mark", bytes("\uFEFFab", 0xff), 1, 3],
  ])("refuses %s at its place", (_, input, line, column) => {
    expect(() => decodeUtf8(input, "f.json")).toThrow(`f.json:${line}:${column}: not valid UTF-8`);
  });

  it("recognises UTF-16", () => {
    const input = Buffer.concat([Buffer.of(0xff, 0xfe), Buffer.from("[]", "utf16le")]);
    expect(() => decodeUtf8(input, "f.json")).toThrow("f.json:1:1: the file is UTF-16, and must be UTF-8");
  });
});

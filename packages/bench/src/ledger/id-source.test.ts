import { bytesEqual, formatRequestId, requestIdFromBytes } from "@bank/core";
import { describe, expect, it } from "vitest";
import { type IdKind, IdSource } from "./id-source.ts";

const KINDS: readonly [IdKind, RegExp][] = [
  ["random", /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]/],
  ["time-ordered", /^018b[0-9a-f]{4}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab]/],
];

describe("IdSource", () => {
  for (const [kind, form] of KINDS) {
    it(`makes ${kind} UUIDs that never repeat, and each again when asked`, () => {
      const [source, again, other] = [new IdSource(kind, 1), new IdSource(kind, 1), new IdSource(kind, 2)];
      const texts = new Set<string>();
      for (let n = 0; n < 20_000; n++) {
        const id = requestIdFromBytes(Uint8Array.from(source.at(n)));
        texts.add(formatRequestId(id));
        texts.add(formatRequestId(other.at(n)));
        if (n % 100 === 0) expect(formatRequestId(id)).toMatch(form);
      }
      expect(texts.size).toBe(40_000);
      expect(bytesEqual(source.at(7), again.at(7))).toBe(true);
    });
  }

  it("makes time-ordered ids that ascend from millisecond to millisecond", () => {
    const source = new IdSource("time-ordered", 1);
    const texts = Array.from({ length: 500 }, (_, i) => formatRequestId(source.at(i * 100)));
    expect(texts).toEqual(texts.toSorted());
  });
});

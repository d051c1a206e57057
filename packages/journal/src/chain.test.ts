import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { genesisHash, JOURNAL_FORMAT, nextHash } from "./chain.ts";
import { encodeFrame } from "./frame.ts";
import { BANK_ID, everyKind, HEADER, SAMPLES } from "./sample-records.test-util.ts";
import { sha256 } from "./sha256.test-util.ts";

/** The formula in batch.proto, over hexadecimal text and without any code of this package. */
function expected(...hex: readonly string[]): string {
  return createHash("sha256").update(hex.join(""), "hex").digest("hex");
}

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

const DOMAIN = "62616e6b2e6a6f75726e616c00";
const FORMAT = "01000000";
const BANK = "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf";

describe("the chain", () => {
  test("begins with a hash of domain, bank and format", () => {
    const genesis = genesisHash(sha256, BANK_ID);
    expect(hexOf(genesis)).toBe(expected(DOMAIN, BANK, FORMAT));
    expect(hexOf(genesis)).toBe("369efd6b31430890f0b7f5eb04c36566d66df9a1e2aff5eefdd770b743b9eab5");
    expect(JOURNAL_FORMAT).toBe(1);
  });

  test("goes on with a hash of what came before and the bytes of the frame", () => {
    const first = encodeFrame(HEADER, everyKind());
    const second = encodeFrame(HEADER, [SAMPLES.transfer]);
    const afterFirst = expected(expected(DOMAIN, BANK, FORMAT), hexOf(first));
    const afterSecond = expected(afterFirst, hexOf(second));
    const one = nextHash(sha256, genesisHash(sha256, BANK_ID), first);
    expect(hexOf(one)).toBe(afterFirst);
    expect(hexOf(nextHash(sha256, one, second))).toBe(afterSecond);
  });

  test("has the hashes that it had when the format was fixed", () => {
    const frame = Uint8Array.of(1, 2, 3);
    expect(hexOf(nextHash(sha256, new Uint8Array(32), frame))).toBe(
      "4400c1b8638ac2dce3ce0e10b8a891175926ca29a7246e96ef41aa81f11201cc",
    );
  });

  test("differs for another bank, another frame, another past", () => {
    const frame = encodeFrame(HEADER, [SAMPLES.transfer]);
    const other = encodeFrame(HEADER, [SAMPLES.withdrawal]);
    const genesis = genesisHash(sha256, BANK_ID);
    const strange = genesisHash(sha256, new Uint8Array(16));
    const hashes = [
      genesis,
      strange,
      nextHash(sha256, genesis, frame),
      nextHash(sha256, genesis, other),
      nextHash(sha256, strange, frame),
      nextHash(sha256, nextHash(sha256, genesis, frame), frame),
    ];
    expect(new Set(hashes.map(hexOf)).size).toBe(hashes.length);
  });
});

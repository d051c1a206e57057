import { describe, expect, it } from "vitest";
import { formatEpoch, readEpoch } from "./epoch-header.ts";
import { EPOCH_HEADER, SESSION_HEADER } from "./headers.ts";
import { encodeSession } from "./session-token.ts";

const bankId = new Uint8Array(16).map((_, i) => 16 * i + 7);
const session = encodeSession({ bankId, seen: [{ epochId: new Uint8Array(16), position: 3 }] });

describe("the header that tells the highest epoch", () => {
  it("is read as it was written, with or without the bank", () => {
    for (const told of [
      { epoch: 1, bankId: undefined },
      { epoch: Number.MAX_SAFE_INTEGER, bankId },
    ])
      expect(readEpoch(new Headers({ [EPOCH_HEADER]: formatEpoch(told) }))).toEqual(told);
    expect(readEpoch(new Headers())).toBeUndefined();
    expect(formatEpoch({ epoch: 7, bankId: undefined })).toBe("7");
  });

  it("is of the bank of the session that comes along, where it does not say", () => {
    expect(readEpoch(new Headers({ [EPOCH_HEADER]: "7", [SESSION_HEADER]: session }))).toEqual({ epoch: 7, bankId });
    const other = formatEpoch({ epoch: 7, bankId: new Uint8Array(16) });
    expect(readEpoch(new Headers({ [EPOCH_HEADER]: other, [SESSION_HEADER]: session }))?.bankId).toEqual(
      new Uint8Array(16),
    );
    expect(readEpoch(new Headers({ [EPOCH_HEADER]: "7", [SESSION_HEADER]: "no token" }))?.bankId).toBeUndefined();
  });

  it.each([
    "",
    "0",
    "07",
    "-1",
    "1.5",
    "1e3",
    "0x9",
    "seven",
    "9007199254740992",
    "7;bank=",
    "7;bank=00",
    "7; 8",
    "7,8",
  ])("is refused as %j", (text) => {
    expect(() => readEpoch(new Headers({ [EPOCH_HEADER]: text }))).toThrow(/is the number of an epoch/);
  });
});

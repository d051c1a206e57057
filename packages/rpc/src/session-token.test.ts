import { RefusalError, type Session } from "@bank/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeSession, encodeSession } from "./session-token.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const sessions: fc.Arbitrary<Session> = fc.record({
  bankId: bytes(16),
  seen: fc.array(fc.record({ epochId: bytes(16), position: fc.maxSafeNat() }), { minLength: 1, maxLength: 16 }),
});

function reasonOf(token: string): string {
  try {
    decodeSession(token);
  } catch (error) {
    if (error instanceof RefusalError) return error.refusal.reason;
    throw error;
  }
  return "none";
}

describe("a session token", () => {
  it("says the session again, as text that fits into a header", () => {
    fc.assert(
      fc.property(sessions, (session) => {
        const token = encodeSession(session);
        expect(token).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(decodeSession(token)).toEqual(session);
      }),
    );
  });

  it("says the right bank and epoch, whichever were said before", () => {
    const [one, other] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)];
    const positions = [0, 1, 255, 256, 2 ** 24, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 1, 2 ** 53 - 1];
    for (const position of positions)
      for (const epochId of [one, other])
        for (const bankId of [one, other, one]) {
          const session = { bankId, seen: [{ epochId, position }] };
          expect(decodeSession(encodeSession(session))).toEqual(session);
        }
  });

  it("is refused when it is cut, lengthened, or of another version", () => {
    const token = encodeSession({
      bankId: new Uint8Array(16).fill(1),
      seen: [{ epochId: new Uint8Array(16).fill(2), position: 7 }],
    });
    for (let length = 0; length < token.length; length++)
      expect(reasonOf(token.slice(0, length)), `${length} characters`).toBe("SESSION_INVALID");
    expect(reasonOf(`${token}AAAA`)).toBe("SESSION_INVALID");
    expect(reasonOf(`C${token.slice(1)}`)).toBe("SESSION_INVALID");
  });

  it("is refused when it names more epochs than a session has, or a position beyond all", () => {
    const seen = Array.from({ length: 17 }, (_, i) => ({ epochId: new Uint8Array(16).fill(i), position: 1 }));
    const bankId = new Uint8Array(16);
    expect(reasonOf(encodeSession({ bankId, seen }))).toBe("SESSION_INVALID");
    expect(reasonOf(encodeSession({ bankId, seen: [] }))).toBe("SESSION_INVALID");
    const beyond = encodeSession({ bankId, seen: [{ epochId: new Uint8Array(16), position: 2 ** 53 }] });
    expect(reasonOf(beyond)).toBe("SESSION_INVALID");
  });

  it("is refused, and nothing else happens, whatever stands there instead", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String(), fc.webUrl()), (text) => {
        expect(["SESSION_INVALID", "none"]).toContain(reasonOf(text));
      }),
    );
    for (const text of ["", " ", "null", "ü", "AAAA", "%%%%", "a".repeat(100_000)])
      expect(reasonOf(text)).toBe("SESSION_INVALID");
  });
});

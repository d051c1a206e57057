import { RefusalError } from "@bank/core";
import { describe, expect, it } from "vitest";
import {
  CONSISTENCY_HEADER,
  formatConsistency,
  formatPropagation,
  type ReadConsistency,
  readConsistency,
  readPropagation,
  type WritePropagation,
} from "./headers.ts";

function problemOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof RefusalError && error.refusal.reason === "INVALID_REQUEST")
      return error.refusal.metadata["problem"] ?? "";
    throw error;
  }
  throw new Error("the headers were expected to be refused");
}

const asked = (text: string) => readConsistency(new Headers({ [CONSISTENCY_HEADER]: text, "bank-session": "t" }));
const problemWith = (text: string) => problemOf(() => asked(text));

describe("the consistency of a read", () => {
  it("is linearizable where nothing is said", () => {
    const consistency = { mode: "linearizable" };
    expect(readConsistency(new Headers())).toEqual({ consistency, session: undefined });
    expect(readConsistency(new Headers({ "bank-session": "t" }))).toEqual({ consistency, session: "t" });
  });

  it.each([
    ["linearizable", { mode: "linearizable" }],
    ["session", { mode: "session" }],
    ["local", { mode: "local" }],
    ["bounded;max-staleness-ms=500", { mode: "bounded", maxStalenessMs: 500 }],
    ["bounded; max-staleness-ms=0", { mode: "bounded", maxStalenessMs: 0 }],
    ["position=0", { mode: "position", position: 0 }],
    ["position=9007199254740991", { mode: "position", position: Number.MAX_SAFE_INTEGER }],
    ["time=2026-01-05T09:00:00Z", { mode: "time", timeMs: Date.UTC(2026, 0, 5, 9) }],
    ["time=2026-01-05T10:00:00.5+01:00", { mode: "time", timeMs: Date.UTC(2026, 0, 5, 9, 0, 0, 500) }],
    ["time=2026-01-05t09:00:00.123999999z", { mode: "time", timeMs: Date.UTC(2026, 0, 5, 9, 0, 0, 123) }],
  ])("is what the header says: %s", (text, expected) => {
    expect(asked(text)).toEqual({ consistency: expected, session: "t" });
  });

  it("is refused where it is not known, naming those that are", () => {
    for (const mode of ["", "LOCAL", "eventual", "session, local", "boundedly", " local;", "at=5"])
      expect(problemWith(mode)).toBe(
        "bank-consistency is one of linearizable, session, local, bounded;max-staleness-ms=N, position=N, time=T, not " +
          // Headers have no spaces around them.
          JSON.stringify(mode.trim()),
      );
    expect(problemWith("x".repeat(500)).length).toBeLessThan(250);
  });

  it.each([
    "bounded",
    "bounded;",
    "bounded;max-staleness-ms=",
    "bounded;max-staleness-ms=-1",
    "bounded;max-staleness=5",
  ])("is refused where its bound is none: %s", (text) =>
    expect(problemWith(text)).toContain("a bounded read says bounded;max-staleness-ms=N"),
  );

  it("is refused for a bound that is no whole number", () => {
    for (const bound of ["1.5", "1e3", "0x10", "five", "9007199254740992", "99999999999999999"])
      expect(problemWith(`bounded;max-staleness-ms=${bound}`)).toContain("in whole milliseconds");
  });

  it.each(["", "-1", "1.0", "9007199254740992", "5;local"])("is refused for a position that is none: %j", (text) => {
    expect(problemWith(`position=${text}`)).toBe(
      `a position is a whole number, 0 or more, not ${JSON.stringify(text)}`,
    );
  });

  it.each([
    "",
    "2026-01-05",
    "2026-01-05T09:00Z",
    "2026-01-05T09:00:00",
    "2026-04-31T09:00:00Z",
    "2026-01-05T24:00:00Z",
    "1969-12-31T23:59:59Z",
    "1970-01-01T00:00:00+01:00",
    "1767603600000",
  ])("is refused for a time that is none: %j", (text) => {
    expect(problemWith(`time=${text}`)).toMatch(/^a time is as in RFC 3339, such as .*, not "/);
  });

  it("of a session needs a session", () => {
    expect(problemOf(() => readConsistency(new Headers({ [CONSISTENCY_HEADER]: "session" })))).toBe(
      "a session read needs the header bank-session",
    );
  });

  it("is written as it is read", () => {
    const all: ReadConsistency[] = [
      { mode: "linearizable" },
      { mode: "session" },
      { mode: "local" },
      { mode: "bounded", maxStalenessMs: 1_234 },
      { mode: "position", position: 42 },
      { mode: "time", timeMs: 1_767_603_600_123 },
    ];
    for (const consistency of all) expect(asked(formatConsistency(consistency)).consistency).toEqual(consistency);
  });
});

describe("the propagation of a write", () => {
  const propagation = (text: string) => readPropagation(new Headers({ "bank-propagation": text }));

  it("is the bank alone where nothing is said", () => {
    expect(readPropagation(new Headers())).toEqual({ mode: "bank" });
  });

  it("is written as it is read", () => {
    const all: WritePropagation[] = [{ mode: "bank" }, { mode: "allBranches" }, { mode: "quorum", copies: 3 }];
    expect(all.map(formatPropagation)).toEqual(["bank", "all-branches", "quorum=3"]);
    for (const each of all) expect(propagation(formatPropagation(each))).toEqual(each);
  });

  it.each(["", "quorum", "quorum=0", "quorum=-1", "quorum=1001", "quorum=two", "all", "bank, bank"])(
    "is refused where it is none: %j",
    (text) => {
      expect(problemOf(() => propagation(text))).toBe(
        `bank-propagation is bank, all-branches, or quorum=N with N from 1 to 1000, not ${JSON.stringify(text)}`,
      );
    },
  );
});

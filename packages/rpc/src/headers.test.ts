import { RefusalError } from "@bank/core";
import { describe, expect, it } from "vitest";
import { readConsistency } from "./headers.ts";

function problemOf(headers: Record<string, string>): string {
  try {
    readConsistency(new Headers(headers));
  } catch (error) {
    if (error instanceof RefusalError && error.refusal.reason === "INVALID_REQUEST")
      return error.refusal.metadata["problem"] ?? "";
    throw error;
  }
  throw new Error("the headers were expected to be refused");
}

describe("the consistency of a read", () => {
  it("is linearizable where nothing is said", () => {
    expect(readConsistency(new Headers())).toEqual({ mode: "linearizable", session: undefined });
    expect(readConsistency(new Headers({ "bank-session": "t" }))).toEqual({ mode: "linearizable", session: "t" });
  });

  it("is what the header says", () => {
    for (const mode of ["linearizable", "local", "session"])
      expect(readConsistency(new Headers({ "Bank-Consistency": mode, "bank-session": "t" })).mode).toBe(mode);
  });

  it("is refused where it is not known, naming those that are", () => {
    for (const mode of ["", "LOCAL", "eventual", "session, local"])
      expect(problemOf({ "bank-consistency": mode, "bank-session": "t" })).toBe(
        `bank-consistency is one of linearizable, session, local, not ${JSON.stringify(mode)}`,
      );
    expect(problemOf({ "bank-consistency": "x".repeat(500) }).length).toBeLessThan(200);
  });

  it("of a session needs a session", () => {
    expect(problemOf({ "bank-consistency": "session" })).toBe("a session read needs the header bank-session");
  });
});

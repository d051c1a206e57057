import { BankError, type BatchResult } from "@bank/client";
import { describe, expect, it } from "vitest";
import { resultsText } from "./batch-report.ts";

function failed(message: string, outcome: "REJECTED" | "OUTCOME_UNKNOWN"): BatchResult {
  const code = outcome === "REJECTED" ? "FAILED_PRECONDITION" : "UNAVAILABLE";
  const reason = outcome === "REJECTED" ? "ACCOUNT_FROZEN" : "CONNECTION_LOST";
  const error = new BankError({
    code,
    reason,
    message,
    metadata: {},
    outcome,
    requestId: undefined,
    attempts: 1,
    cause: undefined,
  });
  return { ok: false, requestId: "", error };
}

describe("the report of a call", () => {
  it("tells lines in a row that got no answer for one reason as one, and every rejection by itself", () => {
    const lost = failed("Lost.", "OUTCOME_UNKNOWN");
    const frozen = failed("Frozen.", "REJECTED");
    const results = [frozen, frozen, lost, lost, lost, failed("Late.", "OUTCOME_UNKNOWN"), lost];
    expect(resultsText([1, 2, 4, 5, 9, 10, 11], results, false)).toBe(
      "line 1: rejected: Frozen.\n" +
        "line 2: rejected: Frozen.\n" +
        "lines 4 to 9: not known: Lost.\n" +
        "line 10: not known: Late.\n" +
        "line 11: not known: Lost.\n",
    );
  });
});

import { REFUSALS, REJECTIONS, type Reason, statusOf } from "@bank/core";
import { describe, expect, it } from "vitest";
import { exitCodeOf, exitCodeOfSignal } from "./exit-code.ts";

/** What a bank says with its catalogue, in the order of the exit codes. */
function exitCodesOf(reasons: readonly string[], outcome: "REJECTED" | "NOT_APPLIED"): Record<string, string[]> {
  const byCode: Record<string, string[]> = {};
  for (const reason of reasons) {
    const exitCode = exitCodeOf({ code: statusOf(reason as Reason), reason, outcome });
    byCode[exitCode] = [...(byCode[exitCode] ?? []), reason];
  }
  return byCode;
}

describe("the exit code", () => {
  it("is 1 for every rejection, except for what was wrong usage", () => {
    expect(exitCodesOf(Object.keys(REJECTIONS), "REJECTED")).toEqual({
      1: [
        "BRANCH_NOT_FOUND",
        "ACCOUNT_NOT_FOUND",
        "CURRENCY_MISMATCH",
        "INSUFFICIENT_FUNDS",
        "BALANCE_LIMIT_EXCEEDED",
        "ACCOUNT_LIMIT_EXCEEDED",
        "TABLE_FULL",
        "ALIAS_TAKEN",
        "ACCOUNT_CLOSED",
        "ACCOUNT_FROZEN",
        "ACCOUNT_NOT_FROZEN",
        "BALANCE_NOT_ZERO",
        "HOLDS_OPEN",
        "CEILING_EXCEEDED",
        "HOLD_NOT_FOUND",
        "HOLD_ENDED",
        "HOLD_AMOUNT_EXCEEDED",
        "EXPIRY_NOT_LATER",
        "HOLD_NEVER_EXPIRES",
        "TRANSACTION_NOT_FOUND",
        "NOT_REVERSIBLE",
        "ALREADY_REVERSED",
        "NEGATIVE_BALANCE",
        "OVERDRAFT_NOT_ALLOWED",
        "FLOOR_ABOVE_BALANCE",
        "CEILING_BELOW_BALANCE",
        "REQUEST_CANCELLED",
        "BRANCH_RETIRED",
        "BRANCH_IS_HEAD_OFFICE",
        "BRANCH_STATE_UNCHANGED",
        "BRANCH_COUNTED",
      ],
      2: ["SAME_ACCOUNT"],
    });
  });

  it("tells refusals that stand from those that may pass", () => {
    expect(exitCodesOf(Object.keys(REFUSALS), "NOT_APPLIED")).toEqual({
      1: [
        "FORMAT_LEVEL_TOO_LOW",
        "STALE_VERSION",
        "GROUP_NOT_APPLIED",
        "REQUEST_ID_REUSED",
        "SESSION_LOST",
        "READ_ACCOUNT_NOT_FOUND",
        "READ_BRANCH_NOT_FOUND",
        "READ_HOLD_NOT_FOUND",
        "READ_TRANSACTION_NOT_FOUND",
        "POSITION_IN_FUTURE",
        "TIME_IN_FUTURE",
        "JOURNAL_DIVERGED",
        "FOLLOW_LOOP",
        "BRANCH_TAKEN",
        "FORMAT_LEVEL_UNKNOWN",
        "SNAPSHOT_NOT_FOUND",
      ],
      2: [
        "INVALID_REQUEST",
        "UNKNOWN_CURRENCY",
        "INVALID_AMOUNT",
        "INVALID_RATE",
        "SESSION_INVALID",
        "INVALID_PAGE_TOKEN",
      ],
      3: [
        "OVERLOADED",
        "STORE_REFUSED",
        "STORE_FULL",
        "RECORD_DAMAGED",
        "OUTCOME_UNKNOWN",
        "DEADLINE_EXCEEDED",
        "BANK_UNREACHABLE",
        "NOT_READY",
        "LOSS_DETECTED",
        "STALENESS_BOUND_EXCEEDED",
        "TOO_FEW_BRANCHES",
        "DRAINING",
        "EPOCH_SUPERSEDED",
        "NOT_LEADER",
        "INTERNAL",
      ],
    });
  });

  it("is 3 whenever it is not known what became of it, whatever the last try said", () => {
    for (const code of ["INVALID_ARGUMENT", "NOT_FOUND", "UNAVAILABLE"] as const)
      expect(exitCodeOf({ code, reason: "X", outcome: "OUTCOME_UNKNOWN" })).toBe(3);
  });

  it.each([
    ["ALREADY_EXISTS" as const, 1],
    ["ABORTED" as const, 1],
    ["PERMISSION_DENIED" as const, 1],
    ["NOT_FOUND" as const, 1],
    ["INVALID_ARGUMENT" as const, 2],
    ["UNIMPLEMENTED" as const, 3],
  ])("of %s is %s", (code, exitCode) => {
    expect(exitCodeOf({ code, reason: "X", outcome: "NOT_APPLIED" })).toBe(exitCode);
  });

  it("does not take a refusal by somebody who is no bank for a rejection", () => {
    expect(exitCodeOf({ code: "PERMISSION_DENIED", reason: "UNEXPECTED_REPLY", outcome: "NOT_APPLIED" })).toBe(3);
  });

  it("of a signal is 128 and its number", () => {
    expect([exitCodeOfSignal("SIGINT"), exitCodeOfSignal("SIGTERM"), exitCodeOfSignal("SIGHUP")]).toEqual([
      130, 143, 129,
    ]);
  });
});

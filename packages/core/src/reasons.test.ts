import { describe, expect, it } from "vitest";
import type { Reason, RefusalReason, RejectionReason, StatusName } from "./reasons.ts";
import {
  describe as describeReason,
  isRejectionReason,
  REFUSALS,
  REJECTIONS,
  RefusalError,
  rejectionByNumber,
  STATUS_NUMBERS,
  statusOf,
} from "./reasons.ts";

const entries = Object.entries({ ...REJECTIONS, ...REFUSALS }) as [
  Reason,
  { status: StatusName; message: string; metadata: readonly string[] },
][];

describe("the catalogue", () => {
  // They stand in journals. A new rejection gets a new number; none is ever changed or used again.
  it("gives rejections the numbers that are in the journals", () => {
    expect(Object.fromEntries(Object.entries(REJECTIONS).map(([reason, { number }]) => [reason, number]))).toEqual({
      BRANCH_NOT_FOUND: 1,
      ACCOUNT_NOT_FOUND: 2,
      SAME_ACCOUNT: 3,
      CURRENCY_MISMATCH: 4,
      INSUFFICIENT_FUNDS: 5,
      BALANCE_LIMIT_EXCEEDED: 6,
      ACCOUNT_LIMIT_EXCEEDED: 7,
      TABLE_FULL: 8,
      ALIAS_TAKEN: 9,
      ACCOUNT_CLOSED: 10,
      ACCOUNT_FROZEN: 11,
      ACCOUNT_NOT_FROZEN: 12,
      BALANCE_NOT_ZERO: 13,
      HOLDS_OPEN: 14,
      CEILING_EXCEEDED: 15,
      HOLD_NOT_FOUND: 16,
      HOLD_ENDED: 17,
      HOLD_AMOUNT_EXCEEDED: 18,
      EXPIRY_NOT_LATER: 19,
      HOLD_NEVER_EXPIRES: 20,
      TRANSACTION_NOT_FOUND: 21,
      NOT_REVERSIBLE: 22,
      ALREADY_REVERSED: 23,
      NEGATIVE_BALANCE: 24,
      OVERDRAFT_NOT_ALLOWED: 25,
      FLOOR_ABOVE_BALANCE: 26,
      CEILING_BELOW_BALANCE: 27,
      REQUEST_CANCELLED: 28,
      BRANCH_RETIRED: 29,
      BRANCH_IS_HEAD_OFFICE: 30,
      BRANCH_STATE_UNCHANGED: 31,
      BRANCH_COUNTED: 32,
    });
  });

  it("finds a rejection by its number, and none by another", () => {
    const reasons = Object.keys(REJECTIONS) as RejectionReason[];
    for (const reason of reasons) expect(rejectionByNumber(REJECTIONS[reason].number)).toBe(reason);
    expect(new Set(reasons.map((reason) => REJECTIONS[reason].number)).size).toBe(reasons.length);
    for (const number of [0, -1, 1.5, reasons.length + 1, Number.NaN])
      expect(rejectionByNumber(number)).toBeUndefined();
  });

  it("has the numbers that gRPC gives its statuses", () => {
    expect(STATUS_NUMBERS).toEqual({
      INVALID_ARGUMENT: 3,
      DEADLINE_EXCEEDED: 4,
      NOT_FOUND: 5,
      ALREADY_EXISTS: 6,
      RESOURCE_EXHAUSTED: 8,
      FAILED_PRECONDITION: 9,
      ABORTED: 10,
      OUT_OF_RANGE: 11,
      INTERNAL: 13,
      UNAVAILABLE: 14,
      DATA_LOSS: 15,
    });
  });

  it("names no reason twice", () => {
    expect(entries).toHaveLength(Object.keys(REJECTIONS).length + Object.keys(REFUSALS).length);
  });

  it.each(entries)(
    "%s names each variable part of its message, once and in ascending order",
    (_, { message, metadata }) => {
      const placeholders = [...message.matchAll(/\{([^}]*)\}/g)].map((match) => match[1] as string);
      expect([...new Set(placeholders)].sort()).toEqual(metadata);
      for (const name of metadata) expect(name).toMatch(/^[a-z]+(_[a-z]+)*$/);
    },
  );

  it.each(entries)("%s is an UPPER_SNAKE reason and a sentence", (reason, { message }) => {
    expect(reason).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    expect(message).toMatch(/^[A-Z{].*\.$/);
    expect(message).not.toContain("|");
  });
});

describe("statusOf", () => {
  it.each(entries)("%s is the one of the catalogue", (reason, { status }) => {
    expect(statusOf(reason)).toBe(status);
  });
});

describe("isRejectionReason", () => {
  it("tells rejections from everything else", () => {
    for (const reason of Object.keys(REJECTIONS)) expect(isRejectionReason(reason)).toBe(true);
    for (const reason of [...Object.keys(REFUSALS), "", "toString", "__proto__", "insufficient_funds"])
      expect(isRejectionReason(reason)).toBe(false);
  });
});

describe("describe", () => {
  it("fills in every variable part, wherever it stands", () => {
    const metadata = { account: "7", available: "1.00", currency: "USD", requested: "2.00" };
    expect(describeReason("INSUFFICIENT_FUNDS", metadata)).toBe(
      "Account 7 has 1.00 USD to spend, and 2.00 USD were asked for.",
    );
  });

  it("leaves the name of a part that is not given", () => {
    expect(describeReason("ACCOUNT_NOT_FOUND", {})).toBe("There is no account {account}.");
  });

  it("takes a value literally, whatever is in it", () => {
    expect(describeReason("ACCOUNT_NOT_FOUND", { account: "$& $1 {account} \\" })).toBe(
      "There is no account $& $1 {account} \\.",
    );
  });

  it.each(entries)("%s leaves no part open", (reason, { metadata }) => {
    const text = describeReason(reason, Object.fromEntries(metadata.map((name) => [name, `<${name}>`])));
    expect(text).not.toMatch(/[{}]/);
    for (const name of metadata) expect(text).toContain(`<${name}>`);
  });
});

describe("RefusalError", () => {
  it("carries reason, metadata, sentence and cause", () => {
    const cause = new Error("queue full");
    const error = new RefusalError("OVERLOADED", { waiting: "9" }, "NOT_APPLIED", { cause });
    expect(error).toMatchObject({
      name: "RefusalError",
      message: "Too many requests are waiting (9). Try again later with the same request id.",
      refusal: { reason: "OVERLOADED", metadata: { waiting: "9" }, outcome: "NOT_APPLIED" },
      cause,
    });
    expect(error).toBeInstanceOf(Error);
  });

  // Whoever reads NOT_APPLIED may send the money again under a new id.
  it("does not say by default that nothing was applied where the very reason is that nobody knows", () => {
    expect(new RefusalError("OUTCOME_UNKNOWN", { request_id: "x", problem: "y" }).refusal.outcome).toBe(
      "OUTCOME_UNKNOWN",
    );
    for (const reason of Object.keys(REFUSALS).filter((name) => name !== "OUTCOME_UNKNOWN"))
      expect(new RefusalError(reason as RefusalReason, {}).refusal.outcome).toBe("NOT_APPLIED");
  });

  it("says the outcome that it is told", () => {
    expect(new RefusalError("DEADLINE_EXCEEDED", { waiting_for: "x" }, "OUTCOME_UNKNOWN").refusal.outcome).toBe(
      "OUTCOME_UNKNOWN",
    );
  });
});

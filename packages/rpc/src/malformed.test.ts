import { describe, expect, it } from "vitest";
import { malformed } from "./malformed.ts";

describe("the refusal of a malformed message", () => {
  it("names each field with what is wrong, for programs and for people", () => {
    const violations = [
      { field: "amount.currency_code", description: "must be three letters" },
      { field: "", description: "says nothing" },
    ];
    const { refusal } = malformed(violations, 2);
    expect(refusal).toEqual({
      reason: "INVALID_REQUEST",
      metadata: { problem: "amount.currency_code: must be three letters; says nothing" },
      outcome: "NOT_APPLIED",
      item: 2,
      violations,
    });
  });

  it("stays short, however much is wrong, and stays text", () => {
    const long = `${"x".repeat(126)}${"😀".repeat(100_000)}`;
    const { refusal } = malformed(Array.from({ length: 10_000 }, () => ({ field: long, description: long })));
    expect(refusal.violations).toHaveLength(10);
    expect(refusal.metadata["problem"]).toMatch(/; and 9990 more$/);
    expect(JSON.stringify(refusal).length).toBeLessThan(10_000);
    for (const { field, description } of refusal.violations ?? [])
      for (const text of [field, description]) {
        expect(text.isWellFormed()).toBe(true);
        expect(text.endsWith("…")).toBe(true);
      }
  });

  it("cuts nothing that need not be", () => {
    const violation = { field: "f".repeat(128), description: "d".repeat(256) };
    expect(malformed([violation]).refusal.violations).toEqual([violation]);
  });
});

import { describe, expect, it } from "vitest";
import { batchRequestId } from "./request-id.ts";

describe("the request id of a line of a batch", () => {
  it("is the same for ever", () => {
    // As another implementation of RFC 9562 gives them.
    expect(batchRequestId("pay-day-2026-01", 1)).toBe("ea5182ee-7450-54e4-b057-b106b8cd1069");
    expect(batchRequestId("pay-day-2026-01", 0)).toBe("2c5a40ae-59ad-59bd-8277-fac86102a721");
    expect(batchRequestId("Gehälter", 12)).toBe("dbf0dfbf-80ea-5112-8b2f-7fb87f151744");
  });

  it("is a UUID of version 5, another one for each batch and line", () => {
    const ids = ["a", "b", "a1", ""].flatMap((batch) => [0, 1, 11, 111].map((line) => batchRequestId(batch, line)));
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});

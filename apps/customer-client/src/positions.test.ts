import { describe, expect, it } from "vitest";
import { stateText } from "./positions.ts";

describe("the state that an answer is of", () => {
  it("is told by its position and its time", () => {
    const timeMs = Date.UTC(2026, 0, 5, 9);
    expect(stateText({ position: 10, timeMs })).toBe("position 10, 2026-01-05T09:00:00Z");
    expect(stateText({ position: 10, timeMs: timeMs + 7 })).toBe("position 10, 2026-01-05T09:00:00.007Z");
  });

  it("is told by its position alone where the server told no time", () => {
    expect(stateText({ position: 10, timeMs: undefined })).toBe("position 10");
  });
});

import { describe, expect, it } from "vitest";
import { TIME_MS_MAX } from "./limits.ts";
import { Random, SEED, seeded } from "./random.test-util.ts";
import { formatTime } from "./time-text.ts";

describe("formatTime", () => {
  it.each([
    [0, "1970-01-01T00:00:00.000Z"],
    [951_782_400_000, "2000-02-29T00:00:00.000Z"],
    [4_107_542_399_999, "2100-02-28T23:59:59.999Z"],
    [4_107_542_400_000, "2100-03-01T00:00:00.000Z"],
    [TIME_MS_MAX, "9999-12-31T23:59:59.999Z"],
  ])("writes %d as %s", (timeMs, text) => {
    expect(formatTime(timeMs)).toBe(text);
  });

  it(`writes what the platform's own calendar does ${seeded("time-text.test.ts")}`, () => {
    const random = new Random(SEED);
    for (let i = 0; i < 5_000; i++) {
      const timeMs = Math.floor((random.below(2 ** 31) / 2 ** 31) * TIME_MS_MAX);
      expect(formatTime(timeMs)).toBe(new Date(timeMs).toISOString());
    }
  });
});

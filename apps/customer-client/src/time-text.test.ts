import { describe, expect, it } from "vitest";
import { parseDuration, parseTime, timeText } from "./time-text.ts";

describe("a moment", () => {
  it.each<[string, string]>([
    ["2026-01-05T09:00:00Z", "2026-01-05T09:00:00.000Z"],
    ["2026-01-05T09:00:00.25Z", "2026-01-05T09:00:00.250Z"],
    ["2026-01-05T10:30:00+01:30", "2026-01-05T09:00:00.000Z"],
    ["2026-01-05", "2026-01-05T00:00:00.000Z"],
    ["2024-02-29", "2024-02-29T00:00:00.000Z"],
    ["9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"],
  ])("%s is read", (text, expected) => {
    expect(new Date(parseTime(text, "--from")).toISOString()).toBe(expected);
  });

  it.each([
    "yesterday",
    "",
    "2026-1-5",
    "2026-01-05T09:00:00",
    "2026-01-05 09:00:00Z",
    "2026-01-05T09:00Z",
    "2026-02-29",
    "2026-04-31T09:00:00Z",
    "2026-13-01",
    "2026-01-05T24:00:01Z",
    "2026-01-05T09:00:00.0001Z",
    "1969-12-31",
    "9999-12-31T23:59:59-01:00",
    "1767603600000",
  ])("%j is none", (text) => {
    expect(() => parseTime(text, "--from")).toThrow(`--from ${JSON.stringify(text)} is not a time as in RFC 3339`);
  });

  it("is written with milliseconds only where there are some", () => {
    expect(timeText(Date.UTC(2026, 0, 5, 9))).toBe("2026-01-05T09:00:00Z");
    expect(timeText(Date.UTC(2026, 0, 5, 9, 0, 0, 70))).toBe("2026-01-05T09:00:00.070Z");
  });
});

describe("a length of time", () => {
  it.each<[string, number]>([
    ["90s", 90_000],
    ["30m", 1_800_000],
    ["12h", 43_200_000],
    ["7d", 604_800_000],
    ["2w", 1_209_600_000],
  ])("%s is read", (text, ms) => {
    expect(parseDuration(text, "--expires-in")).toBe(ms);
  });

  it.each(["", "7", "d", "0d", "07d", "-7d", "1.5h", "7 d", "7D", "1d12h", "9999999999s"])("%j is none", (text) => {
    expect(() => parseDuration(text, "--expires-in")).toThrow("is not a length of time");
  });
});

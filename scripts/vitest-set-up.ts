// Output of a test belongs into its assertions: whatever it writes to the console fails it.
import { afterEach, beforeEach, expect, vi } from "vitest";

const METHODS = ["debug", "error", "info", "log", "warn"] as const;
let written: string[] = [];

beforeEach(() => {
  written = [];
  for (const method of METHODS) {
    vi.spyOn(console, method).mockImplementation((...values: unknown[]) => {
      written.push(`console.${method}: ${values.map(String).join(" ")}`);
    });
  }
});

afterEach(() => {
  vi.restoreAllMocks();
  expect(written, "a test wrote to the console").toEqual([]);
});

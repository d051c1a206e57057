// Output of a test belongs into its assertions: whatever it writes to the console fails it.
import { afterEach, beforeEach, expect, vi } from "vitest";

const METHODS = ["debug", "error", "info", "log", "warn"] as const;
let written: string[] = [];

/** How long a wait lasts that names no time. The runner's own default, one second, a busy machine may take for anything. */
const PATIENCE_MS = 15_000;

bePatient("waitFor");
bePatient("waitUntil");

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

/** Gives one of the runner's waits another time by default; once, as files that share a worker share it. */
function bePatient(method: "waitFor" | "waitUntil"): void {
  const wait = vi[method] as WaitFunction;
  if (wait.isPatient) return;
  const patient: WaitFunction = (look, limits) =>
    wait(look, typeof limits === "number" ? limits : { timeout: PATIENCE_MS, ...limits });
  patient.isPatient = true;
  Object.assign(vi, { [method]: patient });
}

interface WaitFunction {
  (look: () => unknown, limits?: number | { readonly timeout?: number; readonly interval?: number }): Promise<unknown>;
  isPatient?: boolean;
}

// Files that share a process leave it as they found it. Timers of a test's own, say, would even keep unhandled errors of the
// files behind it from being told.
import { afterAll, expect, vi } from "vitest";

/** Who listens to these has a say in how the process ends. */
const EVENTS = ["uncaughtException", "unhandledRejection", "SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2"] as const;

const found = shared();

// It was registered before any of the file's own, and so it runs behind them.
afterAll(() => {
  const left = shared();
  vi.useRealTimers();
  expect(left, "a file of tests left something behind").toEqual(found);
});

function shared() {
  return {
    hasFakeTimers: vi.isFakeTimers(),
    variables: { ...process.env },
    folder: process.cwd(),
    listeners: Object.fromEntries(EVENTS.map((event) => [event, process.listenerCount(event)])),
  };
}

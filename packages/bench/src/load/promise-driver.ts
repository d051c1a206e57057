import type { LoadDriver } from "./closed-loop.ts";

/** A load of calls that give promises, in this process. */
export function promiseDriver(options: {
  readonly inFlight: number;
  /** Operations in one call. */
  readonly operations: number;
  readonly call: () => Promise<unknown>;
}): LoadDriver {
  const { inFlight, operations, call } = options;
  return {
    inFlight,
    begin(done, failed) {
      call().then(() => done(operations), failed);
    },
    close: () => undefined,
  };
}

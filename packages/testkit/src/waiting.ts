import type { ManualPlatform } from "./manual-platform.ts";

/** Turns of the event loop after which a test has waited in vain. */
const TURNS_MAX = 20_000;
/** Without anything else to do, memory stores and links come to rest within this many turns. */
const TURNS_TO_REST = 8;

/** One turn of the event loop: what is ready now runs before it ends, and what that makes ready at once. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Enough turns for everything in memory to come to rest. */
export async function rest(turns = TURNS_TO_REST): Promise<void> {
  for (let i = 0; i < turns; i++) await turn();
}

/**
 * Waits until the condition holds. With a platform, time passes whenever nothing else happens.
 * Rejects when it has waited in vain.
 */
export async function until(
  condition: () => boolean,
  options: { readonly what?: string; readonly platform?: ManualPlatform } = {},
): Promise<void> {
  for (let turns = 0; turns < TURNS_MAX; turns++) {
    if (condition()) return;
    await turn();
    if (turns % TURNS_TO_REST === TURNS_TO_REST - 1) options.platform?.advanceToNextTimer();
  }
  throw new Error(`waited in vain: ${options.what ?? condition.toString()}`);
}

/** What became of a promise so far. */
export interface Watched<T> {
  state: "pending" | "fulfilled" | "rejected";
  value: T | undefined;
  reason: unknown;
}

/** Watches a promise, whose rejection is thereby handled. */
export function watch<T>(promise: Promise<T>): Watched<T> {
  const watched: Watched<T> = { state: "pending", value: undefined, reason: undefined };
  promise.then(
    (value) => Object.assign(watched, { state: "fulfilled", value }),
    (reason: unknown) => Object.assign(watched, { state: "rejected", reason }),
  );
  return watched;
}

/** The promise's result, while time passes whenever nothing else happens. */
export async function driven<T>(platform: ManualPlatform, promise: Promise<T>): Promise<T> {
  const watched = watch(promise);
  await until(() => watched.state !== "pending", { platform, what: "a promise to settle" });
  return promise;
}

import type { Platform } from "./platform.ts";

/** Resolves after everything that is ready now has run: between two pieces of long work others have their turn. */
export function nextTurn(platform: Pick<Platform, "defer">): Promise<void> {
  return new Promise<void>((resolve) => platform.defer(resolve));
}

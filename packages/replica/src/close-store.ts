import type { JournalStore } from "@bank/store";
import { errorText, type Platform } from "./platform.ts";

/** Closes a store at the end of its use: what goes wrong is logged, for there is nobody left to handle it. */
export async function closeStore(options: {
  readonly store: JournalStore;
  readonly platform: Platform;
}): Promise<void> {
  const { store, platform } = options;
  await store.close().catch((error: unknown) => {
    platform.log.error("store not closed cleanly", { problem: errorText(error) });
  });
}

import type { JournalStore } from "@bank/store";
import type { Log } from "./platform.ts";

/** Tells an operator what is to be heard of how the server behind an open store is set up. */
export function tellWarnings(store: Pick<JournalStore, "warnings">, log: Log): void {
  for (const problem of store.warnings ?? []) log.warn("the journal's store is not as it should be", { problem });
}

import type { SnapshotSource, StoredSnapshot } from "./port.ts";

/** What saves a snapshot that is there as a whole. */
export function sourceOf({ position, header, pages }: StoredSnapshot): SnapshotSource {
  return { position, pages, header: () => header };
}

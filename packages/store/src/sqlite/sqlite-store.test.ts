import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeJournalStore } from "../conformance/index.ts";
import type { JournalStore } from "../port.ts";
import { Connections } from "./places.test-util.ts";
import { SqliteJournalStore } from "./sqlite-store.ts";

describeJournalStore("sqlite", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bank-store-"));
  const connections = new Map<JournalStore, Connections>();
  return {
    connect: () => {
      const own = new Connections();
      const store = new SqliteJournalStore({ folder, connect: own.connect });
      connections.set(store, own);
      return store;
    },
    abandon: async (store) => connections.get(store)?.cut(),
    dispose: async () => rmSync(folder, { recursive: true, force: true }),
  };
});

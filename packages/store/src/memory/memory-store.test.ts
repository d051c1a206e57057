import { describeJournalStore } from "../conformance/index.ts";
import { MemoryDisk } from "./memory-disk.ts";
import { MemoryJournalStore } from "./memory-store.ts";

describeJournalStore("memory", async () => {
  const disk = new MemoryDisk();
  return {
    connect: () => new MemoryJournalStore(disk),
    abandon: async () => {
      disk.holder = undefined;
    },
    dispose: async () => {
      disk.batches.length = 0;
    },
  };
});

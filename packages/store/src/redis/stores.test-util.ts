import { onTestFinished } from "vitest";
import { BANK_ID } from "../conformance/chain.ts";
import type { StoredBatch } from "../port.ts";
import { RedisJournalStore, type RedisStoreOptions } from "./redis-store.ts";

/** A store that is closed when the test is over. Not opened. */
export function connectStore(options: RedisStoreOptions): RedisJournalStore {
  const store = new RedisJournalStore(options);
  onTestFinished(() => store.close());
  return store;
}

/** One in which a bank lives, fenced to epoch 1, with these batches. */
export async function openBank(
  options: RedisStoreOptions,
  batches: readonly StoredBatch[] = [],
): Promise<RedisJournalStore> {
  const store = connectStore(options);
  await store.open();
  await store.initialize(BANK_ID);
  await store.fence(1);
  await store.append(batches, { epoch: 1 });
  return store;
}

/** The key of this part of the bank that the URL names. */
export function keyOf(url: string, part: string): string {
  return `{${new URL(url).pathname.slice(1)}}:${part}`;
}

/** Tries again until it works, or the test ends. Gives how often it did not. */
export async function untilDone(act: () => Promise<unknown>): Promise<number> {
  for (let failures = 0; ; failures++) {
    try {
      await act();
      return failures;
    } catch (error) {
      if (failures > 1_000) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

import { onTestFinished } from "vitest";
import type { JournalStore, StoredBatch, StoreState } from "../port.ts";
import { BANK_ID, Chain } from "./chain.ts";

/** One place where a store can live, for one test. */
export interface JournalStoreFixture {
  /** A new store object over this place. Not opened. */
  connect(): JournalStore;
  /** Ends an open store of this place as the end of its process would: nothing is said to it, its lock is gone. */
  abandon(store: JournalStore): Promise<void>;
  /** Removes the place. No store of it is open any more. */
  dispose(): Promise<void>;
}

export type MakeFixture = () => Promise<JournalStoreFixture>;

/** A fixture that cleans up after the test that it was made in. */
export class StorePlace {
  readonly #fixture: JournalStoreFixture;
  readonly #connected = new Set<JournalStore>();

  private constructor(fixture: JournalStoreFixture) {
    this.#fixture = fixture;
  }

  static async make(makeFixture: MakeFixture): Promise<StorePlace> {
    const place = new StorePlace(await makeFixture());
    onTestFinished(() => place.#dispose());
    return place;
  }

  connect(): JournalStore {
    const store = this.#fixture.connect();
    this.#connected.add(store);
    return store;
  }

  async open(): Promise<{ readonly store: JournalStore; readonly state: StoreState }> {
    const store = this.connect();
    return { store, state: await store.open() };
  }

  /** An open store in which a bank lives, fenced to epoch 1, with these batches. */
  async openBank(batches: readonly StoredBatch[] = []): Promise<JournalStore> {
    const { store } = await this.open();
    await store.initialize(BANK_ID);
    await store.fence(1);
    await store.append(batches, { epoch: 1 });
    return store;
  }

  async abandon(store: JournalStore): Promise<void> {
    this.#connected.delete(store);
    await this.#fixture.abandon(store);
  }

  async #dispose(): Promise<void> {
    for (const store of this.#connected) await store.close();
    await this.#fixture.dispose();
  }
}

/** Everything that the store holds, read in steps of these limits. */
export async function readAll(store: JournalStore, limits = {}): Promise<StoredBatch[]> {
  const found: StoredBatch[] = [];
  for (;;) {
    const batches = await store.read(found.at(-1)?.lastPosition ?? 0, limits);
    if (batches.length === 0) return found;
    found.push(...batches);
  }
}

/** A chain with batches of several sizes: 1 to 3, 4, 5 to 9, 10 to 10, 11 to 12. */
export function unevenChain(): Chain {
  const chain = new Chain();
  for (const records of [3, 1, 5, 1, 2]) chain.grow({ records });
  return chain;
}

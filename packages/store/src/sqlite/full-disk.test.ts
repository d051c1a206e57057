import { expect, it, onTestFinished } from "vitest";
import { BANK_ID, Chain } from "../conformance/chain.ts";
import { readAll } from "../conformance/fixture.ts";
import { AppendRefusedError } from "../errors.ts";
import { Connections, temporaryFolder } from "./places.test-util.ts";
import { SqliteJournalStore } from "./sqlite-store.ts";

const EPOCH = { epoch: 1 };

// `max_page_count` makes SQLite itself say that the disk is full, in the middle of its work, without needing a disk.
it.each([{ count: 1 }, { count: 3 }])(
  "refuses arrays of $count on a full disk, and goes on when room is made",
  async ({ count }) => {
    const folder = temporaryFolder();
    const connections = new Connections();
    const store = new SqliteJournalStore({ folder, connect: connections.connect });
    onTestFinished(() => store.close());
    await store.open();
    await store.initialize(BANK_ID);
    connections.to("journal.db").exec("PRAGMA max_page_count = 60");
    const chain = new Chain();

    const refused = await appendUntilRefused(store, chain, { count, frameBytes: 10_000 });
    expect(refused).toBeInstanceOf(AppendRefusedError);
    expect(String(refused)).toMatch(/full.*make room/);
    expect(chain.batches.length).toBeGreaterThan(5);
    expect(await readAll(store)).toEqual(chain.batches);

    // Still full: still refused, nothing half.
    const large = new Chain(chain.batches).next({ frameBytes: 100_000 });
    await expect(store.append([large], EPOCH)).rejects.toThrow(AppendRefusedError);
    expect(await readAll(store)).toEqual(chain.batches);

    connections.to("journal.db").exec("PRAGMA max_page_count = 1000000");
    await store.append(chain.growBy(count, { frameBytes: 10_000 }), EPOCH);
    await store.append([chain.grow({ frameBytes: 100_000 })], EPOCH);
    connections.cut();
    await store.close();

    const next = new SqliteJournalStore({ folder });
    onTestFinished(() => next.close());
    expect((await next.open()).head?.position).toBe(chain.end);
    expect(await readAll(next)).toEqual(chain.batches);
  },
);

/** Appends until the store refuses; leaves the chain at what was stored. Gives what it was refused with. */
async function appendUntilRefused(
  store: SqliteJournalStore,
  chain: Chain,
  { count, frameBytes }: { readonly count: number; readonly frameBytes: number },
): Promise<unknown> {
  for (let round = 0; round < 100; round++) {
    const ahead = new Chain(chain.batches);
    const fresh = ahead.growBy(count, { frameBytes });
    try {
      await store.append(fresh, EPOCH);
    } catch (error) {
      return error;
    }
    chain.batches.push(...fresh);
  }
  throw new Error("the store was never full");
}

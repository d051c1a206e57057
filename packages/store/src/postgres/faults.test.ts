import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { Chain } from "../conformance/chain.ts";
import { readAll } from "../conformance/fixture.ts";
import { describeWithPostgres } from "../conformance/with-postgres.ts";
import { AppendRefusedError, AppendUnknownError, JournalConflictError, StoreError } from "../errors.ts";
import type { StoreState } from "../port.ts";
import { sourceOf } from "../snapshot-source.ts";
import { CuttingProxy } from "./cutting-proxy.test-util.ts";
import { newPlace, plainClient } from "./places.test-util.ts";
import type { PostgresJournalStore } from "./postgres-store.ts";

const EPOCH = { epoch: 1 };

/** As a caller does: again and again, within bounds. */
async function recovered(store: PostgresJournalStore): Promise<StoreState> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await store.recover();
    } catch (error) {
      expect(error).toBeInstanceOf(StoreError);
      if (attempt === 200) throw error;
      await sleep(25);
    }
  }
}

describeWithPostgres("a store whose server or connection fails", (server) => {
  async function openThroughProxy() {
    const place = await newPlace(server());
    const proxy = await CuttingProxy.before(server().port);
    const store = await place.openBank({ url: server().url(place.schema, "", proxy.port) });
    return { ...place, proxy, store };
  }

  it.each([
    { cut: { sends: "INTO" }, stored: 0, what: "before the server got it" },
    { cut: { isAnsweredFor: "INTO" }, stored: 1, what: "in the reply to its commit" },
  ])("does not know of an append that was cut $what, and settles it", async ({ cut, stored }) => {
    const { store, proxy } = await openThroughProxy();
    const chain = new Chain();
    const batch = chain.grow();
    const isCut = proxy.cut(cut);
    await expect(store.append([batch], EPOCH)).rejects.toThrow(AppendUnknownError);
    await isCut;
    // Nothing more is written, and reads show what was acknowledged.
    await expect(store.append([batch], EPOCH)).rejects.toThrow(/in doubt: recover/);
    await expect(store.fence(2)).rejects.toThrow(AppendUnknownError);
    expect(await store.read(0)).toEqual([]);
    expect((await store.recover()).head?.position ?? 0).toBe(stored);
    if (stored === 1) {
      const other = new Chain().next({ variant: 1 });
      await expect(store.append([other], EPOCH)).rejects.toThrow(JournalConflictError);
    }
    await store.append([batch], EPOCH);
    await store.append([batch, chain.grow()], EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
    expect(store.lease?.lost.aborted).toBe(false);
  });

  it.each(["sends", "isAnsweredFor"])("recovers also where its recovery is cut (%s)", async (kind) => {
    const { store, proxy } = await openThroughProxy();
    const chain = new Chain();
    const cuts = ["INTO", "bank_replace", "bank_replace", "bank_state"] as const;
    for (const [i, text] of cuts.entries()) {
      const cut = kind === "sends" ? { sends: text } : { isAnsweredFor: text };
      const isCut = proxy.cut(cut);
      if (i === 0) await expect(store.append([chain.grow()], EPOCH)).rejects.toThrow(AppendUnknownError);
      else await expect(store.recover()).rejects.toThrow(StoreError);
      await isCut;
      await expect(store.append([], EPOCH)).rejects.toThrow(AppendUnknownError);
    }
    await store.recover();
    await store.append(chain.batches, EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
    await store.close();
    expect((await store.open()).closedCleanly).toBe(true);
  });

  it("goes on over a new connection where none of its writes was under way, and keeps its lease", async () => {
    const { store, proxy } = await openThroughProxy();
    const chain = new Chain();
    for (let i = 0; i < 3; i++) {
      proxy.cutAll();
      // It may not have been noticed yet; then it is in doubt.
      await store.append([chain.grow()], EPOCH).catch(async (error: unknown) => {
        expect(error).toBeInstanceOf(AppendUnknownError);
        await store.recover();
        await store.append(chain.batches, EPOCH);
      });
      await store.lease?.confirm().catch(() => store.lease?.confirm());
    }
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("refuses what it could not even send", async () => {
    const { store, proxy } = await openThroughProxy();
    const chain = new Chain();
    await store.append([chain.grow()], EPOCH);
    proxy.close();
    await expect.poll(() => store.append([chain.next()], EPOCH).catch((e: unknown) => e)).toBeInstanceOf(StoreError);
    const error: unknown = await store.append([chain.next()], EPOCH).catch((e: unknown) => e);
    const kinds = [AppendRefusedError, AppendUnknownError];
    expect(kinds.some((kind) => error instanceof kind)).toBe(true);
  });

  it("is not known to have saved a snapshot whose last step was cut, and saves it again", async () => {
    const { store, proxy } = await openThroughProxy();
    const chain = new Chain();
    await store.append([chain.grow()], EPOCH);
    const snapshot = { position: 1, header: Uint8Array.of(1), pages: [new Uint8Array(9_000).fill(7)] };
    for (const text of ["bank_pages", "bank_snapshot\0"]) {
      // Before its COMMIT nothing is in doubt.
      const isCut = proxy.cut({ isAnsweredFor: text });
      await expect(store.saveSnapshot(sourceOf(snapshot))).rejects.toThrow(AppendRefusedError);
      await isCut;
      expect(await store.snapshotPositions()).toEqual([]);
    }
    const isCut = proxy.cut({ isAnsweredFor: "bank_commit" });
    await expect(store.saveSnapshot(sourceOf(snapshot))).rejects.toThrow(AppendUnknownError);
    await isCut;
    await store.recover();
    await store.saveSnapshot(sourceOf(snapshot));
    expect(await store.loadSnapshot(1)).toEqual(snapshot);
  });

  it("survives that its server is killed and started again, between appends and during them", async () => {
    const place = await newPlace(server());
    const store = await place.openBank();
    const chain = new Chain();
    for (let round = 0; round < 2; round++) {
      await store.append([chain.grow()], EPOCH);
      const pending = chain.grow({ frameBytes: 200_000 });
      const appended = store.append([pending], EPOCH).then(
        () => "stored",
        (error: unknown) => error,
      );
      if (round > 0) await sleep(round);
      await server().kill();
      const outcome = await appended;
      if (outcome !== "stored") expect(outcome).toBeInstanceOf(AppendUnknownError);
      // While it is gone: in doubt or refused, and recovery says so too.
      await expect(store.append([pending], EPOCH)).rejects.toThrow(StoreError);
      await expect(store.recover()).rejects.toThrow(StoreError);
      await expect(store.lease?.confirm()).rejects.toThrow(StoreError);
      await server().start();
      const { head } = await recovered(store);
      expect([chain.end - 1, chain.end]).toContain(head?.position);
      if (outcome === "stored") expect(head?.position).toBe(chain.end);
      await store.append([pending], EPOCH);
      expect(await readAll(store)).toEqual(chain.batches);
    }
    expect(store.lease?.lost.aborted).toBe(false);
    await store.close();
    expect((await store.open()).closedCleanly).toBe(true);
  });

  it("goes on with a new lease when the server was gone for longer than the time to live", async () => {
    const place = await newPlace(server());
    const store = await place.openBank({ ttlMs: 400, beatMs: 80 });
    const chain = new Chain();
    await store.append([chain.grow()], EPOCH);
    const before = store.lease;
    await server().kill();
    await expect.poll(() => before?.lost.aborted).toBe(true);
    await expect(store.append([chain.next()], EPOCH)).rejects.toThrow(/lost its lease/);
    await server().start();
    await recovered(store);
    expect(store.lease).not.toBe(before);
    expect(store.lease?.lost.aborted).toBe(false);
    await store.append([chain.grow()], EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("waits no longer than its deadline for a server that stands still, and then does not know", async () => {
    const place = await newPlace(server());
    const store = await place.openBank({ deadlineMs: 300 });
    const chain = new Chain();
    server().pause();
    try {
      await expect(store.append([chain.grow()], EPOCH)).rejects.toThrow(/not known.*no answer within 300 ms/);
    } finally {
      server().goOn();
    }
    await recovered(store);
    await store.append(chain.batches, EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("does not know of an append whose server was told to shut down, or whose connection was ended", async () => {
    const place = await newPlace(server());
    const store = await place.openBank();
    const [client, watcher] = [await plainClient(server()), await plainClient(server())];
    const chain = new Chain();
    // Held up in the middle of its statement.
    await client.query(`BEGIN; UPDATE ${place.schema}.lease SET beat = beat`);
    const appended = store.append([chain.grow()], EPOCH).catch((error: unknown) => error);
    const ended = () =>
      watcher.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INTO%'`,
      );
    await expect.poll(async () => (await ended()).rowCount).toBe(1);
    expect(await appended).toBeInstanceOf(AppendUnknownError);
    await client.query("ROLLBACK");
    await store.recover();
    await store.append(chain.batches, EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
  });
});

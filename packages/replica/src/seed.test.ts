import { bytesEqual } from "@bank/core";
import { applyFrame, loadSnapshot, nextHash, type Snapshot, takeSnapshot } from "@bank/journal";
import { MemoryDisk, MemoryJournalStore, type StoredBatch } from "@bank/store";
import { ManualPlatform, rest, sha256, until } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { BackFill } from "./back-fill.ts";
import { book, openBank } from "./bank-replica.test-util.ts";
import type { FollowedBatch } from "./follower.ts";
import type { Platform } from "./platform.ts";
import { emptyReplay, recover } from "./recover.ts";
import { confirm, FalseSnapshotError, type SeedSource, type SnapshotPart, seed } from "./seed.ts";

const SIGNAL = new AbortController().signal;
const ALWAYS = { recordsMin: 1, recordsPerEntry: 0 };

/** What a bank has written: its batches, and the newest snapshot that its journal proves. */
async function writtenBank() {
  const opened = await openBank({ snapshotEveryRecords: 20 });
  await book(opened, 50);
  await rest();
  await book(opened, 3, 500);
  const { bank, disk } = opened;
  const root = bank.ledger.root;
  const snapshot = disk.snapshots.find(({ position }) => position === root?.position);
  if (root === undefined || snapshot === undefined) throw new Error("the bank has a proven snapshot");
  return { bankId: bank.bankId, batches: disk.batches, snapshot, root: root.root, digest: bank.ledger.digestBytes() };
}

type Written = Awaited<ReturnType<typeof writtenBank>>;

/** A server that has these batches, and gives this for its snapshot. */
function serving({ bankId, batches }: Written, snapshot: Pick<Snapshot, "header" | "pages">): SeedSource {
  return {
    async *fetchSnapshot(): AsyncGenerator<SnapshotPart> {
      yield { kind: "header", header: snapshot.header };
      for (const page of snapshot.pages) yield { kind: "page", page };
    },
    async *openJournal({ position, chainHash }): AsyncGenerator<FollowedBatch> {
      const committedPosition = batches.at(-1)?.lastPosition ?? 0;
      const news = { bankId, committedPosition, reportPosition: 0, echo: 0 };
      const before = batches.find(({ lastPosition }) => lastPosition === position);
      if (before === undefined || !bytesEqual(before.chainHash, chainHash)) throw new Error("diverged");
      for (const batch of batches) {
        const { lastPosition, frame } = batch;
        if (lastPosition > position) yield { ...news, received: { frame, chainHash: batch.chainHash }, lastPosition };
      }
    },
  };
}

async function emptyStore(): Promise<MemoryJournalStore> {
  const store = new MemoryJournalStore(new MemoryDisk());
  await store.open();
  return store;
}

function seedFrom(
  written: Written,
  store: MemoryJournalStore,
  snapshot: Pick<Snapshot, "header" | "pages">,
  costs = ALWAYS,
) {
  const target = written.batches.at(-1)?.lastPosition ?? 0;
  const from = { bankId: written.bankId, position: 0, target };
  return seed(store, serving(written, snapshot), from, { platform: new ManualPlatform(), costs, signal: SIGNAL });
}

function stateAt({ bankId, batches }: Written, position: number) {
  const replay = emptyReplay(bankId, new ManualPlatform());
  for (const batch of batches) {
    if (batch.lastPosition > position) break;
    applyFrame(replay, batch, sha256);
    replay.ledger.forgetUndo(replay.ledger.position);
  }
  return replay;
}

describe("a seed", () => {
  it("is stored once the journal behind it has named its root, and a restart goes on from it", async () => {
    const written = await writtenBank();
    const store = await emptyStore();
    const { position } = written.snapshot;
    expect(await seedFrom(written, store, written.snapshot)).toMatchObject({ position });
    expect(await store.gap()).toMatchObject({ after: 0, upTo: { position } });
    const tail = written.batches.filter(({ lastPosition }) => lastPosition > position);
    await store.append(tail, { epoch: 1 });
    const { replay, snapshotPosition } = await recover(store, written.bankId, new ManualPlatform(), "committed");
    expect(snapshotPosition).toBe(position);
    expect(replay.ledger.digestBytes()).toEqual(written.digest);
    // A bank needs all of it.
    await expect(recover(store, written.bankId, new ManualPlatform())).rejects.toThrow(
      /a bank needs the whole journal/,
    );
  });

  it("is not fetched where it saves too few records, or too few for its size", async () => {
    const written = await writtenBank();
    const store = await emptyStore();
    for (const costs of [
      { recordsMin: 1_000, recordsPerEntry: 0 },
      { recordsMin: 1, recordsPerEntry: 0.5 },
    ])
      expect(await seedFrom(written, store, written.snapshot, costs)).toBeUndefined();
    expect(await store.snapshotPositions()).toEqual([]);
  });

  it("of a state that the journal does not lead to is not believed", async () => {
    const written = await writtenBank();
    const { bankId, snapshot } = written;
    const forged = loadSnapshot(snapshot, { bankId, sha256, hashSeed: 1 });
    forged.ledger.nextAccountNumber++;
    const { position } = snapshot;
    // Each proves itself. Only the journal tells that the first is of another state, and it is silent of the second.
    const behind = written.batches.find(({ lastPosition }) => lastPosition > position + 1)?.lastPosition ?? 0;
    const unproven = takeSnapshot(stateAt(written, behind), sha256);
    const longer = { header: snapshot.header, pages: [...snapshot.pages, snapshot.pages.at(-1) as Uint8Array] };
    const shorter = { header: snapshot.header, pages: snapshot.pages.slice(0, -1) };
    for (const [offered, problem] of [
      [takeSnapshot(forged, sha256), /digest/],
      [unproven, FalseSnapshotError],
      [longer, /too many pages/],
      [shorter, /pages/],
    ] as const) {
      const store = await emptyStore();
      await expect(seedFrom(written, store, offered)).rejects.toThrow(problem);
      expect(await store.gap()).toBeUndefined();
      expect(await store.snapshotPositions()).toEqual([]);
      expect((await store.recover()).head).toBeUndefined();
    }
  });
});

it("a state that leads to every digest of the journal is not believed either where the journal names another root", async () => {
  const written = await writtenBank();
  const { position } = written.snapshot;
  const from = { target: written.batches.at(-1)?.lastPosition ?? 0 };
  const confirming = (root: Uint8Array) =>
    confirm(stateAt(written, position), root, serving(written, written.snapshot), from, {
      platform: new ManualPlatform(),
      signal: SIGNAL,
    });
  await confirming(written.root);
  const other = written.root.map((byte) => byte ^ 1);
  await expect(confirming(other)).rejects.toThrow(FalseSnapshotError);
  await expect(confirming(other)).rejects.toThrow(`the journal says that the state at position ${position} has root`);
});

describe("what lies before a seed", () => {
  async function filling(written: Written, batches: readonly StoredBatch[]) {
    const store = await emptyStore();
    await seedFrom(written, store, written.snapshot);
    const platform: Platform = Object.assign(new ManualPlatform(), { delay: () => rest(1) });
    const falsehoods: unknown[] = [];
    const asked: number[] = [];
    const gap = await store.gap();
    const backFill = new BackFill(
      {
        store,
        bankId: written.bankId,
        platform,
        async *fetch(after, last) {
          asked.push(after);
          let given = 0;
          for (const { frame, chainHash, lastPosition } of batches) {
            if (lastPosition <= after || lastPosition > last) continue;
            // It breaks off again and again.
            if (++given > 7) throw new Error("broken off");
            yield { frame, chainHash };
          }
        },
        onFalse: (error) => falsehoods.push(error),
      },
      gap,
    );
    backFill.start();
    return { store, backFill, falsehoods, asked };
  }

  it("is fetched however often that breaks off, and shown when it is whole", async () => {
    const written = await writtenBank();
    const { store, backFill, falsehoods } = await filling(written, written.batches);
    const whole = backFill.whenWhole(SIGNAL);
    await until(() => backFill.gap === undefined || falsehoods.length > 0);
    await whole;
    const { position } = written.snapshot;
    const past = written.batches.filter(({ lastPosition }) => lastPosition <= position);
    expect(await store.read(0, { maxBatches: 10_000 })).toEqual(past);
    expect(falsehoods).toEqual([]);
    await backFill.close();
  });

  it("is evidence of a falsehood where it leads elsewhere, and is never shown", async () => {
    const written = await writtenBank();
    const { position } = written.snapshot;
    // The last batch before the seed is another one, rightly chained to those before it.
    const at = written.batches.findIndex(({ lastPosition }) => lastPosition === position);
    const last = written.batches[at] as StoredBatch;
    const frame = new Uint8Array(last.frame);
    frame[frame.length - 1] = (frame.at(-1) ?? 0) ^ 1;
    const other = { ...last, frame, chainHash: nextHash(sha256, last.previousHash, frame) };
    const { store, backFill, falsehoods } = await filling(written, written.batches.with(at, other));
    await until(() => falsehoods.length > 0);
    expect(String(falsehoods[0])).toMatch(/does not lead from what is before the gap/);
    await expect(store.read(0)).rejects.toThrow(/is not here yet/);
    await backFill.close();
  });
});

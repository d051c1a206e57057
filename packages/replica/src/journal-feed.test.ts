import { toHex } from "@bank/core";
import { MemoryJournalStore, type StoredBatch } from "@bank/store";
import { HeldStore, rest, sha256, until, watch } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { JournalFeed } from "./journal-feed.ts";
import { PositionWatch } from "./position-watch.ts";

/** A journal that a test writes, batch by batch. */
class Journal {
  readonly store = new HeldStore(new MemoryJournalStore());
  readonly shown = new PositionWatch(0);
  readonly feed = new JournalFeed(this.store, this.shown);
  readonly batches: StoredBatch[] = [];
  private hash: Uint8Array = new Uint8Array(32);

  static async open(): Promise<Journal> {
    const journal = new Journal();
    await journal.store.open();
    await journal.store.initialize(new Uint8Array(16).fill(1));
    return journal;
  }

  /** Stores a batch; shows and feeds it unless told otherwise. */
  async write(records: number, options: { readonly frameBytes?: number; readonly shows?: boolean } = {}) {
    const { frameBytes = 10, shows = true } = options;
    const firstPosition = (this.batches.at(-1)?.lastPosition ?? 0) + 1;
    const frame = new Uint8Array(frameBytes).fill(firstPosition & 0xff);
    const previousHash = this.hash;
    this.hash = sha256(previousHash, frame);
    const batch = {
      firstPosition,
      lastPosition: firstPosition + records - 1,
      frame,
      previousHash,
      chainHash: this.hash,
    };
    this.batches.push(batch);
    await this.store.append([batch], { epoch: 1 });
    if (!shows) return;
    this.feed.push(batch);
    this.shown.advance(batch.lastPosition);
  }

  /** Follows from behind a position and keeps what comes. */
  follow(
    after: number,
    signal = new AbortController().signal,
  ): { readonly got: StoredBatch[]; readonly end: Promise<void> } {
    const got: StoredBatch[] = [];
    const end = (async () => {
      for await (const batch of this.feed.follow(after, signal)) got.push(batch);
    })();
    end.catch(() => undefined);
    return { got, end };
  }
}

/** Megabytes are compared by their hashes. */
const brief = (batches: readonly StoredBatch[]) =>
  batches.map(({ firstPosition, lastPosition, frame, chainHash }) => [
    firstPosition,
    lastPosition,
    frame.length,
    toHex(chainHash),
  ]);

describe("a follower", () => {
  it("gets every batch behind its position from the store, then each new one from memory", async () => {
    const journal = await Journal.open();
    for (const records of [1, 3, 2]) await journal.write(records, { shows: false });
    journal.shown.advance(6);
    const all = journal.follow(0);
    const some = journal.follow(4);
    await rest();
    expect(brief(all.got)).toEqual(brief(journal.batches));
    expect(brief(some.got)).toEqual(brief(journal.batches.slice(2)));
    const reads = journal.store.calls.read;
    for (let i = 0; i < 10; i++) {
      await journal.write(1 + (i % 3));
      await rest(1);
    }
    await rest();
    expect(brief(all.got)).toEqual(brief(journal.batches));
    expect(brief(some.got)).toEqual(brief(journal.batches.slice(2)));
    expect(journal.store.calls.read).toBe(reads);
  });

  it("that begins at the end, or inside what memory holds, costs no read", async () => {
    const journal = await Journal.open();
    for (let i = 0; i < 5; i++) await journal.write(2);
    const followers = [10, 8, 2].map((after) => journal.follow(after));
    await rest();
    await journal.write(2);
    await rest();
    expect(followers.map(({ got }) => got.map(({ lastPosition }) => lastPosition))).toEqual([
      [12],
      [10, 12],
      [4, 6, 8, 10, 12],
    ]);
    expect(journal.store.calls.read).toBe(0);
  });

  it("never sees what is stored and not committed", async () => {
    const journal = await Journal.open();
    await journal.write(2);
    await journal.write(2, { shows: false });
    const { got } = journal.follow(0);
    const behind = journal.follow(2);
    await rest();
    expect(got.map(({ lastPosition }) => lastPosition)).toEqual([2]);
    expect(behind.got).toEqual([]);
    journal.shown.advance(4);
    await rest();
    expect(got.map(({ lastPosition }) => lastPosition)).toEqual([2, 4]);
    expect(behind.got.map(({ lastPosition }) => lastPosition)).toEqual([4]);
  });

  it("never sees it either where it comes from the store together with what is shown", async () => {
    const journal = await Journal.open();
    for (let i = 0; i < 3; i++) await journal.write(2, { shows: false });
    journal.shown.advance(4);
    const { got } = journal.follow(0);
    await rest();
    expect(got.map(({ lastPosition }) => lastPosition)).toEqual([2, 4]);
  });

  it("that is slow misses nothing, holds up nobody, and reads from the store what memory let go", async () => {
    const journal = await Journal.open();
    await journal.write(1);
    const fast = journal.follow(0);
    const slow = journal.feed.follow(0, new AbortController().signal);
    const got = [(await slow.next()).value as StoredBatch];
    for (let i = 0; i < 30; i++) {
      await journal.write(1 + (i % 4), { frameBytes: 1_000_000 });
      await rest(1);
    }
    await rest();
    expect(brief(fast.got)).toEqual(brief(journal.batches));
    const reads = journal.store.calls.read;
    while (got.length < journal.batches.length) got.push((await slow.next()).value as StoredBatch);
    expect(brief(got)).toEqual(brief(journal.batches));
    expect(journal.store.calls.read).toBeGreaterThan(reads);
    await slow.return();
  });

  it("that comes late to a long journal gets all of it, though memory holds only its end", async () => {
    const journal = await Journal.open();
    for (let i = 0; i < 15; i++) await journal.write(2, { frameBytes: 1_000_000 });
    const { got } = journal.follow(0);
    await until(() => got.length === 15);
    expect(brief(got)).toEqual(brief(journal.batches));
  });

  it("leaves when its signal aborts, wherever it is", async () => {
    const journal = await Journal.open();
    await journal.write(1);
    const leave = new AbortController();
    const followers = [0, 1].map((after) => journal.follow(after, leave.signal));
    await rest();
    expect(journal.feed.followers).toBe(2);
    leave.abort(new Error("leaving"));
    for (const { end } of followers) await expect(end).rejects.toThrow("leaving");
    expect(journal.feed.followers).toBe(0);
    const never = journal.follow(0, leave.signal);
    await never.end;
    expect(never.got).toEqual([]);
  });

  it("that stops listening is counted no more", async () => {
    const journal = await Journal.open();
    await journal.write(1);
    for await (const _ of journal.feed.follow(0, new AbortController().signal)) {
      expect(journal.feed.followers).toBe(1);
      break;
    }
    expect(journal.feed.followers).toBe(0);
  });

  it("learns that the store lost what was shown, in place of asking for it for ever", async () => {
    const journal = await Journal.open();
    await journal.write(2, { shows: false });
    journal.shown.advance(4);
    await expect(journal.follow(0).end).rejects.toThrow("what is shown behind position 2 is in the store");
  });

  it("learns that the journal cannot be read", async () => {
    const journal = await Journal.open();
    await journal.write(1, { shows: false });
    journal.shown.advance(1);
    journal.store.before.read = async () => {
      throw new Error("the disk does not answer");
    };
    await expect(journal.follow(0).end).rejects.toThrow("the disk does not answer");
    expect(journal.feed.followers).toBe(0);
  });
});

describe("the check of a follower's journal", () => {
  async function someJournal() {
    const journal = await Journal.open();
    for (const records of [2, 3, 1]) await journal.write(records);
    await journal.write(1, { shows: false });
    return journal;
  }

  it("accepts every prefix, the empty one too", async () => {
    const journal = await someJournal();
    await journal.feed.checkPrefix({ position: 0, chainHash: new Uint8Array(0) });
    for (const { lastPosition: position, chainHash } of journal.batches.slice(0, 3))
      await journal.feed.checkPrefix({ position, chainHash });
  });

  it.each([
    ["one that is ahead", 8, 3, /has position 8, and this one ends at 6/],
    ["one that is ahead, by what is stored here and not committed", 7, 3, /has position 7, and this one ends at 6/],
    ["one that differs", 5, 0, /at position 5 it has chain hash [0-9a-f]{64}, and this one another/],
    ["one that ends where no batch does", 4, 1, /at position 4/],
  ])("refuses %s", async (_, position, hashOf, message) => {
    const journal = await someJournal();
    const { chainHash } = journal.batches[hashOf]!;
    const check = watch(journal.feed.checkPrefix({ position, chainHash }));
    await until(() => check.state === "rejected");
    expect(check.reason).toMatchObject({ refusal: { reason: "JOURNAL_DIVERGED" } });
    expect(String(check.reason)).toMatch(message);
  });
});

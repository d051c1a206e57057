import { RefusalError, toHex } from "@bank/core";
import { MemoryJournalStore, type StoredBatch } from "@bank/store";
import { HeldStore, rest, sha256, until, watch } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { type FeedMessage, JournalFeed } from "./journal-feed.ts";

/** Less than is usual: so much has to be written before anything comes from the store. */
const TAIL_BYTES_MAX = 8 * 1024 * 1024;

/** A journal that a test writes, batch by batch. */
class Journal {
  readonly store = new HeldStore(new MemoryJournalStore());
  feed = new JournalFeed({
    store: this.store,
    sha256,
    appendedPosition: 0,
    committedPosition: 0,
    tailBytesMax: TAIL_BYTES_MAX,
  });
  readonly batches: StoredBatch[] = [];
  private hash: Uint8Array = new Uint8Array(32);

  static async open(): Promise<Journal> {
    const journal = new Journal();
    await journal.store.open();
    await journal.store.initialize(new Uint8Array(16).fill(1));
    return journal;
  }

  /** Stores a batch; hands it on and commits it unless told otherwise. */
  async write(
    records: number,
    options: { readonly frameBytes?: number; readonly hands?: boolean; readonly commits?: boolean } = {},
  ) {
    const { frameBytes = 10, hands = true, commits = hands } = options;
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
    if (hands) this.feed.push(batch);
    if (commits) this.feed.commit(batch.lastPosition);
  }

  /** As after a start: what is in the store is handed on, and is committed up to a position. */
  reopen(appendedPosition: number, committedPosition = appendedPosition): void {
    this.feed = new JournalFeed({ store: this.store, sha256, appendedPosition, committedPosition });
  }

  /** Listens from behind a position and keeps every message. */
  listen(
    after: number,
    signal = new AbortController().signal,
  ): { readonly got: FeedMessage[]; readonly end: Promise<void> } {
    const got: FeedMessage[] = [];
    const end = (async () => {
      for await (const message of this.feed.messages(after, signal)) got.push(message);
    })();
    end.catch(() => undefined);
    return { got, end };
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
    for (const records of [1, 3, 2]) await journal.write(records);
    journal.reopen(6);
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
    await journal.write(2, { commits: false });
    const { got } = journal.follow(0);
    const behind = journal.follow(2);
    await rest();
    expect(got.map(({ lastPosition }) => lastPosition)).toEqual([2]);
    expect(behind.got).toEqual([]);
    journal.feed.commit(4);
    await rest();
    expect(got.map(({ lastPosition }) => lastPosition)).toEqual([2, 4]);
    expect(behind.got.map(({ lastPosition }) => lastPosition)).toEqual([4]);
  });

  it("never sees it either where it comes from the store together with what is committed", async () => {
    const journal = await Journal.open();
    for (let i = 0; i < 3; i++) await journal.write(2);
    journal.reopen(6, 4);
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
    const followers = [0, 1].map((after) => journal.listen(after, leave.signal));
    const reader = journal.follow(0, leave.signal);
    await rest();
    expect(journal.feed.followers).toBe(2);
    leave.abort(new Error("leaving"));
    for (const { end } of [...followers, reader]) await expect(end).rejects.toThrow("leaving");
    expect(journal.feed.followers).toBe(0);
    const never = journal.follow(0, leave.signal);
    await expect(never.end).rejects.toThrow("leaving");
    expect(never.got).toEqual([]);
  });

  it("that stops listening is counted no more", async () => {
    const journal = await Journal.open();
    await journal.write(1);
    for await (const _ of journal.feed.messages(0, new AbortController().signal)) {
      expect(journal.feed.followers).toBe(1);
      break;
    }
    expect(journal.feed.followers).toBe(0);
  });

  it("learns that the store lost what was there, in place of asking for it for ever", async () => {
    const journal = await Journal.open();
    await journal.write(2);
    journal.reopen(4);
    const { got, end } = journal.follow(0);
    await expect(end).rejects.toThrow("what is handed on behind position 2 is in the store");
    await expect(journal.listen(0).end).rejects.toThrow("what is handed on behind position 2 is in the store");
    expect(got).toHaveLength(1);
  });

  it("learns that the journal cannot be read", async () => {
    const journal = await Journal.open();
    await journal.write(1);
    journal.reopen(1);
    journal.store.before.read = async () => {
      throw new Error("the disk does not answer");
    };
    await expect(journal.follow(0).end).rejects.toThrow("the disk does not answer");
    await expect(journal.listen(0).end).rejects.toThrow("the disk does not answer");
    expect(journal.feed.followers).toBe(0);
  });
});

/** The last position of its batch, and what it is told. */
const briefly = ({ batch, committedPosition, reportPosition, echo }: FeedMessage) => [
  batch?.lastPosition,
  committedPosition,
  reportPosition,
  echo,
];

describe("the messages to a follower", () => {
  it("tell first how things stand; then each batch has the news, and nothing comes besides", async () => {
    const journal = await Journal.open();
    await journal.write(2);
    const { got } = journal.listen(0);
    await rest();
    for (let i = 0; i < 3; i++) {
      await journal.write(1);
      await rest();
    }
    expect(got.map(briefly)).toEqual([
      [undefined, 2, 0, 0],
      [2, 2, 0, 0],
      [3, 3, 0, 0],
      [4, 4, 0, 0],
      [5, 5, 0, 0],
    ]);
  });

  it("bring what is not committed yet, and say later that it is, once for all that was", async () => {
    const journal = await Journal.open();
    await journal.write(1);
    const { got } = journal.listen(1);
    await rest();
    for (let i = 0; i < 3; i++) await journal.write(2, { commits: false });
    await rest();
    journal.feed.commit(3);
    journal.feed.commit(5);
    await rest();
    // What is committed beyond what it has comes with what it lacks.
    journal.feed.commit(9);
    await rest();
    expect(got.map(briefly)).toEqual([
      [undefined, 1, 0, 0],
      [3, 1, 0, 0],
      [5, 1, 0, 0],
      [7, 1, 0, 0],
      [undefined, 5, 0, 0],
      [undefined, 9, 0, 0],
    ]);
    await journal.write(2);
    await rest();
    expect(briefly(got.at(-1)!)).toEqual([9, 9, 0, 0]);
    expect(got).toHaveLength(7);
  });

  it("ask for reports and echoes, the newest of what gathered, and not again when nobody waits any more", async () => {
    const journal = await Journal.open();
    await journal.write(5);
    const { got } = journal.listen(5);
    await rest();
    for (const echo of [1, 2, 3]) journal.feed.ask({ echo });
    journal.feed.ask({ reportPosition: 4 });
    await rest();
    journal.feed.ask({ reportPosition: 0 });
    await rest();
    journal.feed.ask({ reportPosition: 5 });
    await rest();
    await journal.write(1);
    await rest();
    const late = journal.listen(6);
    await rest();
    expect(got.map(briefly)).toEqual([
      [undefined, 5, 0, 0],
      [undefined, 5, 4, 3],
      [undefined, 5, 5, 3],
      [6, 6, 5, 3],
    ]);
    expect(late.got.map(briefly)).toEqual([[undefined, 6, 5, 3]]);
  });

  it("bring an echo by itself only to those who want it", async () => {
    const journal = await Journal.open();
    const got: FeedMessage[] = [];
    const over = new AbortController();
    const end = (async () => {
      for await (const message of journal.feed.messages(0, over.signal, () => false)) got.push(message);
    })();
    await rest();
    journal.feed.ask({ echo: 1 });
    await rest();
    await journal.write(1);
    await rest();
    over.abort(new Error("heard enough"));
    await expect(end).rejects.toThrow("heard enough");
    expect(got.map(briefly)).toEqual([
      [undefined, 0, 0, 0],
      [1, 1, 0, 1],
    ]);
  });

  it("wait for one that does not read, with little in memory, while others get theirs", async () => {
    const journal = await Journal.open();
    await journal.write(1);
    const stalled = journal.feed.messages(0, new AbortController().signal);
    expect((await stalled.next()).value?.batch).toBeUndefined();
    expect((await stalled.next()).value?.batch?.lastPosition).toBe(1);
    const fast = journal.listen(0);
    for (let i = 0; i < 40; i++) {
      await journal.write(1, { frameBytes: 500_000 });
      await rest(1);
      // At the same pace as it is written: nobody waits for the one that stands still.
      expect(fast.got.at(-1)?.batch?.lastPosition).toBe(i + 2);
    }
    const got: number[] = [];
    while (got.at(-1) !== 41) got.push((await stalled.next()).value?.batch?.lastPosition ?? 0);
    expect(got).toEqual(Array.from({ length: 40 }, (_, i) => i + 2));
    // What it had not read was not kept for it: it came from the store, a little at a time.
    expect(journal.store.calls.read).toBeGreaterThan(10);
    await stalled.return();
  });

  it("end when the feed does, with its reason, for whoever listens or comes later", async () => {
    const journal = await Journal.open();
    await journal.write(1);
    const { end } = journal.listen(0);
    await rest();
    journal.feed.end(new RefusalError("NOT_READY", { problem: "it is over" }));
    await expect(end).rejects.toThrow("it is over");
    await expect(journal.listen(0).end).rejects.toThrow("it is over");
  });
});

describe("the check of a follower's journal", () => {
  async function someJournal() {
    const journal = await Journal.open();
    for (const records of [2, 3, 1]) await journal.write(records);
    await journal.write(1, { commits: false });
    return journal;
  }

  it("accepts every prefix, the empty one too", async () => {
    const journal = await someJournal();
    await journal.feed.checkPrefix({ position: 0, chainHash: new Uint8Array(0) });
    for (const { lastPosition: position, chainHash } of journal.batches)
      await journal.feed.checkPrefix({ position, chainHash });
  });

  it.each([
    ["one that is ahead", 8, 3, /has position 8, and this one ends at 7/],
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

import type { CheckedPage } from "@bank/journal";
import { MemoryJournalStore } from "@bank/store";
import { ReadAheadError } from "@bank/store/errors";
import { ManualPlatform, sha256 } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { book, openBank } from "./bank-replica.test-util.ts";
import { recover } from "./recover.ts";
import { digestOf } from "./sequencer.test-util.ts";

type Change = (pages: CheckedPage[]) => AsyncIterable<CheckedPage>;

/** A store whose pages come as from a thread, with something done to them. */
class AheadStore extends MemoryJournalStore {
  change: Change = inOrder;

  async *checkedPages(position: number, pageCount: number): AsyncGenerator<CheckedPage> {
    const pages: CheckedPage[] = [];
    for (let pageNumber = 0; pageNumber < pageCount; pageNumber++) {
      const page = (await this.snapshotPage(position, pageNumber)) as Uint8Array;
      pages.push({ page, hash: sha256(page), terms: undefined });
    }
    yield* this.change(pages);
  }
}

async function* inOrder(pages: CheckedPage[]): AsyncGenerator<CheckedPage> {
  yield* pages;
}

function changed(act: (pages: CheckedPage[]) => void): Change {
  return (pages) => {
    act(pages);
    return inOrder(pages);
  };
}

/** The last page, which is of requests, with one bit of a request's id flipped. */
function flipped({ page }: CheckedPage): Uint8Array {
  const bytes = page.slice();
  bytes[20] = (bytes[20] as number) ^ 1;
  return bytes;
}

/** Recovers a bank that was stopped, with all its snapshots read ahead. */
async function recovered(change: Change) {
  const { bank, disk } = await openBank();
  await book({ bank, disk } as Awaited<ReturnType<typeof openBank>>, 5);
  const digest = digestOf(bank.ledger);
  const position = bank.committedPosition;
  await bank.close();
  const store = new AheadStore(disk);
  await store.open();
  store.change = change;
  const platform = new ManualPlatform({ seed: 2 });
  const found = await recover(store, bank.bankId, platform, "end", 1);
  expect(digestOf(found.replay.ledger)).toBe(digest);
  expect(found.replay.ledger.requests.count).toBeGreaterThan(0);
  await store.close();
  return { position, snapshotPosition: found.snapshotPosition, log: JSON.stringify(platform.log) };
}

describe("a snapshot that is read ahead", () => {
  it("is begun from", async () => {
    const { position, snapshotPosition, log } = await recovered(inOrder);
    expect(snapshotPosition).toBe(position);
    expect(log).not.toContain("snapshot");
  });

  it("is loaded without the thread where that fails, at once or in the middle", async () => {
    for (const pagesBefore of [0, 2]) {
      const { position, snapshotPosition, log } = await recovered(async function* (pages) {
        yield* pages.slice(0, pagesBefore);
        throw new ReadAheadError("it broke");
      });
      expect(snapshotPosition).toBe(position);
      expect(log).toContain("without reading ahead");
      expect(log).toContain("it broke");
    }
  });

  const last = (pages: CheckedPage[]) => pages.at(-1) as CheckedPage;
  it.each<[string, (pages: CheckedPage[]) => void]>([
    [
      "has a page that changed",
      (pages) => {
        const page = flipped(last(pages));
        pages.push({ page, hash: sha256(page), terms: (pages.pop() as CheckedPage).terms });
      },
    ],
    [
      "has a page that changed behind its hash",
      (pages) => {
        const page = flipped(last(pages));
        pages.push({ ...(pages.pop() as CheckedPage), page });
      },
    ],
    [
      "has other requests in the digest than in its pages",
      (pages) => pages.push({ ...(pages.pop() as CheckedPage), terms: { a: 1, b: 2, c: 3, d: 4 } }),
    ],
    ["lacks a page", (pages) => void pages.pop()],
    ["has a page too many", (pages) => void pages.push(last(pages))],
    ["has pages in another order", (pages) => void pages.reverse()],
    [
      "has a page that is cut",
      (pages) => {
        const page = last(pages).page.slice(0, -1);
        pages.push({ ...(pages.pop() as CheckedPage), page, hash: sha256(page) });
      },
    ],
  ])("is passed over, loudly, where it %s", async (_, act) => {
    const { snapshotPosition, log } = await recovered(changed(act));
    expect(snapshotPosition).toBe(0);
    expect(log).toContain("snapshot cannot be used");
  });
});

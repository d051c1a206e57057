import { createHash } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { CheckedPage } from "@bank/journal";
import { RequestsScratch, termsOfPage } from "@bank/journal/requests-page";
import { expect, it, onTestFinished } from "vitest";
import { BANK_ID, Chain } from "../conformance/chain.ts";
import { CorruptStoreError, ReadAheadError } from "../errors.ts";
import type { SharedPage } from "../port.ts";
import { checkedPages } from "./page-thread.ts";
import { temporaryFolder } from "./places.test-util.ts";
import { SqliteJournalStore } from "./sqlite-store.ts";

/** More than are read before the first of them is used. */
const PAGES = 150;

const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash("sha256").update(bytes).digest());

/** A page of one remembered request: a principal, a position and a hash. */
function requestsPage(request: number): Uint8Array {
  const column = (field: number, bytes: number) => [(field << 3) | 2, bytes, ...new Array(bytes).fill(request)];
  const columns = [...column(1, 16), ...column(2, 4), ...column(3, 8), ...column(4, 8)];
  return Uint8Array.of(0x1a, columns.length, ...columns);
}

/** A store with a snapshot of pages of all sorts: of its own, shared, of requests and not. */
async function openPlace() {
  const folder = temporaryFolder();
  const store = new SqliteJournalStore({ folder });
  onTestFinished(() => store.close());
  await store.open();
  await store.initialize(BANK_ID);
  await store.append(new Chain().growBy(1), { epoch: 1 });
  const pages = Array.from({ length: PAGES }, (_, i) => (i % 2 === 0 ? requestsPage(i) : new Uint8Array(200).fill(i)));
  const source = async function* (): AsyncGenerator<Uint8Array | SharedPage> {
    for (const [i, page] of pages.entries())
      yield i % 3 === 0 ? page : { hash: sha256(page), isProven: false, bytes: () => page };
  };
  await store.saveSnapshot({ position: 1, pages: source(), header: () => Uint8Array.of(1) });
  return { folder, store, pages };
}

async function read(pages: AsyncIterable<CheckedPage>): Promise<CheckedPage[]> {
  const all: CheckedPage[] = [];
  // Their memory is given back behind each.
  for await (const { page, hash, terms } of pages) all.push({ page: page.slice(), hash, terms });
  return all;
}

it("gives the pages of a snapshot in their order, with their hashes, and what requests are in the digest", async () => {
  const { store, pages } = await openPlace();
  const all = await read(store.checkedPages(1, PAGES));
  expect(all.map(({ page }) => page)).toEqual(pages);
  expect(all.map(({ hash }) => hash)).toEqual(pages.map(sha256));
  const scratch = new RequestsScratch();
  const expected = pages.map((page) => termsOfPage(page, scratch));
  expect(expected.filter((terms) => terms !== undefined)).toHaveLength(PAGES / 2);
  // Where the main thread waits, it works them out itself.
  for (const [i, { terms }] of all.entries()) if (terms !== undefined) expect(terms).toEqual(expected[i]);
});

it("tells of a page that is not there, behind those before it", async () => {
  const { folder, store, pages } = await openPlace();
  const database = new DatabaseSync(join(folder, "journal.db"));
  database.exec("DELETE FROM snapshot_pages WHERE page_number = 99");
  database.close();
  let count = 0;
  const reading = (async () => {
    for await (const { page } of store.checkedPages(1, PAGES)) expect(page).toEqual(pages[count++]);
  })();
  await expect(reading).rejects.toThrow(CorruptStoreError);
  expect(count).toBe(96);
  // One that is shared.
  await expect(read(store.checkedPages(1, PAGES + 1))).rejects.toThrow(CorruptStoreError);
});

it("tells when its thread cannot read at all", async () => {
  const path = join(temporaryFolder(), "none.db");
  await expect(read(checkedPages({ path, position: 1, pageCount: 1 }))).rejects.toThrow(ReadAheadError);
});

it("ends its thread where nobody wants more, and the file can be closed and opened again", async () => {
  const { store } = await openPlace();
  for await (const { page } of store.checkedPages(1, PAGES)) {
    expect(page.length).toBeGreaterThan(0);
    break;
  }
  await store.close();
  expect((await store.open()).closedCleanly).toBe(true);
  expect(await read(store.checkedPages(1, PAGES))).toHaveLength(PAGES);
});

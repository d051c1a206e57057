import type { DatabaseSync, StatementSync } from "node:sqlite";
import { HASH_BYTES } from "../arguments.ts";
import { equalBytes } from "../bytes.ts";
import { CorruptStoreError } from "../errors.ts";
import type { KeptPage } from "../pending-pages.ts";
import type { SharedPage } from "../port.ts";
import { bytes, integer } from "./columns.ts";

/** Of some 150 KB each: few enough to be dropped in a moment. */
const PAGES_DROPPED_AT_ONCE = 8;
/** Looked through at once for pages that are in no snapshot. */
const PAGES_SWEPT_AT_ONCE = 512;

/**
 * An earlier release does not know these tables. It finds that a snapshot lacks pages, says so, and replays the journal
 * instead; what it writes itself is whole without them, and stands before what is here.
 */
const TABLES = `
  CREATE TABLE shared_pages (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    page BLOB NOT NULL
  ) STRICT;
  CREATE TABLE shared_lists (
    position INTEGER PRIMARY KEY,
    pages BLOB NOT NULL
  ) STRICT;
`;

/** Which page of a snapshot is shared: the number of the page, and its hash. */
export interface ListedPage {
  readonly pageNumber: number;
  readonly hash: Uint8Array;
}

/** In a list: four bytes of the page's number, little-endian, and its hash. */
const LISTED_BYTES = 4 + HASH_BYTES;

/** How far the search for pages that are in no snapshot has come. */
export interface Sweep {
  readonly listed: ReadonlySet<string>;
  after: Uint8Array;
}

/**
 * Pages that many snapshots have, each kept once, and for each snapshot the list of those that it has. The tables are made
 * when the first such page comes.
 */
export class SharedPagesTable {
  readonly #database: DatabaseSync;
  #statements: Statements | undefined;
  /** Pages that are in a snapshot for certain, as far as was looked. */
  #listed: ReadonlySet<string> = new Set();
  #newestList: { readonly position: number; readonly hashes: ReadonlyMap<number, Uint8Array> } | undefined;

  constructor(database: DatabaseSync) {
    this.#database = database;
    const found = database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'shared_lists'").get();
    if (found !== undefined) this.#statements = new Statements(database);
  }

  /** Whether the tables are there. */
  get exists(): boolean {
    return this.#statements !== undefined;
  }

  /** Makes the tables, inside the caller's transaction; `created` is to be called behind it. */
  create(): void {
    this.#database.exec(TABLES);
  }

  created(): void {
    this.#statements = new Statements(this.#database);
  }

  /** Whether the page is there, and is what it should be as far as anybody cannot know. */
  has(page: SharedPage): boolean {
    if (page.isProven && this.#listed.has(key(page.hash))) return true;
    if (page.isProven) return this.#statements?.find.get(page.hash) !== undefined;
    const stored = this.#page(page.hash);
    return stored !== undefined && equalBytes(stored, page.bytes());
  }

  /** In place of one that is there under this hash and is another. */
  save({ hash, page }: KeptPage): void {
    this.#statements?.save.run(hash, page);
  }

  /** In place of the list of a snapshot of this position that was given up. Inside the caller's transaction. */
  saveList(position: number, listed: readonly ListedPage[]): void {
    const list = new Uint8Array(listed.length * LISTED_BYTES);
    const view = new DataView(list.buffer);
    for (const [i, { pageNumber, hash }] of listed.entries()) {
      view.setUint32(i * LISTED_BYTES, pageNumber, true);
      list.set(hash, i * LISTED_BYTES + 4);
    }
    this.#newestList = undefined;
    this.#statements?.saveList.run(position, list);
  }

  /** Forgets the lists of snapshots that are gone. */
  forgetLists(): void {
    this.#statements?.forgetLists.run();
  }

  /** The shared pages of a snapshot by their numbers, ascending, each read when it is asked for. */
  *pages(position: number): Generator<{ readonly pageNumber: number; readonly page: Uint8Array | undefined }> {
    for (const { pageNumber, hash } of this.#list(position)) yield { pageNumber, page: this.#page(hash) };
  }

  /** Pages are mostly asked for in a row: the list of the last snapshot is kept. */
  page(position: number, pageNumber: number): Uint8Array | undefined {
    if (this.#newestList?.position !== position) {
      const hashes = new Map(this.#list(position).map(({ pageNumber, hash }) => [pageNumber, hash]));
      this.#newestList = { position, hashes };
    }
    const hash = this.#newestList.hashes.get(pageNumber);
    return hash && this.#page(hash);
  }

  /** Begins to look for pages that are in no snapshot. Inside the caller's transaction. */
  sweep(): Sweep {
    this.forgetLists();
    const listed = new Set<string>();
    for (const row of this.#statements?.positions.all() ?? [])
      for (const { hash } of this.#list(integer(row["position"], "snapshot position", 1))) listed.add(key(hash));
    this.#listed = listed;
    return { listed, after: new Uint8Array(0) };
  }

  /** Looks on, and drops what it finds. Gives false at the end. Inside the caller's transaction. */
  sweepOn(sweep: Sweep): boolean {
    if (this.#statements === undefined) return false;
    const rows = this.#statements.sweep.all(sweep.after, PAGES_SWEPT_AT_ONCE);
    let dropped = 0;
    for (const row of rows) {
      const hash = bytes(row["hash"], "hash of a snapshot page", HASH_BYTES);
      if (!sweep.listed.has(key(hash))) {
        if (dropped === PAGES_DROPPED_AT_ONCE) return true;
        this.#statements.drop.run(hash);
        dropped++;
      }
      sweep.after = hash;
    }
    return rows.length === PAGES_SWEPT_AT_ONCE;
  }

  #page(hash: Uint8Array): Uint8Array | undefined {
    const row = this.#statements?.load.get(hash);
    return row && bytes(row["page"], "snapshot page");
  }

  #list(position: number): ListedPage[] {
    const row = this.#statements?.list.get(position);
    if (row === undefined) return [];
    const list = bytes(row["pages"], "list of snapshot pages");
    if (list.length % LISTED_BYTES !== 0) throw new CorruptStoreError("the stored list of snapshot pages is cut");
    const view = new DataView(list.buffer, list.byteOffset, list.length);
    return Array.from({ length: list.length / LISTED_BYTES }, (_, i) => ({
      pageNumber: view.getUint32(i * LISTED_BYTES, true),
      hash: list.subarray(i * LISTED_BYTES + 4, (i + 1) * LISTED_BYTES),
    }));
  }
}

class Statements {
  readonly find: StatementSync;
  readonly load: StatementSync;
  readonly save: StatementSync;
  readonly drop: StatementSync;
  readonly sweep: StatementSync;
  readonly list: StatementSync;
  readonly saveList: StatementSync;
  readonly forgetLists: StatementSync;
  readonly positions: StatementSync;

  constructor(database: DatabaseSync) {
    this.find = database.prepare("SELECT 1 FROM shared_pages WHERE hash = ?");
    this.load = database.prepare("SELECT page FROM shared_pages WHERE hash = ?");
    this.save = database.prepare(
      "INSERT INTO shared_pages (hash, page) VALUES (?, ?) ON CONFLICT (hash) DO UPDATE SET page = excluded.page",
    );
    this.drop = database.prepare("DELETE FROM shared_pages WHERE hash = ?");
    this.sweep = database.prepare("SELECT hash FROM shared_pages WHERE hash > ? ORDER BY hash LIMIT ?");
    this.list = database.prepare("SELECT pages FROM shared_lists WHERE position = ?");
    this.saveList = database.prepare("INSERT OR REPLACE INTO shared_lists (position, pages) VALUES (?, ?)");
    this.forgetLists = database.prepare(
      "DELETE FROM shared_lists WHERE position NOT IN (SELECT position FROM snapshots)",
    );
    this.positions = database.prepare("SELECT position FROM shared_lists");
  }
}

function key(hash: Uint8Array): string {
  return Buffer.from(hash.buffer, hash.byteOffset, hash.length).toString("latin1");
}

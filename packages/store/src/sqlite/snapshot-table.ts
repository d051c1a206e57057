import type { DatabaseSync, StatementSync } from "node:sqlite";
import { CorruptStoreError } from "../errors.ts";
import type { NumberedPage } from "../pending-pages.ts";
import type { StoredSnapshot } from "../port.ts";
import { SNAPSHOTS_KEPT } from "../port.ts";
import { bytes, integer } from "./columns.ts";
import { type ListedPage, SharedPagesTable } from "./shared-pages-table.ts";

/** Of some 100 KB each: few enough to be dropped in a moment. */
const PAGES_DROPPED_AT_ONCE = 8;

/** What makes the pages that were saved a snapshot. */
export interface CompleteSnapshot {
  readonly position: number;
  readonly header: Uint8Array;
  readonly pageCount: number;
  /** Those of its pages that are shared. */
  readonly shared: readonly ListedPage[];
}

/**
 * The newest snapshots, a row per page. Pages come before the row of their snapshot and go after it: those without one
 * are of no snapshot, not yet or no longer. Pages that many snapshots have are in tables of their own.
 */
export class SnapshotTable {
  readonly shared: SharedPagesTable;
  readonly #insert: StatementSync;
  readonly #insertPage: StatementSync;
  readonly #drop: StatementSync;
  readonly #forget: StatementSync;
  readonly #findRemains: StatementSync;
  readonly #dropPages: StatementSync;
  readonly #positions: StatementSync;
  readonly #load: StatementSync;
  readonly #loadPages: StatementSync;
  readonly #loadPage: StatementSync;

  constructor(database: DatabaseSync) {
    this.shared = new SharedPagesTable(database);
    this.#insert = database.prepare("INSERT INTO snapshots (position, header, page_count) VALUES (?, ?, ?)");
    this.#insertPage = database.prepare("INSERT INTO snapshot_pages (position, page_number, page) VALUES (?, ?, ?)");
    this.#drop = database.prepare("DELETE FROM snapshots WHERE position = ?");
    this.#forget = database.prepare(
      "DELETE FROM snapshots WHERE position NOT IN (SELECT position FROM snapshots ORDER BY position DESC LIMIT ?)",
    );
    this.#findRemains = database.prepare(
      "SELECT position FROM snapshot_pages WHERE position NOT IN (SELECT position FROM snapshots) LIMIT 1",
    );
    this.#dropPages = database.prepare(
      "DELETE FROM snapshot_pages WHERE rowid IN (SELECT rowid FROM snapshot_pages WHERE position = ? LIMIT ?)",
    );
    this.#positions = database.prepare("SELECT position FROM snapshots ORDER BY position DESC");
    this.#load = database.prepare("SELECT header, page_count FROM snapshots WHERE position = ?");
    this.#loadPages = database.prepare(
      "SELECT page_number, page FROM snapshot_pages WHERE position = ? ORDER BY page_number",
    );
    this.#loadPage = database.prepare("SELECT page FROM snapshot_pages WHERE position = ? AND page_number = ?");
  }

  header(position: number): Uint8Array | undefined {
    const row = this.#load.get(position);
    return row && bytes(row["header"], "snapshot header");
  }

  page(position: number, pageNumber: number): Uint8Array | undefined {
    if (this.#load.get(position) === undefined) return undefined;
    const row = this.#loadPage.get(position, pageNumber);
    return row === undefined ? this.shared.page(position, pageNumber) : bytes(row["page"], "snapshot page");
  }

  /** From then on there is no snapshot at this position; its pages remain. */
  drop(position: number): void {
    this.#drop.run(position);
  }

  savePage(position: number, { pageNumber, page }: NumberedPage): void {
    this.#insertPage.run(position, pageNumber, page);
  }

  /** Makes the pages that were saved a snapshot, and forgets what it displaces. Inside the caller's transaction. */
  complete({ position, header, pageCount, shared }: CompleteSnapshot): void {
    this.#insert.run(position, header, pageCount);
    this.shared.saveList(position, shared);
    this.#forget.run(SNAPSHOTS_KEPT);
    this.shared.forgetLists();
  }

  /** A position of which there are pages and no snapshot. */
  remains(): number | undefined {
    const row = this.#findRemains.get();
    return row === undefined ? undefined : integer(row["position"], "position of a snapshot page", 1);
  }

  /** Drops some pages of this position. */
  dropSomePages(position: number): void {
    this.#dropPages.run(position, PAGES_DROPPED_AT_ONCE);
  }

  /** Newest first. */
  positions(): number[] {
    return this.#positions.all().map((row) => integer(row["position"], "snapshot position", 1));
  }

  /** Throws: `CorruptStoreError` where pages are missing. */
  load(position: number): StoredSnapshot | undefined {
    const row = this.#load.get(position);
    if (row === undefined) return undefined;
    const pageCount = integer(row["page_count"], "count of snapshot pages", 0);
    const pages = new Map<number, Uint8Array>();
    for (const { pageNumber, page } of this.shared.pages(position)) if (page !== undefined) pages.set(pageNumber, page);
    for (const page of this.#loadPages.iterate(position))
      pages.set(integer(page["page_number"], "number of a snapshot page", 0), bytes(page["page"], "snapshot page"));
    const inOrder = Array.from({ length: pageCount }, (_, pageNumber) => pages.get(pageNumber));
    const found = inOrder.filter((page) => page !== undefined);
    if (found.length !== pageCount || pages.size !== pageCount) {
      throw new CorruptStoreError(`the snapshot at ${position} has ${found.length} of its ${pageCount} pages`);
    }
    return { position, header: bytes(row["header"], "snapshot header"), pages: found };
  }
}

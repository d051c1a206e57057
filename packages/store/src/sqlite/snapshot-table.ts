import type { DatabaseSync, StatementSync } from "node:sqlite";
import { CorruptStoreError } from "../errors.ts";
import type { StoredSnapshot } from "../port.ts";
import { SNAPSHOTS_KEPT } from "../port.ts";
import { bytes, integer } from "./columns.ts";

/** The newest snapshots, a row per page. */
export class SnapshotTable {
  readonly #insert: StatementSync;
  readonly #insertPage: StatementSync;
  readonly #dropPages: StatementSync;
  readonly #forget: StatementSync;
  readonly #forgetPages: StatementSync;
  readonly #positions: StatementSync;
  readonly #load: StatementSync;
  readonly #loadPages: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare("INSERT OR REPLACE INTO snapshots (position, header, page_count) VALUES (?, ?, ?)");
    this.#insertPage = database.prepare("INSERT INTO snapshot_pages (position, page_number, page) VALUES (?, ?, ?)");
    this.#dropPages = database.prepare("DELETE FROM snapshot_pages WHERE position = ?");
    this.#forget = database.prepare(
      "DELETE FROM snapshots WHERE position NOT IN (SELECT position FROM snapshots ORDER BY position DESC LIMIT ?)",
    );
    this.#forgetPages = database.prepare(
      "DELETE FROM snapshot_pages WHERE position NOT IN (SELECT position FROM snapshots)",
    );
    this.#positions = database.prepare("SELECT position FROM snapshots ORDER BY position DESC");
    this.#load = database.prepare("SELECT header, page_count FROM snapshots WHERE position = ?");
    this.#loadPages = database.prepare(
      "SELECT page_number, page FROM snapshot_pages WHERE position = ? ORDER BY page_number",
    );
  }

  /** Inside the caller's transaction. Gives the bytes written. */
  save({ position, header, pages }: StoredSnapshot): number {
    this.#dropPages.run(position);
    this.#insert.run(position, header, pages.length);
    let written = header.length;
    for (const [pageNumber, page] of pages.entries()) {
      this.#insertPage.run(position, pageNumber, page);
      written += page.length;
    }
    this.#forget.run(SNAPSHOTS_KEPT);
    this.#forgetPages.run();
    return written;
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
    const pages: Uint8Array[] = [];
    for (const page of this.#loadPages.iterate(position)) {
      if (page["page_number"] !== pages.length) break;
      pages.push(bytes(page["page"], "snapshot page"));
    }
    if (pages.length !== pageCount) {
      throw new CorruptStoreError(`the snapshot at ${position} has ${pages.length} of its ${pageCount} pages`);
    }
    return { position, header: bytes(row["header"], "snapshot header"), pages };
  }
}

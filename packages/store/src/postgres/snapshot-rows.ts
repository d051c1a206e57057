import { HASH_BYTES } from "../arguments.ts";
import { CorruptStoreError } from "../errors.ts";
import type { KeptPage, NumberedPage } from "../pending-pages.ts";
import type { StoredSnapshot } from "../port.ts";
import { SNAPSHOTS_KEPT } from "../port.ts";
import { bytea, byteaArray, int4Array } from "./binary-arrays.ts";
import { bytes, integer } from "./columns.ts";
import type { Connection, Statement } from "./connection.ts";
import { decodeList, encodeList, type ListedPage } from "./shared-list.ts";

/** Of some 100 KB each: few enough to be dropped in a moment. */
const PAGES_DROPPED_AT_ONCE = 16;

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
 * are of no snapshot, not yet or no longer. Pages that many snapshots have are kept once, by their hash.
 */
export class SnapshotRows {
  readonly #insert: Statement;
  readonly #insertPages: Statement;
  readonly #saveShared: Statement;
  readonly #drop: Statement;
  readonly #forget: Statement;
  readonly #remains: Statement;
  readonly #dropRemains: Statement;
  readonly #positions: Statement;
  readonly #lists: Statement;
  readonly #load: Statement;
  readonly #loadHeader: Statement;
  readonly #loadPage: Statement;
  readonly #loadSharedOf: Statement;
  readonly #loadShared: Statement;
  readonly #hasShared: Statement;
  readonly #sweep: Statement;
  readonly #dropShared: Statement;
  /** Pages are mostly asked for in a row: the list of the last snapshot is kept. */
  #list: { readonly position: number; readonly hashes: ReadonlyMap<number, Uint8Array> } | undefined;

  constructor(schema: string) {
    const [snapshots, pages, shared] = [
      `"${schema}".snapshots`,
      `"${schema}".snapshot_pages`,
      `"${schema}".shared_pages`,
    ];
    const statement = (name: string, text: string): Statement => ({ name: `bank_${name}`, text });
    this.#insert = statement(
      "snapshot",
      `INSERT INTO ${snapshots} (position, header, page_count, shared) VALUES ($1, $2, $3, $4)`,
    );
    this.#insertPages = statement(
      "pages",
      `INSERT INTO ${pages} (position, page_number, page) SELECT $1::int8, * FROM unnest($2::int4[], $3::bytea[])`,
    );
    this.#saveShared = statement(
      "shared",
      `INSERT INTO ${shared} (hash, page) VALUES ($1, $2) ON CONFLICT (hash) DO UPDATE SET page = excluded.page`,
    );
    this.#drop = statement("snapshot_drop", `DELETE FROM ${snapshots} WHERE position = $1`);
    this.#forget = statement(
      "snapshots_forget",
      `DELETE FROM ${snapshots} WHERE position NOT IN (SELECT position FROM ${snapshots} ORDER BY position DESC LIMIT $1)`,
    );
    const remains = `SELECT position, page_number FROM ${pages}
      WHERE position NOT IN (SELECT position FROM ${snapshots})`;
    this.#remains = statement("remains", `${remains} LIMIT 1`);
    this.#dropRemains = statement(
      "remains_drop",
      `DELETE FROM ${pages} WHERE (position, page_number) IN (${remains} LIMIT $1)`,
    );
    this.#positions = statement("snapshots", `SELECT position FROM ${snapshots} ORDER BY position DESC`);
    this.#lists = statement("shared_lists", `SELECT shared FROM ${snapshots}`);
    this.#load = statement("snapshot_load", `SELECT header, page_count, shared FROM ${snapshots} WHERE position = $1`);
    this.#loadHeader = statement("snapshot_header", `SELECT header FROM ${snapshots} WHERE position = $1`);
    // No row where there is no such snapshot, and null where it has no such page.
    const ofSnapshot = (page: string) => `SELECT (${page}) FROM ${snapshots} WHERE position = $1`;
    this.#loadPage = statement(
      "page",
      ofSnapshot(`SELECT page FROM ${pages} WHERE position = $1 AND page_number = $2`),
    );
    this.#loadSharedOf = statement("page_shared", ofSnapshot(`SELECT page FROM ${shared} WHERE hash = $2`));
    this.#loadShared = statement("shared_page", `SELECT page FROM ${shared} WHERE hash = $1`);
    this.#hasShared = statement("shared_there", `SELECT 1 FROM ${shared} WHERE hash = $1`);
    this.#sweep = statement("sweep", `SELECT hash FROM ${shared} WHERE hash > $1 ORDER BY hash LIMIT $2`);
    this.#dropShared = statement("shared_drop", `DELETE FROM ${shared} WHERE hash = ANY($1::bytea[])`);
  }

  /** To be called when another may have written since. */
  forgetList(): void {
    this.#list = undefined;
  }

  /** Newest first. */
  async positions(connection: Connection): Promise<number[]> {
    const rows = await connection.query(this.#positions);
    return rows.map(([position]) => integer(position, "snapshot position", 1));
  }

  async header(connection: Connection, position: number): Promise<Uint8Array | undefined> {
    const row = (await connection.query(this.#loadHeader, [position]))[0];
    return row && bytes(row[0], "snapshot header");
  }

  /** Undefined for a snapshot that is not there, or has no such page. */
  async page(connection: Connection, position: number, pageNumber: number): Promise<Uint8Array | undefined> {
    const own = (await connection.query(this.#loadPage, [position, pageNumber]))[0];
    if (own === undefined) return undefined;
    if (own[0] !== null) return bytes(own[0], "snapshot page");
    if (this.#list?.position !== position) await this.#loadRow(connection, position);
    const hash = this.#list?.hashes.get(pageNumber);
    if (hash === undefined) return undefined;
    const shared = (await connection.query(this.#loadSharedOf, [position, bytea(hash)]))[0];
    return shared === undefined || shared[0] === null ? undefined : bytes(shared[0], "snapshot page");
  }

  /** Throws: `CorruptStoreError` where pages are missing. */
  async load(connection: Connection, position: number): Promise<StoredSnapshot | undefined> {
    const found = await this.#loadRow(connection, position);
    if (found === undefined) return undefined;
    const pages: Uint8Array[] = [];
    while (pages.length < found.pageCount) {
      const page = await this.page(connection, position, pages.length);
      if (page === undefined) {
        // It may have been forgotten since.
        if ((await this.header(connection, position)) === undefined) return undefined;
        throw new CorruptStoreError(`the snapshot at ${position} lacks page ${pages.length} of ${found.pageCount}`);
      }
      pages.push(page);
    }
    return { position, header: found.header, pages };
  }

  /** From then on there is no snapshot at this position; its pages remain. */
  async drop(connection: Connection, position: number): Promise<void> {
    this.forgetList();
    await connection.query(this.#drop, [position]);
  }

  async savePages(connection: Connection, position: number, pages: readonly NumberedPage[]): Promise<void> {
    const numbers = int4Array(pages.map(({ pageNumber }) => pageNumber));
    await connection.query(this.#insertPages, [position, numbers, byteaArray(pages.map(({ page }) => page))]);
  }

  /** In place of one that is there under this hash and is another. */
  async saveShared(connection: Connection, { hash, page }: KeptPage): Promise<void> {
    await connection.query(this.#saveShared, [bytea(hash), bytea(page)]);
  }

  /** Makes the pages that were saved a snapshot, and forgets what it displaces. Inside the caller's transaction. */
  async complete(connection: Connection, { position, header, pageCount, shared }: CompleteSnapshot): Promise<void> {
    this.forgetList();
    await connection.query(this.#insert, [position, bytea(header), pageCount, encodeList(shared)]);
    await connection.query(this.#forget, [SNAPSHOTS_KEPT]);
  }

  /** Whether there are pages that are of no snapshot. */
  async hasRemains(connection: Connection): Promise<boolean> {
    return (await connection.query(this.#remains)).length > 0;
  }

  /** Drops some pages that are of no snapshot. */
  async dropRemains(connection: Connection): Promise<void> {
    await connection.query(this.#dropRemains, [PAGES_DROPPED_AT_ONCE]);
  }

  /** What the store has under this hash. */
  async sharedPage(connection: Connection, hash: Uint8Array): Promise<Uint8Array | undefined> {
    const row = (await connection.query(this.#loadShared, [bytea(hash)]))[0];
    return row && bytes(row[0], "snapshot page");
  }

  async hasShared(connection: Connection, hash: Uint8Array): Promise<boolean> {
    return (await connection.query(this.#hasShared, [bytea(hash)])).length > 0;
  }

  /** The shared pages of all snapshots. */
  async listed(connection: Connection): Promise<ListedPage[]> {
    const rows = await connection.query(this.#lists);
    return rows.flatMap(([list]) => decodeList(bytes(list, "list of snapshot pages")));
  }

  /** The hashes of the shared pages that are there behind this one, in order. */
  async sharedBehind(connection: Connection, hash: Uint8Array, count: number): Promise<Uint8Array[]> {
    const rows = await connection.query(this.#sweep, [bytea(hash), count]);
    return rows.map(([found]) => bytes(found, "hash of a snapshot page", HASH_BYTES));
  }

  async dropShared(connection: Connection, hashes: readonly Uint8Array[]): Promise<void> {
    await connection.query(this.#dropShared, [byteaArray(hashes)]);
  }

  /** The snapshot without its pages; its list is kept. */
  async #loadRow(
    connection: Connection,
    position: number,
  ): Promise<{ readonly header: Uint8Array; readonly pageCount: number } | undefined> {
    const row = (await connection.query(this.#load, [position]))[0];
    if (row === undefined) return undefined;
    const list = decodeList(bytes(row[2], "list of snapshot pages"));
    this.#list = { position, hashes: new Map(list.map(({ pageNumber, hash }) => [pageNumber, hash])) };
    return { header: bytes(row[0], "snapshot header"), pageCount: integer(row[1], "count of snapshot pages", 0) };
  }
}

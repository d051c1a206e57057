import { HASH_BYTES } from "../arguments.ts";
import { copyBytes, equalBytes } from "../bytes.ts";
import { CorruptStoreError } from "../errors.ts";
import type { SharedPage, StoredSnapshot } from "../port.ts";
import { SNAPSHOTS_KEPT } from "../port.ts";
import type { Reply } from "./connection.ts";
import type { GuardedWrites } from "./guarded-writes.ts";
import type { Keys } from "./keys.ts";
import type { Link } from "./link.ts";
import { hex } from "./meta.ts";
import type { Packable } from "./pack.ts";

/** Of some 150 KB each. */
const PAGES_DROPPED_AT_ONCE = 8;
/** In the list of a snapshot's shared pages: four bytes of the page's number, little-endian, and its hash. */
const LISTED_BYTES = 4 + HASH_BYTES;

/** Which page of a snapshot is shared: the number of the page, and its hash. */
export interface ListedPage {
  readonly pageNumber: number;
  readonly hash: Uint8Array;
}

/** What makes the pages that were saved a snapshot. */
export interface CompleteSnapshot {
  readonly position: number;
  readonly header: Uint8Array;
  readonly pageCount: number;
  readonly shared: readonly ListedPage[];
}

/**
 * The newest snapshots, a hash each. Pages come before a snapshot is named in `snapshots`, and go after it: those of one that is
 * not named there are of none, not yet or no longer.
 */
export class SnapshotHashes {
  readonly #link: Link;
  readonly #keys: Keys;
  readonly #writes: GuardedWrites;
  /** Pages that are in a snapshot for certain, as far as was looked. */
  #listed: ReadonlySet<string> = new Set();
  #newestList: { readonly position: number; readonly hashes: ReadonlyMap<number, string> } | undefined;

  constructor(link: Link, keys: Keys, writes: GuardedWrites) {
    this.#link = link;
    this.#keys = keys;
    this.#writes = writes;
  }

  /** Newest first. */
  async positions(): Promise<number[]> {
    const positions = asList(await this.#link.call(["HKEYS", this.#keys.snapshots])).map(Number);
    if (!positions.every((position) => Number.isSafeInteger(position) && position > 0))
      throw new CorruptStoreError(`${this.#keys.snapshots} names impossible positions`);
    return positions.sort((a, b) => b - a);
  }

  async header(position: number): Promise<Uint8Array | undefined> {
    return this.#field(position, "header");
  }

  async page(position: number, pageNumber: number): Promise<Uint8Array | undefined> {
    const own = await this.#field(position, String(pageNumber));
    if (own !== undefined) return own;
    if (this.#newestList?.position !== position) {
      const listed = await this.#list(position);
      this.#newestList = { position, hashes: new Map(listed.map(({ pageNumber, hash }) => [pageNumber, hex(hash)])) };
    }
    const hash = this.#newestList.hashes.get(pageNumber);
    return hash === undefined ? undefined : this.#sharedPage(hash);
  }

  /** Throws: `CorruptStoreError` where pages are missing. */
  async load(position: number): Promise<StoredSnapshot | undefined> {
    const count = await this.#link.call(["HGET", this.#keys.snapshots, String(position)]);
    const header = await this.header(position);
    if (count === null || header === undefined) return undefined;
    const pages: Uint8Array[] = [];
    for (let pageNumber = 0; pageNumber < Number(count); pageNumber++) {
      const page = await this.page(position, pageNumber);
      if (page === undefined)
        throw new CorruptStoreError(`the snapshot at ${position} lacks page ${pageNumber} of ${String(count)}`);
      pages.push(page);
    }
    return { position, header, pages };
  }

  /** Whether a shared page is there, and is what it should be as far as anybody cannot know. */
  async has(page: SharedPage): Promise<boolean> {
    const hash = hex(page.hash);
    if (page.isProven && this.#listed.has(hash)) return true;
    if (page.isProven) return (await this.#link.call(["HEXISTS", this.#keys.sharedPages, hash])) === 1;
    const stored = await this.#sharedPage(hash);
    return stored !== undefined && equalBytes(stored, page.bytes());
  }

  /** From then on there is no snapshot at this position, and none of its pages. */
  async begin(position: number): Promise<void> {
    this.#newestList = undefined;
    await this.#write(`give up the snapshot at ${position}`, [
      ["HDEL", this.#keys.snapshots, String(position)],
      ["UNLINK", this.#keys.snapshot(position)],
      ["SADD", this.#keys.unfinished, String(position)],
    ]);
  }

  /** Fields of a snapshot, and shared pages by their hashes, each followed by its value. */
  async savePages(position: number, own: readonly Packable[], shared: readonly Packable[]): Promise<void> {
    await this.#write(
      `save pages of the snapshot at ${position}`,
      [
        ["HSET", this.#keys.snapshot(position), ...own],
        ["HSET", this.#keys.sharedPages, ...shared],
      ].filter((command) => command.length > 2),
      [this.#keys.snapshot(position), "hash"],
    );
  }

  /** The commands that make it a snapshot, and forget what it displaces. */
  async completing({ position, header, pageCount, shared }: CompleteSnapshot): Promise<Packable[]> {
    const key = this.#keys.snapshot(position);
    const kept = [...(await this.positions()), position].sort((a, b) => b - a);
    const commands: Packable[] = [
      ["HSET", key, "header", header, "shared", packList(shared)],
      ["HSET", this.#keys.snapshots, String(position), String(pageCount)],
      ["SREM", this.#keys.unfinished, String(position)],
    ];
    for (const forgotten of kept.slice(SNAPSHOTS_KEPT))
      commands.push(["HDEL", this.#keys.snapshots, String(forgotten)], ["UNLINK", this.#keys.snapshot(forgotten)]);
    return commands;
  }

  async complete(snapshot: CompleteSnapshot): Promise<void> {
    await this.#write(`save the snapshot at ${snapshot.position}`, await this.completing(snapshot));
  }

  /** Drops what is left of snapshots that are none, and shared pages that none has. */
  async sweep(): Promise<void> {
    const unfinished = asList(await this.#link.call(["SMEMBERS", this.#keys.unfinished])).map(String);
    for (const position of unfinished)
      await this.#write("drop pages of a forgotten snapshot", [
        ["UNLINK", this.#keys.snapshot(Number(position))],
        ["SREM", this.#keys.unfinished, position],
      ]);
    const listed = new Set<string>();
    for (const position of await this.positions())
      for (const { hash } of await this.#list(position)) listed.add(hex(hash));
    const stored = asList(await this.#link.call(["HKEYS", this.#keys.sharedPages])).map(String);
    const unlisted = stored.filter((hash) => !listed.has(hash));
    for (let i = 0; i < unlisted.length; i += PAGES_DROPPED_AT_ONCE)
      await this.#write("drop pages that no snapshot has", [
        ["HDEL", this.#keys.sharedPages, ...unlisted.slice(i, i + PAGES_DROPPED_AT_ONCE)],
      ]);
    this.#listed = listed;
  }

  async #write(what: string, commands: readonly Packable[], types: readonly string[] = []): Promise<void> {
    const { snapshots, sharedPages, unfinished } = this.#keys;
    const all = [snapshots, "hash", sharedPages, "hash", unfinished, "set", ...types];
    await this.#writes.write(what, { types: all }, commands, []);
  }

  /** Of a snapshot that is one. */
  async #field(position: number, field: string): Promise<Uint8Array | undefined> {
    const [isWhole, value] = await Promise.all([
      this.#link.call(["HEXISTS", this.#keys.snapshots, String(position)]),
      this.#link.call(["HGET", this.#keys.snapshot(position), field]),
    ]);
    return isWhole === 1 ? bytes(value) : undefined;
  }

  async #sharedPage(hash: string): Promise<Uint8Array | undefined> {
    return bytes(await this.#link.call(["HGET", this.#keys.sharedPages, hash]));
  }

  async #list(position: number): Promise<ListedPage[]> {
    const list = (await this.#field(position, "shared")) ?? new Uint8Array();
    if (list.length % LISTED_BYTES !== 0) throw new CorruptStoreError("the stored list of snapshot pages is cut");
    const view = new DataView(list.buffer, list.byteOffset, list.length);
    return Array.from({ length: list.length / LISTED_BYTES }, (_, i) => ({
      pageNumber: view.getUint32(i * LISTED_BYTES, true),
      hash: list.subarray(i * LISTED_BYTES + 4, (i + 1) * LISTED_BYTES),
    }));
  }
}

function packList(listed: readonly ListedPage[]): Uint8Array {
  const list = new Uint8Array(listed.length * LISTED_BYTES);
  const view = new DataView(list.buffer);
  for (const [i, { pageNumber, hash }] of listed.entries()) {
    view.setUint32(i * LISTED_BYTES, pageNumber, true);
    list.set(hash, i * LISTED_BYTES + 4);
  }
  return list;
}

function bytes(reply: Reply): Uint8Array | undefined {
  return Buffer.isBuffer(reply) ? copyBytes(reply) : undefined;
}

function asList(reply: Reply): readonly Reply[] {
  return Array.isArray(reply) ? reply : [];
}

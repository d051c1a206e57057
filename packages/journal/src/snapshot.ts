import type { Position } from "@bank/core";
import { assert, bytesEqual, Ledger } from "@bank/core";
import type { TermSum } from "@bank/core/request-terms";
import { type SnapshotHeader, SnapshotHeaderSchema } from "@bank/proto";
import { create, toBinary } from "@bufbuild/protobuf";
import { JOURNAL_FORMAT } from "./chain.ts";
import { copyBytes, decodeStrictly, safeInteger } from "./decode.ts";
import { DigestMismatchError, JournalFormatError } from "./errors.ts";
import type { Replay } from "./replay.ts";
import type { Sha256 } from "./sha256.ts";
import { type FullPage, freezePages, PageLoader } from "./snapshot-pages.ts";
import { rememberStoredPages } from "./snapshot-requests.ts";

/** A snapshot as bytes. */
export interface Snapshot {
  readonly position: Position;
  /** A `SnapshotHeader`, and behind it the SHA-256 of its bytes. */
  readonly header: Uint8Array;
  readonly pages: readonly Uint8Array[];
  /** 32 bytes: SHA-256 over the hashes of the pages. It proves the state at this position. */
  readonly root: Uint8Array;
}

const HASH_BYTES = 32;
const NO_EPOCH = new Uint8Array(16);

/** A page that never changes again, and that the snapshots behind this one have too. */
export interface SharedPage {
  /** 32 bytes: SHA-256 of the page. */
  readonly hash: Uint8Array;
  /** Whether it lay in the ledger's store and was proven there, so that nobody need look at it again. */
  readonly isProven: boolean;
  /** Makes the page, unless that had to be done anyway. */
  bytes(): Uint8Array;
}

/** A page that was read, and what had to be worked out of its bytes. */
export interface CheckedPage {
  readonly page: Uint8Array;
  /** 32 bytes: SHA-256 of the page. */
  readonly hash: Uint8Array;
  /** As `termsOfPage` says. */
  readonly terms: TermSum | undefined;
}

/** A snapshot whose state is fixed, and of which nothing else is there yet. */
export interface BegunSnapshot {
  readonly position: Position;
  /**
   * To be gone through once, whenever there is time: a page is encoded and hashed when it is asked for. `undefined` comes
   * where there was a moment's work, and no page yet.
   */
  readonly pages: Iterable<Uint8Array | SharedPage | undefined>;
  /** Header and root, which come of the pages. Throws: `InvariantError` before the last page was asked for. */
  seal(): Pick<Snapshot, "header" | "root">;
  /** To be called once it lies in the ledger's store, whole: what of it never changes is not made again. */
  stored(): void;
}

/**
 * Begins a snapshot of a state that is exactly at a batch end. The ledger may go on meanwhile, as long as it never goes
 * back behind this position. The pages are canonical: equal states, equal bytes.
 */
export function beginSnapshot(replay: Replay, sha256: Sha256): BegunSnapshot {
  const { ledger } = replay;
  const { position } = ledger;
  const bankId = copyBytes(replay.bankId);
  const epochId = copyBytes(ledger.currentEpoch()?.id ?? NO_EPOCH);
  const chainHash = copyBytes(replay.chainHash);
  const digest = ledger.digestBytes();
  const frozen = freezePages(ledger);
  const hashes: Uint8Array[] = [];
  const sharedHashes: Uint8Array[] = [];
  let isComplete = false;
  return {
    position,
    pages: (function* hashed() {
      for (const page of frozen) {
        if (page === undefined) {
          yield undefined;
          continue;
        }
        if (page instanceof Uint8Array) {
          hashes.push(sha256(page));
          yield page;
          continue;
        }
        const shared = sharedPage(page, sha256);
        hashes.push(shared.hash);
        sharedHashes.push(shared.hash);
        yield shared;
      }
      isComplete = true;
    })(),
    stored: () => rememberStoredPages(ledger, sharedHashes),
    seal() {
      assert(isComplete, "all pages of the snapshot were asked for");
      const root = sha256(...hashes);
      const pageCount = hashes.length;
      const format = JOURNAL_FORMAT;
      const fields = { format, bankId, epochId, position: BigInt(position), chainHash, digest, root, pageCount };
      const header = toBinary(SnapshotHeaderSchema, create(SnapshotHeaderSchema, fields));
      return { header: seal(header, sha256), root };
    },
  };
}

function sharedPage({ storedHash, bytes }: FullPage, sha256: Sha256): SharedPage {
  if (storedHash !== undefined) return { hash: storedHash, isProven: true, bytes };
  const page = bytes();
  return { hash: sha256(page), isProven: false, bytes: () => page };
}

/** Takes a whole snapshot of a state that is exactly at a batch end, at once. */
export function takeSnapshot(replay: Replay, sha256: Sha256): Snapshot {
  const { position, pages, seal } = beginSnapshot(replay, sha256);
  const encoded: Uint8Array[] = [];
  for (const page of pages) if (page !== undefined) encoded.push(page instanceof Uint8Array ? page : page.bytes());
  return { position, pages: encoded, ...seal() };
}

/**
 * Builds the state from a snapshot of one's own store, computing root and digest anew from the contents.
 * Throws: `JournalFormatError`, `DigestMismatchError`, `InvariantError`: then an older snapshot, or the whole journal,
 * is to be used.
 */
export function loadSnapshot(
  snapshot: Pick<Snapshot, "header" | "pages">,
  options: { readonly bankId: Uint8Array; readonly sha256: Sha256; readonly hashSeed: number },
): Replay {
  const loader = new SnapshotLoader(snapshot.header, options);
  if (loader.pageCount !== snapshot.pages.length)
    throw new JournalFormatError(`the snapshot has ${snapshot.pages.length} of ${loader.pageCount} pages`);
  const root = options.sha256(...snapshot.pages.map((page) => options.sha256(page)));
  if (!bytesEqual(root, loader.root)) throw rootMismatch();
  for (const page of snapshot.pages) loader.add(page);
  return loader.finish("own store");
}

/** A snapshot that comes a page at a time: it is checked and loaded as it comes, and no page is kept. */
export class SnapshotLoader {
  readonly position: Position;
  readonly pageCount: number;
  /** 32 bytes: at `position`. */
  readonly chainHash: Uint8Array;
  /** 32 bytes: what the journal must say of the state at `position`. */
  readonly root: Uint8Array;
  private readonly header: SnapshotHeader;
  private readonly bankId: Uint8Array;
  private readonly sha256: Sha256;
  private readonly ledger: Ledger;
  private readonly pages: PageLoader;
  private readonly hashes: Uint8Array[] = [];

  /** Throws: `JournalFormatError`, `DigestMismatchError`. */
  constructor(
    header: Uint8Array,
    options: { readonly bankId: Uint8Array; readonly sha256: Sha256; readonly hashSeed: number },
  ) {
    this.header = readHeader(header, options);
    this.bankId = options.bankId;
    this.sha256 = options.sha256;
    this.position = safeInteger(this.header.position, "snapshot position");
    this.pageCount = this.header.pageCount;
    this.chainHash = copyBytes(this.header.chainHash);
    this.root = copyBytes(this.header.root);
    this.ledger = new Ledger({ hashSeed: options.hashSeed });
    this.pages = new PageLoader(this.ledger, this.pageCount);
  }

  /**
   * Gives the page as it is to be stored. Throws: `JournalFormatError`, `InvariantError`.
   *
   * @param checked what of it was worked out in a thread of its own.
   */
  add(page: Uint8Array, checked?: Pick<CheckedPage, "hash" | "terms">): Uint8Array | SharedPage {
    if (this.hashes.length === this.pageCount) throw new JournalFormatError("the snapshot has too many pages");
    const hash = checked?.hash ?? this.sha256(page);
    this.hashes.push(hash);
    this.pages.add(page, checked?.terms);
    return this.pages.wasFullRequests ? { hash, isProven: false, bytes: () => page } : page;
  }

  /**
   * The state, behind the last page. Throws: `JournalFormatError`, `DigestMismatchError`, `InvariantError`.
   *
   * @param from whether the pages lie in the store that the ledger goes on with, so that they need not be written again.
   */
  finish(from: "own store" | "elsewhere"): Replay {
    if (this.hashes.length !== this.pageCount)
      throw new JournalFormatError(`the snapshot has ${this.hashes.length} of ${this.pageCount} pages`);
    if (!bytesEqual(this.sha256(...this.hashes), this.root)) throw rootMismatch();
    this.pages.finish();
    const replay = complete(this.ledger, this.header, this.bankId);
    const { fullRequestPages: full } = this.pages;
    if (from === "own store") rememberStoredPages(this.ledger, this.hashes.slice(full.from, full.to));
    return replay;
  }
}

function readHeader(
  sealed: Uint8Array,
  options: { readonly bankId: Uint8Array; readonly sha256: Sha256 },
): SnapshotHeader {
  const header = decodeStrictly(SnapshotHeaderSchema, unseal(sealed, options.sha256));
  if (header.format !== JOURNAL_FORMAT)
    throw new JournalFormatError(`the snapshot has format ${header.format}, and this program reads ${JOURNAL_FORMAT}`);
  if (!bytesEqual(header.bankId, options.bankId)) throw new JournalFormatError("the snapshot is of another bank");
  if (header.chainHash.length !== HASH_BYTES) throw new JournalFormatError("a chain hash has 32 bytes");
  return header;
}

/** What only the whole contents show. */
function complete(ledger: Ledger, header: SnapshotHeader, bankId: Uint8Array): Replay {
  ledger.position = safeInteger(header.position, "snapshot position");
  if (!bytesEqual(ledger.digestBytes(), header.digest))
    throw new DigestMismatchError("the contents of the snapshot do not have the digest that its header names");
  if (!bytesEqual(ledger.currentEpoch()?.id ?? NO_EPOCH, header.epochId))
    throw new DigestMismatchError("the newest epoch in the snapshot is not the one that its header names");
  ledger.forgetUndo(ledger.position);
  return { ledger, bankId, chainHash: copyBytes(header.chainHash) };
}

function rootMismatch(): DigestMismatchError {
  return new DigestMismatchError("the pages of the snapshot do not have the root that its header names");
}

/**
 * Nothing in the pages proves the chain hash, and a bank that went on from a wrong one would write a journal that no
 * replica can follow: so the header carries its own hash.
 */
function seal(header: Uint8Array, sha256: Sha256): Uint8Array {
  const sealed = new Uint8Array(header.length + HASH_BYTES);
  sealed.set(header);
  sealed.set(sha256(header), header.length);
  return sealed;
}

function unseal(sealed: Uint8Array, sha256: Sha256): Uint8Array {
  const header = sealed.subarray(0, -HASH_BYTES);
  if (!bytesEqual(sha256(header), sealed.subarray(-HASH_BYTES)))
    throw new DigestMismatchError("the header of the snapshot does not have the hash that it carries");
  return header;
}

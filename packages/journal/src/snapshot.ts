import type { Position } from "@bank/core";
import { bytesEqual, Ledger } from "@bank/core";
import { SnapshotHeaderSchema } from "@bank/proto";
import { create, toBinary } from "@bufbuild/protobuf";
import { JOURNAL_FORMAT } from "./chain.ts";
import { decodeStrictly, safeInteger } from "./decode.ts";
import { DigestMismatchError, JournalFormatError } from "./errors.ts";
import type { Replay } from "./replay.ts";
import type { Sha256 } from "./sha256.ts";
import { encodePages, loadPage } from "./snapshot-pages.ts";

/** A snapshot as bytes. */
export interface Snapshot {
  readonly position: Position;
  readonly header: Uint8Array;
  readonly pages: readonly Uint8Array[];
  /** 32 bytes: SHA-256 over the hashes of the pages. It proves the state at this position. */
  readonly root: Uint8Array;
}

/** Takes a snapshot of a state that is exactly at a batch end. The pages are canonical: equal states, equal bytes. */
export function takeSnapshot(replay: Replay, sha256: Sha256): Snapshot {
  const { ledger, bankId, chainHash } = replay;
  const pages = encodePages(ledger);
  const root = rootOf(pages, sha256);
  const header = create(SnapshotHeaderSchema, {
    format: JOURNAL_FORMAT,
    bankId,
    epochId: ledger.currentEpoch()?.id ?? new Uint8Array(16),
    position: BigInt(ledger.position),
    chainHash,
    digest: ledger.digestBytes(),
    root,
    pageCount: pages.length,
  });
  return { position: ledger.position, header: toBinary(SnapshotHeaderSchema, header), pages, root };
}

/**
 * Builds the state from a snapshot of one's own store, computing root and digest anew from the contents.
 * Throws: `JournalFormatError`, `DigestMismatchError`: then an older snapshot, or the whole journal, is to be used.
 */
export function loadSnapshot(
  snapshot: Pick<Snapshot, "header" | "pages">,
  options: { readonly bankId: Uint8Array; readonly sha256: Sha256; readonly hashSeed: number },
): Replay {
  const header = decodeStrictly(SnapshotHeaderSchema, snapshot.header);
  if (header.format !== JOURNAL_FORMAT)
    throw new JournalFormatError(`the snapshot has format ${header.format}, and this program reads ${JOURNAL_FORMAT}`);
  if (!bytesEqual(header.bankId, options.bankId)) throw new JournalFormatError("the snapshot is of another bank");
  if (header.pageCount !== snapshot.pages.length)
    throw new JournalFormatError(`the snapshot has ${snapshot.pages.length} of ${header.pageCount} pages`);
  if (!bytesEqual(rootOf(snapshot.pages, options.sha256), header.root))
    throw new DigestMismatchError("the pages of the snapshot do not have the root that its header names");
  const ledger = new Ledger({ hashSeed: options.hashSeed });
  for (const page of snapshot.pages) loadPage(ledger, page);
  ledger.position = safeInteger(header.position, "snapshot position");
  if (!bytesEqual(ledger.digestBytes(), header.digest))
    throw new DigestMismatchError("the contents of the snapshot do not have the digest that its header names");
  ledger.forgetUndo(ledger.position);
  return { ledger, bankId: options.bankId, chainHash: header.chainHash };
}

function rootOf(pages: readonly Uint8Array[], sha256: Sha256): Uint8Array {
  return sha256(...pages.map((page) => sha256(page)));
}

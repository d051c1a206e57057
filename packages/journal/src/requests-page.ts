import type { RequestColumns } from "@bank/core";
import { requestTermsOf, type TermSum } from "@bank/core/request-terms";
import { JournalFormatError } from "./errors.ts";
import { wordsOf } from "./fixed-columns.ts";
import { WireCursor } from "./wire-cursor.ts";

// Where a start spends most of its time, also in a thread of its own: so this needs no generated code, and is exported by
// itself.

export const REQUESTS_PER_PAGE = 4096;

/** `SnapshotPage.requests`, and the columns in it in their order, each of one run of bytes. */
const REQUESTS_TAG = (3 << 3) | 2;
const COLUMN_TAGS = [1, 2, 3, 4].map((field) => (field << 3) | 2);

/** Memory for the columns of one page, used for each in turn: fresh memory would cost more than what is done in it. */
export class RequestsScratch {
  readonly ids = new Int32Array(4 * REQUESTS_PER_PAGE);
  readonly principals = new Int32Array(REQUESTS_PER_PAGE);
  readonly positions = new Int32Array(2 * REQUESTS_PER_PAGE);
  readonly hashes = new Int32Array(2 * REQUESTS_PER_PAGE);
}

/** A page of requests as bytes, column by column. */
export interface RequestBytes {
  readonly ids: Uint8Array;
  readonly principals: Uint8Array;
  readonly positions: Uint8Array;
  readonly hashes: Uint8Array;
}

/**
 * The columns of a page of requests, as they stand in it; undefined for a page of another kind, and for one that is not
 * encoded in the one way: what is wrong with it the general decoder says.
 */
export function requestBytesOf(page: Uint8Array): RequestBytes | undefined {
  if (page[0] !== REQUESTS_TAG) return undefined;
  const cursor = new WireCursor(page);
  try {
    cursor.at = 1;
    if (cursor.varint(32, page.length) !== page.length - cursor.at) return undefined;
    const columns: Uint8Array[] = [];
    for (const tag of COLUMN_TAGS) {
      if (page[cursor.at++] !== tag) return undefined;
      const length = cursor.varint(32, page.length);
      if (length === 0 || length > page.length - cursor.at) return undefined;
      columns.push(page.subarray(cursor.at, cursor.at + length));
      cursor.at += length;
    }
    const [ids, principals, positions, hashes] = columns as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    return cursor.at === page.length ? { ids, principals, positions, hashes } : undefined;
  } catch (error) {
    if (error instanceof JournalFormatError) return undefined;
    throw error;
  }
}

/** Its columns as words, which stay until the scratch is used again. Throws: `JournalFormatError`. */
export function requestColumnsOf(page: RequestBytes, scratch: RequestsScratch): RequestColumns {
  const count = page.ids.length / 16;
  if (!Number.isInteger(count) || count === 0 || count > REQUESTS_PER_PAGE)
    throw new JournalFormatError(`a page of requests has 1 to ${REQUESTS_PER_PAGE}, not ${count}`);
  return {
    ids: wordsOf(page.ids, 4 * count, scratch.ids),
    principals: wordsOf(page.principals, count, scratch.principals),
    positions: wordsOf(page.positions, 2 * count, scratch.positions),
    hashes: wordsOf(page.hashes, 2 * count, scratch.hashes),
  };
}

/**
 * What the requests of a page are together in the digest of the state; undefined for any page of which that cannot be
 * told at once.
 */
export function termsOfPage(page: Uint8Array, scratch: RequestsScratch): TermSum | undefined {
  const bytes = requestBytesOf(page);
  if (bytes === undefined) return undefined;
  try {
    return requestTermsOf(requestColumnsOf(bytes, scratch));
  } catch (error) {
    if (error instanceof JournalFormatError) return undefined;
    throw error;
  }
}

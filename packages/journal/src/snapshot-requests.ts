import type { Ledger } from "@bank/core";
import { requestIdFromBytes } from "@bank/core";
import type { RequestsPage } from "@bank/proto";
import { RequestsPageSchema } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { JournalFormatError } from "./errors.ts";
import { ColumnReader, ColumnWriter } from "./fixed-columns.ts";

export const REQUESTS_PER_PAGE = 4096;

/**
 * Of each ledger, the hashes of its full pages of requests that lie in its own store: those never change, so they are neither
 * encoded, nor hashed, nor written again. The ledger is only a key: a branch that begins anew has another.
 */
const storedPages = new WeakMap<Ledger["requests"], Uint8Array[]>();

/** The hash of a full page of requests, the first being 0, if it lies in the ledger's store. */
export function hashOfStoredPage(ledger: Ledger, page: number): Uint8Array | undefined {
  return storedPages.get(ledger.requests)?.[page];
}

/** Remembers the hashes of the first full pages of requests, once they lie in the ledger's store and are proven. */
export function rememberStoredPages(ledger: Ledger, hashes: readonly Uint8Array[]): void {
  if (hashes.length > (storedPages.get(ledger.requests)?.length ?? 0)) storedPages.set(ledger.requests, [...hashes]);
}

/** Remembered requests `from` to before `to`. */
export function encodeRequests(ledger: Ledger, from: number, to: number): RequestsPage {
  const count = to - from;
  const { ids, principals, positions, hashes } = ledger.requests.columns(from, to);
  return create(RequestsPageSchema, {
    ids: new ColumnWriter(4 * count, 4).parts(ids).bytes,
    principals: new ColumnWriter(count, 4).parts(principals).bytes,
    positions: new ColumnWriter(count, 8).parts(positions).bytes,
    hashes: new ColumnWriter(count, 8).parts(hashes).bytes,
  });
}

/** Gives the number of requests. Throws: `JournalFormatError`. */
export function loadRequests(ledger: Ledger, page: RequestsPage): number {
  const count = page.ids.length / 16;
  if (!Number.isInteger(count) || count === 0 || count > REQUESTS_PER_PAGE)
    throw new JournalFormatError(`a page of requests has 1 to ${REQUESTS_PER_PAGE}, not ${count}`);
  const principals = new ColumnReader(page.principals, count, 4);
  const positions = new ColumnReader(page.positions, count, 8);
  const hashes = new ColumnReader(page.hashes, count, 8);
  let last = ledger.requests.count === 0 ? 0 : ledger.requests.positionOf(ledger.requests.count - 1);
  for (let i = 0; i < count; i++) {
    const principal = principals.word(i);
    const position = positions.integer(i);
    if (principal >= ledger.principals.length) throw new JournalFormatError("a request is of an unknown principal");
    if (position <= last) throw new JournalFormatError("the positions of remembered requests do not ascend");
    const id = requestIdFromBytes(page.ids.subarray(16 * i, 16 * i + 16));
    ledger.addRequest(principal, id, position, hashes.int32(2 * i), hashes.int32(2 * i + 1));
    last = position;
  }
  return count;
}

import type { Ledger } from "@bank/core";
import type { TermSum } from "@bank/core/request-terms";
import type { RequestsPage } from "@bank/proto";
import { RequestsPageSchema } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { JournalFormatError } from "./errors.ts";
import { ColumnWriter } from "./fixed-columns.ts";
import { type RequestBytes, type RequestsScratch, requestColumnsOf } from "./requests-page.ts";

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

/**
 * Gives the number of requests. Throws: `JournalFormatError`.
 *
 * @param terms what they are together in the digest, where that is worked out already.
 */
export function loadRequests(
  ledger: Ledger,
  page: RequestBytes,
  scratch: RequestsScratch,
  terms: TermSum | undefined,
): number {
  const columns = requestColumnsOf(page, scratch);
  const { principals, positions } = columns;
  const count = principals.length;
  const newest = ledger.requests.count - 1;
  let last = newest < 0 ? 0 : ledger.requests.positionOf(newest);
  for (let i = 0; i < count; i++) {
    const high = positions[2 * i + 1] as number;
    if (high >>> 0 >= 2 ** 21) throw new JournalFormatError("a value of a column is beyond every real journal");
    const position = high * 2 ** 32 + ((positions[2 * i] as number) >>> 0);
    if ((principals[i] as number) >>> 0 >= ledger.principals.length)
      throw new JournalFormatError("a request is of an unknown principal");
    if (position <= last) throw new JournalFormatError("the positions of remembered requests do not ascend");
    last = position;
  }
  ledger.addRequests(columns, terms);
  return count;
}

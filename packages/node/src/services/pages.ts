import { type Position, RefusalError, type Session } from "@bank/core";
import { decodeSession, encodeSession } from "@bank/rpc";

const PAGE_SIZE_DEFAULT = 100;
const PAGE_SIZE_MAX = 1_000;

/** How many entries a page has, for what was asked: 0 is for the default, too many are as many as there can be. */
export function pageSizeOf(asked: number): number {
  return Math.min(asked === 0 ? PAGE_SIZE_DEFAULT : asked, PAGE_SIZE_MAX);
}

/** Where a list goes on, and the state in which its first page was read. */
export interface PageToken {
  readonly session: Session;
  /** What came to be behind it is in none of the pages. */
  readonly position: Position;
  /** Which list it is: letters and digits, ending in a letter; empty for the accounts. */
  readonly list: string;
  /** The next entry to look at, in the list's own way of counting. */
  readonly next: number;
}

export function writePageToken({ session, list, next }: Omit<PageToken, "position">): string {
  return `${encodeSession(session)}.${list}${next}`;
}

/** undefined for the first page. Throws: `RefusalError` INVALID_PAGE_TOKEN. */
export function parsePageToken(token: string): PageToken | undefined {
  if (token === "") return undefined;
  const match = /^([A-Za-z0-9_-]+)\.((?:[a-z0-9]*[a-z])?)([0-9]{1,16})$/.exec(token);
  if (match === null) throw invalidPageToken("it has the wrong form");
  const [, state = "", list = "", next] = match;
  try {
    const session = decodeSession(state);
    return { session, position: session.seen[0]?.position ?? 0, list, next: Number(next) };
  } catch (error) {
    throw error instanceof RefusalError ? invalidPageToken("it has the wrong form") : error;
  }
}

/** Throws: `RefusalError` INVALID_PAGE_TOKEN for the token of another list. */
export function requireList(page: PageToken | undefined, list: string): void {
  if (page !== undefined && page.list !== list) throw invalidPageToken("it is of another list");
}

function invalidPageToken(problem: string): RefusalError {
  return new RefusalError("INVALID_PAGE_TOKEN", { problem });
}

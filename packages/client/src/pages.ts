import type { Page } from "./types/index.ts";

/** The entries of a list, page after page, and no page before its entries are asked for. */
export async function* entriesOfPages<P extends Page, T>(
  readPage: (pageToken: string | undefined) => Promise<P>,
  entriesOf: (page: P) => readonly T[],
): AsyncGenerator<T, void> {
  let pageToken: string | undefined;
  do {
    const page = await readPage(pageToken);
    yield* entriesOf(page);
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
}

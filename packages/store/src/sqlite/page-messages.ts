import type { CheckedPage } from "@bank/journal";

/** What the thread that reads the pages of a snapshot begins with. */
export interface PageReading {
  /** Of the journal's file. */
  readonly path: string;
  readonly position: number;
  readonly pageCount: number;
}

/**
 * What it is told: that pages were used and there is room for more, or to give its connection back and end. The memory of the
 * pages comes back with it: left to the garbage collector of the main thread, it would have that look at everything again
 * and again.
 */
export type PageRequest = { readonly kind: "more"; readonly used: readonly ArrayBuffer[] } | { readonly kind: "close" };

/** What it sends: pages in their order, then why there are no more where one could not be had. */
export type PageReply =
  | { readonly kind: "pages"; readonly pages: readonly CheckedPage[] }
  /** What is stored is not what it should be. */
  | { readonly kind: "corrupt"; readonly problem: string }
  | { readonly kind: "failed"; readonly problem: string };

/** So many pages are sent together, */
export const PAGES_PER_REPLY = 8;
/** and so many such replies at most are not taken yet: some 10 MB. */
export const REPLIES_AHEAD = 8;

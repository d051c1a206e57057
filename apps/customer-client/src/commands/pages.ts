import type { Page } from "@bank/client";
import type { Command } from "commander";
import { UsageError } from "../usage-error.ts";

/** The largest page that a server gives. */
const PAGE_SIZE_MAX = 1_000;

/** How much of a list is asked for. */
export interface ListArguments {
  readonly limit: string;
  readonly all?: boolean;
  readonly pageToken?: string;
}

/** Adds `--limit`, `--all` and `--page-token` to a command that lists. */
export function addListOptions(command: Command): Command {
  return command
    .option("--limit <n>", "how many at the most", "100")
    .option("--all", "all of them")
    .option("--page-token <token>", "go on behind an earlier list");
}

/** Entries of a list, from as many pages as it took. */
export interface Listed<Entry> {
  readonly entries: readonly Entry[];
  /** Asks for what comes behind them; undefined at the end of the list. */
  readonly nextPageToken: string | undefined;
  /** The last page that was read: it says of which state they are. */
  readonly page: Page;
}

/** How many entries a list may give. Throws: `UsageError`. */
export function limitOf({ limit, all }: ListArguments): number {
  if (all === true) return Number.POSITIVE_INFINITY;
  if (!/^[1-9][0-9]{0,8}$/.test(limit))
    throw new UsageError(`--limit ${JSON.stringify(limit)} is not a whole number from 1.`, { limit });
  return Number(limit);
}

/** Reads pages until there are as many entries as are asked for, or no more. */
export async function readPages<P extends Page, Entry>(
  given: ListArguments,
  next: (options: { readonly pageSize: number; readonly pageToken: string | undefined }) => Promise<P>,
  entriesOf: (page: P) => readonly Entry[],
): Promise<Listed<Entry>> {
  const limit = limitOf(given);
  const entries: Entry[] = [];
  let pageToken = given.pageToken;
  for (;;) {
    const page = await next({ pageSize: Math.min(limit - entries.length, PAGE_SIZE_MAX), pageToken });
    for (const entry of entriesOf(page)) entries.push(entry);
    pageToken = page.nextPageToken;
    if (pageToken === undefined || entries.length >= limit) return { entries, nextPageToken: pageToken, page };
  }
}

/** What stands below a list that goes on. */
export function moreText({ nextPageToken }: Pick<Listed<unknown>, "nextPageToken">): string {
  return nextPageToken === undefined
    ? ""
    : `There are more: --all lists them, --page-token ${nextPageToken} the next.\n`;
}

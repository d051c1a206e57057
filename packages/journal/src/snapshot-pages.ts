import type { Ledger } from "@bank/core";
import type { TermSum } from "@bank/core/request-terms";
import type { SnapshotPage } from "@bank/proto";
import { SnapshotPageSchema } from "@bank/proto";
import { create, toBinary } from "@bufbuild/protobuf";
import { decodeStrictly } from "./decode.ts";
import { JournalFormatError } from "./errors.ts";
import { REQUESTS_PER_PAGE, type RequestBytes, RequestsScratch, requestBytesOf } from "./requests-page.ts";
import { ACCOUNTS_PER_PAGE, encodeAccounts, loadAccounts } from "./snapshot-accounts.ts";
import {
  checkHeld,
  encodeHolds,
  encodeReversals,
  HOLDS_PER_PAGE,
  loadHolds,
  loadReversals,
  merged,
  REVERSALS_PER_PAGE,
  sortedRuns,
} from "./snapshot-holds.ts";
import { encodeRequests, hashOfStoredPage, loadRequests } from "./snapshot-requests.ts";
import { encodeTables, loadTables } from "./snapshot-tables.ts";

/** A page of requests that is full, and so never changes again. */
export interface FullPage {
  /** 32 bytes, where it lies in the ledger's store already; else it has to be made. */
  readonly storedHash: Uint8Array | undefined;
  bytes(): Uint8Array;
}

/**
 * The whole state as canonical pages: the small tables, then accounts, requests, holds and reversals. They are of the
 * moment of this call, whatever happens to the ledger until they are asked for; only what is in it now must not be taken
 * away again. Of accounts a part is copied only when it is about to change, until its pages have been asked for; holds are
 * copied at once. What only grows at its end, and is most of it, is read when its page is asked for. `undefined` comes where there was a moment's work, and no page yet.
 */
export function freezePages(ledger: Ledger): Iterable<Uint8Array | FullPage | undefined> {
  const tables = encode({ case: "tables", value: encodeTables(ledger) });
  const accounts = ledger.accounts.freeze();
  const requestCount = ledger.requests.count;
  const holds = ledger.holds.freeze();
  const reversalCount = ledger.reversals.size;
  return (function* pages() {
    yield tables;
    try {
      for (const [from, to] of runs(accounts.count, ACCOUNTS_PER_PAGE))
        yield encode({ case: "accounts", value: encodeAccounts(accounts, from, to) });
    } finally {
      accounts.release();
    }
    for (const [from, to] of runs(requestCount, REQUESTS_PER_PAGE)) yield requestsPage(ledger, from, to);
    for (const [from, to] of runs(holds.count, HOLDS_PER_PAGE))
      yield encode({ case: "holds", value: encodeHolds(holds, from, to) });
    const reversed: Float64Array[] = [];
    for (const run of sortedRuns(ledger, reversalCount)) {
      reversed.push(run);
      yield undefined;
    }
    for (const originals of merged(reversed))
      yield encode({ case: "reversals", value: encodeReversals(ledger, originals) });
  })();
}

function requestsPage(ledger: Ledger, from: number, to: number): Uint8Array | FullPage {
  const bytes = () => encode({ case: "requests", value: encodeRequests(ledger, from, to) });
  if (to - from < REQUESTS_PER_PAGE) return bytes();
  return { storedHash: hashOfStoredPage(ledger, from / REQUESTS_PER_PAGE), bytes };
}

function encode(content: SnapshotPage["content"]): Uint8Array {
  return toBinary(SnapshotPageSchema, create(SnapshotPageSchema, { content }));
}

function* runs(count: number, perPage: number): Generator<readonly [from: number, to: number]> {
  for (let from = 0; from < count; from += perPage) yield [from, Math.min(from + perPage, count)];
}

/** Fills an empty ledger from the pages, all of them in their order. Throws: as `PageLoader`. */
export function loadPages(ledger: Ledger, pages: readonly Uint8Array[]): void {
  const loader = new PageLoader(ledger, pages.length);
  for (const page of pages) loader.add(page);
  loader.finish();
}

/**
 * Fills an empty ledger with one page after the other. Equal states have equal pages: any other split or order of the same
 * contents is refused, and so are contents that contradict each other.
 * Throws: `JournalFormatError`; `InvariantError` for two accounts of one name.
 */
export class PageLoader {
  private readonly ledger: Ledger;
  private before: PageCase;
  private full = false;
  private lastReversed = 0;
  private readonly scratch = new RequestsScratch();
  private pages = 0;
  /** Which pages are full ones of requests: those from the first to before the second number. */
  readonly fullRequestPages = { from: 0, to: 0 };

  private readonly pageCount: number;

  /** @param pageCount how many pages there will be. */
  constructor(ledger: Ledger, pageCount: number) {
    this.ledger = ledger;
    this.pageCount = pageCount;
  }

  /** @param terms of a page of requests, what `termsOfPage` says, where that is worked out already. */
  add(bytes: Uint8Array, terms?: TermSum): void {
    const { ledger } = this;
    const requests = requestBytesOf(bytes);
    const content: PageContent =
      requests === undefined
        ? decodeStrictly(SnapshotPageSchema, bytes).content
        : { case: "requests", value: requests };
    if (!follows(this.before, this.full, content.case))
      throw new JournalFormatError("a page of the snapshot is out of place");
    switch (content.case) {
      case "tables":
        loadTables(ledger, content.value);
        // As many customers as there are numbers, but no more than come: this page is not proven yet.
        ledger.accounts.reserve(Math.min(ledger.nextAccountNumber, this.pageCount * ACCOUNTS_PER_PAGE));
        break;
      case "accounts":
        this.full = loadAccounts(ledger, content.value) === ACCOUNTS_PER_PAGE;
        break;
      case "requests":
        this.full = loadRequests(ledger, content.value, this.scratch, terms) === REQUESTS_PER_PAGE;
        if (this.before !== "requests") this.fullRequestPages.from = this.fullRequestPages.to = this.pages;
        if (this.full) this.fullRequestPages.to++;
        break;
      case "holds":
        checkHasLevel2(ledger);
        this.full = loadHolds(ledger, content.value) === HOLDS_PER_PAGE;
        break;
      case "reversals": {
        checkHasLevel2(ledger);
        const { count, last } = loadReversals(ledger, content.value, this.lastReversed);
        this.full = count === REVERSALS_PER_PAGE;
        this.lastReversed = last;
        break;
      }
    }
    this.before = content.case;
    this.pages++;
  }

  /** Whether the last page that came was a full one of requests. */
  get wasFullRequests(): boolean {
    return this.before === "requests" && this.full;
  }

  /** To be called behind the last page. */
  finish(): void {
    const { ledger } = this;
    if (this.before === undefined) throw new JournalFormatError("the snapshot has no pages");
    if (ledger.accounts.findByAlias(String(ledger.nextAccountNumber)) !== undefined)
      throw new JournalFormatError("the next account's number is the alias of another");
    checkHeld(ledger);
    ledger.requests.indexAll();
  }
}

type PageContent = SnapshotPage["content"] | { readonly case: "requests"; readonly value: RequestBytes };
type PageCase = SnapshotPage["content"]["case"];

const ORDER: readonly PageCase[] = ["tables", "accounts", "requests", "holds", "reversals"];

/** One page of tables, then the others by kind; only the last of a kind may have room left. */
function follows(before: PageCase, full: boolean, next: PageCase): boolean {
  if (before === undefined) return next === "tables";
  return next === before ? full : ORDER.indexOf(next) > ORDER.indexOf(before);
}

function checkHasLevel2(ledger: Ledger): void {
  if (ledger.formatLevel < 2) throw new JournalFormatError("a snapshot of format level 1 has no such page");
}

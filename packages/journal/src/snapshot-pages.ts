import type { AccountIndex, CurrencyIndex, Ledger } from "@bank/core";
import { isAccountType, requestIdFromBytes } from "@bank/core";
import type { AccountsPage, RequestsPage, SnapshotPage, TablesPage } from "@bank/proto";
import {
  AccountsPageSchema,
  BranchEntrySchema,
  CurrencyEntrySchema,
  EpochEntrySchema,
  RequestsPageSchema,
  SnapshotPageSchema,
  TablesPageSchema,
} from "@bank/proto";
import { create, toBinary } from "@bufbuild/protobuf";
import { copyBytes, decodeStrictly, safeInteger } from "./decode.ts";
import { JournalFormatError } from "./errors.ts";
import { ColumnReader, ColumnWriter } from "./fixed-columns.ts";

const ACCOUNTS_PER_PAGE = 1024;
const REQUESTS_PER_PAGE = 4096;

/** The whole state as canonical pages: the small tables, then accounts, then requests. */
export function encodePages(ledger: Ledger): Uint8Array[] {
  const pages = [toBinary(SnapshotPageSchema, page({ case: "tables", value: encodeTables(ledger) }))];
  for (let first = 0; first < ledger.accounts.count; first += ACCOUNTS_PER_PAGE) {
    const value = encodeAccounts(ledger, first, Math.min(first + ACCOUNTS_PER_PAGE, ledger.accounts.count));
    pages.push(toBinary(SnapshotPageSchema, page({ case: "accounts", value })));
  }
  for (let first = 0; first < ledger.requests.count; first += REQUESTS_PER_PAGE) {
    const value = encodeRequests(ledger, first, Math.min(first + REQUESTS_PER_PAGE, ledger.requests.count));
    pages.push(toBinary(SnapshotPageSchema, page({ case: "requests", value })));
  }
  return pages;
}

/**
 * Fills an empty ledger from the pages, all of them in their order. Equal states have equal pages: any other split or
 * order of the same contents is refused.
 * Throws: `JournalFormatError`; `InvariantError` for accounts that contradict each other.
 */
export function loadPages(ledger: Ledger, pages: readonly Uint8Array[]): void {
  let before: PageCase;
  let full = false;
  for (const bytes of pages) {
    const { content } = decodeStrictly(SnapshotPageSchema, bytes);
    if (!follows(before, full, content.case)) throw new JournalFormatError("a page of the snapshot is out of place");
    switch (content.case) {
      case "tables":
        loadTables(ledger, content.value);
        break;
      case "accounts":
        full = loadAccounts(ledger, content.value) === ACCOUNTS_PER_PAGE;
        break;
      case "requests":
        full = loadRequests(ledger, content.value) === REQUESTS_PER_PAGE;
        break;
    }
    before = content.case;
  }
  if (before === undefined) throw new JournalFormatError("the snapshot has no pages");
}

type PageCase = SnapshotPage["content"]["case"];

/** One page of tables, then accounts, then requests; only the last of a kind may have room left. */
function follows(before: PageCase, full: boolean, next: PageCase): boolean {
  if (before === undefined) return next === "tables";
  if (next === before) return full;
  return next === "requests" || (next === "accounts" && before === "tables");
}

function page(content: SnapshotPage["content"]): SnapshotPage {
  return create(SnapshotPageSchema, { content });
}

function encodeTables(ledger: Ledger): TablesPage {
  return create(TablesPageSchema, {
    timeMs: BigInt(ledger.timeMs),
    nextAccountNumber: BigInt(ledger.nextAccountNumber),
    principals: [...ledger.principals],
    currencies: ledger.currencies.map(({ code, decimals }) => create(CurrencyEntrySchema, { code, decimals })),
    branches: ledger.branchNumbers().map((branch) => {
      const { name, address } = ledger.branches.get(branch) ?? { name: "", address: "" };
      return create(BranchEntrySchema, { branch, name, address });
    }),
    epochs: ledger.epochs.map(({ number, id, firstPosition, lossAccepted }) =>
      create(EpochEntrySchema, { number: BigInt(number), id, firstPosition: BigInt(firstPosition), lossAccepted }),
    ),
    rootPosition: BigInt(ledger.root?.position ?? 0),
    root: ledger.root?.root ?? new Uint8Array(0),
  });
}

function loadTables(ledger: Ledger, tables: TablesPage): void {
  ledger.timeMs = safeInteger(tables.timeMs, "time_ms");
  ledger.nextAccountNumber = safeInteger(tables.nextAccountNumber, "next_account_number");
  for (const principal of tables.principals) ledger.internPrincipal(principal);
  if (ledger.principals.length !== tables.principals.length)
    throw new JournalFormatError("the snapshot lists a principal twice");
  let lastBranch = 0;
  for (const { code, decimals } of tables.currencies) ledger.addCurrency({ code, decimals });
  for (const { branch, name, address } of tables.branches) {
    if (branch <= lastBranch) throw new JournalFormatError("the branches of the snapshot do not ascend");
    ledger.setBranch(branch, { name, address });
    lastBranch = branch;
  }
  for (const { number, id, firstPosition, lossAccepted } of tables.epochs) {
    if (id.length !== 16) throw new JournalFormatError("an epoch id has 16 bytes");
    ledger.addEpoch({
      number: safeInteger(number, "epoch"),
      id: copyBytes(id),
      firstPosition: safeInteger(firstPosition, "first_position"),
      lossAccepted,
    });
  }
  const position = safeInteger(tables.rootPosition, "root_position");
  if (tables.root.length !== (position > 0 ? 32 : 0)) throw new JournalFormatError("a root has 32 bytes");
  if (position > 0) ledger.root = { position, root: copyBytes(tables.root) };
}

function encodeAccounts(ledger: Ledger, from: number, to: number): AccountsPage {
  const table = ledger.accounts;
  const count = to - from;
  return create(AccountsPageSchema, {
    firstAccount: from,
    types: table.types.slice(from, to),
    currencies: new ColumnWriter(count, 4).words(table.currencies, from).bytes,
    homeBranches: new ColumnWriter(count, 4).words(table.homeBranches, from).bytes,
    numbers: new ColumnWriter(count, 8).integers(table.numbers, from).bytes,
    posted: new ColumnWriter(count, 8).int64s(table.posted, from).bytes,
    floors: new ColumnWriter(count, 8).int64s(table.floors, from).bytes,
    versions: new ColumnWriter(count, 8).integers(table.versions, from).bytes,
    openedPositions: new ColumnWriter(count, 8).integers(table.openedPositions, from).bytes,
    openedTimesMs: new ColumnWriter(count, 8).integers(table.openedTimesMs, from).bytes,
    names: table.names.slice(from, to),
    owners: table.owners.slice(from, to),
    displayNames: table.displayNames.slice(from, to),
  });
}

/** Gives the number of accounts. */
function loadAccounts(ledger: Ledger, page: AccountsPage): number {
  if (page.firstAccount !== ledger.accounts.count) throw new JournalFormatError("pages of accounts are out of order");
  const count = page.types.length;
  if (count === 0 || count > ACCOUNTS_PER_PAGE)
    throw new JournalFormatError(`a page of accounts has 1 to ${ACCOUNTS_PER_PAGE}, not ${count}`);
  if ([page.names, page.owners, page.displayNames].some((column) => column.length !== count))
    throw new JournalFormatError("the columns of a page of accounts differ in length");
  const currencies = new ColumnReader(page.currencies, count, 4);
  const homeBranches = new ColumnReader(page.homeBranches, count, 4);
  const numbers = new ColumnReader(page.numbers, count, 8);
  const posted = new ColumnReader(page.posted, count, 8);
  const floors = new ColumnReader(page.floors, count, 8);
  const versions = new ColumnReader(page.versions, count, 8);
  const openedPositions = new ColumnReader(page.openedPositions, count, 8);
  const openedTimesMs = new ColumnReader(page.openedTimesMs, count, 8);
  for (let i = 0; i < count; i++) {
    const type = page.types[i] as number;
    if (!isAccountType(type)) throw new JournalFormatError(`account type ${type} is unknown: use a newer program`);
    const currency = currencies.word(i);
    if (currency >= ledger.currencies.length) throw new JournalFormatError("an account is of an unknown currency");
    const index: AccountIndex = ledger.addAccount({
      type,
      currency: currency as CurrencyIndex,
      homeBranch: homeBranches.word(i),
      number: numbers.integer(i),
      floor: floors.int64(i),
      openedPosition: openedPositions.integer(i),
      openedTimeMs: openedTimesMs.integer(i),
      name: page.names[i] as string,
      owner: page.owners[i] as string,
      displayName: page.displayNames[i] as string,
    });
    ledger.restoreBalance(index, posted.int64(i), versions.integer(i));
  }
  return count;
}

function encodeRequests(ledger: Ledger, from: number, to: number): RequestsPage {
  const count = to - from;
  const page = create(RequestsPageSchema, {
    ids: new Uint8Array(16 * count),
    principals: new Uint8Array(4 * count),
    positions: new Uint8Array(8 * count),
    hashes: new Uint8Array(8 * count),
  });
  const principals = new DataView(page.principals.buffer);
  const positions = new DataView(page.positions.buffer);
  const hashes = new DataView(page.hashes.buffer);
  for (let i = 0; i < count; i++) {
    const entry = ledger.requests.entryAt(from + i);
    page.ids.set(entry.id, 16 * i);
    principals.setUint32(4 * i, entry.principal, true);
    positions.setBigUint64(8 * i, BigInt(entry.position), true);
    hashes.setInt32(8 * i, entry.hashLow, true);
    hashes.setInt32(8 * i + 4, entry.hashHigh, true);
  }
  return page;
}

/** Gives the number of requests. */
function loadRequests(ledger: Ledger, page: RequestsPage): number {
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

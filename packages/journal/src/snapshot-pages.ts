import type { AccountIndex, CurrencyIndex, Ledger } from "@bank/core";
import { assert, isAccountType, requestIdFromBytes } from "@bank/core";
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
import { decodeStrictly, safeInteger } from "./decode.ts";
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

/** Adds the contents of one page to a ledger that holds those before it. Throws: `JournalFormatError`. */
export function loadPage(ledger: Ledger, bytes: Uint8Array): void {
  const { content } = decodeStrictly(SnapshotPageSchema, bytes);
  switch (content.case) {
    case "tables":
      loadTables(ledger, content.value);
      return;
    case "accounts":
      loadAccounts(ledger, content.value);
      return;
    case "requests":
      loadRequests(ledger, content.value);
      return;
    default:
      throw new JournalFormatError("a page of the snapshot has no content that this program knows");
  }
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
  for (const { code, decimals } of tables.currencies) ledger.addCurrency({ code, decimals });
  for (const { branch, name, address } of tables.branches) ledger.setBranch(branch, { name, address });
  for (const { number, id, firstPosition, lossAccepted } of tables.epochs)
    ledger.addEpoch({
      number: safeInteger(number, "epoch"),
      id,
      firstPosition: safeInteger(firstPosition, "first_position"),
      lossAccepted,
    });
  if (tables.rootPosition > 0n)
    ledger.root = { position: safeInteger(tables.rootPosition, "root_position"), root: tables.root };
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

function loadAccounts(ledger: Ledger, page: AccountsPage): void {
  if (page.firstAccount !== ledger.accounts.count) throw new JournalFormatError("pages of accounts are out of order");
  const count = page.types.length;
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
    const index: AccountIndex = ledger.addAccount({
      type,
      currency: currencies.word(i) as CurrencyIndex,
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

function loadRequests(ledger: Ledger, page: RequestsPage): void {
  const count = page.positions.length / 8;
  if (page.ids.length !== 16 * count)
    throw new JournalFormatError("the columns of a page of requests differ in length");
  const principals = new ColumnReader(page.principals, count, 4);
  const positions = new ColumnReader(page.positions, count, 8);
  const hashes = new ColumnReader(page.hashes, count, 8);
  for (let i = 0; i < count; i++) {
    const principal = principals.word(i);
    assert(principal < ledger.principals.length, "a remembered request has a known principal");
    const id = requestIdFromBytes(page.ids.slice(16 * i, 16 * i + 16));
    ledger.addRequest(principal, id, positions.integer(i), hashes.int32(2 * i), hashes.int32(2 * i + 1));
  }
}

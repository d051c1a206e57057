import type { AccountColumns, AccountIndex, AccountRows, AccountState, CurrencyIndex, Ledger } from "@bank/core";
import {
  AMOUNT_MAX,
  isAccountState,
  isAccountType,
  isCustomerType,
  numberOfAlias,
  AccountState as States,
} from "@bank/core";
import type { AccountsPage } from "@bank/proto";
import { AccountsPageSchema, AliasEntrySchema, MetadataEntrySchema } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { JournalFormatError } from "./errors.ts";
import { ColumnReader, ColumnWriter } from "./fixed-columns.ts";
import { fromLists, toLists } from "./texts.ts";

export const ACCOUNTS_PER_PAGE = 1024;

const NONE = new Uint8Array(0);

/** Accounts `from` to before `to`. */
export function encodeAccounts(table: AccountColumns, from: number, to: number): AccountsPage {
  const count = to - from;
  const rows = table.rows(from, to);
  const { types, names, owners, displayNames, states } = rows;
  const page = create(AccountsPageSchema, {
    firstAccount: from,
    types,
    currencies: new ColumnWriter(count, 4).words(rows.currencies, 0).bytes,
    homeBranches: new ColumnWriter(count, 4).words(rows.homeBranches, 0).bytes,
    numbers: new ColumnWriter(count, 8).integers(rows.numbers, 0).bytes,
    posted: new ColumnWriter(count, 8).int64s(rows.posted, 0).bytes,
    floors: new ColumnWriter(count, 8).int64s(rows.floors, 0).bytes,
    versions: new ColumnWriter(count, 8).integers(rows.versions, 0).bytes,
    openedPositions: new ColumnWriter(count, 8).integers(rows.openedPositions, 0).bytes,
    openedTimesMs: new ColumnWriter(count, 8).integers(rows.openedTimesMs, 0).bytes,
    names,
    owners,
    displayNames,
    states: states.every((state) => state === States.OPEN) ? NONE : states,
    held: int64sUnlessZero(rows.held),
    ceilings: int64sUnlessZero(rows.ceilings.map((ceiling) => (ceiling === AMOUNT_MAX ? 0n : ceiling))),
  });
  for (let account = from as AccountIndex; account < to; account++) {
    const alias = table.aliasOf(account);
    if (alias !== "") page.aliases.push(create(AliasEntrySchema, { account, alias }));
    const lists = toLists(table.metadataOf(account));
    if (lists.keys.length > 0) page.metadata.push(create(MetadataEntrySchema, { account, ...lists }));
  }
  return page;
}

function int64sUnlessZero(values: BigInt64Array): Uint8Array<ArrayBuffer> {
  return values.every((value) => value === 0n) ? NONE : new ColumnWriter(values.length, 8).int64s(values, 0).bytes;
}

/** Gives the number of accounts. Throws: `JournalFormatError`; `InvariantError` for two accounts of one name. */
export function loadAccounts(ledger: Ledger, page: AccountsPage): number {
  if (page.firstAccount !== ledger.accounts.count) throw new JournalFormatError("pages of accounts are out of order");
  const count = page.types.length;
  if (count === 0 || count > ACCOUNTS_PER_PAGE)
    throw new JournalFormatError(`a page of accounts has 1 to ${ACCOUNTS_PER_PAGE}, not ${count}`);
  if ([page.names, page.owners, page.displayNames].some((column) => column.length !== count))
    throw new JournalFormatError("the columns of a page of accounts differ in length");
  const extras = new Extras(page, count);
  if (ledger.formatLevel < 2 && !extras.areNone)
    throw new JournalFormatError("accounts have what is of format level 2");
  const rows: AccountRows = {
    types: new Uint8Array(page.types),
    currencies: new ColumnReader(page.currencies, count, 4).words(),
    homeBranches: new ColumnReader(page.homeBranches, count, 4).words(),
    numbers: new ColumnReader(page.numbers, count, 8).integers(),
    posted: new ColumnReader(page.posted, count, 8).int64s(),
    floors: new ColumnReader(page.floors, count, 8).int64s(),
    versions: new ColumnReader(page.versions, count, 8).integers(),
    openedPositions: new ColumnReader(page.openedPositions, count, 8).integers(),
    openedTimesMs: new ColumnReader(page.openedTimesMs, count, 8).integers(),
    names: page.names,
    owners: page.owners,
    displayNames: page.displayNames,
    states: extras.states,
    held: extras.held,
    ceilings: extras.ceilings,
  };
  let from = 0;
  let lastNumber = 0;
  for (let i = 0; i < count; i++) {
    const type = rows.types[i] as number;
    if (!isAccountType(type)) throw new JournalFormatError(`account type ${type} is unknown: use a newer program`);
    if ((rows.currencies[i] as number) >= ledger.currencies.length)
      throw new JournalFormatError("an account is of an unknown currency");
    const number = rows.numbers[i] as number;
    if (isCustomerType(type) !== (number !== 0) || isCustomerType(type) !== (page.names[i] === ""))
      throw new JournalFormatError("customers' accounts have numbers, and the bank's own have names");
    if (number > lastNumber && !extras.hasTexts(i)) {
      checkNames(ledger, number, undefined);
      lastNumber = number;
      continue;
    }
    // Those before it are all of one kind, and go in together.
    ledger.accountLoader.add(rows, from, i);
    loadAccount(ledger, rows, i, extras.texts(i));
    from = i + 1;
  }
  ledger.accountLoader.add(rows, from, count);
  extras.assertFinished();
  return count;
}

/** One by itself: of the bank's own, or with an alias or metadata. */
function loadAccount(ledger: Ledger, rows: AccountRows, i: number, texts: AccountTexts): void {
  const type = rows.types[i] as AccountEntry["type"];
  const number = rows.numbers[i] as number;
  const state = rows.states[i] as AccountState;
  const held = rows.held[i] as bigint;
  const ceiling = rows.ceilings[i] === AMOUNT_MAX ? undefined : rows.ceilings[i];
  const { alias, metadata } = texts;
  if (number === 0 && (alias !== undefined || ceiling !== undefined || state !== States.OPEN || held !== 0n))
    throw new JournalFormatError("an account of the bank's own has what only customers' have");
  checkNames(ledger, number, alias);
  const entry = {
    type,
    currency: rows.currencies[i] as CurrencyIndex,
    homeBranch: rows.homeBranches[i] as number,
    number,
    floor: rows.floors[i] as bigint,
    openedPosition: rows.openedPositions[i] as number,
    openedTimeMs: rows.openedTimesMs[i] as number,
    name: rows.names[i] as string,
    owner: rows.owners[i] as string,
    displayName: rows.displayNames[i] as string,
    ceiling,
    alias,
    metadata,
  };
  const index = ledger.restoreAccount(entry, rows.posted[i] as bigint, rows.versions[i] as number);
  if (state !== States.OPEN || held !== 0n) ledger.restoreState(index, state, held);
}

/** Numbers and aliases are one name space; an alias of digits is its account's number. */
function checkNames(ledger: Ledger, number: number, alias: string | undefined): void {
  const chosen = alias === undefined ? undefined : numberOfAlias(alias);
  if (chosen !== undefined && chosen !== number)
    throw new JournalFormatError("an account's alias is a number, and not its own");
  if (chosen === undefined && number >= ledger.nextAccountNumber)
    throw new JournalFormatError("an account has the number of a later one");
  if (number !== 0 && isTaken(ledger, number)) throw new JournalFormatError("an account's number names another");
  if (alias !== undefined && ledger.findCustomerAccount(alias) !== undefined)
    throw new JournalFormatError("an account's alias names another");
}

/** As `findCustomerAccount` says it, without a text for each number where no account has an alias. */
function isTaken({ accounts }: Ledger, number: number): boolean {
  if (accounts.findByNumber(number) !== undefined) return true;
  return accounts.hasAliases && accounts.findByAlias(String(number)) !== undefined;
}

type AccountEntry = Parameters<Ledger["addAccount"]>[0];

type AccountTexts = Pick<AccountEntry, "alias" | "metadata">;

/** What of an account is mostly at its default: a column of it is there only if something in it is not. */
class Extras {
  readonly states: Uint8Array<ArrayBuffer>;
  readonly held: BigInt64Array<ArrayBuffer>;
  /** `AMOUNT_MAX` for none. */
  readonly ceilings: BigInt64Array<ArrayBuffer>;
  private readonly page: AccountsPage;
  private alias = 0;
  private metadata = 0;

  constructor(page: AccountsPage, count: number) {
    this.page = page;
    this.states = statesOf(page, count);
    this.held = sparse(page.held, count) ?? new BigInt64Array(count);
    if (page.held.length > 0 && this.held.some((held) => held < 0n))
      throw new JournalFormatError("what holds keep back is not negative");
    const ceilings = sparse(page.ceilings, count);
    // The largest amount of all says nothing as a ceiling: it stands for none in the table.
    if (ceilings?.some((ceiling) => ceiling < 0n || ceiling === AMOUNT_MAX))
      throw new JournalFormatError("a ceiling is an amount, or 0 for none");
    this.ceilings =
      ceilings?.map((ceiling) => (ceiling === 0n ? AMOUNT_MAX : ceiling)) ?? new BigInt64Array(count).fill(AMOUNT_MAX);
  }

  get areNone(): boolean {
    const { states, held, ceilings, aliases, metadata } = this.page;
    return [states, held, ceilings, aliases, metadata].every(({ length }) => length === 0);
  }

  /** Whether the account in this row has an alias or metadata. Rows are asked for in their order. */
  hasTexts(row: number): boolean {
    const account = this.page.firstAccount + row;
    const { aliases, metadata } = this.page;
    return aliases[this.alias]?.account === account || metadata[this.metadata]?.account === account;
  }

  /** Of the account in this row, once. */
  texts(row: number): AccountTexts {
    const account = this.page.firstAccount + row;
    return { alias: this.nextAlias(account), metadata: this.nextMetadata(account) };
  }

  /** Every alias and all metadata belong to an account of the page. */
  assertFinished(): void {
    if (this.alias < this.page.aliases.length || this.metadata < this.page.metadata.length)
      throw new JournalFormatError("aliases or metadata of a page do not follow its accounts");
  }

  private nextAlias(account: number): string | undefined {
    const entry = this.page.aliases[this.alias];
    if (entry?.account !== account) return undefined;
    this.alias++;
    if (entry.alias === "") throw new JournalFormatError("an alias is not empty");
    return entry.alias;
  }

  private nextMetadata(account: number): AccountEntry["metadata"] {
    const entry = this.page.metadata[this.metadata];
    if (entry?.account !== account) return undefined;
    this.metadata++;
    if (entry.keys.length === 0) throw new JournalFormatError("no metadata are left out");
    return fromLists(entry, "an account");
  }
}

function statesOf({ states }: AccountsPage, count: number): Uint8Array<ArrayBuffer> {
  if (states.length === 0) return new Uint8Array(count).fill(States.OPEN);
  if (states.length !== count || states.every((state) => state === States.OPEN))
    throw new JournalFormatError("the column of states does not fit the accounts");
  const unknown = states.find((state) => !isAccountState(state));
  if (unknown !== undefined) throw new JournalFormatError(`account state ${unknown} is unknown: use a newer program`);
  return new Uint8Array(states);
}

function sparse(bytes: Uint8Array, count: number): BigInt64Array<ArrayBuffer> | undefined {
  if (bytes.length === 0) return undefined;
  const column = new ColumnReader(bytes, count, 8);
  if (bytes.every((byte) => byte === 0))
    throw new JournalFormatError("a column is written out though all of it is zero");
  return column.int64s();
}

import type { AccountColumns, AccountIndex, AccountState, CurrencyIndex, Ledger } from "@bank/core";
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
  const currencies = new ColumnReader(page.currencies, count, 4);
  const homeBranches = new ColumnReader(page.homeBranches, count, 4);
  const numbers = new ColumnReader(page.numbers, count, 8);
  const posted = new ColumnReader(page.posted, count, 8);
  const floors = new ColumnReader(page.floors, count, 8);
  const versions = new ColumnReader(page.versions, count, 8);
  const openedPositions = new ColumnReader(page.openedPositions, count, 8);
  const openedTimesMs = new ColumnReader(page.openedTimesMs, count, 8);
  const extras = new Extras(page, count);
  if (ledger.formatLevel < 2 && !extras.areNone)
    throw new JournalFormatError("accounts have what is of format level 2");
  for (let i = 0; i < count; i++) {
    const type = page.types[i] as number;
    if (!isAccountType(type)) throw new JournalFormatError(`account type ${type} is unknown: use a newer program`);
    const currency = currencies.word(i);
    if (currency >= ledger.currencies.length) throw new JournalFormatError("an account is of an unknown currency");
    const number = numbers.integer(i);
    const { alias, ceiling, metadata, state, held } = extras.next();
    if (isCustomerType(type) !== (number !== 0) || isCustomerType(type) !== (page.names[i] === ""))
      throw new JournalFormatError("customers' accounts have numbers, and the bank's own have names");
    if (number === 0 && (alias !== undefined || ceiling !== undefined || state !== States.OPEN || held !== 0n))
      throw new JournalFormatError("an account of the bank's own has what only customers' have");
    checkNames(ledger, number, alias);
    const entry = {
      type,
      currency: currency as CurrencyIndex,
      homeBranch: homeBranches.word(i),
      number,
      floor: floors.int64(i),
      openedPosition: openedPositions.integer(i),
      openedTimeMs: openedTimesMs.integer(i),
      name: page.names[i] as string,
      owner: page.owners[i] as string,
      displayName: page.displayNames[i] as string,
      ceiling,
      alias,
      metadata,
    };
    const index = ledger.restoreAccount(entry, posted.int64(i), versions.integer(i));
    if (state !== States.OPEN || held !== 0n) ledger.restoreState(index, state, held);
  }
  extras.assertFinished();
  return count;
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

/** What of an account is mostly at its default: a column of it is there only if something in it is not. */
class Extras {
  private readonly states: Uint8Array;
  private readonly held: ColumnReader | undefined;
  private readonly ceilings: ColumnReader | undefined;
  private readonly page: AccountsPage;
  private account = 0;
  private alias = 0;
  private metadata = 0;

  constructor(page: AccountsPage, count: number) {
    this.page = page;
    const { states } = page;
    if (states.length !== 0 && (states.length !== count || states.every((state) => state === States.OPEN)))
      throw new JournalFormatError("the column of states does not fit the accounts");
    this.states = states;
    this.held = sparse(page.held, count);
    this.ceilings = sparse(page.ceilings, count);
  }

  get areNone(): boolean {
    const { states, held, ceilings, aliases, metadata } = this.page;
    return [states, held, ceilings, aliases, metadata].every(({ length }) => length === 0);
  }

  /** Of the next account. */
  next(): Pick<AccountEntry, "ceiling" | "alias" | "metadata"> & { state: AccountState; held: bigint } {
    const { page } = this;
    const i = this.account++;
    const state = this.states[i] ?? States.OPEN;
    if (!isAccountState(state)) throw new JournalFormatError(`account state ${state} is unknown: use a newer program`);
    const held = this.held?.int64(i) ?? 0n;
    if (held < 0n) throw new JournalFormatError("what holds keep back is not negative");
    const ceiling = this.ceilings?.int64(i) ?? 0n;
    // The largest amount of all says nothing as a ceiling: it stands for none in the table.
    if (ceiling < 0n || ceiling === AMOUNT_MAX) throw new JournalFormatError("a ceiling is an amount, or 0 for none");
    return {
      ceiling: ceiling === 0n ? undefined : ceiling,
      alias: this.nextAlias(page.firstAccount + i),
      metadata: this.nextMetadata(page.firstAccount + i),
      state,
      held,
    };
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

function sparse(bytes: Uint8Array, count: number): ColumnReader | undefined {
  if (bytes.length === 0) return undefined;
  const column = new ColumnReader(bytes, count, 8);
  if (bytes.every((byte) => byte === 0))
    throw new JournalFormatError("a column is written out though all of it is zero");
  return column;
}

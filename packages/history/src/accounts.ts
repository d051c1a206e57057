import type { AccountIndex } from "@bank/core";

/** What the rows say of an account. */
export interface StoredAccount {
  /** Posted and held balance behind its newest entry, in minor units. */
  readonly posted: bigint;
  readonly held: bigint;
  /** How many rows have entries of it. */
  readonly rows: number;
}

/** Accounts in one page of memory. */
const PAGE_ACCOUNTS = 4_096;

/** Neighbouring accounts: what is known of account `a` stands at `a % PAGE_ACCOUNTS`. */
export interface AccountPage {
  /** At the end of the projection. */
  readonly posted: BigInt64Array;
  readonly held: BigInt64Array;
  /** How many rows have entries of the account: the number of its next row. */
  readonly rows: Uint32Array;
  /** Its newest entry that is in no row yet, by index from 1; 0 for none. */
  readonly newest: Int32Array;
  /** 1 for those that were loaded. */
  readonly known: Uint8Array;
}

/** The state of every account at the end of the projection, loaded at its first use: 25 bytes an account. */
export class Accounts {
  private readonly pages: (AccountPage | undefined)[] = [];
  private readonly load: (account: AccountIndex) => StoredAccount;

  /** @param load reads an account's state from the rows. */
  constructor(load: (account: AccountIndex) => StoredAccount) {
    this.load = load;
  }

  /** The page of an account, with the account's state in it. */
  page(account: AccountIndex): AccountPage {
    const page = this.pages[Math.floor(account / PAGE_ACCOUNTS)] ?? this.addPage(account);
    const at = account % PAGE_ACCOUNTS;
    if (page.known[at] === 0) {
      const { posted, held, rows } = this.load(account);
      page.posted[at] = posted;
      page.held[at] = held;
      page.rows[at] = rows;
      page.known[at] = 1;
    }
    return page;
  }

  /** How many rows have entries of the account. */
  rowsOf(account: AccountIndex): number {
    return this.page(account).rows[indexInPage(account)] as number;
  }

  private addPage(account: AccountIndex): AccountPage {
    const page: AccountPage = {
      posted: new BigInt64Array(PAGE_ACCOUNTS),
      held: new BigInt64Array(PAGE_ACCOUNTS),
      rows: new Uint32Array(PAGE_ACCOUNTS),
      newest: new Int32Array(PAGE_ACCOUNTS),
      known: new Uint8Array(PAGE_ACCOUNTS),
    };
    this.pages[Math.floor(account / PAGE_ACCOUNTS)] = page;
    return page;
  }
}

/** Where an account stands in its page. */
export function indexInPage(account: AccountIndex): number {
  return account % PAGE_ACCOUNTS;
}

import type { AccountIndex } from "@bank/core";

/** Posted and held balance of one account, in minor units. */
export interface Balance {
  readonly posted: bigint;
  readonly held: bigint;
}

/** Accounts in one page of memory. */
const PAGE_ACCOUNTS = 4_096;

interface Page {
  readonly posted: BigInt64Array;
  readonly held: BigInt64Array;
  /** 1 for those that were loaded. */
  readonly known: Uint8Array;
}

/** Balances of every account at the end of the projection, loaded at their first use: 17 bytes an account. */
export class Balances {
  private readonly pages: (Page | undefined)[] = [];
  private readonly load: (account: AccountIndex) => Balance;

  /** @param load reads the balance of an account from the rows. */
  constructor(load: (account: AccountIndex) => Balance) {
    this.load = load;
  }

  /** Adds to an account's balances, and gives what they are then. */
  add(account: AccountIndex, posted: bigint, held: bigint): Balance {
    const page = this.pageOf(account);
    const at = account % PAGE_ACCOUNTS;
    if (page.known[at] === 0) {
      const before = this.load(account);
      page.posted[at] = before.posted;
      page.held[at] = before.held;
      page.known[at] = 1;
    }
    const after = { posted: (page.posted[at] as bigint) + posted, held: (page.held[at] as bigint) + held };
    page.posted[at] = after.posted;
    page.held[at] = after.held;
    return after;
  }

  private pageOf(account: AccountIndex): Page {
    const index = Math.floor(account / PAGE_ACCOUNTS);
    const known = this.pages[index];
    if (known !== undefined) return known;
    const page: Page = {
      posted: new BigInt64Array(PAGE_ACCOUNTS),
      held: new BigInt64Array(PAGE_ACCOUNTS),
      known: new Uint8Array(PAGE_ACCOUNTS),
    };
    this.pages[index] = page;
    return page;
  }
}

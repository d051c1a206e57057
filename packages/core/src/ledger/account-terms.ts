import { AccountState } from "../account.ts";
import type { AccountIndex } from "../identifiers.ts";
import { AMOUNT_MAX } from "../limits.ts";
import type { AccountTable } from "./account-table.ts";
import type { Digest } from "./term-hasher.ts";
import type { Terms } from "./terms.ts";

/** The entries of accounts in the digest: what stands in the table is subtracted before it changes, and added behind. */
export class AccountTerms {
  private readonly accounts: AccountTable;
  private readonly digest: Digest;
  private readonly terms: Terms;

  constructor(accounts: AccountTable, digest: Digest, terms: Terms) {
    this.accounts = accounts;
    this.digest = digest;
    this.terms = terms;
  }

  /** All but its balance and what is held. */
  add(account: AccountIndex): void {
    this.digest.add(this.terms.account(this.accounts, account));
    if (this.hasExtras(account)) this.digest.add(this.terms.accountExtras(this.accounts, account));
  }

  subtract(account: AccountIndex): void {
    this.digest.subtract(this.terms.account(this.accounts, account));
    if (this.hasExtras(account)) this.digest.subtract(this.terms.accountExtras(this.accounts, account));
  }

  addBalance(account: AccountIndex): void {
    const { posted, versions } = this.accounts;
    this.digest.add(this.terms.balance(account, posted[account] as bigint, versions[account] as number));
  }

  subtractBalance(account: AccountIndex): void {
    const { posted, versions } = this.accounts;
    this.digest.subtract(this.terms.balance(account, posted[account] as bigint, versions[account] as number));
  }

  addHeld(account: AccountIndex): void {
    const held = this.accounts.held[account] as bigint;
    if (held !== 0n) this.digest.add(this.terms.held(account, held));
  }

  subtractHeld(account: AccountIndex): void {
    const held = this.accounts.held[account] as bigint;
    if (held !== 0n) this.digest.subtract(this.terms.held(account, held));
  }

  private hasExtras(account: AccountIndex): boolean {
    const { accounts } = this;
    return (
      accounts.states[account] !== AccountState.OPEN ||
      accounts.ceilings[account] !== AMOUNT_MAX ||
      accounts.aliasOf(account) !== "" ||
      Object.keys(accounts.metadataOf(account)).length > 0
    );
  }
}

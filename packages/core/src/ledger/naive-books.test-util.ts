import { type ToldBranchState, type ToldMember, type ToldState, told, toldAt } from "./told.test-util.ts";

export type NaiveAccountType = "savings" | "checking" | "cash" | "interest" | "fees";

/** One account after one change. It is never altered: a change puts another in its place. */
export interface NaiveAccount {
  /** The number of a customer's account, or the name of an internal one. */
  readonly name: string;
  readonly type: NaiveAccountType;
  readonly alias: string;
  readonly owner: string;
  readonly displayName: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly currency: string;
  readonly branch: number;
  readonly state: ToldState;
  readonly posted: bigint;
  /** Added up from the open holds at its last change. */
  readonly held: bigint;
  /** Undefined for none: internal accounts. */
  readonly floor: bigint | undefined;
  readonly ceiling: bigint | undefined;
  /** Changes so far, its opening included. */
  readonly version: number;
}

export interface NaiveHold {
  readonly position: number;
  readonly account: string;
  readonly amount: bigint;
  readonly captured: bigint;
  /** 0 for never. */
  readonly expiresMs: number;
  readonly state: "open" | "captured" | "released" | "expired";
}

/** Something that moved money. */
export interface NaiveTransaction {
  readonly position: number;
  readonly from: string;
  readonly to: string;
  readonly amount: bigint;
  /** The customer's account that it is on: of two, the one that paid. */
  readonly account: string;
  readonly isReversal: boolean;
  readonly reversedBy: number | undefined;
}

export interface NaiveBranch {
  readonly name: string;
  readonly address: string;
  readonly state: ToldBranchState;
}

export interface NaiveDurability {
  readonly copies: number;
  readonly members: readonly ToldMember[];
  readonly position: number;
}

/** What an account was right after the record at a position. */
export interface NaiveChange {
  readonly position: number;
  readonly account: NaiveAccount;
}

const ZERO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(" ");
const THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND".split(" ");
const FOUR_DECIMALS = "CLF UYW".split(" ");

/** Decimals of any currency that there is; the caller sees to it that there is one. */
export function naiveDecimals(currency: string): number {
  if (ZERO_DECIMALS.includes(currency)) return 0;
  if (THREE_DECIMALS.includes(currency)) return 3;
  return FOUR_DECIMALS.includes(currency) ? 4 : 2;
}

/** The text of an amount: `-0.05`, by division and remainder. */
export function naiveDecimal(minor: bigint, currency: string): string {
  const decimals = naiveDecimals(currency);
  if (minor < 0n) return `-${naiveDecimal(-minor, currency)}`;
  if (decimals === 0) return `${minor}`;
  const unit = 10n ** BigInt(decimals);
  return `${minor / unit}.${(minor % unit).toString().padStart(decimals, "0")}`;
}

/**
 * What the naive bank writes down: maps by name, and a list of how to take each entry back. Nothing is kept that can be
 * added up, and nothing comes from the ledger that is compared with it.
 */
export class NaiveBooks {
  /** Position of the newest record. */
  position = 0;
  timeMs = 0;
  /** The last number that an account got which did not choose one. */
  lastNumber = 0;
  /** Customers' accounts. */
  customerCount = 0;
  /** By name, in the order of opening. */
  readonly accounts = new Map<string, NaiveAccount>();
  /** Numbers of accounts, by alias. */
  readonly aliases = new Map<string, string>();
  readonly currencies = new Set<string>();
  readonly branches = new Map<number, NaiveBranch>();
  /** Under the name `it`: what was said last, if anything. */
  readonly durability = new Map<"it", NaiveDurability>();
  /** By position, ended ones too. */
  readonly holds = new Map<number, NaiveHold>();
  readonly openHolds = new Map<number, NaiveHold>();
  /** By position. */
  readonly transactions = new Map<number, NaiveTransaction>();
  /** Every change of every account, oldest first. */
  readonly history: NaiveChange[] = [];
  /** One line for each position from 1. */
  readonly lines: string[] = [];
  private readonly takeBacks: (() => void)[] = [];

  /** The account that a caller names by its number or its alias. */
  customer(reference: string): NaiveAccount | undefined {
    const account = this.accounts.get(this.aliases.get(reference) ?? reference);
    return account === undefined || isInternal(account) ? undefined : account;
  }

  /** An account that is there. */
  account(name: string): NaiveAccount {
    const account = this.accounts.get(name);
    if (account === undefined) throw new Error(`the naive bank has no account ${name}`);
    return account;
  }

  heldOn(name: string): bigint {
    let held = 0n;
    for (const hold of this.openHolds.values()) if (hold.account === name) held += hold.amount - hold.captured;
    return held;
  }

  /** Writes the next record down. Gives its position. */
  say(line: string): number {
    const position = this.position + 1;
    this.position = position;
    this.lines.push(toldAt(position, line));
    this.takeBacks.push(() => {
      this.position = position - 1;
      this.lines.pop();
    });
    return position;
  }

  useCurrency(currency: string): void {
    if (this.currencies.has(currency)) return;
    this.say(told.currency(currency, naiveDecimals(currency)));
    this.currencies.add(currency);
    this.takeBacks.push(() => this.currencies.delete(currency));
  }

  setTime(timeMs: number): void {
    const before = this.timeMs;
    this.timeMs = timeMs;
    this.takeBacks.push(() => {
      this.timeMs = before;
    });
  }

  /** A new account, by the record that was just written down. */
  open(account: NaiveAccount): void {
    this.put(this.accounts, account.name, account);
    if (account.alias !== "") this.put(this.aliases, account.alias, account.name);
    this.remember(account);
    if (isInternal(account)) return;
    const before = this.lastNumber;
    if (account.alias !== account.name) this.lastNumber = Number(account.name);
    this.customerCount++;
    this.takeBacks.push(() => {
      this.lastNumber = before;
      this.customerCount--;
    });
  }

  /** A change of an account, by the record that was just written down; of its holds, before this is called. */
  change(name: string, changes: Partial<NaiveAccount> = {}): void {
    const before = this.account(name);
    const after = { ...before, ...changes, held: this.heldOn(name), version: before.version + 1 };
    this.put(this.accounts, name, after);
    this.remember(after);
  }

  putHold(hold: NaiveHold): void {
    this.put(this.holds, hold.position, hold);
    if (hold.state === "open") this.put(this.openHolds, hold.position, hold);
    else this.drop(this.openHolds, hold.position);
  }

  putTransaction(transaction: NaiveTransaction): void {
    this.put(this.transactions, transaction.position, transaction);
  }

  putBranch(number: number, branch: NaiveBranch): void {
    this.put(this.branches, number, branch);
  }

  /** Sets an entry of one of these maps, or of any other that is to be taken back with them. */
  put<K, V>(map: Map<K, V>, key: K, value: V): void {
    const before = map.get(key);
    map.set(key, value);
    this.takeBacks.push(() => {
      if (before === undefined) map.delete(key);
      else map.set(key, before);
    });
  }

  /** To give to `takeBack`. */
  mark(): number {
    return this.takeBacks.length;
  }

  /** Everything since the mark has never been. */
  takeBack(mark: number): void {
    while (this.takeBacks.length > mark) this.takeBacks.pop()?.();
  }

  private drop<K, V>(map: Map<K, V>, key: K): void {
    const before = map.get(key);
    if (before === undefined) return;
    map.delete(key);
    this.takeBacks.push(() => map.set(key, before));
  }

  private remember(account: NaiveAccount): void {
    this.history.push({ position: this.position, account });
    this.takeBacks.push(() => this.history.pop());
  }
}

export function isInternal(account: NaiveAccount): boolean {
  return account.type !== "savings" && account.type !== "checking";
}

import type { Findings } from "../findings.ts";
import type { AccountLife, Floor, History, Movement, WitnessRecord } from "../history.ts";
import { sidesOf } from "../history.ts";

/** An account as the naive model has it. */
interface NaiveAccount {
  readonly currency: string;
  balance: bigint;
  /** What its open holds keep back. */
  held: bigint;
  /** Undefined for none. */
  floor: bigint | undefined;
  ceiling: bigint | undefined;
  state: AccountLife;
}

/**
 * The simplest books there are: one balance an account, moved by what each record says. It shares no code with the
 * ledger, because it is what the ledger's journal and the servers' answers are held against.
 */
export class NaiveModel {
  private readonly accounts = new Map<string, NaiveAccount>();
  private readonly holds = new Map<number, { readonly account: NaiveAccount; kept: bigint }>();
  private readonly findings: Findings;

  constructor({ accounts }: History, findings: Findings) {
    this.findings = findings;
    for (const { account, balance, currency, floor } of accounts)
      this.accounts.set(account, {
        currency,
        balance,
        held: 0n,
        floor: limitOf(floor),
        ceiling: undefined,
        state: "open",
      });
  }

  get accountCount(): number {
    return this.accounts.size;
  }

  /** Undefined where there is no such account. */
  balanceOf(account: string): bigint | undefined {
    return this.accounts.get(account)?.balance;
  }

  currencyOf(account: string): string | undefined {
    return this.accounts.get(account)?.currency;
  }

  stateOf(account: string): AccountLife | undefined {
    return this.accounts.get(account)?.state;
  }

  /** What all accounts together hold, by currency. */
  totals(): ReadonlyMap<string, bigint> {
    const totals = new Map<string, bigint>();
    for (const { balance, currency } of this.accounts.values())
      totals.set(currency, (totals.get(currency) ?? 0n) + balance);
    return totals;
  }

  /**
   * Whether one of the movements, done one after the other, would have to stop at the given limit: by taking more than is
   * there, or by bringing more than may be there.
   */
  stopsAt(limit: "floor" | "ceiling", movements: readonly Movement[]): boolean {
    const changes = new Map<string, bigint>();
    const changed = (name: string, by: bigint) => {
      const change = (changes.get(name) ?? 0n) + by;
      changes.set(name, change);
      return change;
    };
    for (const movement of movements) {
      const { from, to } = sidesOf(movement);
      const payer = from === undefined ? undefined : this.accounts.get(from);
      if (from !== undefined && payer !== undefined) {
        const left = payer.balance - payer.held + changed(from, -movement.amount);
        if (limit === "floor" && payer.floor !== undefined && left < payer.floor) return true;
      }
      const payee = to === undefined ? undefined : this.accounts.get(to);
      if (to !== undefined && payee !== undefined) {
        const there = payee.balance + changed(to, movement.amount);
        if (limit === "ceiling" && payee.ceiling !== undefined && there > payee.ceiling) return true;
      }
    }
    return false;
  }

  /** Does what a record says. What is wrong with it becomes a finding. */
  apply(record: WitnessRecord): void {
    switch (record.kind) {
      case "accountOpened":
        this.openAccount(record);
        break;
      case "accountUpdated":
      case "accountState":
        this.update(record);
        break;
      case "hold":
        this.hold(record, record.account);
        break;
      case "capture":
        this.hold(record, record.debit);
        this.move(record);
        break;
      case "holdsExpired":
        for (const hold of record.holds ?? []) this.keep(hold, 0n);
        break;
      case "interest":
        // Interest that rounds to nothing moves nothing.
        if (record.amount !== undefined) this.move(record);
        break;
      case "deposit":
      case "withdrawal":
      case "transfer":
      case "reversal":
        this.move(record);
        break;
      case "group":
      case "rejected":
      case "other":
        break;
    }
  }

  private openAccount({ account = "", ceiling, currency = "", floor, position }: WitnessRecord): void {
    if (this.accounts.has(account))
      this.findings.add("double-entry", () => `position ${position} opens account ${account}, which is there already`);
    this.accounts.set(account, { currency, balance: 0n, held: 0n, floor: limitOf(floor), ceiling, state: "open" });
  }

  private update(record: WitnessRecord): void {
    const account = this.find(record, record.account);
    if (account === undefined) return;
    if (record.kind === "accountState") account.state = record.state ?? account.state;
    else {
      account.floor = limitOf(record.floor);
      account.ceiling = record.ceiling;
      this.checkFloor(record, record.account);
    }
  }

  private move(record: WitnessRecord): void {
    const { amount = 0n, credit, debit, position } = record;
    const payer = this.find(record, debit);
    const payee = this.find(record, credit);
    if (amount <= 0n || debit === credit || (payer && payee && payer.currency !== payee.currency))
      this.findings.add(
        "double-entry",
        () =>
          `position ${position} moves ${amount} from ${debit} (${payer?.currency}) to ${credit} (${payee?.currency})`,
      );
    if (payer !== undefined) payer.balance -= amount;
    if (payee !== undefined) payee.balance += amount;
    this.checkFloor(record, debit);
  }

  private hold(record: WitnessRecord, name: string | undefined): void {
    const { held = 0n, hold = 0 } = record;
    const account = this.find(record, name);
    if (account === undefined) return;
    if (!this.holds.has(hold)) this.holds.set(hold, { account, kept: 0n });
    this.keep(hold, held);
    // A capture is looked at once its money has moved as well.
    if (record.kind === "hold") this.checkFloor(record, name);
  }

  private keep(position: number, kept: bigint): void {
    const hold = this.holds.get(position);
    if (hold === undefined) return;
    hold.account.held += kept - hold.kept;
    hold.kept = kept;
    if (kept === 0n) this.holds.delete(position);
  }

  private find({ position }: WitnessRecord, name: string | undefined): NaiveAccount | undefined {
    const account = name === undefined ? undefined : this.accounts.get(name);
    if (account === undefined)
      this.findings.add("double-entry", () => `position ${position} names account ${name}, which does not exist`);
    return account;
  }

  private checkFloor({ position }: WitnessRecord, name: string | undefined): void {
    const account = name === undefined ? undefined : this.accounts.get(name);
    if (account?.floor === undefined || account.balance - account.held >= account.floor) return;
    const { balance, floor, held } = account;
    this.findings.add(
      "balance-floor",
      () => `position ${position} leaves account ${name} with ${balance}, of which ${held} held, below its ${floor}`,
    );
  }
}

function limitOf(floor: Floor | undefined): bigint | undefined {
  return floor === "none" ? undefined : (floor ?? 0n);
}

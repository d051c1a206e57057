import { AccountType } from "../account.ts";
import type { CurrencyIndex } from "../identifiers.ts";
import type { MovementOrders } from "../movement-orders.ts";
import { OrderHasher } from "../order-hasher.ts";
import { RecordKind } from "../record.ts";
import type { RecordList } from "../record-list.ts";
import type { Ledger } from "./ledger.ts";
import { numberAt, READ_AHEAD } from "./movements.ts";

/** For an index that there is not. */
const NONE = -1;

/**
 * Carries out orders that need nothing but two open accounts and money: decides, applies, and adds the record to the list,
 * without an object for any of it. It only ever says yes to what `decide` would carry out with the same single record.
 * Everything else (a request id that is known, a principal or an account that is not, a rejection, an internal account that
 * has to be opened first, amounts beyond `EXACT_BOUND`) it leaves alone: then `decide` has the word.
 *
 * Other records may be applied between two orders. After a rollback of the list's records `writeTo` has to be called, with
 * a new list, or a new executor made: this one remembers where its actor stands in the list.
 */
export class OrderExecutor {
  private readonly ledger: Ledger;
  private readonly orders: MovementOrders;
  private records: RecordList;
  private readonly hasher: OrderHasher;
  private readonly amounts: Int32Array;
  /** What follows from the ledger's small tables, as they were after so many changes. */
  private tableChanges = NONE;
  private isBranchOpen = false;
  private principal = NONE;
  /** Of each of the orders' currencies: its index, and the branch's cash account. */
  private readonly currencies: Int32Array;
  private readonly cash: Float64Array;
  /** Those of which what is needed was brought from memory: from the first to before the second. */
  private readFrom = 0;
  private readTo = 0;
  private readonly sides: Uint32Array;
  /** Index among the actors of the list, from the first record on. */
  private actor = NONE;

  constructor(ledger: Ledger, orders: MovementOrders, records: RecordList) {
    this.ledger = ledger;
    this.orders = orders;
    this.records = records;
    this.hasher = new OrderHasher(orders);
    const { amounts } = orders;
    this.amounts = new Int32Array(amounts.buffer, amounts.byteOffset, 2 * amounts.length);
    this.currencies = new Int32Array(orders.currencies.length);
    this.cash = new Float64Array(orders.currencies.length);
    this.sides = new Uint32Array(2 * Math.min(READ_AHEAD, orders.count));
  }

  /** Adds records to another list from now on, and knows nothing of the one before: also after that was taken back. */
  writeTo(records: RecordList): void {
    this.records = records;
    this.actor = NONE;
  }

  /** Whether the entry was carried out; if not, nothing has changed. Throws: what `apply` throws, with nothing changed. */
  execute(index: number): boolean {
    const { ledger, orders, amounts } = this;
    if (ledger.tableChanges !== this.tableChanges) this.lookUp();
    if (!this.isBranchOpen || this.principal === NONE) return false;
    if (index >= this.readTo || index < this.readFrom) this.readAhead(index);
    const { accounts, movements, requests } = ledger;
    const { currencyIndexes, requestIds } = orders;
    const currencyAt = currencyIndexes === undefined ? 0 : (currencyIndexes[index] as number);
    const debitNumber = orders.debits[index] as number;
    const creditNumber = orders.credits[index] as number;
    const debit = debitNumber === 0 ? (this.cash[currencyAt] as number) : accounts.indexOfNumber(debitNumber);
    const credit = creditNumber === 0 ? (this.cash[currencyAt] as number) : accounts.indexOfNumber(creditNumber);
    if (debit < 0 || credit < 0 || accounts.currencyOf(debit) !== this.currencies[currencyAt]) return false;
    const amount = numberAt(amounts, index);
    if (!movements.isAllowed(debit, credit, amount)) return false;
    if (requests.findAt(this.principal, requestIds, 4 * index) !== NONE) return false;

    const { low, high } = this.hasher.hash(index);
    this.makeRoom(debit, credit);
    const position = ledger.position + 1;
    movements.remember(this.principal, requestIds, 4 * index, position, low, high);
    ledger.position = position;
    movements.post(debit, credit, amount, 1);
    this.record(index, debit, credit, low, high);
    return true;
  }

  private lookUp(): void {
    const { ledger, orders } = this;
    const { branch, currencies } = orders;
    this.tableChanges = ledger.tableChanges;
    this.isBranchOpen = ledger.hasBranch(branch) && !ledger.isRetired(branch);
    this.principal = ledger.principalIndex(orders.principal) ?? NONE;
    for (const [i, code] of currencies.entries()) {
      const currency = ledger.currencyIndex(code);
      this.currencies[i] = currency ?? NONE;
      this.cash[i] = currency === undefined ? NONE : cashAccount(ledger, branch, currency);
    }
  }

  /** Most of the time of a movement among many accounts would go by waiting for memory. */
  private readAhead(from: number): void {
    const { ledger, orders, sides } = this;
    const { debits, credits } = orders;
    const to = Math.min(from + READ_AHEAD, orders.count);
    for (let i = from, at = 0; i < to; i++) {
      sides[at++] = Math.max(0, ledger.accounts.indexOfNumber(debits[i] as number));
      sides[at++] = Math.max(0, ledger.accounts.indexOfNumber(credits[i] as number));
    }
    ledger.movements.touch(sides, 2 * (to - from));
    ledger.requests.touchAt(this.principal, orders.requestIds, 4 * from, to - from);
    this.readFrom = from;
    this.readTo = to;
  }

  /** Whatever may fail for want of memory comes before anything changes. */
  private makeRoom(debit: number, credit: number): void {
    const { records, orders } = this;
    records.reserve(1);
    if (this.actor === NONE) this.actor = records.actorIndex(orders.principal, orders.branch);
    this.ledger.movements.prepare(debit, credit);
  }

  private record(index: number, debit: number, credit: number, hashLow: number, hashHigh: number): void {
    const { records, orders, amounts } = this;
    const { requestIds } = orders;
    const at = records.extend();
    const isDeposit = orders.debits[index] === 0;
    const isWithdrawal = orders.credits[index] === 0;
    records.kinds[at] = isDeposit ? RecordKind.DEPOSIT : isWithdrawal ? RecordKind.WITHDRAWAL : RecordKind.TRANSFER;
    records.answers[at] = 1;
    records.actorIndexes[at] = this.actor;
    records.debits[at] = debit;
    records.credits[at] = credit;
    records.amountWords[2 * at] = amounts[2 * index] as number;
    records.amountWords[2 * at + 1] = amounts[2 * index + 1] as number;
    for (let i = 0; i < 4; i++) records.requestIds[4 * at + i] = requestIds[4 * index + i] as number;
    records.requestHashes[2 * at] = hashLow;
    records.requestHashes[2 * at + 1] = hashHigh;
  }
}

function cashAccount(ledger: Ledger, branch: number, currency: CurrencyIndex): number {
  return ledger.findInternalAccount(AccountType.CASH, branch, currency) ?? NONE;
}

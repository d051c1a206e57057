import {
  AMOUNT_MAX,
  type BranchNumber,
  type Ledger,
  type MovementOrders,
  OrderExecutor,
  RecordList,
  type Request,
  writeIdWords,
} from "@bank/core";
import { checkRequest } from "./check-request.ts";

/** Callers, branches and currencies that are remembered with what belongs to them, all together. */
export const PLACES_MAX = 256;
/**
 * All are forgotten once so many requests found no room among them: others come now, or far more than there is room for.
 * To remember them anew takes little beside so many requests.
 */
export const PLACES_MISSED_MAX = 8_192;
/** Numbers of accounts are written with so many digits at most. */
const DIGITS_MAX = 15;

/** Where movements of one caller, at one branch and in one currency, become a row of columns, one after the other. */
interface Place {
  readonly principal: string;
  readonly branch: BranchNumber;
  readonly currency: string;
  readonly row: MovementOrders;
  readonly executor: OrderExecutor;
}

/**
 * Carries out requests that are plain deposits, withdrawals and transfers between accounts by number, by the way that is
 * made for movements in columns: it means the same, and takes a fraction of the time. Everything else it leaves alone.
 */
export class PlainRequests {
  private readonly ledger: Ledger;
  /** By principal. */
  private readonly places = new Map<string, Place[]>();
  private placesCount = 0;
  private placesMissed = 0;
  private place: Place | undefined;
  /** Where records are added … */
  private records = new RecordList();
  /** … by these. */
  private readonly writing = new Set<Place>();
  /** Where the others would add theirs: none keeps the records of a batch that is over. */
  private readonly nowhere = new RecordList();

  constructor(ledger: Ledger) {
    this.ledger = ledger;
  }

  /** Whether the request was carried out, and its record added; if not, nothing has changed. Throws: as `OrderExecutor`. */
  execute(request: Request, records: RecordList): boolean {
    const { command } = request;
    let debit = 0;
    let credit = 0;
    switch (command.kind) {
      case "deposit":
        credit = numberOf(command.account);
        if (credit === 0) return false;
        break;
      case "withdraw":
        debit = numberOf(command.account);
        if (debit === 0) return false;
        break;
      case "transfer":
        debit = numberOf(command.from);
        credit = numberOf(command.to);
        if (debit === 0 || credit === 0) return false;
        break;
      default:
        return false;
    }
    const { minor, currency } = command.amount;
    // A column would cut off what does not fit.
    if (command.expectedVersion !== undefined || minor < 1n || minor > AMOUNT_MAX) return false;
    const place = this.placeOf(request, currency);
    if (place === undefined) return false;
    if (this.records !== records) this.leaveRecords(records);
    if (!this.writing.has(place)) {
      this.writing.add(place);
      place.executor.writeTo(records);
    }
    const { row } = place;
    row.debits[0] = debit;
    row.credits[0] = credit;
    row.amounts[0] = minor;
    writeIdWords(request.id, row.requestIds, 0);
    return place.executor.execute(0);
  }

  /** The batch is over: nothing of it is kept. */
  endBatch(): void {
    this.leaveRecords(this.nowhere);
  }

  private leaveRecords(next: RecordList): void {
    for (const { executor } of this.writing) executor.writeTo(this.nowhere);
    this.writing.clear();
    this.records = next;
  }

  /** undefined where the request is malformed, or there is no room. Who has a place is the same to the letter. */
  private placeOf(request: Request, currency: string): Place | undefined {
    const { principal, branch } = request;
    const { place: last } = this;
    if (last !== undefined && last.branch === branch && last.principal === principal && last.currency === currency)
      return last;
    const known = this.places.get(principal)?.find((each) => each.branch === branch && each.currency === currency);
    if (known !== undefined) {
      this.place = known;
      return known;
    }
    // What is malformed of principal, branch or currency has no place, and so comes to this check each time; all else that
    // could be malformed of a plain movement was looked at before.
    if (checkRequest(request) !== undefined || !this.hasRoom()) return undefined;
    const place = this.newPlace(principal, branch, currency);
    const others = this.places.get(principal);
    if (others === undefined) this.places.set(principal, [place]);
    else others.push(place);
    this.placesCount++;
    this.place = place;
    return place;
  }

  private hasRoom(): boolean {
    if (this.placesCount < PLACES_MAX) return true;
    if (++this.placesMissed < PLACES_MISSED_MAX) return false;
    this.places.clear();
    this.placesCount = 0;
    this.placesMissed = 0;
    return true;
  }

  private newPlace(principal: string, branch: BranchNumber, currency: string): Place {
    const row: MovementOrders = {
      count: 1,
      principal,
      branch,
      currencies: [currency],
      currencyIndexes: undefined,
      debits: new Float64Array(1),
      credits: new Float64Array(1),
      amounts: new BigInt64Array(1),
      requestIds: new Int32Array(4),
    };
    return { principal, branch, currency, row, executor: new OrderExecutor(this.ledger, row, this.nowhere) };
  }
}

/** The number that an account's reference is, written as numbers are; 0 for any other reference. */
function numberOf(reference: string): number {
  const { length } = reference;
  if (length === 0 || length > DIGITS_MAX || reference.charCodeAt(0) === ZERO) return 0;
  let number = 0;
  for (let i = 0; i < length; i++) {
    const digit = reference.charCodeAt(i) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return 0;
    number = 10 * number + digit;
  }
  return number;
}

const ZERO = 0x30;

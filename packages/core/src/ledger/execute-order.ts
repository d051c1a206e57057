import type { MovementOrders } from "../movement-orders.ts";
import type { RecordList } from "../record-list.ts";
import type { Ledger } from "./ledger.ts";

/**
 * Carries out one entry if that needs nothing but two open accounts and money: decides, applies, and adds its record to the
 * list. It only ever says yes to what `decide` would carry out with the same single record. Everything else (a request id
 * that is known, an account that is not, a rejection, an internal account that has to be opened first) it leaves alone, and
 * gives false: then `decide` has the word.
 */
export function executeOrder(_ledger: Ledger, _orders: MovementOrders, _index: number, _records: RecordList): boolean {
  return false;
}

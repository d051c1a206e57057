import type { MovementOrders, Request } from "@bank/core";
import type { OrdersOutcome } from "./orders-outcome.ts";
import type { Outcome } from "./outcome.ts";

/** Deposits, withdrawals and transfers between accounts by number, of one caller, as columns. */
export function ordersOf(requests: readonly Request[]): MovementOrders {
  const [{ principal, branch } = { principal: "", branch: 0 }] = requests;
  const { length: count } = requests;
  const currencies: string[] = [];
  const currencyIndexes = new Uint8Array(count);
  const debits = new Float64Array(count);
  const credits = new Float64Array(count);
  const amounts = new BigInt64Array(count);
  const ids = new Uint8Array(16 * count);
  for (const [i, { id, command }] of requests.entries()) {
    ids.set(id, 16 * i);
    switch (command.kind) {
      case "deposit":
        credits[i] = Number(command.account);
        break;
      case "withdraw":
        debits[i] = Number(command.account);
        break;
      case "transfer":
        debits[i] = Number(command.from);
        credits[i] = Number(command.to);
        break;
      default:
        throw new Error(`${command.kind} is no movement`);
    }
    amounts[i] = command.amount.minor;
    const { currency } = command.amount;
    if (!currencies.includes(currency)) currencies.push(currency);
    currencyIndexes[i] = currencies.indexOf(currency);
  }
  const requestIds = new Int32Array(ids.buffer);
  return { count, principal, branch, currencies, currencyIndexes, debits, credits, amounts, requestIds };
}

/** Each entry's outcome as `submit` would give it: that of an entry that was plainly done is its position and time. */
export function outcomesOf({ positions, timesMs, others }: OrdersOutcome): (Outcome | readonly [number, number])[] {
  return Array.from(positions, (position, i) => others.get(i) ?? ([position, timesMs[i] as number] as const));
}

import { isMovement, type MovementOrders, type Request, requestOfOrder } from "@bank/core";
import type { OrdersOutcome } from "./orders-outcome.ts";
import type { Outcome } from "./outcome.ts";

/** Has the entries of columns decided one by one, as requests. */
export async function submitOrders(
  orders: MovementOrders,
  submit: (requests: readonly Request[]) => Promise<readonly Outcome[]>,
): Promise<OrdersOutcome> {
  const requests = Array.from({ length: orders.count }, (_, i) => requestOfOrder(orders, i));
  const outcomes = await submit(requests);
  const others = new Map<number, Outcome>();
  const positions = new Float64Array(orders.count);
  const timesMs = new Float64Array(orders.count);
  for (const [i, outcome] of outcomes.entries()) {
    positions[i] = outcome.kind === "answered" ? outcome.position : 0;
    if (outcome.kind === "answered" && !outcome.replayed && isMovement(outcome.record)) timesMs[i] = outcome.timeMs;
    else others.set(i, outcome);
  }
  const position = outcomes.reduce((highest, outcome) => Math.max(highest, outcome.position), 0);
  return { positions, timesMs, others, position };
}

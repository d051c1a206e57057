import { type Box, type BoxOperation, performHere } from "./box-operation.ts";

/**
 * Whether the order that the hints tell explains every answer. Nothing is believed: the order is carried out, and held
 * against the times. So it is a proof wherever it succeeds, and says nothing where it does not.
 */
export function tryHints({ floors, operations, start }: Box): boolean {
  const order: (BoxOperation & { readonly hint: number })[] = [];
  for (const operation of operations) {
    if (hasHint(operation)) order.push(operation);
    // What may never have been done can be left out, and nothing else.
    else if (operation.returnMs !== Number.POSITIVE_INFINITY) return false;
  }
  order.sort((a, b) => a.hint - b.hint || a.invokeMs - b.invokeMs);
  return keepsRealTime(order) && explains(order, [...start], floors);
}

function hasHint(operation: BoxOperation): operation is BoxOperation & { readonly hint: number } {
  return operation.hint !== undefined;
}

/** Whether nothing was sent after the answer to something that stands behind it. */
function keepsRealTime(order: readonly BoxOperation[]): boolean {
  let earliestReturnMs = Number.POSITIVE_INFINITY;
  return order.toReversed().every(({ invokeMs, returnMs }) => {
    const isKept = invokeMs <= earliestReturnMs;
    earliestReturnMs = Math.min(earliestReturnMs, returnMs);
    return isKept;
  });
}

function explains(order: readonly BoxOperation[], balances: bigint[], floors: Box["floors"]): boolean {
  return order.every((operation) => performHere(operation, balances, floors));
}

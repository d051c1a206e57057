import type { RequestId } from "@bank/core";
import { halvesOf } from "./fixed-columns.ts";
import type { MovementColumns } from "./movement-codec.ts";

/** Whether a well-formed call of movements has a row with this request id. */
export function hasRequestId(message: MovementColumns, id: RequestId): boolean {
  const { baseRequestId, debitAccounts, requestIdsHigh, requestIdsLow } = message;
  if (baseRequestId.length > 0) {
    const row = numberOf(id) - numberOf(baseRequestId);
    return row >= 0n && row < BigInt(debitAccounts.length);
  }
  const view = new DataView(id.buffer, id.byteOffset, id.byteLength);
  const [a, b, c, d] = [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)];
  const high = halvesOf(requestIdsHigh);
  const low = halvesOf(requestIdsLow);
  for (let i = 0; i < high.length; i += 2)
    if (low[i] === d && low[i + 1] === c && high[i] === b && high[i + 1] === a) return true;
  return false;
}

/** An id as one big-endian number. */
function numberOf(id: Uint8Array): bigint {
  const view = new DataView(id.buffer, id.byteOffset, id.byteLength);
  return (view.getBigUint64(0) << 64n) | view.getBigUint64(8);
}

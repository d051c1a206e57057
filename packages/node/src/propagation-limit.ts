import type { CallLimit } from "@bank/replica";
import type { HandlerContext } from "@connectrpc/connect";

/** So much earlier than its caller gives up a server says how far a write has spread: the answer needs some time too. */
const MARGIN_MS = 100;
/** Where little time is left, no more of it than this part. */
const MARGIN_PART = 0.2;
/** How long a caller is taken to wait that does not say. */
const TIMEOUT_DEFAULT_MS = 30_000;

/** How long a write may still spread before its caller is told how far it has come. Each server on the way takes some of it. */
export function propagationLimit({ signal, timeoutMs }: Pick<HandlerContext, "signal" | "timeoutMs">): CallLimit {
  const leftMs = Math.max(timeoutMs() ?? TIMEOUT_DEFAULT_MS, 0);
  const limitMs = Math.ceil(leftMs - Math.min(MARGIN_MS, leftMs * MARGIN_PART));
  return { timeoutMs: limitMs, signal: AbortSignal.any([signal, AbortSignal.timeout(limitMs)]) };
}

import { RefusalError } from "@bank/core";
import type { Interceptor } from "@connectrpc/connect";
import { EPOCH_HEADER } from "./headers.ts";

/**
 * The number of the highest epoch that a caller knows; undefined when it does not say.
 * Throws: `RefusalError` INVALID_REQUEST for what is no whole number from 1.
 */
export function readEpoch(headers: Headers): number | undefined {
  const text = headers.get(EPOCH_HEADER);
  if (text === null) return undefined;
  const epoch = Number(text);
  if (!/^[1-9][0-9]*$/.test(text) || !Number.isSafeInteger(epoch))
    throw new RefusalError("INVALID_REQUEST", {
      problem: `${EPOCH_HEADER} is the number of an epoch, from 1, not ${JSON.stringify(text.slice(0, 64))}`,
    });
  return epoch;
}

/**
 * Tells of each epoch that callers know, before their call is looked at.
 *
 * @param hear may throw `RefusalError`, which is then the answer. The call waits for it.
 */
export function epochInterceptor(hear: (epoch: number) => void | Promise<void>): Interceptor {
  return (next) => async (request) => {
    const epoch = readEpoch(request.header);
    if (epoch !== undefined) await hear(epoch);
    return next(request);
  };
}

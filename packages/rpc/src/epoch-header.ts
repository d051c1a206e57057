import { bytesEqual, RefusalError, toHex } from "@bank/core";
import type { Interceptor } from "@connectrpc/connect";
import { EPOCH_HEADER, SESSION_HEADER } from "./headers.ts";
import { decodeSession } from "./session-token.ts";

/** The highest epoch that a caller knows. */
export interface EpochTold {
  readonly epoch: number;
  /** 16 bytes: the bank whose epoch it is; undefined where the caller does not say. */
  readonly bankId: Uint8Array | undefined;
}

/** As `bank-epoch: 7`, or `bank-epoch: 7;bank=` and the bank's id in hexadecimal. */
export function formatEpoch({ epoch, bankId }: EpochTold): string {
  return bankId === undefined ? String(epoch) : `${epoch};bank=${toHex(bankId)}`;
}

/**
 * Reads what a caller tells; undefined when it tells nothing. Where it does not say of which bank, its session token does,
 * if it has one.
 * Throws: `RefusalError` INVALID_REQUEST for what is no whole number from 1.
 */
export function readEpoch(headers: Headers): EpochTold | undefined {
  const text = headers.get(EPOCH_HEADER);
  if (text === null) return undefined;
  const [, number = "", bank] = /^([1-9][0-9]*)(?:;bank=([0-9a-f]{32}))?$/.exec(text) ?? [];
  const epoch = Number(number);
  if (number === "" || !Number.isSafeInteger(epoch))
    throw new RefusalError("INVALID_REQUEST", {
      problem: `${EPOCH_HEADER} is the number of an epoch, from 1, and nothing or ;bank=ID behind it, not ${JSON.stringify(text.slice(0, 64))}`,
    });
  return { epoch, bankId: bank === undefined ? bankOfSession(headers) : new Uint8Array(Buffer.from(bank, "hex")) };
}

/**
 * Tells of each epoch that callers know, before their call is looked at. What is known of another bank is passed over: the
 * call came to the wrong server, which is no reason to stop that.
 *
 * @param bankId the server's own bank, 16 bytes; undefined while it has none.
 * @param hear may throw `RefusalError`, which is then the answer.
 */
export function epochInterceptor(bankId: () => Uint8Array | undefined, hear: (epoch: number) => void): Interceptor {
  return (next) => async (request) => {
    const told = readEpoch(request.header);
    const own = bankId();
    if (told !== undefined && own !== undefined && (told.bankId === undefined || bytesEqual(told.bankId, own)))
      hear(told.epoch);
    return next(request);
  };
}

/** Tells with every call of a client what it knows at that moment. */
export function epochTeller(known: () => EpochTold | undefined): Interceptor {
  return (next) => (request) => {
    const told = known();
    if (told !== undefined) request.header.set(EPOCH_HEADER, formatEpoch(told));
    return next(request);
  };
}

function bankOfSession(headers: Headers): Uint8Array | undefined {
  const token = headers.get(SESSION_HEADER);
  if (token === null) return undefined;
  try {
    return decodeSession(token).bankId;
  } catch {
    // What is wrong with the token is told to whoever needs it.
    return undefined;
  }
}

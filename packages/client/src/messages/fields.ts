import { AMOUNT_MAX, BALANCE_MIN, type Money, RefusalError, TIME_MS_MAX } from "@bank/core";
import * as wire from "@bank/proto";
import { malformed } from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { UnexpectedReplyError } from "../attempt-failure.ts";
import type { Page, ReadInfo } from "../types/index.ts";

/**
 * The refusal of a field that no bank would take, or that the wire could not even carry.
 *
 * @param field path of the field, by its names in the `.proto` file.
 */
export function malformedField(field: string, description: string): RefusalError {
  return malformed([{ field, description }]);
}

/** Throws: `RefusalError` INVALID_AMOUNT for what no amount of money can be, which the wire could not even carry. */
export function moneyMessage({ currency, minor }: Money): wire.Money {
  if (minor >= 1n && minor <= AMOUNT_MAX)
    return create(wire.MoneySchema, { currencyCode: currency, amountMinor: minor });
  const violations = [{ field: "amount.amount_minor", description: `must be from 1 to ${AMOUNT_MAX}` }];
  throw new RefusalError("INVALID_AMOUNT", { amount: String(minor) }, "NOT_APPLIED", { violations });
}

/** Minor units from `min` to 64 bits. Throws: `RefusalError` INVALID_REQUEST. */
export function minorMessage(field: string, minor: bigint, min: bigint = BALANCE_MIN): bigint {
  if (minor >= min && minor <= AMOUNT_MAX) return minor;
  throw malformedField(field, `must be from ${min} to ${AMOUNT_MAX} minor units, not ${minor}`);
}

/** A position or a version. Throws: `RefusalError` INVALID_REQUEST. */
export function ordinalMessage(field: string, ordinal: number): bigint {
  if (Number.isSafeInteger(ordinal) && ordinal >= 1) return BigInt(ordinal);
  throw malformedField(field, `must be a whole number from 1, not ${ordinal}`);
}

/** Throws: `RefusalError` INVALID_REQUEST. */
export function timeMessage(field: string, timeMs: number): Timestamp {
  if (Number.isSafeInteger(timeMs) && timeMs >= 0 && timeMs <= TIME_MS_MAX) return timestampFromMs(timeMs);
  throw malformedField(field, `must be a time from 1970 to 9999 in whole Unix milliseconds, not ${timeMs}`);
}

/**
 * Throws: `RefusalError` INVALID_REQUEST for what the wire cannot carry; a size out of range is the bank's to judge.
 */
export function pageSizeMessage(pageSize: number): number {
  // Only whole numbers of 32 bits come out of this as they were.
  if ((pageSize | 0) === pageSize) return pageSize;
  throw malformedField("page_size", `must be a whole number of 32 bits, not ${pageSize}`);
}

export function moneyOf(money: wire.Money | undefined): Money {
  const { currencyCode: currency, amountMinor: minor } = present(money, "an amount");
  return { currency, minor };
}

export function readInfoOf(info: wire.ReadInfo | undefined): ReadInfo {
  const { position, time, stalenessMs, connected, epoch, session } = present(info, "the state it was read from");
  return {
    position: safeNumber(position),
    timeMs: time === undefined ? undefined : timestampMs(time),
    stalenessMs: stalenessMs === undefined ? undefined : safeNumber(stalenessMs),
    connected,
    epoch: safeNumber(epoch),
    session: textOf(session),
  };
}

export function pageOf(reply: { readonly nextPageToken: string; readonly readInfo?: wire.ReadInfo | undefined }): Page {
  return { nextPageToken: textOf(reply.nextPageToken), ...readInfoOf(reply.readInfo) };
}

export function timeMsOf(timestamp: Timestamp | undefined): number {
  return timestampMs(present(timestamp, "a time"));
}

/** A text that is empty for none. */
export function textOf(text: string): string | undefined {
  return text === "" ? undefined : text;
}

/** A position that is 0 for none. */
export function positionOf(position: bigint): number | undefined {
  return position === 0n ? undefined : safeNumber(position);
}

/** Positions, versions and times stay far below 2^53. Throws: `UnexpectedReplyError` when one does not. */
export function safeNumber(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new UnexpectedReplyError(`it says the impossible number ${value}`);
  return Number(value);
}

/** Throws: `UnexpectedReplyError`. */
export function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new UnexpectedReplyError(`it left out ${what}`);
  return value;
}

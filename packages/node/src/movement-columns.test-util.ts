import { randomBytes } from "node:crypto";
import { toHex } from "@bank/core";
import { type ExecuteMovementsRequest, ExecuteMovementsRequestSchema } from "@bank/proto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";

export type MovementsInit = MessageInitShape<typeof ExecuteMovementsRequestSchema>;

/** One row as a caller thinks of it; 0 for cash. */
export interface Row {
  readonly debit: number;
  readonly credit: number;
  readonly amount: number;
  /** Of columns with ids. */
  readonly id?: string;
}

/** Dollars, under ids that count up from a new base unless they are given. */
export function columns(rows: readonly Row[], ids: MovementsInit = { baseRequestId: base() }): ExecuteMovementsRequest {
  return create(ExecuteMovementsRequestSchema, {
    currencyCode: "USD",
    debitAccounts: rows.map(({ debit }) => BigInt(debit)),
    creditAccounts: rows.map(({ credit }) => BigInt(credit)),
    amountsMinor: rows.map(({ amount }) => BigInt(amount)),
    ...ids,
  });
}

/** The columns of these ids. */
export function explicit(ids: readonly string[]): MovementsInit {
  const numbers = ids.map((id) => BigInt(`0x${id.replaceAll("-", "")}`));
  return {
    requestIdsHigh: numbers.map((number) => number >> 64n),
    requestIdsLow: numbers.map((number) => number & (2n ** 64n - 1n)),
  };
}

/** A base with a carry into its upper half nearby. */
export function base(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(randomBytes(16));
  bytes.fill(255, 8, 15);
  bytes[15] = 254;
  return bytes;
}

/** The id of a row behind a base. */
export function idAt(first: Uint8Array, row: number): string {
  const hex = (BigInt(`0x${toHex(first)}`) + BigInt(row)).toString(16).padStart(32, "0");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

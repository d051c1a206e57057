import { randomBytes } from "node:crypto";
import { toHex } from "@bank/core";
import {
  type ExecuteMovementsRequest,
  ExecuteMovementsRequestSchema,
  type ExecuteMovementsResponse,
  ExecuteMovementsResponseSchema,
} from "@bank/proto";
import { CONSISTENCY_HEADER, connectErrorFromFailure, PROPAGATION_HEADER, SESSION_HEADER } from "@bank/rpc";
import type { ServerClient } from "@bank/testkit";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { RawPipeline } from "./pipeline.test-util.ts";

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

/** Makes a call of movements; rejects with the `ConnectError` that it ends with. */
export type Moves = (
  request: MovementsInit,
  options?: { readonly headers?: Readonly<Record<string, string>> },
) => Promise<ExecuteMovementsResponse>;

/** A call by itself, and one of many over a stream: the answers and errors are the same. */
export const MOVEMENT_WAYS: readonly {
  readonly way: string;
  readonly movesOf: (server: { readonly client: ServerClient; readonly url: string }) => Moves;
}[] = [
  {
    way: "by itself",
    movesOf:
      ({ client }) =>
      (request, options) =>
        client.transactions.executeMovements(request, options),
  },
  {
    way: "over a stream",
    movesOf: ({ url }) => {
      const stream = new RawPipeline(url);
      return async (request, { headers = {} } = {}) => {
        const bytes = toBinary(ExecuteMovementsRequestSchema, create(ExecuteMovementsRequestSchema, request));
        const { reply, readInfo } = await stream.call({
          call: { case: "movements", value: bytes },
          consistency: headers[CONSISTENCY_HEADER] ?? "",
          session: headers[SESSION_HEADER] ?? "",
          propagation: headers[PROPAGATION_HEADER] ?? "",
        });
        if (reply.case === "failure") throw connectErrorFromFailure(reply.value);
        if (reply.case !== "movements") throw new Error(`movements were answered with ${reply.case}`);
        const told = fromBinary(ExecuteMovementsResponseSchema, reply.value);
        if (told.readInfo !== undefined) throw new Error("what it says about the state stands beside it");
        return Object.assign(told, readInfo === undefined ? {} : { readInfo });
      };
    },
  },
];

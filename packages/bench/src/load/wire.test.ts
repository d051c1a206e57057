import {
  DepositRequestSchema,
  ExecuteMovementsRequestSchema,
  GetBalanceRequestSchema,
  PipelineRequestSchema,
  PipelineResponseSchema,
  TransferRequestSchema,
} from "@bank/proto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { QuickRandom } from "../harness/distribution.ts";
import {
  balanceRequest,
  depositRequest,
  ENVELOPE_BYTES,
  envelope,
  FieldReader,
  MovementColumns,
  pipelinedCall,
  transferRequest,
} from "./wire.ts";

const UUID_4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const random = new QuickRandom(11);

describe("messages by hand are what the generated code reads", () => {
  it("deposits, transfers and reads", () => {
    const ids = new Set<string>();
    for (let account = 1; account <= 1_000_000; account *= 10) {
      const deposit = fromBinary(DepositRequestSchema, depositRequest(account, random));
      expect(deposit.requestId).toMatch(UUID_4);
      ids.add(deposit.requestId);
      expect(deposit).toMatchObject({ account: String(account), amount: { currencyCode: "USD", amountMinor: 1n } });
      const transfer = fromBinary(TransferRequestSchema, transferRequest(account, account + 7, random));
      expect(transfer.requestId).toMatch(UUID_4);
      ids.add(transfer.requestId);
      expect(transfer).toMatchObject({
        fromAccount: String(account),
        toAccount: String(account + 7),
        amount: { currencyCode: "USD", amountMinor: 1n },
      });
      expect(fromBinary(GetBalanceRequestSchema, balanceRequest(account)).account).toBe(String(account));
    }
    expect(ids.size).toBe(14);
  });

  it.each(["each", "base"] as const)("columns with ids: %s", (ids) => {
    const columns = new MovementColumns(3, ids);
    columns.debits.set([1, 0, 2, 0, 4_000_000_000, 1]);
    columns.credits.set([5, 0, 6, 0, 7, 0]);
    for (let time = 0; time < 2; time++) {
      const frame = columns.encode(random);
      expect(frame.readUInt32BE(1)).toBe(frame.length - ENVELOPE_BYTES);
      const message = fromBinary(ExecuteMovementsRequestSchema, frame.subarray(ENVELOPE_BYTES));
      expect(message).toMatchObject({
        currencyCode: "USD",
        debitAccounts: [1n, 2n, 2n ** 32n + 4_000_000_000n],
        creditAccounts: [5n, 6n, 7n],
        amountsMinor: [1n, 1n, 1n],
      });
      expect(message.baseRequestId.length).toBe(ids === "base" ? 16 : 0);
      expect(new Set(message.requestIdsLow).size).toBe(ids === "base" ? 0 : 3);
      expect(message.requestIdsHigh.length).toBe(message.requestIdsLow.length);
    }
  });

  it("calls of a pipeline", () => {
    const session = "s".repeat(150);
    const message = Buffer.concat([
      pipelinedCall(1, { kind: "deposit", request: depositRequest(7, random) }),
      pipelinedCall(300_000, { kind: "transfer", request: transferRequest(7, 8, random) }),
      pipelinedCall(2 ** 40, { kind: "balance", request: balanceRequest(9), mode: "session", session }),
      pipelinedCall(3, { kind: "balance", request: balanceRequest(9), mode: "local", session: "" }),
    ]);
    const { calls } = fromBinary(PipelineRequestSchema, message);
    expect(calls).toMatchObject([
      { id: 1n, call: { case: "item", value: { command: { case: "deposit", value: { account: "7" } } } } },
      { id: 300_000n, call: { case: "item", value: { command: { case: "transfer", value: { toAccount: "8" } } } } },
      { id: 2n ** 40n, consistency: "session", session, call: { case: "getBalance", value: { account: "9" } } },
      { id: 3n, consistency: "local", session: "", call: { case: "getBalance" } },
    ]);
  });

  it("fields of answers", () => {
    const replies = [{ id: 300n, reply: { case: "failure", value: { code: 9, reason: "X" } } } as const];
    const bytes = toBinary(PipelineResponseSchema, create(PipelineResponseSchema, { replies, callsInFlightMax: 5 }));
    const outer = new FieldReader().begin(bytes);
    expect(outer.next()).toBe(true);
    expect(outer.field).toBe(1);
    const inner = new FieldReader().begin(bytes, outer.from, outer.to);
    expect([inner.next(), inner.field, inner.number]).toEqual([true, 1, 300]);
    expect([inner.next(), inner.field]).toEqual([true, 2]);
    expect(inner.next()).toBe(false);
    expect([outer.next(), outer.field, outer.number]).toEqual([true, 2, 5]);
    expect(outer.next()).toBe(false);
    expect(() => new FieldReader().begin(bytes, 0, bytes.length - 1).next() && outer.begin(bytes, 0, 3).next()).toThrow(
      "inside a field",
    );
  });

  it("go out in an envelope", () => {
    expect([...envelope(Uint8Array.of(7, 8))]).toEqual([0, 0, 0, 0, 2, 7, 8]);
  });
});

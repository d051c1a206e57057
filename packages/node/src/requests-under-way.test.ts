import { randomUUID } from "node:crypto";
import { parseRequestId, type RequestId } from "@bank/core";
import { CancelRequestRequestSchema, DepositRequestSchema } from "@bank/proto";
import { forwardedCommand } from "@bank/rpc";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { RequestsUnderWay } from "./requests-under-way.ts";

function idOf(text: string): RequestId {
  const id = parseRequestId(text);
  if (id === undefined) throw new Error(`${text} is a UUID`);
  return id;
}

function deposit(init: MessageInitShape<typeof DepositRequestSchema>) {
  return forwardedCommand(1, { case: "deposit", value: create(DepositRequestSchema, init) }, "");
}

function cancellation(requestId: string) {
  return forwardedCommand(1, { case: "cancelRequest", value: create(CancelRequestRequestSchema, { requestId }) }, "");
}

describe("requests that are under way", () => {
  it.each([
    ["a deposit", (requestId: string) => deposit({ requestId })],
    ["a cancellation", cancellation],
  ])("are found in whichever case their ids were written: %s", async (_name, command) => {
    // With letters in it, however the dice fall.
    const id = `abcdef${randomUUID().slice(6)}`;
    for (const sent of [id, id.toUpperCase()]) {
      const underWay = new RequestsUnderWay();
      await underWay.during([command(sent)], async () => {
        expect(underWay.has(idOf(id))).toBe(true);
        expect(underWay.has(idOf(id.toUpperCase()))).toBe(true);
        expect(underWay.has(idOf(randomUUID()))).toBe(false);
      });
      expect(underWay.has(idOf(id))).toBe(false);
    }
  });

  it("are under way until the last of their tries has ended, however it is written", async () => {
    const id = `abcdef${randomUUID().slice(6)}`;
    const underWay = new RequestsUnderWay();
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    const calls = [
      underWay.during([deposit({ requestId: id })], () => first.promise),
      underWay.during([deposit({ requestId: id.toUpperCase() })], () => second.promise),
    ];
    first.reject(new Error("the bank was lost"));
    await expect(calls[0]).rejects.toThrow("the bank was lost");
    expect(underWay.has(idOf(id))).toBe(true);
    second.resolve();
    await calls[1];
    expect(underWay.has(idOf(id))).toBe(false);
  });

  it("are none that are only tried", async () => {
    const id = randomUUID();
    const underWay = new RequestsUnderWay();
    await underWay.during([deposit({ requestId: id, validateOnly: true })], async () => {
      expect(underWay.has(idOf(id))).toBe(false);
    });
  });
});

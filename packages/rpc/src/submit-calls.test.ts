import { COMMANDS_PER_CALL_MAX, GROUP_ITEMS_MAX } from "@bank/core";
import { type ForwardedCommand, ForwardedCommandSchema, SubmitRequestSchema } from "@bank/proto";
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { REQUEST_BYTES_MAX, SUBMIT_BYTES_MAX } from "./serve.ts";
import { submitCalls } from "./submit-calls.ts";

const amount = { currencyCode: "USD", amountMinor: 2n ** 62n };
/** As long as a session token can be. */
const session = "t".repeat(540);

function deposit(): ForwardedCommand {
  const value = { requestId: "1".repeat(36), account: "a".repeat(64), amount };
  return create(ForwardedCommandSchema, {
    branch: 65_535,
    session,
    command: { case: "item", value: { command: { case: "deposit", value } } },
  });
}

function group(items: number): ForwardedCommand {
  const item = { command: { case: "deposit", value: { account: "1", amount } } } as const;
  const value = { requestId: "1".repeat(36), items: new Array(items).fill(item) };
  return create(ForwardedCommandSchema, { command: { case: "item", value: { command: { case: "group", value } } } });
}

/** An opening of so many bytes at the least. */
function opening(bytes: number): ForwardedCommand {
  const value = { requestId: "1".repeat(36), metadata: { a: "x".repeat(bytes) } };
  return create(ForwardedCommandSchema, {
    session,
    command: { case: "item", value: { command: { case: "openAccount", value } } },
  });
}

function checked(commands: readonly ForwardedCommand[]): number[] {
  const calls = submitCalls(commands);
  expect(calls.flat(), "all of them, in order").toEqual(commands);
  for (const call of calls)
    expect(toBinary(SubmitRequestSchema, create(SubmitRequestSchema, { commands: call })).length).toBeLessThanOrEqual(
      SUBMIT_BYTES_MAX,
    );
  return calls.map(({ length }) => length);
}

describe("what a branch passes on", () => {
  it("goes in one call as long as the bank takes that", () => {
    const one = deposit();
    expect(submitCalls([])).toEqual([]);
    expect(submitCalls(new Array(COMMANDS_PER_CALL_MAX).fill(one)).map(({ length }) => length)).toEqual([
      COMMANDS_PER_CALL_MAX,
    ]);
    const bytes = toBinary(SubmitRequestSchema, create(SubmitRequestSchema, { commands: [one] })).length;
    expect(bytes * COMMANDS_PER_CALL_MAX).toBeLessThan(SUBMIT_BYTES_MAX);
  });

  it("has no more commands in a call than that, those inside groups counted", () => {
    const full = COMMANDS_PER_CALL_MAX / GROUP_ITEMS_MAX;
    const groups = Array.from({ length: full }, () => group(GROUP_ITEMS_MAX));
    expect(checked(groups)).toEqual([full]);
    expect(checked([...groups, deposit()])).toEqual([full, 1]);
    expect(checked([deposit(), ...groups])).toEqual([full, 1]);
  });

  it("has no more bytes in a call, whatever they are", () => {
    const large = Array.from({ length: 9 }, () => opening(REQUEST_BYTES_MAX - 1_000));
    expect(checked(large)).toEqual([4, 4, 1]);
  });

  it("counts the bytes of fields that it does not know", () => {
    const known = [deposit(), deposit()];
    const strange = known.map((command, i) => {
      const data = new Uint8Array(REQUEST_BYTES_MAX);
      const unknown = [{ no: 99, wireType: 2, data: new Uint8Array([...lengthPrefix(data.length), ...data]) }];
      if (command.command.case !== "item" || command.command.value.command.case !== "deposit")
        throw new Error("a deposit");
      const { value } = command.command.value.command;
      (i === 0 ? value : (value.amount as object as typeof value)).$unknown = unknown;
      return command;
    });
    expect(checked([...strange, ...Array.from({ length: 3 }, () => opening(REQUEST_BYTES_MAX - 1_000))])).toEqual([
      3, 2,
    ]);
  });
});

/** A varint. */
function lengthPrefix(length: number): number[] {
  return length < 128 ? [length] : [(length & 127) | 128, ...lengthPrefix(length >>> 7)];
}

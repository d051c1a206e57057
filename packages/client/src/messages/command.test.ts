import {
  AccountType,
  AMOUNT_MAX,
  ANONYMOUS_PRINCIPAL,
  BALANCE_MIN,
  type Command,
  type Money,
  RefusalError,
  TIME_MS_MAX,
} from "@bank/core";
import { BatchItemSchema } from "@bank/proto";
import { type Asked, commandOfBatchItem, forwardedCommand, requestFromForwarded } from "@bank/rpc";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { CommandGroup, GroupCommand } from "../types/index.ts";
import { commandMessage } from "./command.ts";

const REQUEST_ID = "3f0c8a52-6a1e-4c57-9d0b-6a1f6f1c2b11";
const ACCOUNT = "3";
const amount: Money = { currency: "KWD", minor: AMOUNT_MAX };
const expectedVersion = 7;
const expiresAtMs = 1_800_000_000_001;

/** What the bank reads of a command, after the wire. */
function askedOf(command: GroupCommand | CommandGroup, validateOnly = false): Asked {
  const item = create(BatchItemSchema, { command: commandMessage(command, { requestId: REQUEST_ID, validateOnly }) });
  const received = fromBinary(BatchItemSchema, toBinary(BatchItemSchema, item));
  return requestFromForwarded(forwardedCommand(1, commandOfBatchItem(received), ""), ANONYMOUS_PRINCIPAL);
}

/** Why a command is not sent. */
function refusalOf(command: GroupCommand | CommandGroup): RefusalError["refusal"] {
  try {
    commandMessage(command, { requestId: REQUEST_ID, validateOnly: false });
  } catch (error) {
    if (error instanceof RefusalError) return error.refusal;
    throw error;
  }
  throw new Error("the command was expected to be refused");
}

const COMMANDS: readonly [string, GroupCommand | CommandGroup, Command][] = [
  [
    "an account with nothing said",
    { kind: "openAccount" },
    { kind: "openAccount", type: AccountType.SAVINGS, owner: "", displayName: "", currency: "USD" },
  ],
  [
    "an account with everything said",
    {
      kind: "openAccount",
      type: "checking",
      owner: "Ada",
      displayName: "shoes",
      currency: "JPY",
      alias: "ada:1",
      metadata: { branch: "Neukölln" },
      floor: BALANCE_MIN,
      ceiling: AMOUNT_MAX - 1n,
    },
    {
      kind: "openAccount",
      type: AccountType.CHECKING,
      owner: "Ada",
      displayName: "shoes",
      currency: "JPY",
      alias: "ada:1",
      metadata: { branch: "Neukölln" },
      floor: BALANCE_MIN,
      ceiling: AMOUNT_MAX - 1n,
    },
  ],
  [
    "a change of everything",
    {
      kind: "updateAccount",
      account: ACCOUNT,
      displayName: "hats",
      metadata: { a: "b" },
      floor: -5n,
      ceiling: 9n,
      expectedVersion,
    },
    {
      kind: "updateAccount",
      account: ACCOUNT,
      displayName: "hats",
      metadata: { a: "b" },
      floor: -5n,
      ceiling: 9n,
      expectedVersion,
    },
  ],
  [
    "a change to nothing: an empty name, no metadata, no ceiling, a floor of zero",
    { kind: "updateAccount", account: ACCOUNT, displayName: "", metadata: {}, floor: 0n, ceiling: null },
    { kind: "updateAccount", account: ACCOUNT, displayName: "", metadata: {}, floor: 0n, ceiling: null },
  ],
  [
    "a change of one thing, which leaves the others",
    { kind: "updateAccount", account: ACCOUNT, ceiling: 1n },
    { kind: "updateAccount", account: ACCOUNT, ceiling: 1n },
  ],
  ["a freeze", { kind: "freezeAccount", account: ACCOUNT }, { kind: "freezeAccount", account: ACCOUNT }],
  [
    "a freeze of a version",
    { kind: "freezeAccount", account: ACCOUNT, expectedVersion },
    { kind: "freezeAccount", account: ACCOUNT, expectedVersion },
  ],
  [
    "an unfreeze",
    { kind: "unfreezeAccount", account: ACCOUNT, expectedVersion },
    { kind: "unfreezeAccount", account: ACCOUNT, expectedVersion },
  ],
  [
    "a close",
    { kind: "closeAccount", account: ACCOUNT, expectedVersion },
    { kind: "closeAccount", account: ACCOUNT, expectedVersion },
  ],
  [
    "a deposit",
    { kind: "deposit", account: ACCOUNT, amount, expectedVersion },
    { kind: "deposit", account: ACCOUNT, amount, expectedVersion },
  ],
  [
    "a withdrawal",
    { kind: "withdraw", account: ACCOUNT, amount, expectedVersion },
    { kind: "withdraw", account: ACCOUNT, amount, expectedVersion },
  ],
  [
    "a transfer",
    { kind: "transfer", from: ACCOUNT, to: "fees/1/KWD", amount, expectedVersion },
    { kind: "transfer", from: ACCOUNT, to: "fees/1/KWD", amount, expectedVersion },
  ],
  [
    "a reversal",
    { kind: "reverse", transaction: Number.MAX_SAFE_INTEGER, expectedVersion },
    { kind: "reverse", transaction: Number.MAX_SAFE_INTEGER, expectedVersion },
  ],
  [
    "interest",
    { kind: "applyInterest", account: ACCOUNT, rate: "2.000001", expectedVersion },
    { kind: "applyInterest", account: ACCOUNT, rate: 2_000_001, expectedVersion },
  ],
  [
    "a hold for ever",
    { kind: "placeHold", account: ACCOUNT, amount },
    { kind: "placeHold", account: ACCOUNT, amount, expiresMs: 0 },
  ],
  [
    "a hold until the last moment there is",
    { kind: "placeHold", account: ACCOUNT, amount, expiresAtMs: TIME_MS_MAX, expectedVersion },
    { kind: "placeHold", account: ACCOUNT, amount, expiresMs: TIME_MS_MAX, expectedVersion },
  ],
  ["a capture of all, in cash", { kind: "captureHold", hold: 12 }, { kind: "captureHold", hold: 12, to: "" }],
  [
    "a capture of a part, to an account",
    { kind: "captureHold", hold: 12, amount, to: ACCOUNT, expectedVersion },
    { kind: "captureHold", hold: 12, amount, to: ACCOUNT, expectedVersion },
  ],
  ["a release", { kind: "releaseHold", hold: 12, expectedVersion }, { kind: "releaseHold", hold: 12, expectedVersion }],
  [
    "an extension",
    { kind: "extendHold", hold: 12, expiresAtMs, expectedVersion },
    { kind: "extendHold", hold: 12, expiresMs: expiresAtMs, expectedVersion },
  ],
  [
    "a group",
    {
      kind: "group",
      items: [
        { kind: "openAccount", alias: "new" },
        { kind: "deposit", account: "new", amount, expectedVersion: 1 },
      ],
    },
    {
      kind: "group",
      items: [
        {
          kind: "openAccount",
          type: AccountType.SAVINGS,
          owner: "",
          displayName: "",
          currency: "USD",
          alias: "new",
        },
        { kind: "deposit", account: "new", amount, expectedVersion: 1 },
      ],
    },
  ],
];

describe("a command", () => {
  it.each(COMMANDS)("arrives at the bank as it was meant: %s", (_, command, expected) => {
    const { request, validateOnly } = askedOf(command);
    expect(request.command).toStrictEqual(expected);
    expect(validateOnly).toBe(false);
    expect(Buffer.from(request.id).toString("hex")).toBe(REQUEST_ID.replaceAll("-", ""));
  });

  it.each(COMMANDS)("can be a preview: %s", (_, command, expected) => {
    expect(askedOf(command, true)).toMatchObject({ request: { command: expected }, validateOnly: true });
  });

  it("has a test of every kind", () => {
    const kinds = new Set(COMMANDS.map(([, { kind }]) => kind));
    const cases = BatchItemSchema.oneofs[0]?.fields.map(({ localName }) => localName);
    expect([...kinds].sort()).toEqual(cases?.sort());
  });

  it("takes what it needs at once: what its maker does to it later has no effect", () => {
    const notes: Record<string, string> = { a: "b" };
    const message = commandMessage({ kind: "openAccount", metadata: notes }, { requestId: "", validateOnly: false });
    notes["a"] = "c";
    expect(message.value).toMatchObject({ metadata: { a: "b" } });
  });
});

describe("a command that the wire cannot carry, or would carry as another", () => {
  it.each<[string, GroupCommand, string]>([
    ["a position between two", { kind: "reverse", transaction: 1.5 }, "transaction"],
    ["position 0", { kind: "releaseHold", hold: 0 }, "hold"],
    ["a position that is no number", { kind: "captureHold", hold: Number.NaN }, "hold"],
    ["a position beyond 2^53", { kind: "reverse", transaction: 2 ** 53 }, "transaction"],
    ["version 0", { kind: "freezeAccount", account: "1", expectedVersion: 0 }, "expected_version"],
    ["half a version", { kind: "deposit", account: "1", amount, expectedVersion: 1.5 }, "expected_version"],
    ["half a millisecond", { kind: "placeHold", account: "1", amount, expiresAtMs: 1.5 }, "expires_at"],
    ["a time before 1970", { kind: "extendHold", hold: 1, expiresAtMs: -1 }, "expires_at"],
    ["a time after 9999", { kind: "extendHold", hold: 1, expiresAtMs: TIME_MS_MAX + 1 }, "expires_at"],
    ["no time", { kind: "extendHold", hold: 1, expiresAtMs: Number.NaN }, "expires_at"],
    ["a floor below 64 bits", { kind: "openAccount", floor: BALANCE_MIN - 1n }, "floor_minor"],
    ["a floor above 64 bits", { kind: "updateAccount", account: "1", floor: AMOUNT_MAX + 1n }, "floor_minor"],
    ["a ceiling of zero at the opening, which would be none", { kind: "openAccount", ceiling: 0n }, "ceiling_minor"],
    [
      "a new ceiling of zero, which would be none",
      { kind: "updateAccount", account: "1", ceiling: 0n },
      "ceiling_minor",
    ],
    ["a ceiling above 64 bits", { kind: "updateAccount", account: "1", ceiling: AMOUNT_MAX + 1n }, "ceiling_minor"],
  ])("is refused: %s", (_, command, field) => {
    expect(refusalOf(command)).toMatchObject({
      reason: "INVALID_REQUEST",
      outcome: "NOT_APPLIED",
      violations: [{ field, description: expect.stringMatching(/^must be /) }],
    });
  });

  it.each([0n, -1n, AMOUNT_MAX + 1n])("is refused: an amount of %s", (minor) => {
    expect(refusalOf({ kind: "captureHold", hold: 1, amount: { currency: "USD", minor } })).toMatchObject({
      reason: "INVALID_AMOUNT",
      metadata: { amount: String(minor) },
      violations: [{ field: "amount.amount_minor" }],
    });
  });

  it("is refused in a group, with its number and the path to it", () => {
    const items: GroupCommand[] = [
      { kind: "deposit", account: "1", amount },
      { kind: "closeAccount", account: "1", expectedVersion: -1 },
    ];
    expect(refusalOf({ kind: "group", items })).toMatchObject({
      reason: "INVALID_REQUEST",
      item: 2,
      violations: [{ field: "items[1].close_account.expected_version" }],
    });
  });
});

import { AccountType, formatRequestId, hashCommand, RefusalError, type RefusalReason } from "@bank/core";
import {
  type BatchItem,
  BatchItemSchema,
  BranchState,
  type ForwardedCommand,
  ForwardedCommandSchema,
  SetDurabilityRequestSchema,
  type UpdateBranchRequest,
  UpdateBranchRequestSchema,
  AccountType as WireType,
} from "@bank/proto";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type CopiesOf,
  commandCount,
  commandOfBatchItem,
  forwardedCommand,
  type ItemCase,
  requestFromForwarded,
} from "./command-codec.ts";
import { groups, ids, items } from "./commands.test-util.ts";
import { itemFromCommand } from "./item-messages.ts";

type ItemInit = NonNullable<MessageInitShape<typeof BatchItemSchema>["command"]>;

function itemOf(command: ItemInit): ItemCase {
  return commandOfBatchItem(create(BatchItemSchema, { command }));
}

/** As it arrives at the bank. */
function sent(forwarded: ForwardedCommand): ForwardedCommand {
  return fromBinary(ForwardedCommandSchema, toBinary(ForwardedCommandSchema, forwarded));
}

interface Refused {
  readonly reason: RefusalReason;
  readonly item: number | undefined;
  readonly fields: readonly string[];
  readonly text: string;
}

/** Why a command is refused, and which fields are to blame. */
function refusalOf(command: ItemInit): Refused {
  return refusalOfForwarded(forwardedCommand(0, itemOf(command), ""));
}

function refusalOfForwarded(forwarded: ForwardedCommand): Refused {
  try {
    requestFromForwarded(sent(forwarded), "p");
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error;
    const { reason, item, violations = [], outcome, metadata } = error.refusal;
    expect(outcome).toBe("NOT_APPLIED");
    return { reason, item, fields: violations.map(({ field }) => field), text: JSON.stringify([metadata, violations]) };
  }
  throw new Error("it was expected to be refused");
}

describe("a command", () => {
  it("reaches the ledger as its customer gave it, by way of a branch", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(
        ids,
        fc.oneof(items, groups),
        fc.nat(65_535),
        fc.string(),
        fc.boolean(),
        (id, command, branch, session, validateOnly) => {
          const item = itemFromCommand(command, { requestId: formatRequestId(id), validateOnly });
          const arrived = sent(forwardedCommand(branch, commandOfBatchItem(item), session));
          expect(arrived.session).toBe(session);
          const asked = requestFromForwarded(arrived, "customer");
          expect(asked).toEqual({ request: { principal: "customer", branch, id, command }, validateOnly });
          expect(hashCommand(asked.request.command)).toEqual(hashCommand(command));
          seen.add(command.kind);
        },
      ),
      { numRuns: 500 },
    );
    expect(seen.size, "commands of every kind").toBe(15);
  });

  it("that cancels a request reaches it too", () => {
    const cancel = { $typeName: "bank.v1.CancelRequestRequest", requestId: ID } as const;
    const arrived = sent(forwardedCommand(3, { case: "cancelRequest", value: cancel }, "s"));
    expect(requestFromForwarded(arrived, "p")).toMatchObject({
      request: { principal: "p", branch: 3, command: { kind: "cancelRequest" } },
      validateOnly: false,
    });
    expect(
      refusalOfForwarded(forwardedCommand(0, { case: "cancelRequest", value: { ...cancel, requestId: "" } }, "")),
    ).toMatchObject({ reason: "INVALID_REQUEST", fields: ["request_id"] });
  });

  it("about a branch reaches it as it was given; the copies of branches are looked up where it arrives", () => {
    const update = (change: UpdateBranchRequest["change"]) => {
      const value = create(UpdateBranchRequestSchema, { requestId: ID, number: 4, change });
      return sent(forwardedCommand(3, { case: "updateBranch", value }, "s"));
    };
    const asked = requestFromForwarded(update({ case: "name", value: "north" }), "p");
    expect(asked).toMatchObject({ request: { principal: "p", branch: 3 }, validateOnly: false });
    expect(asked.request.command).toEqual({ kind: "renameBranch", target: 4, name: "north" });
    for (const state of [BranchState.ACTIVE, BranchState.DRAINING, BranchState.RETIRED])
      expect(requestFromForwarded(update({ case: "state", value: state }), "p").request.command).toEqual({
        kind: "setBranchState",
        target: 4,
        state,
      });
    expect(refusalOfForwarded(update({ case: "state", value: 4 as BranchState }))).toMatchObject({
      reason: "INVALID_REQUEST",
      fields: ["state"],
    });
    expect(refusalOfForwarded(update({ case: undefined }))).toMatchObject({
      reason: "INVALID_REQUEST",
      fields: ["change"],
    });

    const value = create(SetDurabilityRequestSchema, { requestId: ID, copies: 1, branches: [2, 5] });
    const arrived = sent(forwardedCommand(3, { case: "setDurability", value }, ""));
    const copiesOf: CopiesOf = (branches, id) => {
      expect(formatRequestId(id)).toBe(ID);
      return branches.map((branch) => ({ branch, copyId: new Uint8Array(16).fill(branch) }));
    };
    expect(requestFromForwarded(arrived, "p", copiesOf).request.command).toEqual({
      kind: "setDurability",
      copies: 1,
      members: [
        { branch: 2, copyId: new Uint8Array(16).fill(2) },
        { branch: 5, copyId: new Uint8Array(16).fill(5) },
      ],
    });
    expect(refusalOfForwarded(arrived)).toMatchObject({ reason: "INVALID_REQUEST", fields: ["branches[0]"] });
  });

  it("opens a savings account where no type is said", () => {
    const command = itemOf({ case: "openAccount", value: { requestId: ID, currencyCode: "USD" } });
    expect(requestFromForwarded(forwardedCommand(1, command, ""), "p").request.command).toMatchObject({
      type: AccountType.SAVINGS,
    });
  });

  it("takes a ceiling away by 0, and leaves it where none is said", () => {
    const update = (value: object) =>
      requestFromForwarded(
        forwardedCommand(0, itemOf({ case: "updateAccount", value: { requestId: ID, account: "1", ...value } }), ""),
        "p",
      ).request.command;
    expect(update({ ceilingMinor: 0n })).toMatchObject({ ceiling: null });
    expect(update({ displayName: "x" })).not.toHaveProperty("ceiling");
    expect(update({ metadata: {} })).toMatchObject({ metadata: {} });
    expect(update({ floorMinor: 0n })).toMatchObject({ floor: 0n });
    expect(update({ displayName: "" })).toMatchObject({ displayName: "" });
  });

  it("is as many commands as a group has items", () => {
    const group = itemOf({ case: "group", value: { items: [{}, {}, {}] } });
    expect([commandCount(group), commandCount(itemOf({ case: "deposit", value: {} }))]).toEqual([3, 1]);
  });
});

describe("a command is refused, with the path of the field,", () => {
  const amount = { currencyCode: "USD", amountMinor: 5n };
  const deposit = { requestId: ID, account: "1", amount };
  const holding = { requestId: ID, hold: 7n };
  const at = (seconds: bigint, nanos = 0) => ({ seconds, nanos });
  const TOO_LARGE = 2n ** 53n;

  it("where it names no command", () => {
    expect(refusalOfForwarded(create(ForwardedCommandSchema))).toMatchObject({ fields: ["command"] });
    const nothing = create(ForwardedCommandSchema, { command: { case: "item", value: {} } });
    expect(refusalOfForwarded(nothing)).toMatchObject({ reason: "INVALID_REQUEST", fields: ["command"] });
    expect(() => commandOfBatchItem(create(BatchItemSchema))).toThrow("command: value is required");
  });

  it.each<[string, ItemInit, string]>([
    ["no request id", { case: "deposit", value: { ...deposit, requestId: "" } }, "request_id"],
    ["a request id that is no UUID", { case: "closeAccount", value: { requestId: "7", account: "1" } }, "request_id"],
    [
      "a group without an id",
      { case: "group", value: { items: [{ command: { case: "deposit", value: deposit } }] } },
      "request_id",
    ],
    ["a deposit of nothing", { case: "deposit", value: { requestId: ID, account: "1" } }, "amount"],
    ["a withdrawal of nothing", { case: "withdraw", value: { requestId: ID, account: "1" } }, "amount"],
    [
      "a transfer of nothing",
      { case: "transfer", value: { requestId: ID, fromAccount: "1", toAccount: "2" } },
      "amount",
    ],
    ["a hold of nothing", { case: "placeHold", value: { requestId: ID, account: "1" } }, "amount"],
    ["no account", { case: "freezeAccount", value: { requestId: ID } }, "account"],
    ["an account of the bank", { case: "openAccount", value: { requestId: ID, type: WireType.CASH } }, "type"],
    ["an unknown type", { case: "openAccount", value: { requestId: ID, type: 99 as WireType } }, "type"],
    [
      "an overdraft for savings",
      { case: "openAccount", value: { requestId: ID, currencyCode: "USD", floorMinor: -1n } },
      "floor_minor",
    ],
    ["a bad alias", { case: "openAccount", value: { requestId: ID, currencyCode: "USD", alias: "a/b" } }, "alias"],
    [
      "much metadata",
      { case: "openAccount", value: { requestId: ID, metadata: { a: "x".repeat(1_025) } } },
      "metadata",
    ],
    [
      "a strange name",
      { case: "openAccount", value: { requestId: ID, metadata: JSON.parse('{"__proto__":"x"}') } },
      "metadata",
    ],
    ["a transaction beyond all", { case: "reverse", value: { requestId: ID, transaction: TOO_LARGE } }, "transaction"],
    ["transaction 0", { case: "reverse", value: { requestId: ID } }, "transaction"],
    ["a hold beyond all", { case: "captureHold", value: { requestId: ID, hold: TOO_LARGE } }, "hold"],
    ["hold 0", { case: "releaseHold", value: { requestId: ID } }, "hold"],
    ["version 0", { case: "deposit", value: { ...deposit, expectedVersion: 0n } }, "expected_version"],
    [
      "a version beyond all",
      { case: "deposit", value: { ...deposit, expectedVersion: TOO_LARGE } },
      "expected_version",
    ],
    ["an extension to no time", { case: "extendHold", value: holding }, "expires_at"],
    ["an extension to 1970", { case: "extendHold", value: { ...holding, expiresAt: at(0n) } }, "expires_at"],
    // The ledger's 0 is never.
    ["a hold until 1970", { case: "placeHold", value: { ...deposit, expiresAt: at(0n) } }, "expires_at"],
    ["a time before 1970", { case: "placeHold", value: { ...deposit, expiresAt: at(-1n) } }, "expires_at"],
    ["a time after 9999", { case: "placeHold", value: { ...deposit, expiresAt: at(253_402_300_800n) } }, "expires_at"],
    ["half a millisecond", { case: "placeHold", value: { ...deposit, expiresAt: at(9n, 500_000) } }, "expires_at"],
    ["no timestamp", { case: "placeHold", value: { ...deposit, expiresAt: at(9n, 1_000_000_000) } }, "expires_at"],
  ])("for %s", (_, command, field) => {
    expect(refusalOf(command)).toMatchObject({ reason: "INVALID_REQUEST", item: undefined, fields: [field] });
  });

  it.each<[RefusalReason, ItemInit, string]>([
    [
      "INVALID_AMOUNT",
      { case: "withdraw", value: { ...deposit, amount: { ...amount, amountMinor: 0n } } },
      "amount.amount_minor",
    ],
    [
      "INVALID_AMOUNT",
      { case: "captureHold", value: { ...holding, amount: { ...amount, amountMinor: -1n } } },
      "amount.amount_minor",
    ],
    [
      "UNKNOWN_CURRENCY",
      { case: "deposit", value: { ...deposit, amount: { ...amount, currencyCode: "ABC" } } },
      "amount.currency_code",
    ],
    ["UNKNOWN_CURRENCY", { case: "openAccount", value: { requestId: ID, currencyCode: "ABC" } }, "currency_code"],
    [
      "INVALID_RATE",
      { case: "applyInterest", value: { requestId: ID, account: "1", ratePercent: "2,5" } },
      "rate_percent",
    ],
    [
      "INVALID_RATE",
      { case: "applyInterest", value: { requestId: ID, account: "1", ratePercent: "100.000001" } },
      "rate_percent",
    ],
  ])("with a reason of its own: %s", (reason, command, field) => {
    expect(refusalOf(command)).toMatchObject({ reason, fields: [field] });
  });

  it("and tells of a rate that is none not more than a little", () => {
    const ratePercent = "x".repeat(1_000_000);
    const { text } = refusalOf({ case: "applyInterest", value: { requestId: ID, account: "1", ratePercent } });
    expect(text.length).toBeLessThan(300);
  });

  it("inside a group, with the item", () => {
    const fine = { command: { case: "deposit", value: { account: "1", amount } } } as const;
    const group = (bad: MessageInitShape<typeof BatchItemSchema>): Refused =>
      refusalOf({ case: "group", value: { requestId: ID, items: [fine, bad, fine] } });
    const cases: [MessageInitShape<typeof BatchItemSchema>, string, RefusalReason][] = [
      [{}, "items[1].command", "INVALID_REQUEST"],
      [{ command: { case: "group", value: { items: [fine] } } }, "items[1].group", "INVALID_REQUEST"],
      [{ command: { case: "deposit", value: deposit } }, "items[1].deposit.request_id", "INVALID_REQUEST"],
      [
        { command: { case: "placeHold", value: { account: "1", amount, validateOnly: true } } },
        "items[1].place_hold.validate_only",
        "INVALID_REQUEST",
      ],
      [{ command: { case: "extendHold", value: { hold: 1n } } }, "items[1].extend_hold.expires_at", "INVALID_REQUEST"],
      [
        { command: { case: "extendHold", value: { hold: 1n, expiresAt: at(1n, 1) } } },
        "items[1].extend_hold.expires_at",
        "INVALID_REQUEST",
      ],
      [
        { command: { case: "applyInterest", value: { account: "1", ratePercent: "x" } } },
        "items[1].apply_interest.rate_percent",
        "INVALID_RATE",
      ],
      // What the ledger's own check finds.
      [{ command: { case: "freezeAccount", value: {} } }, "items[1].freeze_account.account", "INVALID_REQUEST"],
      [{ command: { case: "updateAccount", value: { account: "1" } } }, "items[1].update_account", "INVALID_REQUEST"],
      [
        { command: { case: "transfer", value: { fromAccount: "1", toAccount: "2", amount: { currencyCode: "USD" } } } },
        "items[1].transfer.amount.amount_minor",
        "INVALID_AMOUNT",
      ],
    ];
    for (const [bad, field, reason] of cases)
      expect(group(bad), field).toMatchObject({ reason, item: 2, fields: [field] });
  });

  it("for a group of none or of too many", () => {
    const item: BatchItem = itemFromCommand({ kind: "freezeAccount", account: "1" });
    for (const count of [0, 101])
      expect(refusalOf({ case: "group", value: { requestId: ID, items: new Array(count).fill(item) } })).toMatchObject({
        reason: "INVALID_REQUEST",
        item: undefined,
        fields: ["items"],
      });
  });
});

const ID = "01234567-89ab-cdef-0123-456789abcdef";

import { AccountType, AMOUNT_MAX, formatRequestId, RefusalError, requestIdFromBytes } from "@bank/core";
import { BatchItemSchema, ForwardedCommandSchema, AccountType as WireType } from "@bank/proto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { commandOfBatchItem, forwardedCommand, requestFromForwarded } from "./command-codec.ts";

const ids = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(requestIdFromBytes);
const amounts = fc.record({ currency: fc.constantFrom("USD", "JPY", "KWD"), minor: fc.bigInt(1n, AMOUNT_MAX) });
const names = fc.string({ minLength: 1, maxLength: 64 });
const commands = fc.oneof(
  fc.record({
    kind: fc.constant("openAccount" as const),
    type: fc.constantFrom(AccountType.SAVINGS, AccountType.CHECKING),
    owner: fc.string({ unit: "grapheme" }),
    displayName: fc.string({ unit: "grapheme" }),
    currency: fc.constantFrom("USD", "JPY"),
  }),
  fc.record({ kind: fc.constantFrom("deposit" as const, "withdraw" as const), account: names, amount: amounts }),
  fc.record({ kind: fc.constant("transfer" as const), from: names, to: names, amount: amounts }),
);
type AnyCommand = typeof commands extends fc.Arbitrary<infer C> ? C : never;

/** What a customer's program sends for a command. */
function sent(requestId: string, command: AnyCommand): Parameters<typeof forwardedCommand>[1] {
  switch (command.kind) {
    case "openAccount": {
      const { type, owner, displayName, currency: currencyCode } = command;
      const value = { requestId, type: type as number, owner, displayName, currencyCode };
      return messageOf({ case: "openAccount", value });
    }
    case "deposit":
    case "withdraw": {
      const { account, amount } = command;
      const value = { requestId, account, amount: { currencyCode: amount.currency, amountMinor: amount.minor } };
      return messageOf({ case: command.kind, value });
    }
    case "transfer": {
      const { from: fromAccount, to: toAccount, amount } = command;
      const money = { currencyCode: amount.currency, amountMinor: amount.minor };
      return messageOf({ case: "transfer", value: { requestId, fromAccount, toAccount, amount: money } });
    }
  }
}

function messageOf(command: object): Parameters<typeof forwardedCommand>[1] {
  const { command: made } = create(ForwardedCommandSchema, { command } as Parameters<
    typeof create<typeof ForwardedCommandSchema>
  >[1]);
  if (made.case === undefined) throw new Error("the command has a case");
  return made;
}

function problemOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof RefusalError && error.refusal.reason === "INVALID_REQUEST") {
      expect(error.refusal.outcome).toBe("NOT_APPLIED");
      return error.refusal.metadata["problem"] ?? "";
    }
    throw error;
  }
  throw new Error("it was expected to be refused");
}

describe("a command", () => {
  it("reaches the ledger as its customer gave it, by way of a branch", () => {
    fc.assert(
      fc.property(ids, commands, fc.nat(65_535), fc.string(), (id, command, branch, session) => {
        const forwarded = forwardedCommand(branch, sent(formatRequestId(id), command), session);
        const arrived = fromBinary(ForwardedCommandSchema, toBinary(ForwardedCommandSchema, forwarded));
        expect(arrived.session).toBe(session);
        expect(requestFromForwarded(arrived, "customer")).toEqual({ principal: "customer", branch, id, command });
      }),
    );
  });

  it("opens a savings account where no type is said", () => {
    const command = messageOf({ case: "openAccount", value: { requestId: ID, currencyCode: "USD" } });
    expect(requestFromForwarded(forwardedCommand(1, command, ""), "p").command).toMatchObject({
      type: AccountType.SAVINGS,
    });
  });

  it("is refused where what it needs is missing or false", () => {
    const refused = (command: object) =>
      problemOf(() => requestFromForwarded(forwardedCommand(0, messageOf(command), ""), "p"));
    expect(problemOf(() => requestFromForwarded(create(ForwardedCommandSchema), "p"))).toContain("no command");
    expect(refused({ case: "deposit", value: { requestId: "", account: "1" } })).toContain("not a UUID");
    for (const kind of ["deposit", "withdraw", "transfer"])
      expect(refused({ case: kind, value: { requestId: ID } })).toContain("amount is missing");
    for (const type of [WireType.CASH, 99, -1])
      expect(refused({ case: "openAccount", value: { requestId: ID, type, currencyCode: "USD" } })).toContain(
        "savings or checking",
      );
  });

  it("of a batch is the one that its item names", () => {
    const item = create(BatchItemSchema, { command: { case: "withdraw", value: { requestId: ID, account: "7" } } });
    expect(commandOfBatchItem(item)).toMatchObject({ case: "withdraw", value: { account: "7" } });
    expect(problemOf(() => commandOfBatchItem(create(BatchItemSchema)))).toContain("names no command");
  });
});

const ID = "01234567-89ab-cdef-0123-456789abcdef";

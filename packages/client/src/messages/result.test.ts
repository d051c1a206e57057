import { type BatchResult, BatchResultSchema, BranchState } from "@bank/proto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, it } from "vitest";
import type { CommandGroup, GroupCommand } from "../types/index.ts";
import { LedgerTeller } from "./ledger-teller.test-util.ts";
import { requestResultOf, resultOfCommand, resultOfGroup } from "./result.ts";

const usd = (minor: bigint) => ({ currency: "USD", minor });

let teller: LedgerTeller;
beforeEach(() => {
  teller = new LedgerTeller();
});

function done(command: GroupCommand | CommandGroup, options?: { readonly validateOnly: boolean }) {
  const result = teller.submit(command, options);
  const translated = resultOfCommand(command, result);
  // Whoever does not know the command reads the same.
  expect(requestResultOf(result)).toEqual(translated);
  return translated;
}

describe("what the ledger answers", () => {
  it("to an opening is the account, with all that was said of it", () => {
    const opened = done({
      kind: "openAccount",
      type: "checking",
      owner: "Ada",
      displayName: "shoes",
      currency: "KWD",
      alias: "ada:1",
      metadata: { b: "2", a: "1" },
      floor: -500n,
      ceiling: 9_000n,
    });
    const kwd = (minor: bigint) => ({ currency: "KWD", minor });
    expect(opened).toStrictEqual({
      kind: "account",
      account: {
        number: "1",
        alias: "ada:1",
        type: "checking",
        state: "open",
        owner: "Ada",
        displayName: "shoes",
        metadata: { a: "1", b: "2" },
        currency: "KWD",
        homeBranch: 0,
        posted: kwd(0n),
        held: kwd(0n),
        available: kwd(0n),
        floor: kwd(-500n),
        ceiling: kwd(9_000n),
        version: 1,
        openedAtMs: 1_800_000_001_000,
        openedPosition: 4,
      },
    });
  });

  it("to an opening with nothing said leaves out what there is not", () => {
    expect(done({ kind: "openAccount" })).toMatchObject({
      account: { alias: undefined, ceiling: undefined, type: "savings", metadata: {}, floor: usd(0n) },
    });
  });

  it("to changes is what can be changed", () => {
    done({ kind: "openAccount", ceiling: 5n });
    const change = { displayName: "hats", metadata: { a: "1" }, floor: 0n, ceiling: null };
    expect(done({ kind: "updateAccount", account: "1", ...change })).toStrictEqual({
      kind: "accountUpdate",
      update: { account: "1", displayName: "hats", metadata: { a: "1" }, floor: usd(0n), ceiling: undefined },
    });
    const stateAfter = (kind: "freezeAccount" | "unfreezeAccount" | "closeAccount") => done({ kind, account: "1" });
    const change2 = (state: string) => ({ kind: "stateChange", change: { account: "1", state } });
    expect(stateAfter("freezeAccount")).toStrictEqual(change2("frozen"));
    expect(stateAfter("unfreezeAccount")).toStrictEqual(change2("open"));
    expect(stateAfter("closeAccount")).toStrictEqual(change2("closed"));
  });

  it("to movements is the transaction", () => {
    done({ kind: "openAccount" });
    done({ kind: "openAccount" });
    const moved = (command: GroupCommand) => {
      const result = done(command);
      if (result.kind !== "transaction") throw new Error(`a movement gives no ${result.kind}`);
      const { kind, debitAccount, creditAccount, amount, reverses, hold, reversedBy } = result.transaction;
      return [kind, debitAccount, creditAccount, amount.minor, reverses, hold, reversedBy];
    };
    const cash = "cash/0/USD";
    const none = [undefined, undefined, undefined];
    const pays = { kind: "deposit", account: "1", amount: usd(500_00n) } as const;
    expect(moved(pays)).toEqual(["deposit", cash, "1", 500_00n, ...none]);
    expect(moved({ ...pays, kind: "withdraw", amount: usd(1n) })).toEqual(["withdrawal", "1", cash, 1n, ...none]);
    const transfer = { kind: "transfer", from: "1", to: "2", amount: usd(7n) } as const;
    expect(moved(transfer)).toEqual(["transfer", "1", "2", 7n, ...none]);
    const transaction = teller.ledger.position;
    expect(moved({ kind: "reverse", transaction })).toEqual([
      "reversal",
      "2",
      "1",
      7n,
      transaction,
      undefined,
      undefined,
    ]);
  });

  it("to interest is how it was reckoned, with a transaction only where money moved", () => {
    done({ kind: "openAccount" });
    const nothing = { kind: "applyInterest", account: "1", rate: "2.50" } as const;
    expect(done(nothing)).toStrictEqual({
      kind: "interest",
      interest: { account: "1", ratePercent: "2.5", balance: usd(0n), amount: usd(0n), transaction: undefined },
    });
    done({ kind: "deposit", account: "1", amount: usd(500_00n) });
    expect(done(nothing)).toMatchObject({
      interest: {
        balance: usd(500_00n),
        amount: usd(12_50n),
        transaction: { kind: "interest", debitAccount: "interest/0/USD", creditAccount: "1", amount: usd(12_50n) },
      },
    });
  });

  it("to what happens to a hold is the hold as it stands then", () => {
    done({ kind: "openAccount" });
    done({ kind: "deposit", account: "1", amount: usd(100n) });
    const expiresAtMs = 1_800_000_100_000;
    const placed = done({ kind: "placeHold", account: "1", amount: usd(60n), expiresAtMs });
    const hold = teller.ledger.position;
    const then = (captured: bigint, remaining: bigint, state: string, expires: number | undefined = expiresAtMs) => ({
      position: hold,
      account: "1",
      amount: usd(60n),
      captured: usd(captured),
      remaining: usd(remaining),
      state,
      expiresAtMs: expires,
    });
    expect(placed).toStrictEqual({ kind: "hold", hold: then(0n, 60n, "open") });
    expect(done({ kind: "extendHold", hold, expiresAtMs: expiresAtMs + 1 })).toStrictEqual({
      kind: "hold",
      hold: then(0n, 60n, "open", expiresAtMs + 1),
    });
    expect(done({ kind: "captureHold", hold, amount: usd(20n) })).toMatchObject({
      kind: "capture",
      capture: {
        transaction: { kind: "capture", hold, debitAccount: "1", creditAccount: "cash/0/USD", amount: usd(20n) },
        hold: then(20n, 40n, "open", expiresAtMs + 1),
      },
    });
    expect(done({ kind: "releaseHold", hold })).toMatchObject({ hold: then(20n, 0n, "released", expiresAtMs + 1) });
    done({ kind: "placeHold", account: "1", amount: usd(80n) });
    const all = done({ kind: "captureHold", hold: teller.ledger.position });
    expect(all).toMatchObject({ capture: { hold: { state: "captured", remaining: usd(0n), expiresAtMs: undefined } } });
  });

  it("to a group is what each item did", () => {
    const group = done({
      kind: "group",
      items: [
        { kind: "openAccount", alias: "new" },
        { kind: "deposit", account: "new", amount: usd(5n) },
        { kind: "placeHold", account: "new", amount: usd(5n) },
        { kind: "freezeAccount", account: "new" },
      ],
    });
    expect(group).toMatchObject({
      kind: "group",
      group: {
        position: teller.ledger.position,
        results: [
          { kind: "account", account: { number: "1", alias: "new" } },
          { kind: "transaction", transaction: { kind: "deposit", creditAccount: "1" } },
          { kind: "hold", hold: { account: "1", amount: usd(5n) } },
          { kind: "stateChange", change: { account: "1", state: "frozen" } },
        ],
      },
    });
  });

  it("to a preview has no position", () => {
    const before = teller.ledger.position;
    const opened = done({ kind: "openAccount" }, { validateOnly: true });
    expect(opened).toMatchObject({ kind: "account", account: { number: "1", openedPosition: 0 } });
    const group: CommandGroup = { kind: "group", items: [{ kind: "openAccount" }] };
    expect(done(group, { validateOnly: true })).toMatchObject({ group: { position: 0 } });
    expect(teller.ledger.position).toBe(before);
  });
});

describe("an answer that no such command gets", () => {
  const result = (init: MessageInitShape<typeof BatchResultSchema>["result"]): BatchResult["result"] =>
    create(BatchResultSchema, init === undefined ? {} : { result: init }).result;
  const frozen = result({ case: "stateChange", value: { account: "1", state: 2 } });
  const failed = result({ case: "failure", value: { reason: "HOLD_ENDED" } });
  const empty = result(undefined);
  const freeze: GroupCommand = { kind: "freezeAccount", account: "1" };
  const group = (...results: BatchResult["result"][]) =>
    result({ case: "group", value: { position: 9n, results: results.map((each) => ({ result: each })) } });

  it("of what an operator decided is told as the result of a request, and of no command", () => {
    const renamed = result({ case: "branchChange", value: { number: 2, name: "Harbour Street" } });
    expect(requestResultOf(renamed)).toStrictEqual({
      kind: "branchChange",
      change: { number: 2, name: "Harbour Street", state: undefined },
    });
    const drained = result({ case: "branchChange", value: { number: 2, state: BranchState.DRAINING } });
    expect(requestResultOf(drained)).toStrictEqual({
      kind: "branchChange",
      change: { number: 2, name: undefined, state: "draining" },
    });
    const counted = result({ case: "durability", value: { copies: 1, branches: [1, 2], position: 7n } });
    expect(requestResultOf(counted)).toStrictEqual({
      kind: "durability",
      durability: { copies: 1, branches: [1, 2], position: 7 },
    });
    for (const decided of [renamed, counted])
      expect(() => resultOfCommand(freeze, decided)).toThrow("where something was done");
  });

  it.each<[string, () => unknown, string]>([
    [
      "of another kind",
      () => resultOfCommand({ kind: "releaseHold", hold: 1 }, frozen),
      'it answered the command releaseHold with the result "stateChange"',
    ],
    ["without a result", () => resultOfCommand(freeze, empty), "it gave an empty result where something was done"],
    ["of no group", () => resultOfCommand({ kind: "group", items: [freeze] }, frozen), "it answered a group with the"],
    ["of a group", () => resultOfCommand(freeze, group(frozen)), 'it gave the result "group" where something was done'],
    [
      "of a group with too many items",
      () => resultOfCommand({ kind: "group", items: [freeze] }, group(frozen, frozen)),
      "it gave 2 results for 1 items of a group",
    ],
    [
      "of a group that was done, with an item that was not",
      () => resultOfCommand({ kind: "group", items: [freeze] }, group(failed)),
      'it gave the result "failure" where something was done',
    ],
    ["of a group, without one", () => resultOfGroup([freeze], undefined), "it left out what the group did"],
    ["a group in a group", () => requestResultOf(group(group(frozen))), 'it gave the result "group" where something'],
  ])("is refused: %s", (_, translate, message) => {
    expect(translate).toThrow(message);
  });
});

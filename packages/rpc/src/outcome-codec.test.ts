import {
  type Command,
  formatRequestId,
  type GroupItem,
  Ledger,
  type LedgerRecord,
  RecordKind,
  RefusalError,
} from "@bank/core";
import { AccountState, AccountType, HoldState, TransactionKind } from "@bank/proto";
import { deposit, numberedId, openAccount, transfer, withdraw } from "@bank/testkit";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { Bank, CHECKING, capture, hold, money, START_MS, twoAccounts } from "./codec-bank.test-util.ts";
import { failureFromRefusal } from "./failure.ts";
import { accountMessage, holdMessage } from "./messages.ts";
import { outcomeFromFailure, outcomeFromRecord, resultFromRecord } from "./outcome-codec.ts";
import { timestampMessage } from "./time.ts";

describe("the result", () => {
  it("of an opening shows the account as it was opened", () => {
    const bank = new Bank();
    const answer = bank.submit(CHECKING);
    const outcome = outcomeFromRecord(bank.ledger, answer);
    expect(outcome).toMatchObject({ position: BigInt(answer.position), result: { replayed: false } });
    expect(outcome.result?.result).toMatchObject({
      case: "account",
      value: {
        number: "1",
        alias: "ada",
        type: AccountType.CHECKING,
        state: AccountState.OPEN,
        owner: "Ada Łovelace",
        displayName: "shoes",
        metadata: { a: "first", z: "last" },
        currencyCode: "KWD",
        homeBranch: 0,
        posted: money(0, "KWD"),
        held: money(0, "KWD"),
        available: money(0, "KWD"),
        floor: money(-500, "KWD"),
        ceiling: money(10_000, "KWD"),
        version: 1n,
        openedPosition: BigInt(answer.position),
      },
    });
    // The same as a reader sees it, as long as nothing has happened to it.
    const account = bank.ledger.findCustomerAccount("ada");
    if (account === undefined) throw new Error("ada exists");
    expect(outcome.result?.result.value).toEqual(accountMessage(bank.ledger.viewAccount(account)));
    const plain = bank.result(openAccount());
    expect(plain).toMatchObject({ case: "account", value: { number: "2", alias: "", metadata: {}, floor: money(0) } });
    expect(plain.value).not.toHaveProperty("ceiling");
  });

  it("of a change of an account shows what can be changed, as it is from then on", () => {
    const bank = new Bank();
    bank.submit(CHECKING);
    const update = { kind: "updateAccount", account: "ada" } as const;
    expect(bank.result({ ...update, displayName: "boots", metadata: { b: "2", a: "1" } })).toMatchObject({
      case: "accountUpdate",
      value: {
        account: "1",
        displayName: "boots",
        metadata: { a: "1", b: "2" },
        floor: money(-500, "KWD"),
        ceiling: money(10_000, "KWD"),
      },
    });
    const { case: kind, value } = bank.result({ ...update, floor: -7n, ceiling: null, metadata: {} });
    expect([kind, value]).toMatchObject([
      "accountUpdate",
      { displayName: "boots", metadata: {}, floor: money(-7, "KWD") },
    ]);
    expect(value).not.toHaveProperty("ceiling");
    for (const [command, state] of [
      ["freezeAccount", AccountState.FROZEN],
      ["unfreezeAccount", AccountState.OPEN],
      ["closeAccount", AccountState.CLOSED],
    ] as const)
      expect(bank.result({ kind: command, account: "ada" })).toMatchObject({
        case: "stateChange",
        value: { account: "1", state },
      });
    const account = bank.ledger.findCustomerAccount("ada");
    if (account === undefined) throw new Error("ada exists");
    expect(accountMessage(bank.ledger.viewAccount(account))).toMatchObject({
      state: AccountState.CLOSED,
      floor: money(-7, "KWD"),
      version: 6n,
    });
  });

  it("of a movement shows who paid whom, where and when, and by which request", () => {
    const bank = new Bank();
    bank.submit({ kind: "registerBranch", branch: 3, name: "three", address: "" });
    bank.submit(openAccount());
    bank.submit(openAccount());
    const max = 2n ** 63n - 1n;
    const { DEPOSIT, TRANSFER, WITHDRAWAL, REVERSAL } = TransactionKind;
    const moves = [
      { command: deposit(1, max), kind: DEPOSIT, debit: "cash/3/USD", credit: "1", amount: max },
      { command: transfer(1, 2, 50), kind: TRANSFER, debit: "1", credit: "2", amount: 50n },
      { command: withdraw(2, 1), kind: WITHDRAWAL, debit: "2", credit: "cash/3/USD", amount: 1n },
      {
        command: { ...transfer(2, 1, 2), to: "fees/3/USD" } as Command,
        kind: TRANSFER,
        debit: "2",
        credit: "fees/3/USD",
      },
    ];
    const positions: number[] = [];
    for (const { command, kind, debit, credit, amount = 2n } of moves) {
      const answer = bank.submit(command, 3);
      const { result } = resultFromRecord(bank.ledger, answer);
      positions.push(answer.position);
      expect(result).toMatchObject({
        case: "transaction",
        value: {
          position: BigInt(answer.position),
          kind,
          debitAccount: debit,
          creditAccount: credit,
          amount: money(amount),
          branch: 3,
          requestId: formatRequestId(answer.request.id),
          reverses: 0n,
          hold: 0n,
          reversedBy: 0n,
        },
      });
      if (result.case !== "transaction" || result.value.time === undefined) throw new Error("a movement has its time");
      expect(timestampMs(result.value.time)).toBe(answer.timeMs);
    }
    const [, transferred = 0] = positions;
    bank.submit(transfer(1, 2, 3));
    expect(bank.result({ kind: "reverse", transaction: transferred })).toMatchObject({
      case: "transaction",
      value: {
        kind: REVERSAL,
        debitAccount: "2",
        creditAccount: "1",
        amount: money(50),
        branch: 0,
        reverses: BigInt(transferred),
      },
    });
  });

  it("of a hold shows it as it stands behind its record", () => {
    const bank = twoAccounts();
    const { ledger } = bank;
    const view = (at: number) => {
      const found = ledger.viewHold(at);
      if (found === undefined) throw new Error("there is a hold");
      return holdMessage(ledger, found);
    };
    const placed = bank.submit(hold("1", 300, START_MS + 1_000));
    const at = placed.position;
    const { result } = resultFromRecord(ledger, placed);
    expect(result).toMatchObject({
      case: "hold",
      value: {
        hold: BigInt(at),
        account: "1",
        amount: money(300),
        captured: money(0),
        remaining: money(300),
        state: HoldState.OPEN,
        expiresAt: timestampMessage(START_MS + 1_000),
      },
    });
    expect(result.value).toEqual(view(at));

    const extended = bank.result({ kind: "extendHold", hold: at, expiresMs: START_MS + 2_000 });
    expect(extended).toMatchObject({ case: "hold", value: { expiresAt: timestampMessage(START_MS + 2_000) } });
    expect(extended.value).toEqual(view(at));

    const part = bank.submit(capture(at, 100, "2"), 3);
    expect(resultFromRecord(ledger, part).result).toMatchObject({
      case: "capture",
      value: {
        transaction: {
          position: BigInt(part.position),
          kind: TransactionKind.CAPTURE,
          debitAccount: "1",
          creditAccount: "2",
          amount: money(100),
          branch: 3,
          hold: BigInt(at),
        },
        hold: { state: HoldState.OPEN, captured: money(100), remaining: money(200) },
      },
    });
    const rest = bank.result(capture(at, undefined), 3);
    expect(rest).toMatchObject({
      case: "capture",
      value: {
        transaction: { creditAccount: "cash/3/USD", amount: money(200) },
        hold: { state: HoldState.CAPTURED, captured: money(300), remaining: money(0) },
      },
    });
    if (rest.case === "capture") expect(rest.value.hold).toEqual(view(at));

    const other = bank.submit(hold("2", 50)).position;
    bank.submit(capture(other, 20));
    const released = bank.result({ kind: "releaseHold", hold: other });
    expect(released).toMatchObject({
      case: "hold",
      value: { state: HoldState.RELEASED, amount: money(50), captured: money(20), remaining: money(0) },
    });
    expect(released.value).toEqual(view(other));
    expect(released.value).not.toHaveProperty("expiresAt");
  });

  it("of interest shows the rate and the balance, and a movement only of something", () => {
    const bank = new Bank();
    bank.submit(openAccount());
    const rate = 12_500_000;
    const nothing = bank.result({ kind: "applyInterest", account: "1", rate });
    expect(nothing).toMatchObject({
      case: "interest",
      value: { account: "1", ratePercent: "12.5", balance: money(0), amount: money(0) },
    });
    expect(nothing.value).not.toHaveProperty("transaction");
    bank.submit(deposit(1, 9_530));
    const answer = bank.submit({ kind: "applyInterest", account: "1", rate });
    expect(resultFromRecord(bank.ledger, answer).result).toMatchObject({
      case: "interest",
      value: {
        ratePercent: "12.5",
        balance: money(9_530),
        amount: money(1_191),
        transaction: {
          position: BigInt(answer.position),
          kind: TransactionKind.INTEREST,
          debitAccount: "interest/0/USD",
          creditAccount: "1",
          amount: money(1_191),
          requestId: formatRequestId(answer.request.id),
        },
      },
    });
  });

  it("of a rejection shows the reason, and where it is remembered", () => {
    const bank = new Bank();
    const answer = bank.submit(deposit(9, 1));
    expect(outcomeFromRecord(bank.ledger, answer)).toMatchObject({
      position: BigInt(answer.position),
      result: {
        result: {
          case: "failure",
          value: {
            code: 5,
            reason: "ACCOUNT_NOT_FOUND",
            metadata: { account: "9", outcome: "REJECTED" },
            position: BigInt(answer.position),
            item: 0,
          },
        },
      },
    });
  });

  it("of a refusal names what it was computed from, and remembers nothing", () => {
    const refusal = new RefusalError("STALE_VERSION", { account: "1", expected_version: "1", version: "2" });
    expect(outcomeFromFailure(failureFromRefusal(refusal), 42)).toMatchObject({
      position: 42n,
      result: { replayed: false, result: { case: "failure", value: { reason: "STALE_VERSION", position: 0n } } },
    });
    expect(outcomeFromFailure(failureFromRefusal(refusal)).position).toBe(0n);
  });

  it("is none where a record answers no customer", () => {
    const ledger = new Ledger({ hashSeed: 1 });
    const answers = { principal: "bank", branch: 0, request: { id: numberedId(1), hashLow: 0, hashHigh: 0 } };
    const records: LedgerRecord[] = [
      { ...answers, kind: RecordKind.STATE_ROOT, position: 1, root: new Uint8Array(32) },
      { ...answers, kind: RecordKind.TIME_TICKED },
      { ...answers, kind: RecordKind.HOLDS_EXPIRED, holds: [1] },
    ];
    for (const record of records)
      expect(() => outcomeFromRecord(ledger, { record, position: 2, timeMs: 0, replayed: false })).toThrow(
        "answers no customer",
      );
  });
});

describe("the result of a group", () => {
  it("has one for each item, in order, at its own position and with the group's request id", () => {
    const bank = twoAccounts();
    const before = bank.submit(hold("1", 40)).position;
    // The first two need a currency and accounts of the bank besides.
    const items: GroupItem[] = [
      { ...(openAccount("Bob", "JPY") as GroupItem) },
      { kind: "applyInterest", account: "1", rate: 1_000_000 },
      { kind: "applyInterest", account: "3", rate: 1_000_000 },
      deposit(3, 9, "JPY") as GroupItem,
      transfer(1, 2, 5) as GroupItem,
      hold("2", 6),
      capture(before, 15, "2"),
      { kind: "updateAccount", account: "2", displayName: "x" },
      { kind: "freezeAccount", account: "2" },
    ];
    const answer = bank.submit({ kind: "group", items }, 3);
    const { result } = resultFromRecord(bank.ledger, answer);
    if (result.case !== "group") throw new Error(`a group ended as ${result.case}`);
    const { position, results } = result.value;
    expect(position).toBe(BigInt(answer.position));
    expect(results.map((one) => one.result.case)).toEqual([
      "account",
      "interest",
      "interest",
      "transaction",
      "transaction",
      "hold",
      "capture",
      "accountUpdate",
      "stateChange",
    ]);
    const [opened, interest, zero, paid, moved, held, captured] = results.map((one) => one.result);
    const requestId = formatRequestId(answer.request.id);
    expect(opened).toMatchObject({ value: { number: "3", currencyCode: "JPY", homeBranch: 3 } });
    expect(interest).toMatchObject({ value: { transaction: { requestId, debitAccount: "interest/3/USD" } } });
    expect(zero?.value).not.toHaveProperty("transaction");
    expect(paid).toMatchObject({ value: { requestId, debitAccount: "cash/3/JPY", amount: money(9, "JPY") } });
    expect(captured).toMatchObject({ value: { transaction: { requestId, hold: BigInt(before) } } });
    // Each where its record stands in the journal: the last before the group's own are an update and a freeze.
    const end = answer.position;
    expect(moved).toMatchObject({ value: { position: BigInt(end - 5) } });
    expect(held).toMatchObject({ value: { hold: BigInt(end - 4) } });
    expect(captured).toMatchObject({ value: { transaction: { position: BigInt(end - 3) } } });
    expect(bank.ledger.viewHold(end - 4)?.held).toBe(6n);
    if (opened?.case !== "account") throw new Error("an account was opened");
    const account = bank.ledger.findCustomerAccount("3");
    if (account === undefined) throw new Error("account 3 exists");
    expect(opened.value.openedPosition).toBe(BigInt(bank.ledger.viewAccount(account).openedPosition));
  });

  it("that was rejected names the item", () => {
    const bank = twoAccounts();
    const answer = bank.submit({
      kind: "group",
      items: [withdraw(1, 5) as GroupItem, withdraw(2, 100_001) as GroupItem],
    });
    expect(resultFromRecord(bank.ledger, answer).result).toMatchObject({
      case: "failure",
      value: { reason: "INSUFFICIENT_FUNDS", item: 2, position: BigInt(answer.position) },
    });
  });

  it("is none without the records that carry it out", () => {
    const bank = twoAccounts();
    const answer = bank.submit({ kind: "group", items: [withdraw(1, 5) as GroupItem] });
    for (const groupRecords of [undefined, [], [answer.record, answer.record, answer.record]])
      expect(() => resultFromRecord(bank.ledger, { ...answer, groupRecords })).toThrow("records that carry it out");
  });
});

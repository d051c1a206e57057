import { describe, expect, it } from "vitest";
import { AccountType } from "../account.ts";
import { InvariantError } from "../assert.ts";
import type { Command } from "../command.ts";
import { hashCommand } from "../command-hash.ts";
import { toHex } from "../identifiers.ts";
import { AMOUNT_MAX, BALANCE_MIN } from "../limits.ts";
import type { LedgerRecord } from "../record.ts";
import { RecordKind } from "../record.ts";
import { totals } from "./apply.ts";
import { decide } from "./decide.ts";
import {
  bankOfFiveAccounts,
  branch,
  decided,
  deposit,
  execute,
  newLedger,
  open,
  rejectionOf,
  requestFor,
  requestId,
  transfer,
  withdraw,
} from "./ledger.test-util.ts";
import type { Ledger } from "./ledger.ts";
import { observe } from "./observe.test-util.ts";

function balance(ledger: Ledger, reference: string): bigint | undefined {
  const account = ledger.findAccount(reference);
  return account === undefined ? undefined : ledger.viewAccount(account).posted;
}

function kinds(records: readonly LedgerRecord[]): number[] {
  return records.map((record) => record.kind);
}

describe("decide opens accounts", () => {
  it("with numbers from 1 in a row, whatever internal accounts come between them", () => {
    const ledger = newLedger();
    const numbers: number[] = [];
    for (const code of ["USD", "EUR", "USD", "JPY"]) {
      const records = execute(ledger, open(code));
      const opened = records.at(-1);
      if (opened?.kind === RecordKind.ACCOUNT_OPENED) numbers.push(opened.number);
      execute(ledger, deposit(String(numbers.length), 1n, code));
    }
    expect(numbers).toEqual([1, 2, 3, 4]);
    const all = Array.from({ length: ledger.accounts.count }, (_, i) => ledger.viewAccount(i as never).reference);
    expect(all).toEqual(["1", "cash/0/USD", "2", "cash/0/EUR", "3", "4", "cash/0/JPY"]);
  });

  it("and defines their currency at its first use, with its decimals", () => {
    const ledger = newLedger();
    const request = requestFor(open("KWD"));
    const [currency, opened] = decided(ledger, request);
    expect(currency).toEqual({
      kind: RecordKind.CURRENCY_DEFINED,
      principal: "dev",
      branch: 0,
      request: undefined,
      currency: 0,
      code: "KWD",
      decimals: 3,
    });
    expect(opened?.kind).toBe(RecordKind.ACCOUNT_OPENED);
    execute(ledger, open("KWD"));
    expect(kinds(decided(ledger, requestFor(open("KWD"))))).toEqual([RecordKind.ACCOUNT_OPENED]);
    expect(kinds(decided(ledger, requestFor(open("JPY"))))).toEqual([
      RecordKind.CURRENCY_DEFINED,
      RecordKind.ACCOUNT_OPENED,
    ]);
  });

  it("as they were asked for, at the branch of the request", () => {
    const ledger = bankOfFiveAccounts();
    const command: Command = {
      kind: "openAccount",
      type: AccountType.CHECKING,
      owner: "Grace",
      displayName: "Everyday",
      currency: "EUR",
    };
    const request = requestFor(command, { principal: "grace", branch: 1 });
    const { low: hashLow, high: hashHigh } = hashCommand(command);
    expect(decided(ledger, request)).toEqual([
      {
        kind: RecordKind.ACCOUNT_OPENED,
        principal: "grace",
        branch: 1,
        request: { id: request.id, hashLow, hashHigh },
        account: ledger.accounts.count,
        type: AccountType.CHECKING,
        number: 6,
        name: "",
        currency: 1,
        homeBranch: 1,
        owner: "Grace",
        displayName: "Everyday",
        floor: 0n,
      },
    ]);
  });
});

describe("decide moves money", () => {
  it("from the branch's cash account to the customer's, and back", () => {
    const ledger = bankOfFiveAccounts();
    execute(ledger, deposit("1", 500n), { branch: 1 });
    expect([balance(ledger, "1"), balance(ledger, "cash/0/USD"), balance(ledger, "cash/1/USD")]).toEqual([
      10_500n,
      -10_000n,
      -500n,
    ]);
    execute(ledger, withdraw("1", 700n), { branch: 1 });
    expect([balance(ledger, "1"), balance(ledger, "cash/0/USD"), balance(ledger, "cash/1/USD")]).toEqual([
      9_800n,
      -10_000n,
      200n,
    ]);
  });

  it("between customers without touching cash", () => {
    const ledger = bankOfFiveAccounts();
    expect(kinds(execute(ledger, transfer("1", "2", 10_000n), { branch: 1 }))).toEqual([RecordKind.TRANSFER]);
    expect([balance(ledger, "1"), balance(ledger, "2"), balance(ledger, "cash/1/USD")]).toEqual([
      0n,
      10_000n,
      undefined,
    ]);
  });

  it("and opens a cash account at its first use, once for each branch and currency", () => {
    const ledger = bankOfFiveAccounts();
    const first = execute(ledger, deposit("2", 1n), { branch: 1 });
    expect(kinds(first)).toEqual([RecordKind.ACCOUNT_OPENED, RecordKind.DEPOSIT]);
    expect(first[0]).toMatchObject({
      request: undefined,
      type: AccountType.CASH,
      number: 0,
      name: "cash/1/USD",
      homeBranch: 1,
      owner: "",
      displayName: "",
      floor: BALANCE_MIN,
    });
    expect(kinds(execute(ledger, deposit("2", 1n), { branch: 1 }))).toEqual([RecordKind.DEPOSIT]);
    expect(kinds(execute(ledger, withdraw("2", 1n), { branch: 1 }))).toEqual([RecordKind.WITHDRAWAL]);
    expect(kinds(execute(ledger, deposit("3", 1n, "EUR"), { branch: 1 }))).toEqual([
      RecordKind.ACCOUNT_OPENED,
      RecordKind.DEPOSIT,
    ]);
    expect(kinds(execute(ledger, deposit("2", 1n)))).toEqual([RecordKind.DEPOSIT]);
  });

  it("and opens a cash account for a withdrawal too, where the money came in elsewhere", () => {
    const ledger = bankOfFiveAccounts();
    expect(kinds(execute(ledger, withdraw("1", 10_000n), { branch: 1 }))).toEqual([
      RecordKind.ACCOUNT_OPENED,
      RecordKind.WITHDRAWAL,
    ]);
    expect([balance(ledger, "1"), balance(ledger, "cash/1/USD")]).toEqual([0n, 10_000n]);
  });

  it("in minor units, whatever decimals the currency has", () => {
    const ledger = bankOfFiveAccounts();
    execute(ledger, deposit("4", 5n, "JPY"));
    execute(ledger, deposit("5", 1234n, "KWD"));
    expect([balance(ledger, "4"), balance(ledger, "5")]).toEqual([5n, 1234n]);
    expect(rejectionOf(execute(ledger, withdraw("4", 6n, "JPY")))?.metadata).toMatchObject({
      available: "5",
      requested: "6",
      currency: "JPY",
    });
    expect(rejectionOf(execute(ledger, withdraw("5", 1_000_000n, "KWD")))?.metadata).toMatchObject({
      available: "1.234",
      requested: "1000.000",
      currency: "KWD",
    });
  });

  it("up to the last unit of 64 bits, and no further", () => {
    const ledger = bankOfFiveAccounts();
    execute(ledger, deposit("2", AMOUNT_MAX - 10_000n));
    expect(balance(ledger, "cash/0/USD")).toBe(-AMOUNT_MAX);
    // One unit fits below −(2^63 − 1); then the cash account is what is full.
    execute(ledger, deposit("2", 1n));
    expect(balance(ledger, "cash/0/USD")).toBe(BALANCE_MIN);
    expect(rejectionOf(execute(ledger, deposit("2", 1n)))).toEqual({
      reason: "BALANCE_LIMIT_EXCEEDED",
      metadata: { account: "cash/0/USD" },
    });
    execute(ledger, deposit("2", 9_999n), { branch: 1 });
    expect(balance(ledger, "2")).toBe(AMOUNT_MAX);
    expect(rejectionOf(execute(ledger, deposit("2", 1n), { branch: 1 }))).toEqual({
      reason: "BALANCE_LIMIT_EXCEEDED",
      metadata: { account: "2" },
    });
    expect(rejectionOf(execute(ledger, transfer("1", "2", 1n)))).toEqual({
      reason: "BALANCE_LIMIT_EXCEEDED",
      metadata: { account: "2" },
    });
    execute(ledger, transfer("2", "1", AMOUNT_MAX - 10_000n));
    expect([balance(ledger, "1"), balance(ledger, "2")]).toEqual([AMOUNT_MAX, 10_000n]);
    expect([...totals(ledger).values()]).toEqual([0n, 0n, 0n, 0n]);
  });

  it("of the largest amount into empty accounts, and out again", () => {
    const ledger = newLedger();
    execute(ledger, open("JPY"));
    expect(rejectionOf(execute(ledger, deposit("1", AMOUNT_MAX, "JPY")))).toBeUndefined();
    expect(rejectionOf(execute(ledger, withdraw("1", AMOUNT_MAX, "JPY")))).toBeUndefined();
    expect([balance(ledger, "1"), balance(ledger, "cash/0/JPY")]).toEqual([0n, 0n]);
  });

  it("rejects a withdrawal with which a branch would hold more cash than 64 bits can", () => {
    const ledger = newLedger();
    execute(ledger, open("JPY"));
    for (const number of [1, 2]) execute(ledger, branch(number));
    execute(ledger, deposit("1", AMOUNT_MAX, "JPY"), { branch: 1 });
    execute(ledger, withdraw("1", AMOUNT_MAX, "JPY"), { branch: 2 });
    execute(ledger, deposit("1", 1n, "JPY"), { branch: 1 });
    expect(rejectionOf(execute(ledger, withdraw("1", 1n, "JPY"), { branch: 2 }))).toEqual({
      reason: "BALANCE_LIMIT_EXCEEDED",
      metadata: { account: "cash/2/JPY" },
    });
  });
});

describe("decide registers branches", () => {
  it("so that they can book from then on", () => {
    const ledger = bankOfFiveAccounts();
    expect(rejectionOf(decided(ledger, requestFor(deposit("1", 1n), { branch: 2 })))?.reason).toBe("BRANCH_NOT_FOUND");
    const request = requestFor(branch(2), { branch: 2 });
    expect(decided(ledger, request)).toMatchObject([
      { kind: RecordKind.BRANCH_REGISTERED, branch: 2, number: 2, name: "Branch 2", address: "http://127.0.0.1:50062" },
    ]);
    execute(ledger, branch(2), { branch: 2 });
    expect(rejectionOf(decided(ledger, requestFor(deposit("1", 1n), { branch: 2 })))).toBeUndefined();
  });

  it("and the head office books without being registered", () => {
    const ledger = newLedger();
    expect(ledger.branches.size).toBe(0);
    expect(rejectionOf(execute(ledger, open("USD")))).toBeUndefined();
  });
});

describe("decide", () => {
  it("changes nothing, whatever it decides", () => {
    const ledger = bankOfFiveAccounts();
    const before = observe(ledger);
    const digest = toHex(ledger.digestBytes());
    for (const command of [
      open("USD"),
      open("CHF"),
      deposit("1", 1n),
      deposit("3", 1n, "EUR"),
      deposit("1", AMOUNT_MAX),
      withdraw("1", 1n),
      withdraw("1", 10_001n),
      transfer("1", "2", 1n),
      transfer("1", "1", 1n),
      branch(1),
      branch(3),
    ])
      for (const at of [0, 1, 9]) {
        decided(ledger, requestFor(command, { branch: at, principal: "somebody new" }));
        expect(toHex(ledger.digestBytes())).toBe(digest);
      }
    expect(observe(ledger)).toEqual(before);
  });

  it("gives the same records for the same state and request", () => {
    const [one, other] = [bankOfFiveAccounts(), bankOfFiveAccounts()];
    for (const command of [open("CHF"), deposit("1", 1n), withdraw("1", 10_001n), transfer("1", "2", 1n), branch(3)]) {
      const request = requestFor(command, { id: requestId(5), branch: 1 });
      expect(decided(one, request)).toEqual(decided(one, request));
      expect(decided(other, request)).toEqual(decided(one, request));
    }
  });

  it("answers with its last record, and only with that", () => {
    const ledger = bankOfFiveAccounts();
    for (const command of [open("CHF"), deposit("1", 1n), deposit("9", 1n), transfer("1", "2", 1n), branch(3)]) {
      const request = requestFor(command, { branch: 1 });
      const records = decided(ledger, request);
      expect(records.at(-1)?.request?.id).toEqual(request.id);
      for (const record of records.slice(0, -1)) expect(record.request).toBeUndefined();
    }
  });

  it.each<[string, Command]>([
    ["nothing to move", deposit("1", 0n)],
    ["a negative amount", withdraw("1", -1n)],
    ["an unknown currency", open("???")],
    ["the head office as a branch", branch(0)],
    ["an empty reference", transfer("", "1", 1n)],
  ])("throws for a command that was never checked: %s", (_, command) => {
    const request = requestFor(command);
    expect(() => decide(bankOfFiveAccounts(), request, hashCommand(command))).toThrow(InvariantError);
  });
});

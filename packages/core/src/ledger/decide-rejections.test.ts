import { afterEach, describe, expect, it, vi } from "vitest";
import type { Command } from "../command.ts";
import { hashCommand } from "../command-hash.ts";
import { ACCOUNTS_MAX, AMOUNT_MAX } from "../limits.ts";
import type { RejectionReason } from "../reasons.ts";
import { REJECTIONS } from "../reasons.ts";
import { RecordKind } from "../record.ts";
import { apply } from "./apply.ts";
import {
  bankOfFiveAccounts,
  branch,
  decided,
  deposit,
  execute,
  open,
  rejectionOf,
  requestFor,
  transfer,
  withdraw,
} from "./ledger.test-util.ts";
import type { Ledger } from "./ledger.ts";
import { observe } from "./observe.test-util.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

/** What a rejection must leave as it is: all but the position, the digest and the remembered requests. */
function untouched(ledger: Ledger): unknown {
  const { position, digest, requests, principals, ...rest } = observe(ledger) as Record<string, unknown>;
  return rest;
}

function pretendFull(ledger: Ledger): void {
  vi.spyOn(ledger.accounts, "count", "get").mockReturnValue(ACCOUNTS_MAX);
}

describe("decide rejects", () => {
  const cases: { reason: RejectionReason; command: Command; at?: number; metadata: Record<string, string> }[] = [
    { reason: "BRANCH_NOT_FOUND", command: deposit("1", 1n), at: 9, metadata: { branch: "9" } },
    { reason: "BRANCH_NOT_FOUND", command: withdraw("1", 1n), at: 9, metadata: { branch: "9" } },
    { reason: "BRANCH_NOT_FOUND", command: transfer("1", "2", 1n), at: 9, metadata: { branch: "9" } },
    { reason: "BRANCH_NOT_FOUND", command: open("USD"), at: 9, metadata: { branch: "9" } },
    { reason: "ACCOUNT_NOT_FOUND", command: deposit("6", 1n), metadata: { account: "6" } },
    { reason: "ACCOUNT_NOT_FOUND", command: withdraw("0", 1n), metadata: { account: "0" } },
    { reason: "ACCOUNT_NOT_FOUND", command: transfer("6", "1", 1n), metadata: { account: "6" } },
    { reason: "ACCOUNT_NOT_FOUND", command: transfer("1", "6", 1n), metadata: { account: "6" } },
    { reason: "SAME_ACCOUNT", command: transfer("1", "1", 1n), metadata: { account: "1" } },
    {
      reason: "CURRENCY_MISMATCH",
      command: deposit("1", 1n, "EUR"),
      metadata: { account: "1", account_currency: "USD", amount_currency: "EUR" },
    },
    {
      reason: "CURRENCY_MISMATCH",
      // A known currency that no account ever had: it is not defined by being named.
      command: withdraw("1", 1n, "CHF"),
      metadata: { account: "1", account_currency: "USD", amount_currency: "CHF" },
    },
    {
      reason: "CURRENCY_MISMATCH",
      command: transfer("3", "1", 1n, "USD"),
      metadata: { account: "3", account_currency: "EUR", amount_currency: "USD" },
    },
    {
      reason: "CURRENCY_MISMATCH",
      command: transfer("1", "3", 1n, "USD"),
      metadata: { account: "3", account_currency: "EUR", amount_currency: "USD" },
    },
    {
      reason: "INSUFFICIENT_FUNDS",
      command: withdraw("1", 10_001n),
      metadata: { account: "1", available: "100.00", currency: "USD", requested: "100.01" },
    },
    {
      reason: "INSUFFICIENT_FUNDS",
      command: transfer("2", "1", 1n),
      metadata: { account: "2", available: "0.00", currency: "USD", requested: "0.01" },
    },
    { reason: "BALANCE_LIMIT_EXCEEDED", command: deposit("1", AMOUNT_MAX), metadata: { account: "1" } },
  ];

  it.each(cases)("$reason: $command.kind with $metadata", ({ reason, command, at, metadata }) => {
    const ledger = bankOfFiveAccounts();
    const before = untouched(ledger);
    const request = requestFor(command, { branch: at ?? 0 });
    const { low: hashLow, high: hashHigh } = hashCommand(command);
    const records = decided(ledger, request);
    expect(records).toEqual([
      {
        kind: RecordKind.REJECTED,
        principal: "dev",
        branch: at ?? 0,
        request: { id: request.id, hashLow, hashHigh },
        rejection: { reason, metadata },
      },
    ]);
    expect(Object.keys(metadata).sort()).toEqual([...REJECTIONS[reason].metadata]);
    for (const record of records) apply(ledger, record);
    expect(untouched(ledger)).toEqual(before);
    expect(ledger.findRequest("dev", request.id)).toBe(ledger.requests.count - 1);
  });

  it("ACCOUNT_LIMIT_EXCEEDED: whatever needs one more account in a full table, and nothing else", () => {
    const ledger = bankOfFiveAccounts();
    pretendFull(ledger);
    const full = { reason: "ACCOUNT_LIMIT_EXCEEDED", metadata: { accounts: String(ACCOUNTS_MAX) } };
    for (const request of [
      requestFor(open("USD")),
      requestFor(open("CHF")),
      requestFor(deposit("1", 1n), { branch: 1 }),
      requestFor(withdraw("1", 1n), { branch: 1 }),
    ]) {
      const records = decided(ledger, request);
      expect(rejectionOf(records)).toEqual(full);
      expect(records).toHaveLength(1);
    }
    for (const command of [deposit("1", 1n), withdraw("1", 1n), transfer("1", "2", 1n)])
      expect(rejectionOf(decided(ledger, requestFor(command)))).toBeUndefined();
  });

  it.each(["cash/0/USD", "01", "+1", "1.0", " 1", "1e0", "１", "9999999999999999", "-1", "1 "])(
    "an account that is named %j: only the number as it is printed names a customer's account",
    (reference) => {
      const ledger = bankOfFiveAccounts();
      for (const command of [deposit(reference, 1n), withdraw(reference, 1n), transfer(reference, "1", 1n)])
        expect(rejectionOf(decided(ledger, requestFor(command)))).toEqual({
          reason: "ACCOUNT_NOT_FOUND",
          metadata: { account: reference },
        });
    },
  );

  it("in the order of the catalogue, whatever else is wrong", () => {
    const ledger = bankOfFiveAccounts();
    const much = AMOUNT_MAX;
    const nearlyFull = "2";
    execute(ledger, deposit(nearlyFull, AMOUNT_MAX - 20_000n));
    execute(ledger, branch(2));
    execute(ledger, deposit(nearlyFull, 20_000n), { branch: 2 });
    // Each command breaks the rule named and, where it can, every one after it.
    const walk: { reason: RejectionReason | undefined; command: Command; at: number; named?: string }[] = [
      { reason: "BRANCH_NOT_FOUND", command: transfer("98", "98", much, "EUR"), at: 9 },
      { reason: "ACCOUNT_NOT_FOUND", command: transfer("98", "99", much, "EUR"), at: 1, named: "98" },
      { reason: "ACCOUNT_NOT_FOUND", command: transfer("98", "98", much, "EUR"), at: 1, named: "98" },
      { reason: "ACCOUNT_NOT_FOUND", command: transfer("1", "99", much, "EUR"), at: 1, named: "99" },
      { reason: "SAME_ACCOUNT", command: transfer("1", "1", much, "EUR"), at: 1, named: "1" },
      { reason: "CURRENCY_MISMATCH", command: transfer("1", nearlyFull, much, "EUR"), at: 1, named: "1" },
      { reason: "CURRENCY_MISMATCH", command: transfer("1", "3", much, "USD"), at: 1, named: "3" },
      { reason: "INSUFFICIENT_FUNDS", command: transfer("1", nearlyFull, much, "USD"), at: 1, named: "1" },
      { reason: "BALANCE_LIMIT_EXCEEDED", command: transfer("1", nearlyFull, 1n, "USD"), at: 1, named: nearlyFull },
      { reason: undefined, command: transfer("1", "2", 1n, "USD"), at: 1 },
    ];
    expectOrder(ledger, walk.slice(0, -1));
    const other = bankOfFiveAccounts();
    expectOrder(other, walk.slice(-1));

    pretendFull(ledger);
    expectOrder(ledger, [
      { reason: "BRANCH_NOT_FOUND", command: deposit("98", much, "EUR"), at: 9 },
      { reason: "ACCOUNT_NOT_FOUND", command: deposit("98", much, "EUR"), at: 1, named: "98" },
      { reason: "CURRENCY_MISMATCH", command: deposit(nearlyFull, much, "EUR"), at: 1, named: nearlyFull },
      { reason: "BALANCE_LIMIT_EXCEEDED", command: deposit(nearlyFull, much, "USD"), at: 1, named: nearlyFull },
      { reason: "ACCOUNT_LIMIT_EXCEEDED", command: deposit("1", 1n, "USD"), at: 1 },
    ]);
    expectOrder(ledger, [
      { reason: "BRANCH_NOT_FOUND", command: withdraw("98", much, "EUR"), at: 9 },
      { reason: "ACCOUNT_NOT_FOUND", command: withdraw("98", much, "EUR"), at: 1, named: "98" },
      { reason: "CURRENCY_MISMATCH", command: withdraw("1", much, "EUR"), at: 1, named: "1" },
      { reason: "INSUFFICIENT_FUNDS", command: withdraw("1", much, "USD"), at: 1, named: "1" },
      { reason: "ACCOUNT_LIMIT_EXCEEDED", command: withdraw("1", 1n, "USD"), at: 1 },
    ]);
    expectOrder(ledger, [
      { reason: "BRANCH_NOT_FOUND", command: open("CHF"), at: 9 },
      { reason: "ACCOUNT_LIMIT_EXCEEDED", command: open("CHF"), at: 1 },
    ]);
  });

  /** Each command gives its reason, and the reasons never go back in the catalogue. */
  function expectOrder(
    ledger: Ledger,
    walk: readonly { reason: RejectionReason | undefined; command: Command; at: number; named?: string }[],
  ): void {
    const catalogue = Object.keys(REJECTIONS);
    let last = 0;
    for (const { reason, command, at, named } of walk) {
      const rejection = rejectionOf(decided(ledger, requestFor(command, { branch: at })));
      expect(
        rejection?.reason,
        JSON.stringify(command, (_, v) => (typeof v === "bigint" ? `${v}` : v)),
      ).toBe(reason);
      if (named !== undefined) expect(rejection?.metadata["account"]).toBe(named);
      if (reason === undefined) continue;
      expect(catalogue.indexOf(reason)).toBeGreaterThanOrEqual(last);
      last = catalogue.indexOf(reason);
    }
  }
});

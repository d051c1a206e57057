import { describe, expect, it } from "vitest";
import type { CustomerAccountType } from "./account.ts";
import { AccountType } from "./account.ts";
import { checkCommand } from "./check-command.ts";
import type { Command, Deposit, OpenAccount, RegisterBranch, Transfer } from "./command.ts";
import { AMOUNT_MAX, METADATA_LENGTH_MAX } from "./limits.ts";

const deposit: Deposit = { kind: "deposit", account: "1", amount: { currency: "USD", minor: 1n } };
const transfer: Transfer = { kind: "transfer", from: "1", to: "2", amount: { currency: "USD", minor: 1n } };
const branch: RegisterBranch = { kind: "registerBranch", branch: 1, name: "North", address: "http://127.0.0.1:50061" };
const open: OpenAccount = {
  kind: "openAccount",
  type: AccountType.SAVINGS,
  owner: "Ada",
  displayName: "Rainy days",
  currency: "USD",
};

const emoji = "😀".repeat(64);

describe("checkCommand lets pass", () => {
  it.each<[string, Command]>([
    ["a deposit", deposit],
    ["a withdrawal", { ...deposit, kind: "withdraw" }],
    ["the smallest amount", { ...deposit, amount: { currency: "JPY", minor: 1n } }],
    ["the largest amount", { ...deposit, amount: { currency: "KWD", minor: AMOUNT_MAX } }],
    ["an account reference of 64 characters", { ...deposit, account: "x".repeat(64) }],
    ["a transfer", transfer],
    ["a transfer to the same account, which the ledger rejects", { ...transfer, to: "1" }],
    ["an account", open],
    ["a checking account without texts", { ...open, type: AccountType.CHECKING, owner: "", displayName: "" }],
    ["texts of 128 UTF-16 code units", { ...open, owner: emoji, displayName: "x".repeat(128) }],
    ["a branch", branch],
    ["the last branch", { ...branch, branch: 65_535, name: "", address: "" }],
    ["a branch with the longest texts", { ...branch, name: "x".repeat(128), address: "x".repeat(256) }],
  ])("%s", (_, command) => {
    expect(checkCommand(command)).toBeUndefined();
  });
});

describe("checkCommand refuses", () => {
  const cases: [string, Command, string][] = [
    ["an empty reference", { ...deposit, account: "" }, "account is empty"],
    ["a long reference", { ...deposit, account: "x".repeat(65) }, "account is longer than 64 characters"],
    ["a reference with half a surrogate pair", { ...deposit, account: "\ud83d" }, "account is not well-formed Unicode"],
    ["an empty debit account", { ...transfer, from: "" }, "from_account is empty"],
    ["an empty credit account", { ...transfer, to: "" }, "to_account is empty"],
    ["a long credit account", { ...transfer, to: "x".repeat(65) }, "to_account is longer than 64 characters"],
    ["a long owner", { ...open, owner: "x".repeat(129) }, "owner is longer than 128 characters"],
    ["a long display name", { ...open, displayName: `${emoji}x` }, "display_name is longer than 128 characters"],
    ["half a surrogate pair in an owner", { ...open, owner: "A\udc00" }, "owner is not well-formed Unicode"],
    ["half a surrogate pair in a name", { ...open, displayName: "\ud800A" }, "display_name is not well-formed Unicode"],
    [
      "a cash account",
      { ...open, type: AccountType.CASH as unknown as CustomerAccountType },
      "customers have savings or checking accounts",
    ],
    [
      "an unknown type of account",
      { ...open, type: 0 as unknown as CustomerAccountType },
      "customers have savings or checking accounts",
    ],
    ["the head office as a branch", { ...branch, branch: 0 }, "a branch has a number from 1 to 65535"],
    ["a branch beyond the last", { ...branch, branch: 65_536 }, "a branch has a number from 1 to 65535"],
    ["a negative branch", { ...branch, branch: -1 }, "a branch has a number from 1 to 65535"],
    ["half a branch", { ...branch, branch: 1.5 }, "a branch has a number from 1 to 65535"],
    ["no branch", { ...branch, branch: Number.NaN }, "a branch has a number from 1 to 65535"],
    ["a long branch name", { ...branch, name: "x".repeat(129) }, "name is longer than 128 characters"],
    ["half a surrogate pair in a branch name", { ...branch, name: "\ud800" }, "name is not well-formed Unicode"],
    ["a long address", { ...branch, address: "x".repeat(257) }, "address is longer than 256 characters"],
    ["half a surrogate pair in an address", { ...branch, address: "\ud800" }, "address is not well-formed Unicode"],
  ];

  it.each(cases)("%s", (_, command, problem) => {
    const refusal = checkCommand(command);
    expect(refusal).toMatchObject({ reason: "INVALID_REQUEST", metadata: { problem }, outcome: "NOT_APPLIED" });
    expect(refusal?.violations).toEqual([{ field: expect.stringMatching(/^[a-z_]+$/), description: problem }]);
    const [field] = problem.split(" ");
    if (problem.startsWith(`${field} is `)) expect(refusal?.violations?.[0]?.field).toBe(field);
  });

  it.each<[string, bigint]>([
    ["nothing", 0n],
    ["a negative amount", -1n],
    ["an amount beyond 64 bits", AMOUNT_MAX + 1n],
  ])("%s", (_, minor) => {
    const violations = [{ field: "amount.amount_minor", description: `must be from 1 to ${AMOUNT_MAX}` }];
    const metadata = { amount: String(minor) };
    const expected = { reason: "INVALID_AMOUNT", metadata, outcome: "NOT_APPLIED", violations };
    expect(checkCommand({ ...deposit, amount: { currency: "USD", minor } })).toEqual(expected);
    expect(checkCommand({ ...deposit, kind: "withdraw", amount: { currency: "USD", minor } })).toEqual(expected);
    expect(checkCommand({ ...transfer, amount: { currency: "USD", minor } })).toEqual(expected);
  });

  it("a currency that is in no table", () => {
    const expected = (field: string) => ({
      reason: "UNKNOWN_CURRENCY",
      metadata: { currency: "usd" },
      outcome: "NOT_APPLIED",
      violations: [{ field, description: "must be the code of a known currency" }],
    });
    const amount = { currency: "usd", minor: 1n };
    expect(checkCommand({ ...deposit, amount })).toEqual(expected("amount.currency_code"));
    expect(checkCommand({ ...transfer, amount })).toEqual(expected("amount.currency_code"));
    expect(checkCommand({ ...open, currency: "usd" })).toEqual(expected("currency_code"));
  });

  it("the first problem first: accounts, then the amount, then its currency", () => {
    const amount = { currency: "???", minor: 0n };
    expect(checkCommand({ ...transfer, from: "", to: "", amount })?.metadata).toEqual({
      problem: "from_account is empty",
    });
    expect(checkCommand({ ...transfer, to: "", amount })?.metadata).toEqual({ problem: "to_account is empty" });
    expect(checkCommand({ ...transfer, amount })?.reason).toBe("INVALID_AMOUNT");
  });

  it("counts the names of metadata too, and takes no alias of digits with zeros in front", () => {
    const metadata = (length: number) => ({ ["k".repeat(24)]: "v".repeat(length - 24) });
    expect(checkCommand({ ...open, metadata: metadata(METADATA_LENGTH_MAX) })).toBeUndefined();
    expect(checkCommand({ ...open, metadata: metadata(METADATA_LENGTH_MAX + 1) })?.reason).toBe("INVALID_REQUEST");
    for (const alias of ["0", "00", "007"]) expect(checkCommand({ ...open, alias })?.reason).toBe("INVALID_REQUEST");
    for (const alias of ["7", "0a", "70", "12345678901234567890"])
      expect(checkCommand({ ...open, alias })).toBeUndefined();
  });
});

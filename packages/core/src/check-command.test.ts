import { describe, expect, it } from "vitest";
import type { CustomerAccountType } from "./account.ts";
import { AccountType } from "./account.ts";
import { BranchState, type DurabilityMember } from "./branch.ts";
import { checkCommand } from "./check-command.ts";
import type {
  Command,
  Deposit,
  OpenAccount,
  RegisterBranch,
  RenameBranch,
  SetBranchState,
  SetDurability,
  Transfer,
} from "./command.ts";
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

const rename: RenameBranch = { kind: "renameBranch", target: 1, name: "North" };
const state: SetBranchState = { kind: "setBranchState", target: 1, state: BranchState.DRAINING };
const copy = (fill: number) => new Uint8Array(16).fill(fill);

function durability(
  copies: number,
  count: number,
  member: (i: number) => DurabilityMember = (i) => ({ branch: i + 1, copyId: copy(i) }),
): SetDurability {
  return { kind: "setDurability", copies, members: Array.from({ length: count }, (_, i) => member(i)) };
}

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
    ["a new name", rename],
    ["a new name of 128 UTF-16 code units, for the last branch", { ...rename, target: 65_535, name: emoji }],
    ["a state", state],
    ["a state of the head office, which the ledger rejects", { ...state, target: 0 }],
    ["copies that count", durability(2, 3)],
    ["all copies of as many as there may be", durability(16, 16)],
    ["the bank alone", durability(0, 0)],
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
    ["no new name", { ...rename, name: "" }, "name is empty"],
    ["a long new name", { ...rename, name: `${emoji}x` }, "name is longer than 128 characters"],
    ["half a surrogate pair in a new name", { ...rename, name: "\ud800" }, "name is not well-formed Unicode"],
    ["a new name of the head office", { ...rename, target: 0 }, "a branch has a number from 1 to 65535"],
    ["a new name of half a branch", { ...rename, target: 1.5 }, "a branch has a number from 1 to 65535"],
    ["a new name beyond the last branch", { ...rename, target: 65_536 }, "a branch has a number from 1 to 65535"],
    ["no state", { ...state, state: 0 as 1 }, "a branch is active, draining or retired"],
    ["a state that there is not", { ...state, state: 4 as 3 }, "a branch is active, draining or retired"],
    ["half a state", { ...state, state: 1.5 as 1 }, "a branch is active, draining or retired"],
    ["a state of a negative branch", { ...state, target: -1 }, "a branch has a number from 1 to 65535"],
    ["a state beyond the last branch", { ...state, target: 65_536 }, "a branch has a number from 1 to 65535"],
    ["more copies than there may be", durability(1, 17), "at most 16 copies count, not 17"],
    ["more copies than count", durability(4, 3), "copies is from 1 to 3, the number of branches that count"],
    ["no copies of those that count", durability(0, 3), "copies is from 1 to 3, the number of branches that count"],
    ["half a copy", durability(1.5, 3), "copies is from 1 to 3, the number of branches that count"],
    ["copies of nobody", durability(1, 0), "without branches that count, copies is 0"],
    ["a branch twice", durability(1, 2, (i) => ({ branch: 1, copyId: copy(i) })), "a branch counts once"],
    [
      "a copy twice",
      durability(1, 2, (i) => ({ branch: i + 1, copyId: copy(1) })),
      "branches that share one copy of the journal count once",
    ],
    [
      "a copy of the head office",
      durability(1, 1, (i) => ({ branch: 0, copyId: copy(i) })),
      "a branch has a number from 1 to 65535",
    ],
    [
      "a copy without an id",
      durability(1, 1, () => ({ branch: 1, copyId: new Uint8Array(0) })),
      "a copy id has 16 bytes, not 0",
    ],
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

import { AccountType, isCustomerType, type Metadata } from "./account.ts";
import { isBranchState } from "./branch.ts";
import type {
  Command,
  Group,
  GroupItem,
  OpenAccount,
  RegisterBranch,
  RenameBranch,
  SetBranchState,
  SetDurability,
  UpdateAccount,
} from "./command.ts";
import { currencyDecimals } from "./currency.ts";
import { toHex } from "./identifiers.ts";
import {
  ACCOUNT_REFERENCE_LENGTH_MAX,
  ADDRESS_LENGTH_MAX,
  AMOUNT_MAX,
  BALANCE_MIN,
  BRANCH_NUMBER_MAX,
  DURABILITY_MEMBERS_MAX,
  GROUP_ITEMS_MAX,
  METADATA_ENTRIES_MAX,
  METADATA_KEY_LENGTH_MAX,
  METADATA_LENGTH_MAX,
  RATE_MAX,
  TEXT_LENGTH_MAX,
  TIME_MS_MAX,
} from "./limits.ts";
import { formatAmount, type Money } from "./money.ts";
import type { FieldViolation, Refusal, RefusalReason } from "./reasons.ts";

/**
 * Everything that is wrong with a command whatever the state is: the first problem found, or undefined. A refusal is
 * not remembered and uses up no request id. Checked again where the command is decided, whoever checked before.
 */
export function checkCommand(command: Command): Refusal | undefined {
  switch (command.kind) {
    case "registerBranch":
      return checkRegisterBranch(command);
    case "renameBranch":
      return checkRenameBranch(command);
    case "setBranchState":
      return checkSetBranchState(command);
    case "setDurability":
      return checkSetDurability(command);
    case "cancelRequest":
      return undefined;
    case "group":
      return checkGroup(command);
    default:
      return checkExpectedVersion(command) ?? checkItem(command);
  }
}

function checkItem(command: GroupItem): Refusal | undefined {
  switch (command.kind) {
    case "openAccount":
      return checkOpenAccount(command);
    case "updateAccount":
      return checkUpdateAccount(command);
    case "freezeAccount":
    case "unfreezeAccount":
    case "closeAccount":
      return checkReference("account", command.account);
    case "deposit":
    case "withdraw":
      return checkReference("account", command.account) ?? checkAmount(command.amount);
    case "transfer":
      return (
        checkReference("from_account", command.from) ??
        checkReference("to_account", command.to) ??
        checkAmount(command.amount)
      );
    case "reverse":
      return checkPosition("transaction", command.transaction);
    case "applyInterest":
      return checkReference("account", command.account) ?? checkRate(command.rate);
    case "placeHold":
      return (
        checkReference("account", command.account) ??
        (command.expiresMs === 0 ? undefined : checkTime("expires_at", command.expiresMs)) ??
        checkAmount(command.amount)
      );
    case "captureHold":
      return (
        checkPosition("hold", command.hold) ??
        checkText("to_account", command.to, ACCOUNT_REFERENCE_LENGTH_MAX) ??
        (command.amount === undefined ? undefined : checkAmount(command.amount))
      );
    case "releaseHold":
      return checkPosition("hold", command.hold);
    case "extendHold":
      return checkPosition("hold", command.hold) ?? checkTime("expires_at", command.expiresMs);
  }
}

function checkGroup({ items }: Group): Refusal | undefined {
  if (items.length < 1 || items.length > GROUP_ITEMS_MAX)
    return malformed("items", `a group has 1 to ${GROUP_ITEMS_MAX} items, not ${items.length}`);
  for (const [i, item] of items.entries()) {
    const refusal = checkExpectedVersion(item) ?? checkItem(item);
    if (refusal !== undefined) return { ...refusal, item: i + 1 };
  }
  return undefined;
}

function checkOpenAccount(command: OpenAccount): Refusal | undefined {
  const { type, owner, displayName, currency, alias = "", metadata = {}, floor = 0n, ceiling } = command;
  if (!isCustomerType(type)) return malformed("type", "customers have savings or checking accounts");
  if (floor > 0n || floor < BALANCE_MIN)
    return malformed("floor_minor", "floor_minor is zero at the opening, or an overdraft as a negative number");
  if (floor < 0n && type !== AccountType.CHECKING)
    return malformed("floor_minor", "only a checking account can have an overdraft");
  if (ceiling !== undefined && !isCeiling(ceiling))
    return malformed("ceiling_minor", "ceiling_minor is at least 1, or left out");
  return (
    checkText("owner", owner, TEXT_LENGTH_MAX) ??
    checkText("display_name", displayName, TEXT_LENGTH_MAX) ??
    checkAlias(alias) ??
    checkMetadata(metadata) ??
    checkCurrency("currency_code", currency)
  );
}

function checkUpdateAccount({ account, displayName, metadata, floor, ceiling }: UpdateAccount): Refusal | undefined {
  const changes = [displayName, metadata, floor, ceiling];
  if (changes.every((change) => change === undefined)) return malformed("", "an update names nothing to change");
  if (floor !== undefined && (floor < BALANCE_MIN || floor > AMOUNT_MAX))
    return malformed("floor_minor", "floor_minor has 64 bits");
  if (ceiling !== undefined && ceiling !== null && !isCeiling(ceiling))
    return malformed("ceiling_minor", "ceiling_minor is at least 1, or 0 for none");
  return (
    checkReference("account", account) ??
    checkText("display_name", displayName ?? "", TEXT_LENGTH_MAX) ??
    checkMetadata(metadata ?? {})
  );
}

/** The largest amount of all says nothing as a ceiling, and stands for none in the tables. */
function isCeiling(ceiling: bigint): boolean {
  return ceiling >= 1n && ceiling < AMOUNT_MAX;
}

function checkRegisterBranch({ branch, name, address }: RegisterBranch): Refusal | undefined {
  return (
    checkBranch("branch", branch) ??
    checkText("address", address, ADDRESS_LENGTH_MAX) ??
    checkText("name", name, TEXT_LENGTH_MAX)
  );
}

function checkRenameBranch({ target, name }: RenameBranch): Refusal | undefined {
  if (name === "") return malformed("name", "name is empty");
  return checkBranch("number", target) ?? checkText("name", name, TEXT_LENGTH_MAX);
}

function checkSetBranchState({ target, state }: SetBranchState): Refusal | undefined {
  if (!isBranchState(state)) return malformed("state", "a branch is active, draining or retired");
  // That the head office keeps its state is said by a rejection.
  return target === 0 ? undefined : checkBranch("number", target);
}

function checkSetDurability({ copies, members }: SetDurability): Refusal | undefined {
  if (members.length > DURABILITY_MEMBERS_MAX)
    return malformed("branches", `at most ${DURABILITY_MEMBERS_MAX} copies count, not ${members.length}`);
  for (const { branch, copyId } of members) {
    const problem = checkBranch("branches", branch);
    if (problem !== undefined) return problem;
    if (copyId.length !== 16) return malformed("branches", `a copy id has 16 bytes, not ${copyId.length}`);
  }
  if (new Set(members.map(({ branch }) => branch)).size < members.length)
    return malformed("branches", "a branch counts once");
  if (new Set(members.map(({ copyId }) => toHex(copyId))).size < members.length)
    return malformed("branches", "branches that share one copy of the journal count once");
  if (members.length === 0)
    return copies === 0 ? undefined : malformed("copies", "without branches that count, copies is 0");
  if (Number.isInteger(copies) && copies >= 1 && copies <= members.length) return undefined;
  return malformed("copies", `copies is from 1 to ${members.length}, the number of branches that count`);
}

function checkBranch(field: string, branch: number): Refusal | undefined {
  if (Number.isInteger(branch) && branch >= 1 && branch <= BRANCH_NUMBER_MAX) return undefined;
  return malformed(field, `a branch has a number from 1 to ${BRANCH_NUMBER_MAX}`);
}

function checkExpectedVersion(command: GroupItem): Refusal | undefined {
  if (command.kind === "openAccount" || command.expectedVersion === undefined) return undefined;
  const { expectedVersion } = command;
  if (Number.isSafeInteger(expectedVersion) && expectedVersion >= 1) return undefined;
  return malformed("expected_version", "expected_version is a whole number from 1");
}

function checkReference(field: string, reference: string): Refusal | undefined {
  if (reference === "") return malformed(field, `${field} is empty`);
  return checkText(field, reference, ACCOUNT_REFERENCE_LENGTH_MAX);
}

/** Plain characters, so that two aliases that look alike are alike, and no slash: that is for the bank's own accounts. */
function checkAlias(alias: string): Refusal | undefined {
  if (alias === "") return undefined;
  // "007" beside account 7 would send somebody's money to somebody else.
  if (/^0[0-9]*$/.test(alias)) return malformed("alias", "an alias of digits has no zero in front");
  if (alias.length <= ACCOUNT_REFERENCE_LENGTH_MAX && /^[A-Za-z0-9][A-Za-z0-9._:@+-]*$/.test(alias)) return undefined;
  return malformed(
    "alias",
    `alias has 1 to ${ACCOUNT_REFERENCE_LENGTH_MAX} letters, digits and . _ : @ + - and begins with a letter or digit`,
  );
}

function checkMetadata(metadata: Metadata): Refusal | undefined {
  const entries = Object.entries(metadata);
  if (entries.length > METADATA_ENTRIES_MAX)
    return malformed("metadata", `metadata has at most ${METADATA_ENTRIES_MAX} entries, not ${entries.length}`);
  let length = 0;
  for (const [key, value] of entries) {
    // The one name that objects take for something else.
    if (key === "" || key === "__proto__")
      return malformed("metadata", `metadata has an entry with the name ${JSON.stringify(key)}`);
    const problem =
      checkText("metadata", key, METADATA_KEY_LENGTH_MAX, "a name in metadata") ??
      checkText("metadata", value, METADATA_LENGTH_MAX, `metadata[${JSON.stringify(key)}]`);
    if (problem !== undefined) return problem;
    length += key.length + value.length;
  }
  if (length <= METADATA_LENGTH_MAX) return undefined;
  return malformed("metadata", `metadata has at most ${METADATA_LENGTH_MAX} characters in all, not ${length}`);
}

/**
 * Half of a surrogate pair has no UTF-8: the journal would hold another text than the ledger that decided it, and every
 * replica would come to another digest.
 */
function checkText(field: string, text: string, lengthMax: number, name = field): Refusal | undefined {
  if (text.length > lengthMax) return malformed(field, `${name} is longer than ${lengthMax} characters`);
  return text.isWellFormed() ? undefined : malformed(field, `${name} is not well-formed Unicode`);
}

function checkPosition(field: string, position: number): Refusal | undefined {
  return Number.isSafeInteger(position) && position >= 1
    ? undefined
    : malformed(field, `${field} is a position from 1`);
}

function checkTime(field: string, timeMs: number): Refusal | undefined {
  if (Number.isSafeInteger(timeMs) && timeMs >= 1 && timeMs <= TIME_MS_MAX) return undefined;
  return malformed(field, `${field} is a time from 1970 to 9999 in whole milliseconds`);
}

function checkCurrency(field: string, currency: string): Refusal | undefined {
  if (currencyDecimals(currency) !== undefined) return undefined;
  return refuse("UNKNOWN_CURRENCY", { currency }, { field, description: "must be the code of a known currency" });
}

function checkAmount({ currency, minor }: Money): Refusal | undefined {
  if (minor >= 1n && minor <= AMOUNT_MAX) return checkCurrency("amount.currency_code", currency);
  const description = `must be from 1 to ${AMOUNT_MAX}`;
  return refuse("INVALID_AMOUNT", { amount: minor.toString() }, { field: "amount.amount_minor", description });
}

function checkRate(rate: number): Refusal | undefined {
  if (Number.isSafeInteger(rate) && rate >= 0 && rate <= RATE_MAX) return undefined;
  const text = Number.isSafeInteger(rate) ? formatAmount(BigInt(rate), 6) : String(rate);
  return refuse("INVALID_RATE", { rate: text }, { field: "rate_percent", description: "must be from 0 to 100" });
}

function malformed(field: string, problem: string): Refusal {
  return refuse("INVALID_REQUEST", { problem }, { field, description: problem });
}

function refuse(reason: RefusalReason, metadata: Record<string, string>, violation: FieldViolation): Refusal {
  return { reason, metadata, outcome: "NOT_APPLIED", violations: [violation] };
}

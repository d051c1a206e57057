import type {
  AccountIndex,
  AccountState,
  BranchState,
  CurrencyIndex,
  DurabilityMember,
  LedgerRecord,
  RecordKind,
} from "@bank/core";
import { isAccountType, rejectionByNumber } from "@bank/core";
import type {
  AccountOpened,
  AccountStateChanged,
  AccountUpdated,
  BranchStateChanged,
  CurrencyDefined,
  DurabilitySet,
  EpochBegun,
  HoldChanged,
  InterestApplied,
  Rejected,
  Reversal,
  StateRoot,
  DurabilityMember as WrittenMember,
} from "@bank/proto";
import { copyBytes, safeInteger } from "./decode.ts";
import { JournalFormatError } from "./errors.ts";
import { fromLists } from "./texts.ts";

// What stands in the columns of messages, as the part of a record that is its own. Only what a record does not show any
// more is checked here; `checkRecord` does the rest.

type Content<Kind extends RecordKind> = Omit<
  Extract<LedgerRecord, { kind: Kind }>,
  "kind" | "principal" | "branch" | "request"
>;
type Kinds = typeof RecordKind;

export function accountOpened(entry: AccountOpened): Content<Kinds["ACCOUNT_OPENED"]> {
  const { type, name, homeBranch, owner, displayName, floor, ceiling, alias } = entry;
  if (!isAccountType(type)) throw new JournalFormatError(`account type ${type} is unknown: use a newer program`);
  const metadata = fromLists({ keys: entry.metadataKeys, values: entry.metadataValues }, "an account");
  return {
    account: entry.account as AccountIndex,
    type,
    number: safeInteger(entry.number, "account number"),
    name,
    currency: entry.currency as CurrencyIndex,
    homeBranch,
    owner,
    displayName,
    floor,
    ...(ceiling === 0n ? {} : { ceiling }),
    ...(alias === "" ? {} : { alias }),
    ...(entry.metadataKeys.length === 0 ? {} : { metadata }),
  };
}

export function rejected(entry: Rejected): Content<Kinds["REJECTED"]> {
  const reason = rejectionByNumber(entry.reason);
  if (reason === undefined) throw new JournalFormatError(`rejection ${entry.reason} is unknown: use a newer program`);
  const metadata = fromLists(entry, "a rejection");
  return { rejection: { reason, metadata, ...(entry.item === 0 ? {} : { item: entry.item }) } };
}

export function epochBegun(entry: EpochBegun): Content<Kinds["EPOCH_BEGUN"]> {
  const { number, id, bankId, lossAccepted, promotedFrom } = entry;
  return {
    number: safeInteger(number, "epoch"),
    id: copyBytes(id),
    bankId: copyBytes(bankId),
    lossAccepted,
    ...(promotedFrom.length === 0 ? {} : { promotedFrom: copyBytes(promotedFrom) }),
  };
}

export function branchStateChanged(entry: BranchStateChanged): Content<Kinds["BRANCH_STATE_CHANGED"]> {
  return { target: entry.branch, state: entry.state as BranchState };
}

export function durabilitySet({ copies, members }: DurabilitySet): Content<Kinds["DURABILITY_SET"]> {
  return { copies, members: members.map(durabilityMember) };
}

export function durabilityMember({ branch, copyId }: WrittenMember): DurabilityMember {
  return { branch, copyId: copyBytes(copyId) };
}

export function currencyDefined({ currency, code, decimals }: CurrencyDefined): Content<Kinds["CURRENCY_DEFINED"]> {
  return { currency: currency as CurrencyIndex, code, decimals };
}

export function stateRoot({ position, root }: StateRoot): Content<Kinds["STATE_ROOT"]> {
  return { position: safeInteger(position, "root position"), root: copyBytes(root) };
}

export function accountUpdated(entry: AccountUpdated): Content<Kinds["ACCOUNT_UPDATED"]> {
  const { account, displayName, floor, ceiling } = entry;
  return {
    account: account as AccountIndex,
    displayName,
    floor,
    ceiling: ceiling === 0n ? undefined : ceiling,
    metadata: fromLists({ keys: entry.metadataKeys, values: entry.metadataValues }, "an account"),
  };
}

export function accountStateChanged(entry: AccountStateChanged): Content<Kinds["ACCOUNT_STATE_CHANGED"]> {
  return { account: entry.account as AccountIndex, state: entry.state as AccountState };
}

export function reversal({ original, debit, credit, amount }: Reversal): Content<Kinds["REVERSAL"]> {
  return {
    original: safeInteger(original, "position of a movement"),
    debit: debit as AccountIndex,
    credit: credit as AccountIndex,
    amount,
  };
}

export function interestApplied(entry: InterestApplied): Content<Kinds["INTEREST_APPLIED"]> {
  const { account, rate, balance, paidFrom, amount } = entry;
  return {
    account: account as AccountIndex,
    rate,
    balance,
    paidFrom: paidFrom === 0 ? undefined : ((paidFrom - 1) as AccountIndex),
    amount,
  };
}

/** A new hold, whose position is that of its record. */
export function holdPlaced(entry: HoldChanged): Content<Kinds["HOLD_PLACED"]> {
  if (entry.hold !== 0n) throw new JournalFormatError("a new hold is at the position of its record");
  refuseCapture(entry);
  return holdAfter(entry);
}

export function holdCaptured(entry: HoldChanged): Content<Kinds["HOLD_CAPTURED"]> {
  return { ...holdOf(entry), ...holdAfter(entry), credit: entry.credit as AccountIndex, amount: entry.amount };
}

/** A hold that is released or extended. */
export function holdKept(entry: HoldChanged): Content<Kinds["HOLD_RELEASED"] | Kinds["HOLD_EXTENDED"]> {
  refuseCapture(entry);
  return { ...holdOf(entry), ...holdAfter(entry) };
}

function refuseCapture({ credit, amount }: HoldChanged): void {
  if (credit !== 0 || amount !== 0n) throw new JournalFormatError("a hold is captured only by a capture");
}

function holdOf({ hold }: HoldChanged): { hold: number } {
  return { hold: safeInteger(hold, "position of a hold") };
}

function holdAfter({ account, held, captured, expiresMs }: HoldChanged): Content<Kinds["HOLD_PLACED"]> {
  return {
    account: account as AccountIndex,
    held,
    captured,
    expiresMs: safeInteger(expiresMs, "expiry of a hold"),
  };
}

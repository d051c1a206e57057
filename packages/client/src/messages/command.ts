import { type Money, RefusalError } from "@bank/core";
import * as wire from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import type { AccountChanges, CommandGroup, GroupCommand, NewAccount, VersionedOptions } from "../types/index.ts";
import { minorMessage, moneyMessage, ordinalMessage, timeMessage } from "./fields.ts";

/** What every message of a mutation begins with. */
export interface Head {
  readonly requestId: string;
  readonly validateOnly: boolean;
}

/** What the command of a kind says. */
type CommandOf<Kind extends GroupCommand["kind"]> = Omit<Extract<GroupCommand, { readonly kind: Kind }>, "kind">;
type Versioned = Pick<VersionedOptions, "expectedVersion">;

/** Of the items of a group: the group has the id, and says whether it is a preview. */
const ITEM_HEAD: Head = { requestId: "", validateOnly: false };

const WIRE_ACCOUNT_TYPES = {
  savings: wire.AccountType.SAVINGS,
  checking: wire.AccountType.CHECKING,
} as const satisfies Record<NonNullable<NewAccount["type"]>, wire.AccountType>;

/** A command as it stands in a batch. Throws: `RefusalError` for what no bank would take. */
export function commandMessage(command: GroupCommand | CommandGroup, head: Head): wire.BatchItem["command"] {
  switch (command.kind) {
    case "openAccount":
      return { case: command.kind, value: openAccountMessage(command, head) };
    case "updateAccount":
      return { case: command.kind, value: updateAccountMessage(command, head) };
    case "freezeAccount":
      return { case: command.kind, value: create(wire.FreezeAccountRequestSchema, accountFields(command, head)) };
    case "unfreezeAccount":
      return { case: command.kind, value: create(wire.UnfreezeAccountRequestSchema, accountFields(command, head)) };
    case "closeAccount":
      return { case: command.kind, value: create(wire.CloseAccountRequestSchema, accountFields(command, head)) };
    case "deposit":
      return { case: command.kind, value: create(wire.DepositRequestSchema, cashFields(command, head)) };
    case "withdraw":
      return { case: command.kind, value: create(wire.WithdrawRequestSchema, cashFields(command, head)) };
    case "transfer":
      return { case: command.kind, value: transferMessage(command, head) };
    case "reverse":
      return { case: command.kind, value: reverseMessage(command, head) };
    case "applyInterest":
      return { case: command.kind, value: applyInterestMessage(command, head) };
    case "placeHold":
      return { case: command.kind, value: placeHoldMessage(command, head) };
    case "captureHold":
      return { case: command.kind, value: captureHoldMessage(command, head) };
    case "releaseHold":
      return { case: command.kind, value: releaseHoldMessage(command, head) };
    case "extendHold":
      return { case: command.kind, value: extendHoldMessage(command, head) };
    case "group":
      return { case: command.kind, value: groupMessage(command.items, head) };
  }
}

export function openAccountMessage(account: NewAccount, head: Head): wire.OpenAccountRequest {
  const { type = "savings", owner = "", displayName = "", currency = "USD", alias = "", metadata = {} } = account;
  const { floor = 0n, ceiling } = account;
  return create(wire.OpenAccountRequestSchema, {
    ...head,
    type: WIRE_ACCOUNT_TYPES[type],
    owner,
    displayName,
    currencyCode: currency,
    alias,
    metadata: { ...metadata },
    floorMinor: minorMessage("floor_minor", floor),
    ceilingMinor: ceiling === undefined ? 0n : ceilingMessage(ceiling),
  });
}

export function updateAccountMessage(
  command: { readonly account: string } & AccountChanges & Versioned,
  head: Head,
): wire.UpdateAccountRequest {
  const { displayName, metadata, floor, ceiling } = command;
  const message = create(wire.UpdateAccountRequestSchema, accountFields(command, head));
  if (displayName !== undefined) message.displayName = displayName;
  if (metadata !== undefined) message.metadata = create(wire.MetadataUpdateSchema, { metadata: { ...metadata } });
  if (floor !== undefined) message.floorMinor = minorMessage("floor_minor", floor);
  if (ceiling !== undefined) message.ceilingMinor = ceiling === null ? 0n : ceilingMessage(ceiling);
  return message;
}

/** Of a freeze, an unfreeze and a close. */
export function accountFields({ account, expectedVersion }: { readonly account: string } & Versioned, head: Head) {
  return { ...head, account, ...versionFields(expectedVersion) };
}

/** Of a deposit and a withdrawal. */
export function cashFields(
  { account, amount, expectedVersion }: { readonly account: string; readonly amount: Money } & Versioned,
  head: Head,
) {
  return { ...head, account, amount: moneyMessage(amount), ...versionFields(expectedVersion) };
}

export function transferMessage(
  { from, to, amount, expectedVersion }: CommandOf<"transfer">,
  head: Head,
): wire.TransferRequest {
  const version = versionFields(expectedVersion);
  const value = { ...head, fromAccount: from, toAccount: to, amount: moneyMessage(amount), ...version };
  return create(wire.TransferRequestSchema, value);
}

export function reverseMessage(
  { transaction, expectedVersion }: CommandOf<"reverse">,
  head: Head,
): wire.ReverseTransactionRequest {
  const value = { ...head, transaction: ordinalMessage("transaction", transaction), ...versionFields(expectedVersion) };
  return create(wire.ReverseTransactionRequestSchema, value);
}

export function applyInterestMessage(
  { account, rate, expectedVersion }: CommandOf<"applyInterest">,
  head: Head,
): wire.ApplyInterestRequest {
  const value = { ...head, account, ratePercent: rate, ...versionFields(expectedVersion) };
  return create(wire.ApplyInterestRequestSchema, value);
}

export function placeHoldMessage(command: CommandOf<"placeHold">, head: Head): wire.PlaceHoldRequest {
  const { expiresAtMs } = command;
  const message = create(wire.PlaceHoldRequestSchema, cashFields(command, head));
  if (expiresAtMs !== undefined) message.expiresAt = timeMessage("expires_at", expiresAtMs);
  return message;
}

export function captureHoldMessage(command: CommandOf<"captureHold">, head: Head): wire.CaptureHoldRequest {
  const { amount, to = "" } = command;
  const message = create(wire.CaptureHoldRequestSchema, { ...holdFields(command, head), toAccount: to });
  if (amount !== undefined) message.amount = moneyMessage(amount);
  return message;
}

export function releaseHoldMessage(command: CommandOf<"releaseHold">, head: Head): wire.ReleaseHoldRequest {
  return create(wire.ReleaseHoldRequestSchema, holdFields(command, head));
}

export function extendHoldMessage(command: CommandOf<"extendHold">, head: Head): wire.ExtendHoldRequest {
  const expiresAt = timeMessage("expires_at", command.expiresAtMs);
  return create(wire.ExtendHoldRequestSchema, { ...holdFields(command, head), expiresAt });
}

/** Throws: `RefusalError` of the first item that no bank would take, which says its number. */
export function groupMessage(items: readonly GroupCommand[], head: Head): wire.ExecuteGroupRequest {
  return create(wire.ExecuteGroupRequestSchema, { ...head, items: items.map(groupItem) });
}

function groupItem(command: GroupCommand, index: number): wire.BatchItem {
  try {
    return create(wire.BatchItemSchema, { command: commandMessage(command, ITEM_HEAD) });
  } catch (cause) {
    if (!(cause instanceof RefusalError)) throw cause;
    const { reason, metadata, outcome } = cause.refusal;
    const path = `items[${index}].${wire.BatchItemSchema.field[command.kind].name}`;
    const violations = cause.refusal.violations?.map(({ field, description }) => ({
      field: `${path}.${field}`,
      description,
    }));
    throw new RefusalError(reason, metadata, outcome, { item: index + 1, violations, cause });
  }
}

function holdFields({ hold, expectedVersion }: { readonly hold: number } & Versioned, head: Head) {
  return { ...head, hold: ordinalMessage("hold", hold), ...versionFields(expectedVersion) };
}

function versionFields(expectedVersion: number | undefined): { readonly expectedVersion?: bigint } {
  if (expectedVersion === undefined) return {};
  return { expectedVersion: ordinalMessage("expected_version", expectedVersion) };
}

/** On the wire 0 is no ceiling at all; whoever asks for a ceiling of 0 means another thing. */
function ceilingMessage(ceiling: bigint): bigint {
  return minorMessage("ceiling_minor", ceiling, 1n);
}

import { type Money as CoreMoney, formatRate, type Group, type GroupItem } from "@bank/core";
import { type BatchItem, BatchItemSchema } from "@bank/proto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampMessage } from "./time.ts";

type ItemInit = MessageInitShape<typeof BatchItemSchema>;

export interface ItemOptions {
  /** Left out inside a group. */
  readonly requestId?: string;
  readonly validateOnly?: boolean;
}

/** The message for a command: what `requestFromForwarded` reads back as the same command. */
export function itemFromCommand(command: GroupItem | Group, options: ItemOptions = {}): BatchItem {
  const { requestId = "", validateOnly = false } = options;
  const { command: asked } = itemInit(command);
  if (asked?.case === undefined) throw new Error("a command has a message");
  Object.assign(asked.value, { requestId, validateOnly });
  return create(BatchItemSchema, { command: asked });
}

function itemInit(command: GroupItem | Group): ItemInit {
  switch (command.kind) {
    case "openAccount": {
      const { type, owner, displayName, currency: currencyCode, alias = "", floor = 0n, ceiling = 0n } = command;
      const value = { type, owner, displayName, currencyCode, alias, floorMinor: floor, ceilingMinor: ceiling };
      return { command: { case: "openAccount", value: { ...value, metadata: { ...command.metadata } } } };
    }
    case "updateAccount": {
      const { account, displayName, metadata, floor: floorMinor, ceiling } = command;
      const value = {
        account,
        ...versioned(command),
        ...(displayName === undefined ? {} : { displayName }),
        ...(metadata === undefined ? {} : { metadata: { metadata: { ...metadata } } }),
        ...(floorMinor === undefined ? {} : { floorMinor }),
        ...(ceiling === undefined ? {} : { ceilingMinor: ceiling ?? 0n }),
      };
      return { command: { case: "updateAccount", value } };
    }
    case "freezeAccount":
    case "unfreezeAccount":
    case "closeAccount":
      return { command: { case: command.kind, value: { account: command.account, ...versioned(command) } } };
    case "deposit":
    case "withdraw": {
      const { account, amount } = command;
      return { command: { case: command.kind, value: { account, amount: money(amount), ...versioned(command) } } };
    }
    case "transfer": {
      const { from: fromAccount, to: toAccount, amount } = command;
      const value = { fromAccount, toAccount, amount: money(amount), ...versioned(command) };
      return { command: { case: "transfer", value } };
    }
    case "reverse": {
      const value = { transaction: BigInt(command.transaction), ...versioned(command) };
      return { command: { case: "reverse", value } };
    }
    case "applyInterest": {
      const { account, rate } = command;
      const value = { account, ratePercent: formatRate(rate), ...versioned(command) };
      return { command: { case: "applyInterest", value } };
    }
    case "placeHold": {
      const { account, amount, expiresMs } = command;
      const expiry = expiresMs === 0 ? {} : { expiresAt: timestampMessage(expiresMs) };
      const value = { account, amount: money(amount), ...expiry, ...versioned(command) };
      return { command: { case: "placeHold", value } };
    }
    case "captureHold": {
      const { hold, amount, to: toAccount } = command;
      const part = amount === undefined ? {} : { amount: money(amount) };
      return {
        command: { case: "captureHold", value: { hold: BigInt(hold), toAccount, ...part, ...versioned(command) } },
      };
    }
    case "releaseHold":
      return { command: { case: "releaseHold", value: { hold: BigInt(command.hold), ...versioned(command) } } };
    case "extendHold": {
      const { hold, expiresMs } = command;
      const value = { hold: BigInt(hold), expiresAt: timestampMessage(expiresMs), ...versioned(command) };
      return { command: { case: "extendHold", value } };
    }
    case "group":
      return { command: { case: "group", value: { items: command.items.map((item) => itemFromCommand(item)) } } };
  }
}

function versioned({ expectedVersion }: { readonly expectedVersion?: number | undefined }) {
  return expectedVersion === undefined ? {} : { expectedVersion: BigInt(expectedVersion) };
}

function money({ currency: currencyCode, minor: amountMinor }: CoreMoney) {
  return { currencyCode, amountMinor };
}

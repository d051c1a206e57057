import {
  type BranchNumber,
  type Command,
  AccountType as CoreAccountType,
  type Money as CoreMoney,
  checkCommand,
  type DurabilityMember,
  type GroupItem,
  isAccountType,
  isBranchState,
  isCustomerType,
  type Position,
  parseRate,
  parseRequestId,
  type Refusal,
  RefusalError,
  type Request,
  type RequestId,
} from "@bank/core";
import {
  type BatchItem,
  BatchItemSchema,
  type CancelRequestRequest,
  type ForwardedCommand,
  ForwardedCommandSchema,
  type Money,
  type OpenAccountRequest,
  type SetDurabilityRequest,
  type UpdateAccountRequest,
  type UpdateBranchRequest,
} from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { malformed } from "./malformed.ts";
import { unixMs } from "./time.ts";

/** The commands of a batch, with the names that they have inside `BatchItem`. */
export type ItemCase = Exclude<BatchItem["command"], { case: undefined }>;

/** The commands that no group may hold, with the names that they have inside `ForwardedCommand`. */
export type LoneCase =
  | { readonly case: "cancelRequest"; readonly value: CancelRequestRequest }
  | { readonly case: "updateBranch"; readonly value: UpdateBranchRequest }
  | { readonly case: "setDurability"; readonly value: SetDurabilityRequest };

/** Every command of the API. */
export type CommandCase = ItemCase | LoneCase;

export function isLone(command: CommandCase): command is LoneCase {
  return LONE_CASES.has(command.case);
}

const LONE_CASES: ReadonlySet<string> = new Set<LoneCase["case"]>(["cancelRequest", "updateBranch", "setDurability"]);

/**
 * The copies of branches, to count towards durability: for the request with this id, which may have been answered before.
 * Throws: `RefusalError` INVALID_REQUEST for a branch that is not connected, or two that share a copy.
 */
export type CopiesOf = (branches: readonly BranchNumber[], id: RequestId) => readonly DurabilityMember[];

function noneConnected(branches: readonly BranchNumber[]): readonly DurabilityMember[] {
  if (branches.length === 0) return [];
  throw malformed([{ field: "branches[0]", description: `branch ${branches[0]} is not connected` }]);
}

/** A command as a branch passes it on. */
export function forwardedCommand(branch: number, command: CommandCase, session: string): ForwardedCommand {
  return create(ForwardedCommandSchema, {
    branch,
    session,
    command: isLone(command) ? command : { case: "item", value: create(BatchItemSchema, { command }) },
  });
}

/** Throws: `RefusalError` INVALID_REQUEST. */
export function commandOfBatchItem({ command }: BatchItem): ItemCase {
  if (command.case === undefined) throw malformed([{ field: "command", description: "value is required" }]);
  return command;
}

/** How many commands there are: of a group, its items. */
export function commandCount(command: CommandCase): number {
  return command.case === "group" ? command.value.items.length : 1;
}

/** What a forwarded command asks for. */
export interface Asked {
  readonly request: Request;
  /** Only tell what would happen, and change nothing. */
  readonly validateOnly: boolean;
}

/**
 * A forwarded command as the ledger takes it.
 * Throws: `RefusalError` for what is wrong with it whatever the state is, with the fields that are wrong; and as `copiesOf`.
 */
export function requestFromForwarded(
  forwarded: ForwardedCommand,
  principal: string,
  copiesOf: CopiesOf = noneConnected,
): Asked {
  return requestFromCommand(commandOfForwarded(forwarded), { principal, branch: forwarded.branch }, copiesOf);
}

/** Throws: `RefusalError` INVALID_REQUEST. */
export function commandOfForwarded({ command }: ForwardedCommand): CommandCase {
  if (command.case === undefined) throw malformed([{ field: "command", description: "value is required" }]);
  return command.case === "item" ? commandOfBatchItem(command.value) : command;
}

/** A command as the ledger takes it. Throws: as `requestFromForwarded`. */
export function requestFromCommand(
  asked: CommandCase,
  { principal, branch }: { readonly principal: string; readonly branch: BranchNumber },
  copiesOf: CopiesOf = noneConnected,
): Asked {
  const id = parseRequestId(asked.value.requestId);
  if (id === undefined) throw malformed([{ field: "request_id", description: "value must be a valid UUID" }]);
  const coded = coreCommand(asked, id, copiesOf);
  const refusal = checkCommand(coded);
  if (refusal !== undefined) throw located(refusal, asked);
  const validateOnly = "validateOnly" in asked.value && asked.value.validateOnly;
  return { request: { principal, branch, id, command: coded }, validateOnly };
}

function coreCommand(command: CommandCase, id: RequestId, copiesOf: CopiesOf): Command {
  switch (command.case) {
    case "cancelRequest":
      return { kind: "cancelRequest" };
    case "updateBranch":
      return branchUpdate(command.value);
    case "setDurability": {
      const { copies, branches } = command.value;
      return { kind: "setDurability", copies, members: copiesOf(branches, id) };
    }
    case "group":
      return { kind: "group", items: command.value.items.map((item, i) => groupItem(item, i + 1)) };
    default:
      return LONE_ITEM.decode(command);
  }
}

function branchUpdate({ number: target, change }: UpdateBranchRequest): Command {
  switch (change.case) {
    case "name":
      return { kind: "renameBranch", target, name: change.value };
    case "state":
      if (!isBranchState(change.value))
        throw malformed([{ field: "state", description: "must be active, draining or retired" }]);
      return { kind: "setBranchState", target, state: change.value };
    case undefined:
      throw malformed([{ field: "change", description: "exactly one field is required in oneof" }]);
  }
}

/** @param number of the item in its group, from 1. */
function groupItem({ command }: BatchItem, number: number): GroupItem {
  if (command.case === undefined)
    throw malformed([{ field: `items[${number - 1}].command`, description: "value is required" }], number);
  const path = pathOfItem(command.case, number);
  const fields = new ItemDecoder(path, number);
  if (command.case === "group") throw malformed([{ field: path, description: "a group holds no group" }], number);
  const { requestId, validateOnly } = command.value;
  if (requestId !== "") throw fields.malformed("request_id", "must be empty inside a group, which has one for all");
  if (validateOnly) throw fields.malformed("validate_only", "must be false inside a group, which has one for all");
  return fields.decode(command);
}

function pathOfItem(name: ItemCase["case"], number: number): string {
  return `items[${number - 1}].${BatchItemSchema.field[name].name}`;
}

/** A refusal of the ledger's own check, with the fields as they are called in the request. */
function located({ reason, metadata, outcome, item, violations }: Refusal, command: CommandCase): RefusalError {
  const inGroup =
    item !== undefined && command.case === "group" ? command.value.items[item - 1]?.command.case : undefined;
  const path = inGroup === undefined ? "" : pathOfItem(inGroup, item as number);
  return new RefusalError(reason, metadata, outcome, {
    item,
    violations: violations?.map(({ field, description }) => ({ field: joined(path, field), description })),
  });
}

/** Reads the messages of commands, and knows where they stand, for what is wrong with them. */
class ItemDecoder {
  private readonly path: string;
  private readonly item: number | undefined;

  /**
   * @param path of the message inside its request; empty for the request itself.
   * @param item its number in a group, from 1.
   */
  constructor(path: string, item: number | undefined) {
    this.path = path;
    this.item = item;
  }

  malformed(field: string, description: string): RefusalError {
    return malformed([{ field: this.fieldPath(field), description }], this.item);
  }

  decode(command: Exclude<ItemCase, { case: "group" }>): GroupItem {
    switch (command.case) {
      case "openAccount":
        return this.openAccount(command.value);
      case "updateAccount":
        return this.updateAccount(command.value);
      case "freezeAccount":
      case "unfreezeAccount":
      case "closeAccount": {
        const { account, expectedVersion } = command.value;
        return { kind: command.case, account, ...this.versioned(expectedVersion) };
      }
      case "deposit":
      case "withdraw": {
        const { account, expectedVersion } = command.value;
        const amount = this.money(command.value.amount);
        if (expectedVersion === undefined) return { kind: command.case, account, amount };
        return { kind: command.case, account, amount, ...this.versioned(expectedVersion) };
      }
      case "transfer": {
        const { fromAccount: from, toAccount: to, expectedVersion } = command.value;
        const amount = this.money(command.value.amount);
        if (expectedVersion === undefined) return { kind: "transfer", from, to, amount };
        return { kind: "transfer", from, to, amount, ...this.versioned(expectedVersion) };
      }
      case "reverse": {
        const { transaction, expectedVersion } = command.value;
        const position = this.position("transaction", transaction);
        return { kind: "reverse", transaction: position, ...this.versioned(expectedVersion) };
      }
      case "applyInterest": {
        const { account, ratePercent, expectedVersion } = command.value;
        return { kind: "applyInterest", ...this.versioned(expectedVersion), account, rate: this.rate(ratePercent) };
      }
      case "placeHold": {
        const { account, amount, expiresAt, expectedVersion } = command.value;
        const expiresMs = expiresAt === undefined ? 0 : this.expiry(expiresAt);
        return {
          kind: "placeHold",
          account,
          amount: this.money(amount),
          expiresMs,
          ...this.versioned(expectedVersion),
        };
      }
      case "captureHold": {
        const { amount, toAccount: to, expectedVersion } = command.value;
        const hold = this.position("hold", command.value.hold);
        const money = amount === undefined ? {} : { amount: this.money(amount) };
        return { kind: "captureHold", hold, ...money, to, ...this.versioned(expectedVersion) };
      }
      case "releaseHold": {
        const { hold, expectedVersion } = command.value;
        return { kind: "releaseHold", hold: this.position("hold", hold), ...this.versioned(expectedVersion) };
      }
      case "extendHold": {
        const { hold, expiresAt, expectedVersion } = command.value;
        if (expiresAt === undefined) throw this.malformed("expires_at", "value is required");
        const expiresMs = this.expiry(expiresAt);
        return { kind: "extendHold", hold: this.position("hold", hold), expiresMs, ...this.versioned(expectedVersion) };
      }
    }
  }

  private openAccount(request: OpenAccountRequest): GroupItem {
    const {
      type: asked,
      owner,
      displayName,
      currencyCode: currency,
      alias,
      metadata,
      floorMinor,
      ceilingMinor,
    } = request;
    const type = asked === 0 ? CoreAccountType.SAVINGS : asked;
    if (!isAccountType(type) || !isCustomerType(type))
      throw this.malformed("type", "customers have savings or checking accounts");
    return {
      kind: "openAccount",
      type,
      owner,
      displayName,
      currency,
      ...(alias === "" ? {} : { alias }),
      ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
      ...(floorMinor === 0n ? {} : { floor: floorMinor }),
      ...(ceilingMinor === 0n ? {} : { ceiling: ceilingMinor }),
    };
  }

  private updateAccount(request: UpdateAccountRequest): GroupItem {
    const { account, displayName, metadata, floorMinor, ceilingMinor, expectedVersion } = request;
    return {
      kind: "updateAccount",
      account,
      ...(displayName === undefined ? {} : { displayName }),
      ...(metadata === undefined ? {} : { metadata: metadata.metadata }),
      ...(floorMinor === undefined ? {} : { floor: floorMinor }),
      ...(ceilingMinor === undefined ? {} : { ceiling: ceilingMinor === 0n ? null : ceilingMinor }),
      ...this.versioned(expectedVersion),
    };
  }

  private versioned(version: bigint | undefined): { readonly expectedVersion?: number } {
    if (version === undefined) return {};
    if (version > MAX_SAFE) throw this.malformed("expected_version", "no account has been changed so often");
    return { expectedVersion: Number(version) };
  }

  private position(field: string, position: bigint): Position {
    if (position > MAX_SAFE) throw this.malformed(field, `must be at most ${MAX_SAFE}`);
    return Number(position);
  }

  private rate(text: string): number {
    const rate = parseRate(text);
    if (rate !== undefined) return rate;
    const description = "must be a percentage from 0 to 100 with at most six decimals";
    throw new RefusalError("INVALID_RATE", { rate: text.slice(0, RATE_ECHO_MAX).toWellFormed() }, "NOT_APPLIED", {
      item: this.item,
      violations: [{ field: this.fieldPath("rate_percent"), description }],
    });
  }

  /** The ledger's 0 means never, which is said by leaving the time out. */
  private expiry(expiresAt: Timestamp): number {
    const ms = unixMs(expiresAt, this.fieldPath("expires_at"), this.item);
    if (ms === 0) throw this.malformed("expires_at", "must be later than the beginning of 1970");
    return ms;
  }

  private money(money: Money | undefined): CoreMoney {
    if (money === undefined) throw this.malformed("amount", "value is required");
    return { currency: money.currencyCode, minor: money.amountMinor };
  }

  private fieldPath(field: string): string {
    return joined(this.path, field);
  }
}

/** Of a command by itself. */
const LONE_ITEM = new ItemDecoder("", undefined);

/** Either may be empty: a field of the request itself, or the whole of a message. */
function joined(path: string, field: string): string {
  return path === "" || field === "" ? path + field : `${path}.${field}`;
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
/** Of a text that is no rate, in UTF-16 code units. */
const RATE_ECHO_MAX = 32;

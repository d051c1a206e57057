import * as wire from "@bank/proto";
import type {
  Account,
  AccountState,
  AccountStateChange,
  AccountType,
  AccountUpdate,
  BalanceReading,
  Metadata,
} from "../types/index.ts";
import { moneyOf, present, readInfoOf, safeNumber, textOf, timeMsOf } from "./fields.ts";

const ACCOUNT_TYPES: ReadonlyMap<wire.AccountType, AccountType> = new Map([
  [wire.AccountType.SAVINGS, "savings"],
  [wire.AccountType.CHECKING, "checking"],
  [wire.AccountType.CASH, "cash"],
  [wire.AccountType.INTEREST, "interest"],
  [wire.AccountType.FEES, "fees"],
]);

const ACCOUNT_STATES: ReadonlyMap<wire.AccountState, AccountState> = new Map([
  [wire.AccountState.OPEN, "open"],
  [wire.AccountState.FROZEN, "frozen"],
  [wire.AccountState.CLOSED, "closed"],
]);

export function accountOf(account: wire.Account | undefined): Account {
  const message = present(account, "the account");
  return {
    number: message.number,
    alias: textOf(message.alias),
    type: present(ACCOUNT_TYPES.get(message.type), `what account type ${message.type} is`),
    state: accountStateOf(message.state),
    owner: message.owner,
    displayName: message.displayName,
    metadata: metadataOf(message.metadata),
    currency: message.currencyCode,
    homeBranch: message.homeBranch,
    posted: moneyOf(message.posted),
    held: moneyOf(message.held),
    available: moneyOf(message.available),
    floor: moneyOf(message.floor),
    ceiling: ceilingOf(message.ceiling),
    version: safeNumber(message.version),
    openedAtMs: timeMsOf(message.openedAt),
    openedPosition: safeNumber(message.openedPosition),
  };
}

export function balanceOf(account: string, reply: wire.GetBalanceResponse): BalanceReading {
  const { position: readPosition, ...state } = readInfoOf(reply.readInfo);
  return {
    ...state,
    account,
    posted: moneyOf(reply.posted),
    held: moneyOf(reply.held),
    available: moneyOf(reply.available),
    version: reply.version === undefined ? undefined : safeNumber(reply.version),
    position: safeNumber(reply.position),
    timeMs: timeMsOf(reply.time),
    readPosition,
  };
}

export function accountUpdateOf(update: wire.AccountUpdate | undefined): AccountUpdate {
  const { account, displayName, metadata, floor, ceiling } = present(update, "the changed account");
  return {
    account,
    displayName,
    metadata: metadataOf(metadata),
    floor: moneyOf(floor),
    ceiling: ceilingOf(ceiling),
  };
}

export function accountStateChangeOf(change: wire.AccountStateChange | undefined): AccountStateChange {
  const { account, state } = present(change, "the change of the account's state");
  return { account, state: accountStateOf(state) };
}

function accountStateOf(state: wire.AccountState): AccountState {
  return present(ACCOUNT_STATES.get(state), `what account state ${state} is`);
}

function ceilingOf(ceiling: wire.Money | undefined): Account["ceiling"] {
  return ceiling === undefined ? undefined : moneyOf(ceiling);
}

/** A copy, so that what a caller does to it stays with the caller. */
function metadataOf(metadata: Metadata): Metadata {
  return { ...metadata };
}

import { AMOUNT_MAX, type Money, RefusalError } from "@bank/core";
import * as wire from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { UnexpectedReplyError } from "./attempt-failure.ts";
import type { Account, AccountType, Branch, NewAccount, ReadInfo, Transaction } from "./types/index.ts";

const WIRE_ACCOUNT_TYPES = {
  savings: wire.AccountType.SAVINGS,
  checking: wire.AccountType.CHECKING,
} as const satisfies Record<NonNullable<NewAccount["type"]>, wire.AccountType>;

const ACCOUNT_TYPES: ReadonlyMap<wire.AccountType, AccountType> = new Map([
  [wire.AccountType.SAVINGS, "savings"],
  [wire.AccountType.CHECKING, "checking"],
  [wire.AccountType.CASH, "cash"],
]);

const TRANSACTION_KINDS: ReadonlyMap<wire.TransactionKind, Transaction["kind"]> = new Map([
  [wire.TransactionKind.DEPOSIT, "deposit"],
  [wire.TransactionKind.WITHDRAWAL, "withdrawal"],
  [wire.TransactionKind.TRANSFER, "transfer"],
]);

/** A new account without its request id. */
export function newAccountMessage({ type = "savings", owner = "", displayName = "", currency = "USD" }: NewAccount) {
  return { type: WIRE_ACCOUNT_TYPES[type], owner, displayName, currencyCode: currency };
}

/** Throws: `RefusalError` INVALID_AMOUNT for what no amount of money can be, which the wire could not even carry. */
export function moneyMessage({ currency, minor }: Money): wire.Money {
  if (minor < 1n || minor > AMOUNT_MAX) throw new RefusalError("INVALID_AMOUNT", { amount: String(minor) });
  return create(wire.MoneySchema, { currencyCode: currency, amountMinor: minor });
}

export function moneyOf(money: wire.Money | undefined): Money {
  const { currencyCode: currency, amountMinor: minor } = present(money, "an amount");
  return { currency, minor };
}

export function accountOf(account: wire.Account | undefined): Account {
  const message = present(account, "the account");
  return {
    number: message.number,
    type: present(ACCOUNT_TYPES.get(message.type), `what account type ${message.type} is`),
    owner: message.owner,
    displayName: message.displayName,
    currency: message.currencyCode,
    homeBranch: message.homeBranch,
    balance: moneyOf(message.posted),
    version: safeNumber(message.version),
    openedAtMs: timeMsOf(message.openedAt),
    openedPosition: safeNumber(message.openedPosition),
  };
}

export function transactionOf(transaction: wire.Transaction | undefined): Transaction {
  const message = present(transaction, "the transaction");
  return {
    position: safeNumber(message.position),
    kind: present(TRANSACTION_KINDS.get(message.kind), `what transaction kind ${message.kind} is`),
    debitAccount: message.debitAccount,
    creditAccount: message.creditAccount,
    amount: moneyOf(message.amount),
    branch: message.branch,
    timeMs: timeMsOf(message.time),
    requestId: message.requestId,
  };
}

export function branchOf(branch: wire.Branch | undefined): Branch {
  const { number, address, name, status } = present(branch, "the branch");
  return {
    number,
    address: address === "" ? undefined : address,
    name,
    status:
      status === undefined
        ? undefined
        : {
            appliedPosition: safeNumber(status.appliedPosition),
            durablePosition: safeNumber(status.durablePosition),
            digest: status.digest,
            connected: status.connected,
          },
  };
}

export function readInfoOf(info: wire.ReadInfo | undefined): ReadInfo {
  const { position, stalenessMs } = present(info, "the state it was read from");
  return {
    position: safeNumber(position),
    stalenessMs: stalenessMs === undefined ? undefined : safeNumber(stalenessMs),
  };
}

/** Positions, versions and times stay far below 2^53. Throws: `UnexpectedReplyError` when one does not. */
export function safeNumber(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new UnexpectedReplyError(`it says the impossible number ${value}`);
  return Number(value);
}

function timeMsOf(timestamp: Timestamp | undefined): number {
  return timestampMs(present(timestamp, "a time"));
}

function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new UnexpectedReplyError(`it left out ${what}`);
  return value;
}

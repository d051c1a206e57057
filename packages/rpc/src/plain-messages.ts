import { COMMANDS_PER_CALL_MAX } from "@bank/core";
import {
  type BatchItem,
  type DepositRequest,
  DepositRequestSchema,
  type ExecuteBatchRequest,
  ExecuteBatchRequestSchema,
  ExecuteMovementsRequestSchema,
  type FollowRequest,
  FollowRequestSchema,
  type GetAccountRequest,
  GetAccountRequestSchema,
  type GetBalanceRequest,
  GetBalanceRequestSchema,
  type MemberReport,
  type Money,
  type ProbeRequest,
  ProbeRequestSchema,
  type TransferRequest,
  TransferRequestSchema,
  type WithdrawRequest,
  WithdrawRequestSchema,
} from "@bank/proto";
import type { DescMessage, Message } from "@bufbuild/protobuf";
import type { MovementColumns } from "./movement-codec.ts";

// The requests that come in great numbers, held against their rules by hand: the validator takes a hundred times as long.
// Each function here says yes only to what the validator finds nothing in. What it does not say yes to may still be in
// order: the validator says what is wrong, if anything is.

const UUID = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;
const ACCOUNT_BYTES_MAX = 64;
const BASE_BYTES_MAX = 16;
const ID_BYTES = 16;
const HASH_BYTES = 32;
const MEMBERS_MAX = 1_000;
const BRANCHES_MAX = 1_000;
const UPSTREAM_BYTES_MAX = 256;
const FOLLOWER_BYTES_MAX = 128;
/** In UTF-8, of one unit of UTF-16. */
const BYTES_PER_LETTER_MAX = 3;
const [UPPER_A, UPPER_Z] = [0x41, 0x5a];
const ASCII_MAX = 0x7f;

/** Whether a message certainly keeps the rules of its type. */
export function isPlain(type: DescMessage, message: Message): boolean {
  switch (type) {
    case DepositRequestSchema:
    case WithdrawRequestSchema:
      return isPlainCash(message as DepositRequest | WithdrawRequest);
    case TransferRequestSchema:
      return isPlainTransfer(message as TransferRequest);
    case GetBalanceRequestSchema: {
      const { account, asOf } = message as GetBalanceRequest;
      return isPlainAccount(account) && asOf.case === undefined;
    }
    case GetAccountRequestSchema:
      return isPlainAccount((message as GetAccountRequest).account);
    case ExecuteBatchRequestSchema: {
      const { items } = message as ExecuteBatchRequest;
      return items.length >= 1 && items.length <= COMMANDS_PER_CALL_MAX && items.every(isPlainItem);
    }
    case ExecuteMovementsRequestSchema:
      return arePlainColumns(message as Message & MovementColumns);
    case ProbeRequestSchema: {
      const { bankId, members } = message as ProbeRequest;
      return bankId.length <= ID_BYTES && members.length <= MEMBERS_MAX && members.every(isPlainReport);
    }
    case FollowRequestSchema:
      return isPlainFollow(message as FollowRequest);
    default:
      return false;
  }
}

/** An item of a batch likewise. */
export function isPlainItem({ command }: BatchItem): boolean {
  switch (command.case) {
    case "deposit":
    case "withdraw":
      return isPlainCash(command.value);
    case "transfer":
      return isPlainTransfer(command.value);
    default:
      return false;
  }
}

function isPlainCash(message: DepositRequest | WithdrawRequest): boolean {
  return isPlainWrite(message) && isPlainAccount(message.account) && isPlainMoney(message.amount);
}

function isPlainTransfer(message: TransferRequest): boolean {
  return (
    isPlainWrite(message) &&
    isPlainAccount(message.fromAccount) &&
    isPlainAccount(message.toAccount) &&
    isPlainMoney(message.amount)
  );
}

function isPlainWrite({ requestId, expectedVersion }: DepositRequest | WithdrawRequest | TransferRequest): boolean {
  if (expectedVersion !== undefined && expectedVersion < 1n) return false;
  return requestId === "" || UUID.test(requestId);
}

/** One byte a letter: in others the length says less. */
function isPlainAccount(account: string): boolean {
  const { length } = account;
  if (length < 1 || length > ACCOUNT_BYTES_MAX) return false;
  for (let i = 0; i < length; i++) if (account.charCodeAt(i) > ASCII_MAX) return false;
  return true;
}

function isPlainMoney(money: Money | undefined): boolean {
  return money !== undefined && isPlainCurrency(money.currencyCode);
}

function isPlainCurrency(code: string): boolean {
  if (code.length !== 3) return false;
  for (let i = 0; i < 3; i++) if (code.charCodeAt(i) < UPPER_A || code.charCodeAt(i) > UPPER_Z) return false;
  return true;
}

/** Of a branch: they come five times a second from each, and the first is not to wait for a compiler of rules. */
function isPlainReport({ copyId, branches, digest, epochId, upstream }: MemberReport): boolean {
  return (
    copyId.length === ID_BYTES &&
    branches.length <= BRANCHES_MAX &&
    digest.length <= ID_BYTES &&
    epochId.length <= ID_BYTES &&
    upstream.length <= UPSTREAM_BYTES_MAX / BYTES_PER_LETTER_MAX
  );
}

function isPlainFollow({ bankId, chainHash, epochId, follower, acceptedLoss, copyId }: FollowRequest): boolean {
  return (
    [bankId, epochId, acceptedLoss, copyId].every(({ length }) => length <= ID_BYTES) &&
    chainHash.length <= HASH_BYTES &&
    follower.length <= FOLLOWER_BYTES_MAX / BYTES_PER_LETTER_MAX
  );
}

function arePlainColumns(message: MovementColumns): boolean {
  const { debitAccounts, creditAccounts, amountsMinor, baseRequestId, requestIdsHigh, requestIdsLow } = message;
  return (
    isPlainCurrency(message.currencyCode) &&
    [debitAccounts, creditAccounts, amountsMinor].every(
      ({ length }) => length >= 1 && length <= COMMANDS_PER_CALL_MAX,
    ) &&
    baseRequestId.length <= BASE_BYTES_MAX &&
    requestIdsHigh.length <= COMMANDS_PER_CALL_MAX &&
    requestIdsLow.length <= COMMANDS_PER_CALL_MAX
  );
}

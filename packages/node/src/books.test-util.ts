import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { type BankClient, BankError } from "@bank/client";
import { formatRequestId, isMovement, type Ledger, type Position, parseRequestId, RecordKind, toHex } from "@bank/core";
import { type Failure, type Transaction, TransactionKind } from "@bank/proto";
import { decodeSession, failureFromConnectError, SESSION_HEADER } from "@bank/rpc";
import type { Random, ServerClient, WholeJournal } from "@bank/testkit";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { expect } from "vitest";

/** A movement of money that somebody wants, under one request id for ever. */
export interface Order {
  readonly requestId: string;
  /** Where it is asked for. */
  readonly branch: number;
  readonly kind: "deposit" | "withdraw" | "transfer";
  readonly account: string;
  /** Of a transfer. */
  readonly to: string;
  readonly minor: bigint;
}

/** A movement as its customer was told. */
export interface Booking {
  readonly kind: Order["kind"];
  readonly debit: string;
  readonly credit: string;
  readonly minor: bigint;
  readonly branch: number;
  readonly timeMs: number;
  readonly requestId: string;
}

/** What became of an order, for ever. */
export type Reply =
  | { readonly done: true; readonly position: Position; readonly booking: Booking; readonly replayed: boolean }
  /** The SDK does not say the position of a rejection. */
  | { readonly done: false; readonly position: Position | undefined; readonly reason: string };

/** An order with the answer that its customer got. */
export interface Answered {
  readonly order: Order;
  readonly reply: Reply;
}

/** A random order on the accounts; some of them cannot be carried out. */
export function randomOrder(random: Random, branch: number, accounts: readonly string[]): Order {
  const kind = random.pick(["deposit", "withdraw", "transfer"] as const);
  const account = random.chance(3) ? "999" : random.pick(accounts);
  const to = random.pick(accounts);
  return { requestId: randomUUID(), branch, kind, account, to, minor: BigInt(1 + random.below(60)) };
}

export function deposit(branch: number, account: string, minor: bigint): Order {
  return { requestId: randomUUID(), branch, kind: "deposit", account, to: "", minor };
}

export function withdrawal(branch: number, account: string, minor: bigint): Order {
  return { requestId: randomUUID(), branch, kind: "withdraw", account, to: "", minor };
}

/** The message for an order. */
function messageOf({ kind, requestId, account, to, minor }: Order) {
  const amount = { currencyCode: "USD", amountMinor: minor };
  return kind === "transfer"
    ? { case: kind, value: { requestId, fromAccount: account, toAccount: to, amount } }
    : { case: kind, value: { requestId, account, amount } };
}

/** Gives an order once. Rejects with the `ConnectError` where that is no answer for ever. */
export async function give({ transactions }: ServerClient, order: Order, timeoutMs = 20_000): Promise<Reply> {
  try {
    const { transaction, replayed } = await call();
    if (transaction === undefined) throw new Error("what is done has a transaction");
    return doneReply(transaction, replayed);
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    const failure = failureFromConnectError(error);
    if (failure?.metadata["outcome"] !== "REJECTED") throw error;
    // The position of a rejection stands in the session that comes with it.
    const token = error.metadata.get(SESSION_HEADER);
    const position = token === null ? 0 : (decodeSession(token).seen[0]?.position ?? 0);
    return { done: false, position, reason: failure.reason };
  }

  function call() {
    const message = messageOf(order);
    switch (message.case) {
      case "deposit":
        return transactions.deposit(message.value, { timeoutMs });
      case "withdraw":
        return transactions.withdraw(message.value, { timeoutMs });
      case "transfer":
        return transactions.transfer(message.value, { timeoutMs });
    }
  }
}

/** Gives many orders in one call. Those without an answer for ever are undefined. */
export async function giveTogether({ transactions }: ServerClient, orders: readonly Order[]) {
  const items = orders.map((order) => ({ command: messageOf(order) }));
  const { results } = await transactions.executeBatch({ items }, { timeoutMs: 20_000 });
  return results.map(({ result, replayed }): Reply | undefined => {
    if (result.case === "transaction") return doneReply(result.value, replayed);
    const { reason, position, metadata } = result.value as Failure;
    return metadata["outcome"] === "REJECTED" ? { done: false, position: Number(position), reason } : undefined;
  });
}

function doneReply({ position, ...told }: Transaction, replayed: boolean): Reply {
  const kind = KINDS[told.kind];
  if (kind === undefined || told.amount === undefined || told.time === undefined)
    throw new Error("a transaction has a kind, an amount and a time");
  const { debitAccount: debit, creditAccount: credit, branch, requestId } = told;
  const timeMs = timestampMs(told.time);
  const booking = { kind, debit, credit, minor: told.amount.amountMinor, branch, timeMs, requestId };
  return { done: true, position: Number(position), booking, replayed };
}

const KINDS: Readonly<Record<number, Order["kind"]>> = {
  [TransactionKind.DEPOSIT]: "deposit",
  [TransactionKind.WITHDRAWAL]: "withdraw",
  [TransactionKind.TRANSFER]: "transfer",
};

/** Gives an order by the SDK, which tries by itself until it has an answer for ever, or the time is over. */
export async function giveBySdk(client: BankClient, order: Order): Promise<Reply> {
  const { requestId, kind, account, to, minor } = order;
  const amount = { currency: "USD", minor };
  try {
    const call =
      kind === "transfer"
        ? client.transfer(account, to, amount, { requestId })
        : client[kind](account, amount, { requestId });
    const { transaction, replayed } = await call;
    const { debitAccount: debit, creditAccount: credit, branch, timeMs, position } = transaction;
    expect(transaction.kind).toBe(kind === "withdraw" ? "withdrawal" : kind);
    const booking = { kind, debit, credit, minor: transaction.amount.minor, branch, timeMs, requestId };
    return { done: true, position, booking: { ...booking, requestId: transaction.requestId }, replayed };
  } catch (error) {
    if (!(error instanceof BankError) || error.outcome !== "REJECTED") throw error;
    return { done: false, position: undefined, reason: error.reason };
  }
}

/** Opens an account for dollars at a server. Gives its number. */
export async function openAccount({ accounts }: ServerClient): Promise<string> {
  const { account } = await accounts.openAccount({ requestId: randomUUID(), owner: "Ada", currencyCode: "USD" });
  return account?.number as string;
}

interface NaiveAccount {
  readonly reference: string;
  readonly currency: number;
  readonly floor: bigint;
  balance: bigint;
}

/**
 * Holds a journal against what customers were told, by the simplest bookkeeping there is:
 * - per currency the money is zero after every record, and no balance ever under its floor;
 * - each order is decided as a child would decide it, stands in the journal once, and where its answer says, with its
 *   content; nothing else stands there;
 * - the ledger at the end has the same balances.
 * Gives the balance of each account after each position. Throws: at the first contradiction.
 */
export function checkBooks(journal: WholeJournal, answered: readonly Answered[]): (position: Position) => Balances {
  const orders = new Map(answered.map((one) => [keyOf(one.order.requestId), one]));
  const accounts: NaiveAccount[] = [];
  const seen = new Set<string>();
  const history: Balances[] = [new Map()];
  const find = (reference: string) => accounts.find((account) => account.reference === reference);
  journal.records.forEach(({ record, position, timeMs }, i) => {
    demand(position === i + 1, `position ${i + 1} comes next, not ${position}`);
    const key = record.request === undefined ? undefined : toHex(record.request.id);
    if (key !== undefined) demand(!seen.has(key), `request ${key} stands in the journal once`);
    if (key !== undefined) seen.add(key);
    const one = key === undefined ? undefined : orders.get(key);
    if (one !== undefined) {
      const expected = decide(one.order, find);
      const decided = record.kind === RecordKind.REJECTED ? record.rejection.reason : "done";
      demand(decided === expected, `position ${position} is decided as ${expected}, not as ${decided}`);
      demand(
        one.reply.done === (decided === "done"),
        `${decided} at position ${position} is what its customer was told`,
      );
      demand((one.reply.position ?? position) === position, `the answer of ${key} names position ${position}`);
    }
    if (record.kind === RecordKind.ACCOUNT_OPENED) {
      const { number, name, currency, floor } = record;
      accounts.push({ reference: number === 0 ? name : String(number), currency, floor, balance: 0n });
    } else if (isMovement(record)) {
      const debit = accounts[record.debit] as NaiveAccount;
      const credit = accounts[record.credit] as NaiveAccount;
      demand(debit.currency === credit.currency, `one currency moves at position ${position}`);
      debit.balance -= record.amount;
      credit.balance += record.amount;
      demand(debit.balance >= debit.floor, `${debit.reference} is not under its floor at position ${position}`);
      demand(one !== undefined, `somebody ordered what happens at position ${position}`);
      const { amount: minor, branch } = record;
      const stands = { debit: debit.reference, credit: credit.reference, minor, branch, timeMs };
      checkBooking(one, stands, `at position ${position}`);
    }
    for (const currency of new Set(accounts.map((account) => account.currency)))
      demand(sumOf(accounts, currency) === 0n, `all money of currency ${currency} is zero at position ${position}`);
    history.push(new Map(accounts.map(({ reference, balance }) => [reference, balance])));
  });
  for (const key of orders.keys()) demand(seen.has(key), `request ${key}, which was answered, stands in the journal`);
  checkLedger(journal.replay.ledger, accounts);
  return (position) => history[position] as Balances;
}

/** Balances by account. */
export type Balances = ReadonlyMap<string, bigint>;

function decide({ kind, account, to, minor }: Order, find: (reference: string) => NaiveAccount | undefined): string {
  const from = find(account);
  if (from === undefined) return "ACCOUNT_NOT_FOUND";
  if (kind === "transfer" && find(to) === undefined) return "ACCOUNT_NOT_FOUND";
  if (kind === "transfer" && to === account) return "SAME_ACCOUNT";
  return kind !== "deposit" && from.balance < minor ? "INSUFFICIENT_FUNDS" : "done";
}

function checkBooking({ order, reply }: Answered, stands: Omit<Booking, "kind" | "requestId">, at: string): void {
  const till = `cash/${order.branch}/USD`;
  const [debit, credit] =
    order.kind === "deposit"
      ? [till, order.account]
      : order.kind === "withdraw"
        ? [order.account, till]
        : [order.account, order.to];
  const { minor, branch } = order;
  const { timeMs } = stands;
  demand(isDeepStrictEqual(stands, { debit, credit, minor, branch, timeMs }), `${debit} pays ${credit} ${minor} ${at}`);
  if (!reply.done) return;
  const told = { kind: order.kind, requestId: order.requestId, ...stands };
  demand(isDeepStrictEqual(reply.booking, told), `its customer was told what is booked ${at}`);
}

function checkLedger(ledger: Ledger, accounts: readonly NaiveAccount[]): void {
  demand(ledger.accounts.count === accounts.length, `there are ${accounts.length} accounts`);
  for (const { reference, balance } of accounts) {
    const index = ledger.findAccount(reference);
    demand(index !== undefined && ledger.viewAccount(index).posted === balance, `${reference} holds ${balance}`);
  }
}

function sumOf(accounts: readonly NaiveAccount[], currency: number): bigint {
  return accounts.reduce((sum, account) => (account.currency === currency ? sum + account.balance : sum), 0n);
}

function keyOf(requestId: string): string {
  const id = parseRequestId(requestId);
  if (id === undefined || formatRequestId(id) !== requestId) throw new Error(`${requestId} is no request id`);
  return toHex(id);
}

function demand(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`the books are wrong; expected: ${what}`);
}

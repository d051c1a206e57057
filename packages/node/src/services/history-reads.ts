import {
  type AccountView,
  bytesEqual,
  type Ledger,
  type Position,
  RefusalError,
  type Session,
  toHex,
} from "@bank/core";
import type { History, ListFilter } from "@bank/history";
import {
  type GetBalanceRequest,
  type GetBalanceResponseSchema,
  type GetTransactionRequest,
  type GetTransactionResponseSchema,
  type ListTransactionsRequest,
  type ListTransactionsResponseSchema,
  type ReadInfo,
  ReadInfoSchema,
} from "@bank/proto";
import { encodeSession, moneyMessage, timestampMessage, unixMsDown, unixMsUp } from "@bank/rpc";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { sha256 } from "../platform.ts";
import type { Teller } from "../teller.ts";
import { requireAccount } from "./account-service.ts";
import { askedConsistency, readInfo } from "./call.ts";
import { accountTransactionMessage, recordKindsOf, transactionMessage } from "./history-messages.ts";
import { type PageToken, pageSizeOf, parsePageToken, requireList, writePageToken } from "./pages.ts";

// Reads of the past. Each is of a state that the ledger shows, as the call's headers ask; then the history is asked for
// what was before it, once it goes that far.

/** One transaction by its position. */
export async function getTransaction(
  teller: Teller,
  context: HandlerContext,
  request: GetTransactionRequest,
): Promise<MessageInitShape<typeof GetTransactionResponseSchema>> {
  const { consistency, signal } = await askedConsistency(teller, context);
  const read = await teller.read(consistency, (ledger) => ({ ledger, history: teller.historyOf(ledger) }), signal);
  const { ledger, history } = read.value;
  const upper = read.position;
  const position = Number(request.transaction);
  // What is behind the state is not there, and nothing to wait for.
  const options = { needed: upper, signal };
  const row = position > upper ? undefined : await history.ask("transaction", { position, upper }, options);
  if (row === undefined)
    throw new RefusalError("READ_TRANSACTION_NOT_FOUND", { position: String(upper), transaction: String(position) });
  return { transaction: transactionMessage(ledger, row), readInfo: readInfo(read) };
}

/** A page of the transactions of an account. All pages are of the state that the first one is of. */
export async function listTransactions(
  teller: Teller,
  context: HandlerContext,
  request: ListTransactionsRequest,
): Promise<MessageInitShape<typeof ListTransactionsResponseSchema>> {
  const page = parsePageToken(request.pageToken);
  requireBank(page, teller.bankId);
  const { consistency, signal } = await askedConsistency(teller, context, page?.session);
  const read = await teller.read(consistency, (ledger) => listedAccount(teller, ledger, request, page), signal);
  const { ledger, history, view, list, filter } = read.value;
  const upper = page?.position ?? read.position;
  const { entries, next, timeMs } = await history.ask(
    "list",
    {
      account: view.index,
      upper,
      oldestFirst: request.oldestFirst,
      cursor: page?.next,
      pageSize: pageSizeOf(request.pageSize),
      filter,
      expected: page === undefined ? { posted: view.posted, held: view.held } : undefined,
    },
    { needed: upper, signal },
  );
  return {
    transactions: entries.map((entry) => accountTransactionMessage(ledger, view.index, entry)),
    nextPageToken: next === undefined ? "" : writePageToken({ session: sessionOf(teller, upper, page), list, next }),
    readInfo: page === undefined ? readInfo(read) : infoOf(page, timeMs),
  };
}

/** The balance of an account as it stood at a position, or at the end of a moment, of the past. */
export async function getBalanceAsOf(
  teller: Teller,
  context: HandlerContext,
  { account: reference, asOf }: GetBalanceRequest,
): Promise<MessageInitShape<typeof GetBalanceResponseSchema>> {
  // Nothing is booked between two milliseconds: the one that the moment is in ends as the moment does.
  const timeMs = asOf.case === "time" ? unixMsDown(asOf.value, "time") : undefined;
  const { consistency, signal } = await askedConsistency(teller, context);
  // Nothing can be booked in that moment any more once journal time is behind it.
  if (timeMs !== undefined) await teller.passTime(timeMs, signal);
  const read = await teller.read(
    consistency,
    (ledger) => ({ ledger, history: teller.historyOf(ledger), view: requireAccount(ledger, reference) }),
    signal,
  );
  const { history, view } = read.value;
  const options = { needed: read.position, signal };
  const position =
    timeMs === undefined
      ? notInFuture(Number(asOf.value ?? 0), read.position)
      : await history.ask("positionAt", { timeMs }, options);
  if (view.openedPosition > position)
    throw new RefusalError("READ_ACCOUNT_NOT_FOUND", { account: reference, position: String(position) });
  const balance = await history.ask("balance", { account: view.index, position }, { ...options, needed: position });
  const { posted, held } = balance;
  return {
    posted: moneyMessage(view.currency, posted),
    held: moneyMessage(view.currency, held),
    available: moneyMessage(view.currency, posted - held),
    position: BigInt(position),
    time: timestampMessage(balance.timeMs),
    readInfo: readInfo(read),
  };
}

interface ListedAccount {
  readonly ledger: Ledger;
  readonly history: History;
  readonly view: AccountView;
  /** The name of the list in its page tokens: they are good for this account, order and filter alone. */
  readonly list: string;
  readonly filter: ListFilter;
}

function listedAccount(
  teller: Teller,
  ledger: Ledger,
  request: ListTransactionsRequest,
  page: PageToken | undefined,
): ListedAccount {
  const view = requireAccount(ledger, request.account);
  const filter = filterOf(ledger, request);
  const list = nameOfList([view.index, request.oldestFirst, filter]);
  requireList(page, list);
  return { ledger, history: teller.historyOf(ledger), view, list, filter };
}

/** Throws: `RefusalError` INVALID_PAGE_TOKEN for the token of another bank. */
function requireBank(page: PageToken | undefined, bankId: Uint8Array): void {
  if (page !== undefined && !bytesEqual(page.session.bankId, bankId))
    throw new RefusalError("INVALID_PAGE_TOKEN", { problem: "it is of another bank" });
}

function filterOf(ledger: Ledger, { filter }: ListTransactionsRequest): ListFilter {
  if (filter === undefined) return {};
  const { fromTime, beforeTime, kinds, amountMin, amountMax, counterparty } = filter;
  return {
    fromMs: fromTime === undefined ? undefined : unixMsUp(fromTime, "filter.from_time"),
    beforeMs: beforeTime === undefined ? undefined : unixMsUp(beforeTime, "filter.before_time"),
    kinds: recordKindsOf(kinds),
    amountMin: amountMin === 0n ? undefined : amountMin,
    amountMax: amountMax === 0n ? undefined : amountMax,
    counterparty: counterparty === "" ? undefined : requireAccount(ledger, counterparty).index,
  };
}

/** Letters and digits that no other list of transactions has. */
function nameOfList(asked: readonly unknown[]): string {
  const text = JSON.stringify(asked, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value));
  return `t${toHex(sha256(new TextEncoder().encode(text)).subarray(0, 8))}t`;
}

function notInFuture(asked: Position, position: Position): Position {
  if (asked <= position) return asked;
  throw new RefusalError("POSITION_IN_FUTURE", { asked: String(asked), position: String(position) });
}

/** What a reader of all pages has seen. */
function sessionOf(teller: Teller, upper: Position, page: PageToken | undefined): Session {
  const session = page?.session ?? teller.sessionAt(upper);
  if (session === undefined) throw new RefusalError("NOT_READY", { problem: "the bank has no epoch yet" });
  return session;
}

/** The state of a later page is that of the first, which was the newest at a time that is not known any more. */
function infoOf({ session, position }: PageToken, timeMs: number): ReadInfo {
  const time = timestampMessage(timeMs);
  return create(ReadInfoSchema, { position: BigInt(position), session: encodeSession(session), time });
}

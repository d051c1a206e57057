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
import type {
  GetBalanceRequest,
  GetBalanceResponseSchema,
  GetTransactionRequest,
  GetTransactionResponseSchema,
  ListTransactionsRequest,
  ListTransactionsResponseSchema,
} from "@bank/proto";
import { moneyMessage, timestampMessage, unixMsDown, unixMsUp } from "@bank/rpc";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { sha256 } from "../platform.ts";
import type { Teller } from "../teller.ts";
import { requireAccount } from "./account-service.ts";
import { type AskedOfPast, type AsOf, askedOfPast } from "./asked-read.ts";
import { pastInfo, readInfo } from "./call.ts";
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
  const asked = await askedOfPast(teller, context);
  const { signal } = asked.limit;
  const query = (ledger: Ledger) => ({ ledger, history: teller.historyOf(ledger) });
  const read = await teller.read(asked.consistency, query, signal);
  const { ledger, history } = read.value;
  const upper = await upperOf(asked, read.position, history);
  const position = Number(request.transaction);
  // What is behind the state is not there, and nothing to wait for.
  const row =
    position > upper ? undefined : await history.ask("transaction", { position, upper }, { needed: upper, signal });
  if (row === undefined)
    throw new RefusalError("READ_TRANSACTION_NOT_FOUND", { position: String(upper), transaction: String(position) });
  const info = asked.isByHeader
    ? pastInfo(teller, read, { position: upper, timeMs: await teller.timeAt(upper, signal) })
    : readInfo(read);
  return { transaction: transactionMessage(ledger, row), readInfo: info };
}

/** A page of the transactions of an account. All pages are of the state that the first one is of. */
export async function listTransactions(
  teller: Teller,
  context: HandlerContext,
  request: ListTransactionsRequest,
): Promise<MessageInitShape<typeof ListTransactionsResponseSchema>> {
  const page = parsePageToken(request.pageToken);
  requireBank(page, teller.bankId);
  const asked = await askedOfPast(teller, context, { floor: page?.session });
  const { signal } = asked.limit;
  const query = (ledger: Ledger) => listedAccount(teller, ledger, request, page);
  const read = await teller.read(asked.consistency, query, signal);
  const { ledger, history, view, list, filter } = read.value;
  const upper = await upperOf(asked, page?.position ?? read.position, history);
  if (page !== undefined && upper !== page.position)
    throw new RefusalError("INVALID_REQUEST", {
      problem: `the page is of the state at position ${page.position}, and the header asks for position ${upper}`,
    });
  requireOpened(view, request.account, upper);
  const isNewest = page === undefined && upper === read.position;
  const { entries, next, timeMs } = await history.ask(
    "list",
    {
      account: view.index,
      upper,
      oldestFirst: request.oldestFirst,
      cursor: page?.next,
      pageSize: pageSizeOf(request.pageSize),
      filter,
      expected: isNewest ? { posted: view.posted, held: view.held } : undefined,
    },
    { needed: upper, signal },
  );
  const isPast = page !== undefined || asked.isByHeader;
  return {
    transactions: entries.map((entry) => accountTransactionMessage(ledger, view.index, entry)),
    nextPageToken: next === undefined ? "" : writePageToken({ session: sessionOf(teller, upper, page), list, next }),
    readInfo: isPast ? pastInfo(teller, read, { position: upper, timeMs }) : readInfo(read),
  };
}

/** The moment that the field of a request asks for. Throws: `RefusalError` INVALID_REQUEST. */
export function asOfField({ asOf }: GetBalanceRequest): AsOf | undefined {
  switch (asOf.case) {
    case "position":
      return { mode: "position", position: Number(asOf.value) };
    case "time":
      // Nothing is booked between two milliseconds: the one that the moment is in ends as the moment does.
      return { mode: "time", timeMs: unixMsDown(asOf.value, "time") };
    default:
      return undefined;
  }
}

/** The balance of an account as it stood at a position, or at the end of a moment, of the past. */
export async function getBalanceAsOf(
  teller: Teller,
  reference: string,
  asked: AskedOfPast & { readonly asOf: AsOf },
): Promise<MessageInitShape<typeof GetBalanceResponseSchema>> {
  const { signal } = asked.limit;
  const read = await teller.read(
    asked.consistency,
    (ledger) => ({ history: teller.historyOf(ledger), view: requireAccount(ledger, reference) }),
    signal,
  );
  const { history, view } = read.value;
  const position = await upperOf(asked, read.position, history);
  requireOpened(view, reference, position);
  const balance = await history.ask("balance", { account: view.index, position }, { needed: position, signal });
  const { posted, held, timeMs } = balance;
  return {
    posted: moneyMessage(view.currency, posted),
    held: moneyMessage(view.currency, held),
    available: moneyMessage(view.currency, posted - held),
    position: BigInt(position),
    time: timestampMessage(timeMs),
    readInfo: asked.isByHeader ? pastInfo(teller, read, { position, timeMs }) : readInfo(read),
  };
}

/** The position that the answer is of: the state's own, where none of the past is asked for. */
async function upperOf({ asOf, limit: { signal } }: AskedOfPast, shown: Position, history: History): Promise<Position> {
  if (asOf === undefined) return shown;
  return asOf.mode === "position"
    ? notInFuture(asOf.position, shown)
    : history.ask("positionAt", { timeMs: asOf.timeMs }, { needed: shown, signal });
}

/** Throws: `RefusalError` READ_ACCOUNT_NOT_FOUND for an account that was opened later. */
function requireOpened(view: AccountView, reference: string, position: Position): void {
  if (view.openedPosition > position)
    throw new RefusalError("READ_ACCOUNT_NOT_FOUND", { account: reference, position: String(position) });
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

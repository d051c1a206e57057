import {
  type AccountIndex,
  type AccountView,
  type Ledger,
  type Position,
  RefusalError,
  type Session,
} from "@bank/core";
import type { AccountService, ListAccountsRequest } from "@bank/proto";
import { accountMessage, decodeSession, encodeSession } from "@bank/rpc";
import type { ServiceImpl } from "@connectrpc/connect";
import type { Teller } from "../teller.ts";
import { executeOne, readAt } from "./call.ts";

const PAGE_SIZE_DEFAULT = 100;
const PAGE_SIZE_MAX = 1_000;

/** Opening accounts and looking at them. */
export function accountService(teller: Teller): ServiceImpl<typeof AccountService> {
  return {
    openAccount: async (request, context) => {
      const { result, replayed, readInfo } = await executeOne(teller, context, { case: "openAccount", value: request });
      if (result.case !== "account") throw new Error(`opening an account ended as ${result.case}`);
      return { account: result.value, replayed, readInfo };
    },

    getAccount: async (request, context) => {
      const { value, readInfo } = await readAt(teller, context, (ledger) => requireAccount(ledger, request.account));
      return { account: accountMessage(value), readInfo };
    },

    getBalance: async (request, context) => {
      const { value, readInfo } = await readAt(teller, context, (ledger) => requireAccount(ledger, request.account));
      const { posted, version } = accountMessage(value);
      return { ...(posted === undefined ? {} : { posted }), version, readInfo };
    },

    listAccounts: async (request, context) => {
      const page = parsePageToken(request.pageToken);
      const { value, readInfo } = await readAt(
        teller,
        context,
        (ledger) => listAccounts(ledger, request, page, (position) => teller.sessionAt(position)),
        page?.session,
      );
      return { accounts: value.views.map(accountMessage), nextPageToken: value.nextPageToken, readInfo };
    },
  };
}

function requireAccount(ledger: Ledger, reference: string): AccountView {
  const account = ledger.findAccount(reference);
  if (account === undefined)
    throw new RefusalError("READ_ACCOUNT_NOT_FOUND", { account: reference, position: String(ledger.position) });
  return ledger.viewAccount(account);
}

/** Where a list goes on, and the state in which its first page was read. */
interface PageToken {
  readonly session: Session;
  /** Accounts opened behind it are in none of the pages. */
  readonly position: Position;
  /** Index of the next account to look at. */
  readonly next: number;
}

function listAccounts(
  ledger: Ledger,
  request: ListAccountsRequest,
  page: PageToken | undefined,
  sessionAt: (position: Position) => Session | undefined,
): { views: AccountView[]; nextPageToken: string } {
  const pageSize = Math.min(request.pageSize === 0 ? PAGE_SIZE_DEFAULT : request.pageSize, PAGE_SIZE_MAX);
  const lastPosition = page?.position ?? ledger.position;
  const views: AccountView[] = [];
  let index = page?.next ?? 0;
  for (; index < ledger.accounts.count && views.length < pageSize; index++) {
    const view = ledger.viewAccount(index as AccountIndex);
    if (view.openedPosition > lastPosition) break;
    if (request.includeInternal || ledger.isCustomerAccount(view.index)) views.push(view);
  }
  const session = page?.session ?? sessionAt(lastPosition);
  const hasMore =
    index < ledger.accounts.count && ledger.viewAccount(index as AccountIndex).openedPosition <= lastPosition;
  return { views, nextPageToken: hasMore && session !== undefined ? `${encodeSession(session)}.${index}` : "" };
}

function parsePageToken(token: string): PageToken | undefined {
  if (token === "") return undefined;
  const match = /^([A-Za-z0-9_-]+)\.([0-9]{1,10})$/.exec(token);
  if (match === null) throw invalidPageToken();
  try {
    const session = decodeSession(match[1] as string);
    return { session, position: session.seen[0]?.position ?? 0, next: Number(match[2]) };
  } catch (error) {
    throw error instanceof RefusalError ? invalidPageToken() : error;
  }
}

function invalidPageToken(): RefusalError {
  return new RefusalError("INVALID_PAGE_TOKEN", { problem: "it has the wrong form" });
}

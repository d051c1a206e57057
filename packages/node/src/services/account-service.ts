import {
  type AccountIndex,
  type AccountView,
  type Ledger,
  type Position,
  RefusalError,
  type Session,
} from "@bank/core";
import {
  type AccountService,
  type AccountStateChange,
  type GetBalanceResponse,
  GetBalanceResponseSchema,
  type ListAccountsRequest,
  type ReadInfo,
} from "@bank/proto";
import { accountMessage, type CommandCase, moneyMessage } from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { Teller } from "../teller.ts";
import { askedOfPast } from "./asked-read.ts";
import { executeOne, readAt, readInfo } from "./call.ts";
import { asOfField, getBalanceAsOf } from "./history-reads.ts";
import { type PageToken, pageSizeOf, parsePageToken, requireList, writePageToken } from "./pages.ts";

/** Accounts: their life, what can be changed of them, and looking at them. */
export function accountService(teller: Teller): ServiceImpl<typeof AccountService> {
  const changeState = async (context: HandlerContext, command: CommandCase) => {
    const { value: change, ...rest } = await executeOne(teller, context, command, "stateChange");
    return { change, ...rest } satisfies { readonly change: AccountStateChange };
  };
  return {
    openAccount: async (request, context) => {
      const command = { case: "openAccount", value: request } as const;
      const { value: account, ...rest } = await executeOne(teller, context, command, "account");
      return { account, ...rest };
    },

    updateAccount: async (request, context) => {
      const command = { case: "updateAccount", value: request } as const;
      const { value: update, ...rest } = await executeOne(teller, context, command, "accountUpdate");
      return { update, ...rest };
    },

    freezeAccount: (request, context) => changeState(context, { case: "freezeAccount", value: request }),
    unfreezeAccount: (request, context) => changeState(context, { case: "unfreezeAccount", value: request }),
    closeAccount: (request, context) => changeState(context, { case: "closeAccount", value: request }),

    getAccount: async (request, context) => {
      const read = await readAt(teller, context, (ledger) => requireAccount(ledger, request.account));
      return { account: accountMessage(read.value), readInfo: read.readInfo };
    },

    getBalance: async (request, context) => {
      const asked = await askedOfPast(teller, context, { field: asOfField(request) });
      if (asked.asOf !== undefined) return getBalanceAsOf(teller, request.account, { ...asked, asOf: asked.asOf });
      const { consistency, limit } = asked;
      const read = await teller.read(consistency, (ledger) => requireAccount(ledger, request.account), limit.signal);
      return balanceMessage(read.value, readInfo(read));
    },

    listAccounts: async (request, context) => {
      const page = parsePageToken(request.pageToken);
      requireList(page, ACCOUNTS);
      const { value, ...state } = await readAt(
        teller,
        context,
        (ledger) => listAccounts(ledger, request, page, (position) => teller.sessionAt(position)),
        page?.session,
      );
      return { accounts: value.views.map(accountMessage), nextPageToken: value.nextPageToken, ...state };
    },
  };
}

/** What an account has, in the state that it was read from. */
export function balanceMessage(
  { currency, posted, held, version }: AccountView,
  readInfo: ReadInfo,
): GetBalanceResponse {
  const { position, time } = readInfo;
  return create(GetBalanceResponseSchema, {
    posted: moneyMessage(currency, posted),
    held: moneyMessage(currency, held),
    available: moneyMessage(currency, posted - held),
    version: BigInt(version),
    position,
    ...(time === undefined ? {} : { time }),
    readInfo,
  });
}

/** An account by number, alias or internal name. Throws: `RefusalError` READ_ACCOUNT_NOT_FOUND. */
export function requireAccount(ledger: Ledger, reference: string): AccountView {
  const account = ledger.findAccount(reference);
  if (account === undefined)
    throw new RefusalError("READ_ACCOUNT_NOT_FOUND", { account: reference, position: String(ledger.position) });
  return ledger.viewAccount(account);
}

/** The name of this list in its page tokens, which count accounts in the order of their opening. */
const ACCOUNTS = "";

function listAccounts(
  ledger: Ledger,
  request: ListAccountsRequest,
  page: PageToken | undefined,
  sessionAt: (position: Position) => Session | undefined,
): { views: AccountView[]; nextPageToken: string } {
  const pageSize = pageSizeOf(request.pageSize);
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
  const nextPageToken =
    hasMore && session !== undefined ? writePageToken({ session, list: ACCOUNTS, next: index }) : "";
  return { views, nextPageToken };
}

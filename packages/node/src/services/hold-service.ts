import { type HoldView, type Ledger, type Position, RefusalError, type Session } from "@bank/core";
import type { Hold, HoldService, ListHoldsRequest } from "@bank/proto";
import { type CommandCase, holdMessage } from "@bank/rpc";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { Teller } from "../teller.ts";
import { requireAccount } from "./account-service.ts";
import { executeOne, readAt } from "./call.ts";
import { type PageToken, pageSizeOf, parsePageToken, requireList, writePageToken } from "./pages.ts";

/** Money that is kept back: placing, capturing, releasing and extending holds, and looking at them. */
export function holdService(teller: Teller): ServiceImpl<typeof HoldService> {
  const change = async (context: HandlerContext, command: CommandCase) => {
    const { value: hold, ...rest } = await executeOne(teller, context, command, "hold");
    return { hold, ...rest };
  };
  return {
    placeHold: (request, context) => change(context, { case: "placeHold", value: request }),
    releaseHold: (request, context) => change(context, { case: "releaseHold", value: request }),
    extendHold: (request, context) => change(context, { case: "extendHold", value: request }),

    captureHold: async (request, context) => {
      const command = { case: "captureHold", value: request } as const;
      const { value: capture, ...rest } = await executeOne(teller, context, command, "capture");
      return { capture, ...rest };
    },

    getHold: async (request, context) => {
      const { value: hold, readInfo } = await readAt(teller, context, (ledger) =>
        holdMessage(ledger, requireHold(ledger, Number(request.hold))),
      );
      return { hold, readInfo };
    },

    listHolds: async (request, context) => {
      const page = parsePageToken(request.pageToken);
      const { value, readInfo } = await readAt(
        teller,
        context,
        (ledger) => listHolds(ledger, request, page, (position) => teller.sessionAt(position)),
        page?.session,
      );
      return { ...value, readInfo };
    },
  };
}

/** Throws: `RefusalError` READ_HOLD_NOT_FOUND. */
export function requireHold(ledger: Ledger, hold: Position): HoldView {
  const view = ledger.viewHold(hold);
  if (view !== undefined) return view;
  throw new RefusalError("READ_HOLD_NOT_FOUND", { hold: String(hold), position: String(ledger.position) });
}

function listHolds(
  ledger: Ledger,
  request: ListHoldsRequest,
  page: PageToken | undefined,
  sessionAt: (position: Position) => Session | undefined,
): { holds: Hold[]; nextPageToken: string } {
  const { index } = requireAccount(ledger, request.account);
  // The page tokens of an account's holds count positions.
  const list = `h${index}a`;
  requireList(page, list);
  const lastPosition = page?.position ?? ledger.position;
  const from = page?.next ?? 0;
  const pageSize = pageSizeOf(request.pageSize);
  // One more than the page holds, which is where the next begins.
  const open = ledger.openHoldsFrom(index, from, pageSize + 1).filter((hold) => hold <= lastPosition);
  const holds = open.slice(0, pageSize).map((hold) => holdMessage(ledger, requireHold(ledger, hold)));
  const next = open[pageSize];
  const session = page?.session ?? sessionAt(lastPosition);
  return {
    holds,
    nextPageToken: next === undefined || session === undefined ? "" : writePageToken({ session, list, next }),
  };
}

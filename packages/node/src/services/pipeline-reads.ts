import type { Ledger } from "@bank/core";
import type { AccountService, RequestService } from "@bank/proto";
import {
  GetAccountResponseSchema,
  GetBalanceResponseSchema,
  GetHoldResponseSchema,
  GetOutcomeResponseSchema,
  GetTransactionResponseSchema,
  type ReadInfo,
} from "@bank/proto";
import { accountMessage, holdMessage, type VisibleError } from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { Teller } from "../teller.ts";
import { balanceMessage, requireAccount } from "./account-service.ts";
import { readAt } from "./call.ts";
import { getTransaction } from "./history-reads.ts";
import { requireHold } from "./hold-service.ts";
import { type AskingCall, failureOf, type Operation, type Reply } from "./pipeline-call.ts";

/** What reads need. */
export interface Reader {
  readonly teller: Teller;
  readonly accounts: Pick<ServiceImpl<typeof AccountService>, "getBalance">;
  readonly requests: Pick<ServiceImpl<typeof RequestService>, "getOutcome">;
  readonly visible: VisibleError;
}

/** Reads the present for calls that ask alike, from one state. Rejects with what concerns all of them. */
export async function readTogether(
  { teller, visible }: Reader,
  calls: readonly AskingCall[],
  context: HandlerContext,
): Promise<void> {
  const { value: read, readInfo } = await readAt(teller, context, (ledger) =>
    // One that finds nothing must not end the others.
    calls.map(({ call }) => attempt(() => answerTo(ledger, call.call))),
  );
  for (const [i, call] of calls.entries()) {
    const found = read[i] as ReturnType<typeof attempt<Answer>>;
    call.answer("error" in found ? failedRead(found.error, visible) : found.value(readInfo));
  }
}

/** A read that is answered by itself; its headers say when. */
export async function readAlone(
  { teller, accounts, requests }: Reader,
  call: Operation,
  context: HandlerContext,
): Promise<Reply> {
  switch (call.case) {
    case "getBalance": {
      const value = create(GetBalanceResponseSchema, await accounts.getBalance(call.value, context));
      return { reply: { case: "getBalance", value } };
    }
    case "getOutcome": {
      const value = create(GetOutcomeResponseSchema, await requests.getOutcome(call.value, context));
      return { reply: { case: "getOutcome", value } };
    }
    case "getTransaction": {
      const value = create(GetTransactionResponseSchema, await getTransaction(teller, context, call.value));
      return { reply: { case: "getTransaction", value } };
    }
    default:
      throw new Error(`${call.case} is not read alone`);
  }
}

/** A read's answer, once it is known what to say about the state. */
type Answer = (readInfo: ReadInfo) => Reply;

function answerTo(ledger: Ledger, call: Operation): Answer {
  switch (call.case) {
    case "getAccount": {
      const account = accountMessage(requireAccount(ledger, call.value.account));
      return (readInfo) => ({
        reply: { case: "getAccount", value: create(GetAccountResponseSchema, { account, readInfo }) },
      });
    }
    case "getBalance": {
      const view = requireAccount(ledger, call.value.account);
      return (readInfo) => ({ reply: { case: "getBalance", value: balanceMessage(view, readInfo) } });
    }
    case "getHold": {
      const hold = holdMessage(ledger, requireHold(ledger, Number(call.value.hold)));
      return (readInfo) => ({ reply: { case: "getHold", value: create(GetHoldResponseSchema, { hold, readInfo }) } });
    }
    default:
      throw new Error(`${call.case} is not read together with others`);
  }
}

function failedRead(error: unknown, visible: VisibleError): Reply {
  return { reply: { case: "failure", value: failureOf(error, visible) } };
}

function attempt<T>(run: () => T): { readonly value: T } | { readonly error: unknown } {
  try {
    return { value: run() };
  } catch (error) {
    return { error };
  }
}

import { type FailureOutcome, RefusalError } from "@bank/core";
import { AccountService, HoldService, RequestService, TransactionService } from "@bank/proto";
import { type VisibleError, visibleErrorKey } from "@bank/rpc";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { Teller } from "../teller.ts";
import { accountService } from "./account-service.ts";
import {
  type AskingCall,
  type CallUnderWay,
  failureOf,
  type Operation,
  requireWellFormed,
  unknownOperation,
} from "./pipeline-call.ts";
import { PipelineContext } from "./pipeline-context.ts";
import { type CallGroup, groupsOf } from "./pipeline-group.ts";
import { readAlone, readTogether } from "./pipeline-reads.ts";
import { cancel, move, writeTogether } from "./pipeline-writes.ts";
import { requestService } from "./request-service.ts";

/** The method that a call by itself would have used, as far as anybody is told of it. */
const METHODS = {
  item: TransactionService.method.executeBatch,
  cancelRequest: RequestService.method.cancelRequest,
  getAccount: AccountService.method.getAccount,
  getBalance: AccountService.method.getBalance,
  getHold: HoldService.method.getHold,
  getOutcome: RequestService.method.getOutcome,
  getTransaction: TransactionService.method.getTransaction,
  movements: TransactionService.method.executeMovements,
} as const satisfies Record<Operation["case"], HandlerContext["method"]>;

/** Carries out the calls of streams, those together that came together. One for each teller. */
export class PipelineDesk {
  private readonly teller: Teller;
  private readonly accounts: ServiceImpl<typeof AccountService>;
  private readonly requests: ServiceImpl<typeof RequestService>;

  constructor(teller: Teller) {
    this.teller = teller;
    this.accounts = accountService(teller);
    this.requests = requestService(teller);
  }

  /**
   * Begins them all; each is answered when it is ready. Reads end when their caller is gone; what would change something
   * goes on, and is found by whoever asks for it again.
   *
   * @param stream that they came over.
   */
  begin(calls: readonly CallUnderWay[], stream: HandlerContext): void {
    const visible = stream.values.get(visibleErrorKey);
    for (const group of groupsOf(calls.filter((call) => isAsking(call, visible))))
      void this.carryOut(group, stream, visible);
  }

  /** Answers every call of the group, whatever happens. */
  private async carryOut(group: CallGroup, stream: HandlerContext, visible: VisibleError): Promise<void> {
    const { kind, calls } = group;
    const answerRest = (error: unknown) => {
      const value = failureOf(error, visible);
      for (const call of calls) call.answer({ reply: { case: "failure", value } });
    };
    const mutates = kind === "item" || kind === "movements" || kind === "cancelRequest";
    const context = new PipelineContext({
      like: calls[0].call,
      stream,
      method: METHODS[kind],
      gone: mutates ? undefined : stream.signal,
      // What the teller says a little earlier says more; nobody waits longer than he said.
      onTimeUp: () => answerRest(timeUp(mutates ? "OUTCOME_UNKNOWN" : "NOT_APPLIED")),
    });
    try {
      await this.run(group, context, visible);
    } catch (error) {
      answerRest(error);
    } finally {
      context.over();
    }
  }

  private async run({ kind, calls }: CallGroup, context: HandlerContext, visible: VisibleError): Promise<void> {
    const { teller, accounts, requests } = this;
    const reader = { teller, accounts, requests, visible };
    const [first] = calls;
    const asked = first.call.call;
    if (kind === "item") return writeTogether(teller, calls, context);
    if (kind === "movements") return first.answer(await move(teller, asked, context));
    if (kind === "cancelRequest") return first.answer(await cancel(requests, asked, context));
    // By itself a balance may be of the past.
    if (calls.length > 1 || kind === "getAccount" || kind === "getHold") return readTogether(reader, calls, context);
    first.answer(await readAlone(reader, asked, context));
  }
}

/** Answers a call that cannot be asked. */
function isAsking(under: CallUnderWay, visible: VisibleError): under is AskingCall {
  try {
    if (under.call.call.case === undefined) {
      under.answer({ reply: { case: "failure", value: unknownOperation() } });
      return false;
    }
    requireWellFormed(under.call);
    return true;
  } catch (error) {
    under.answer({ reply: { case: "failure", value: failureOf(error, visible) } });
    return false;
  }
}

function timeUp(outcome: FailureOutcome): RefusalError {
  return new RefusalError("DEADLINE_EXCEEDED", { waiting_for: "an answer" }, outcome);
}

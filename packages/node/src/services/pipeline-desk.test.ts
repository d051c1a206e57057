import {
  DepositRequestSchema,
  ExecuteMovementsRequestSchema,
  GetAccountRequestSchema,
  type PipelinedCall,
  PipelinedCallSchema,
  type PipelinedReply,
  SessionService,
} from "@bank/proto";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { createContextValues, type HandlerContext } from "@connectrpc/connect";
import { describe, expect, it, vi } from "vitest";
import { columns } from "../movement-columns.test-util.ts";
import type { Teller } from "../teller.ts";
import { PipelineDesk } from "./pipeline-desk.ts";

/** What a teller was asked for, and until when; it never answers. */
function start() {
  const signals: AbortSignal[] = [];
  const never = (signal: AbortSignal) => {
    signals.push(signal);
    return new Promise<never>(() => undefined);
  };
  const teller: Partial<Teller> = {
    branchState: () => undefined,
    branch: 0,
    execute: (_, { signal }) => never(signal),
    executeMovements: (_, { signal }) => never(signal),
    read: (_, __, signal) => never(signal),
  };
  const hangUp = new AbortController();
  const stream: Partial<HandlerContext> = {
    service: SessionService,
    method: SessionService.method.pipeline,
    values: createContextValues(),
    signal: hangUp.signal,
  };
  const replies: PipelinedReply["reply"][] = [];
  const desk = new PipelineDesk(teller as Teller);
  const begin = (init: MessageInitShape<typeof PipelinedCallSchema>) => {
    const call: PipelinedCall = create(PipelinedCallSchema, init);
    desk.begin([{ call, weight: 1, answer: ({ reply }) => replies.push(reply) }], stream as HandlerContext);
  };
  return { begin, hangUp, replies, signals };
}

const WRITE = {
  case: "item",
  value: {
    command: {
      case: "deposit",
      value: create(DepositRequestSchema, {
        requestId: "00000000-0000-4000-8000-000000000001",
        account: "1",
        amount: { currencyCode: "USD", amountMinor: 1n },
      }),
    },
  },
} as const;
const MOVEMENTS = {
  case: "movements",
  value: toBinary(ExecuteMovementsRequestSchema, columns([{ debit: 0, credit: 1, amount: 1 }])),
} as const;
const READ = { case: "getAccount", value: create(GetAccountRequestSchema, { account: "1" }) } as const;

describe("calls of a stream whose caller hangs up", () => {
  it("end where they only read", () => {
    const { begin, hangUp, signals } = start();
    begin({ call: READ });
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    hangUp.abort(new Error("gone"));
    expect(signals.map(({ reason }) => reason)).toEqual([new Error("gone")]);
  });

  it.each([WRITE, MOVEMENTS])("go on where they write: $case", (call) => {
    const { begin, hangUp, signals } = start();
    // So short that the teller's signal is watched from the beginning.
    begin({ call, timeoutMs: 40 });
    hangUp.abort(new Error("gone"));
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
  });
});

it.each([
  ["a read", READ, "NOT_APPLIED"],
  ["a write", WRITE, "OUTCOME_UNKNOWN"],
  ["a call of movements", MOVEMENTS, "OUTCOME_UNKNOWN"],
] as const)("%s is answered when its time is up, whatever its teller does", async (_, call, outcome) => {
  const { begin, replies } = start();
  begin({ call, timeoutMs: 20 });
  await vi.waitUntil(() => replies.length > 0, { interval: 1 });
  expect(replies).toMatchObject([
    { case: "failure", value: { reason: "DEADLINE_EXCEEDED", metadata: { outcome, waiting_for: "an answer" } } },
  ]);
});

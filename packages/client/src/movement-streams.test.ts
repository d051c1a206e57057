import { RefusalError } from "@bank/core";
import {
  ExecuteMovementsRequestSchema,
  ExecuteMovementsResponseSchema,
  type PipelinedCall,
  type PipelinedReply,
  PipelinedReplySchema,
  type PipelineRequest,
  PipelineResponseSchema,
  SessionService,
  TransactionService,
} from "@bank/proto";
import { failureFromRefusal, type ServerConnection } from "@bank/rpc";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import type { BankError } from "./bank-error.ts";
import { Caller } from "./caller.ts";
import { failure, usd } from "./clients.test-util.ts";
import { callerOptions } from "./connect-bank.ts";
import { Connections } from "./connections.ts";
import { connectionRefused } from "./faulty-connection.test-util.ts";
import { type MovementLimits, MovementQueue } from "./movement-queue.ts";
import { connectPipeline } from "./pipeline.ts";
import type { VersionedOptions } from "./types/index.ts";

type Told = PipelinedReply["reply"] | "broken" | "nothing";

/** A server whose streams answer what a test says, and which does movements that come by themselves, unless it cannot be reached. */
class StreamServer implements ServerConnection {
  /** Calls of movements, by the number of their stream from 0. */
  readonly streamed: PipelinedCall[][] = [];
  /** Rows of calls by themselves. */
  readonly alone: number[] = [];
  isReachable = true;
  answer: (stream: number, rows: number) => Told = () => "nothing";
  readonly transport: Transport;

  constructor() {
    const inner = createRouterTransport((router) => {
      router.service(SessionService, { pipeline: (requests) => this.pipeline(requests) });
      router.service(TransactionService, {
        executeMovements: ({ debitAccounts }) => {
          this.alone.push(debitAccounts.length);
          return { ...done(debitAccounts.length), readInfo: READ_INFO };
        },
      });
    });
    this.transport = {
      stream: inner.stream.bind(inner),
      unary: (...call) => {
        if (!this.isReachable) throw connectionRefused();
        return inner.unary(...call);
      },
    };
  }

  reset(): void {
    // Nothing is kept.
  }

  close(): void {
    // Likewise.
  }

  private async *pipeline(requests: AsyncIterable<PipelineRequest>) {
    const calls: PipelinedCall[] = [];
    const stream = this.streamed.push(calls) - 1;
    yield create(PipelineResponseSchema, { callsInFlightMax: 100 });
    for await (const request of requests) {
      for (const call of request.calls) {
        calls.push(call);
        const told = this.answer(stream, rowsOf(call));
        if (told === "broken") throw new ConnectError("reset", Code.Unavailable);
        if (told === "nothing") continue;
        const reply = create(PipelinedReplySchema, { id: call.id, reply: told, readInfo: READ_INFO });
        yield create(PipelineResponseSchema, { replies: [reply] });
      }
    }
  }
}

const READ_INFO = { position: 100n, connected: true };

function rowsOf({ call }: PipelinedCall): number {
  if (call.case !== "movements") throw new Error(`nobody asks for ${call.case}`);
  return fromBinary(ExecuteMovementsRequestSchema, call.value).debitAccounts.length;
}

function done(rows: number) {
  return { positions: Array.from({ length: rows }, (_, i) => BigInt(i + 1)), times: [{ row: 0, timeMs: 2_000n }] };
}

const streamedRows = () => server.streamed.flat().map(rowsOf);
const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);

/** The first row is refused, and the others are done. */
function firstRefused(rows: number): Told {
  const result = { result: { case: "failure" as const, value: refusal() } };
  const reply = {
    ...done(rows),
    times: rows > 1 ? [{ row: 1, timeMs: 2_000n }] : [],
    others: [{ row: 0, result }],
  };
  const message = create(ExecuteMovementsResponseSchema, reply);
  return { case: "movements", value: toBinary(ExecuteMovementsResponseSchema, message) };
}

function refusal() {
  const metadata = { position: "1", witness: "branch 2", witness_position: "9" };
  return failureFromRefusal(new RefusalError("LOSS_DETECTED", metadata, "NOT_APPLIED"));
}

function allDone(rows: number): Told {
  const message = create(ExecuteMovementsResponseSchema, done(rows));
  return { case: "movements", value: toBinary(ExecuteMovementsResponseSchema, message) };
}

function malformed() {
  return failureFromRefusal(new RefusalError("INVALID_REQUEST", { problem: "no such account can be" }, "NOT_APPLIED"));
}

function unknownCall(): Told {
  const { reason, metadata } = failureFromRefusal(new RefusalError("INVALID_REQUEST", { problem: "unknown" }));
  const value = { code: Code.Unimplemented, reason, message: "unknown", metadata };
  return create(PipelinedReplySchema, { reply: { case: "failure", value } }).reply;
}

let server: StreamServer;
beforeEach(() => {
  server = new StreamServer();
});

/** Deposits of callers who ask together. */
function asked(count: number, options: VersionedOptions = {}, limits: Partial<MovementLimits> = {}) {
  const connections = new Connections(() => server);
  onTestFinished(() => connections.close());
  const closing = new AbortController();
  const caller = new Caller({
    ...callerOptions({ servers: ["s0"], retryDelayMs: 1 }, connections),
    lifetime: closing.signal,
  });
  const movements = new MovementQueue(caller, limits);
  return Array.from({ length: count }, () => movements.book(undefined, "1", usd(1n), options));
}

describe("movements whose stream broke behind them", () => {
  it.each([
    ["what is refused row by row on the next one", 1, "OUTCOME_UNKNOWN"],
    ["which is believed where none did,", 0, "NOT_APPLIED"],
  ])("are not said to be undone: %s", async (_, broken, outcome) => {
    server.answer = (stream, rows) => (stream < broken ? "broken" : firstRefused(rows));
    const [first, ...others] = asked(5);
    expect(await failure(first as Promise<unknown>)).toMatchObject({ reason: "LOSS_DETECTED", outcome });
    expect(await Promise.all(others)).toHaveLength(4);
    expect(server.streamed.map((calls) => calls.length)).toEqual(Array.from({ length: broken + 1 }, () => 1));
  });

  it("are not said to be undone where who is there next knows no such calls, and cannot be reached otherwise", async () => {
    server.answer = (stream) => (stream === 0 ? "broken" : unknownCall());
    server.isReachable = false;
    const ends = await Promise.allSettled(asked(3, { timeoutMs: 200 }));
    expect(ends.map((end) => end.status === "rejected" && (end.reason as BankError).outcome)).toEqual([
      "OUTCOME_UNKNOWN",
      "OUTCOME_UNKNOWN",
      "OUTCOME_UNKNOWN",
    ]);
  });

  it("are looked through by halves for one that is malformed, and do not all end for it", async () => {
    server.answer = (stream, rows) => {
      if (stream === 0) return "broken";
      return rows === 8 ? { case: "failure", value: malformed() } : allDone(rows);
    };
    expect(await Promise.all(asked(8))).toHaveLength(8);
    expect(server.streamed.flat().map(rowsOf)).toEqual([8, 8, 4, 4]);
  });

  it("go by themselves, under the same ids, where who is there next knows no such calls", async () => {
    server.answer = (stream) => (stream === 0 ? "broken" : unknownCall());
    expect(await Promise.all(asked(3))).toHaveLength(3);
    expect(server.alone).toEqual([3]);
  });
});

describe("movements of somebody who makes columns himself", () => {
  const value = toBinary(ExecuteMovementsRequestSchema, create(ExecuteMovementsRequestSchema, { debitAccounts: [0n] }));
  const pipelineTo = (...servers: readonly StreamServer[]) => {
    const connect = (url: string) => servers[Number(new URL(url).hostname.slice(1))] ?? expect.fail(url);
    const pipeline = connectPipeline({ servers: servers.map((_, i) => `s${i}`), connect, retryDelayMs: 1 });
    onTestFinished(() => pipeline.close());
    return pipeline;
  };

  it("are unknown where no stream lasts until the answer", async () => {
    server.answer = () => "broken";
    const call = pipelineTo(server).call({ case: "movements", value }, { timeoutMs: 200 });
    expect(await failure(call)).toMatchObject({ outcome: "OUTCOME_UNKNOWN" });
  });

  it("are answered with whether another server may have done what this one says is not applied", async () => {
    const other = new StreamServer();
    other.answer = (_, rows) => firstRefused(rows);
    server.answer = () => "broken";
    const both = pipelineTo(server, other);
    expect(await both.call({ case: "movements", value })).toMatchObject({ mayHaveRun: true });
    // The first one rests.
    expect(await both.call({ case: "movements", value })).toMatchObject({ mayHaveRun: false });
  });
});

it("movements are no more on a stream than leaves room for single operations, and go by themselves beyond that", async () => {
  // Two calls of 2,032 commands fill it, as long as nobody answers there.
  const rows = 13_000;
  const calls = asked(3 * rows, { timeoutMs: 20_000 }, { rowsPerCallMax: rows, slowMs: 1 });
  for (const call of calls) call.catch(() => undefined);
  await vi.waitUntil(() => sum(server.alone) + sum(streamedRows()) === 3 * rows, { timeout: 10_000 });
  expect(sum(server.alone)).toBeGreaterThan(0);
  // So many rows are 4,000 commands.
  expect(sum(streamedRows())).toBeGreaterThanOrEqual(25_600);
  expect(sum(streamedRows())).toBeLessThan(25_600 + rows);
});

it("the deadline of movements is told as it is", async () => {
  const calls = asked(3, { timeoutMs: 300_000 });
  for (const call of calls) call.catch(() => undefined);
  await vi.waitUntil(() => server.streamed[0]?.length === 1, { timeout: 10_000 });
  // Of single operations it would be 294,912.
  expect(server.streamed[0]?.[0]?.timeoutMs).toBeGreaterThan(295_000);
});

import { randomUUID } from "node:crypto";
import { RefusalError } from "@bank/core";
import {
  ExecuteMovementsRequestSchema,
  type ExecuteMovementsResponse,
  ExecuteMovementsResponseSchema,
  type PipelinedCall,
  type PipelinedReply,
  PipelinedReplySchema,
  type PipelineRequest,
  PipelineResponseSchema,
  ReadInfoSchema,
  RequestState,
  SessionService,
  TransactionService,
} from "@bank/proto";
import { failureFromRefusal } from "@bank/rpc";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import fc from "fast-check";
import { expect, it } from "vitest";
import { BankError } from "./bank-error.ts";
import { clientOfAll, usd } from "./clients.test-util.ts";
import { FakeServer } from "./fake-bank.test-util.ts";
import { FakeLedger } from "./fake-ledger.test-util.ts";
import type { Fault } from "./faulty-connection.test-util.ts";
import type { Booked } from "./types/index.ts";

const SEED = Number(process.env["BANK_TEST_SEED"] ?? 1 + Math.floor(Math.random() * 0x7fff_fffe));
const REPEAT = `[seed ${SEED}; repeat: BANK_TEST_SEED=${SEED} npx vitest run packages/client/src/movement-streams.prop.test.ts]`;

/**
 * What becomes of a call of movements on a stream. It breaks with the call not done, done, or done a little later; or the call is
 * refused, as a whole or row by row, or not known, or answered with bytes that are no answer, or with another number of rows.
 */
const STREAM_FAULTS = [
  "lost",
  "done",
  "later",
  "refused",
  "rowsRefused",
  "unknown",
  "garbage",
  "fewer",
  "more",
] as const;
type StreamFault = (typeof STREAM_FAULTS)[number] | "serve";

type Told = PipelinedReply["reply"];

/** A server with a session stream before it, which has faults of its own. */
class StreamedServer extends FakeServer {
  readonly streamFaults: StreamFault[] = [];
  /** Resolve once what was to be done later is done. */
  readonly later: Promise<unknown>[] = [];

  constructor(ledger: FakeLedger, number: number) {
    super(ledger, number);
    // Without the faults of calls by themselves.
    const transactions = createClient(TransactionService, new FakeServer(ledger, number).transport);
    const inner = createRouterTransport(({ service }) => {
      service(SessionService, { pipeline: (requests) => this.pipeline(requests, transactions) });
    });
    Object.assign(this, { transport: { ...this.transport, stream: inner.stream.bind(inner) } });
  }

  private seen() {
    const { position } = this.ledger;
    return create(ReadInfoSchema, {
      position: BigInt(position),
      session: this.ledger.token(position),
      connected: true,
    });
  }

  private async *pipeline(requests: AsyncIterable<PipelineRequest>, bank: Transactions) {
    yield create(PipelineResponseSchema, { callsInFlightMax: 100 });
    for await (const { calls } of requests)
      for (const call of calls) {
        const { readInfo, ...told } = await this.answer(call, bank);
        yield create(PipelineResponseSchema, {
          replies: [
            create(PipelinedReplySchema, { id: call.id, ...told, ...(readInfo === undefined ? {} : { readInfo }) }),
          ],
        });
      }
  }

  private async answer(
    { call }: PipelinedCall,
    bank: Transactions,
  ): Promise<Pick<PipelinedReply, "reply" | "readInfo">> {
    if (call.case !== "movements") throw new Error(`nobody asks for ${call.case}`);
    const request = fromBinary(ExecuteMovementsRequestSchema, call.value);
    const fault = this.streamFaults.shift() ?? "serve";
    const reset = new ConnectError("reset", Code.Unavailable);
    if (fault === "lost") throw reset;
    if (fault === "later") {
      this.later.push(new Promise((resolve) => setTimeout(resolve, 15)).then(() => bank.executeMovements(request)));
      throw reset;
    }
    if (fault === "refused") return { reply: refused() };
    if (fault === "unknown") return { reply: refused(Code.Unimplemented) };
    if (fault === "rowsRefused") return { reply: rowsRefused(request.debitAccounts.length), readInfo: this.seen() };
    const { readInfo, ...told } = await bank.executeMovements(request);
    if (fault === "done") throw reset;
    if (fault === "fewer") told.positions.pop();
    if (fault === "more") told.positions.push(1n);
    const value =
      fault === "garbage"
        ? new Uint8Array([0xff])
        : toBinary(ExecuteMovementsResponseSchema, told as ExecuteMovementsResponse);
    return { reply: { case: "movements", value }, ...(readInfo === undefined ? {} : { readInfo }) };
  }
}

type Transactions = ReturnType<typeof createClient<typeof TransactionService>>;

function refused(code?: Code): Told {
  const value = failureFromRefusal(new RefusalError("STORE_REFUSED", {}, "NOT_APPLIED"));
  return { case: "failure", value: code === undefined ? value : { ...value, code } };
}

/** For good, and so the end of every row that is not in doubt. */
function rowsRefused(rows: number): Told {
  const metadata = { position: "1", witness: "branch 2", witness_position: "9" };
  const value = failureFromRefusal(new RefusalError("LOSS_DETECTED", metadata, "NOT_APPLIED"));
  const result = { result: { case: "failure" as const, value } };
  const others = Array.from({ length: rows }, (_, row) => ({ row, result }));
  const told = create(ExecuteMovementsResponseSchema, { positions: others.map(() => 0n), others });
  return { case: "movements", value: toBinary(ExecuteMovementsResponseSchema, told) };
}

const ROWS = 6;
const streamFault = fc.constantFrom<StreamFault>("serve", ...STREAM_FAULTS);
const ownFault = fc.constantFrom<Fault>("serve", "refuse", "lose-request", "lose-reply");
const faults = fc.tuple(fc.array(streamFault, { maxLength: 5 }), fc.array(ownFault, { maxLength: 3 }));

it(`movements over streams are done once at the most, and what is said not to be done never is ${REPEAT}`, async () => {
  const runs = fc.asyncProperty(fc.array(faults, { minLength: 1, maxLength: 2 }), fc.nat(60), async (plans, waitMs) => {
    const ledger = new FakeLedger();
    ledger.balances.set("1", 0n);
    const servers = plans.map(([streamFaults, ownFaults], number) => {
      const server = new StreamedServer(ledger, number);
      server.streamFaults.push(...streamFaults);
      server.faults.push(...ownFaults);
      return server;
    });
    const bank = clientOfAll(Object.fromEntries(servers.map((server, i) => [`s${i}`, server])), {
      timeoutMs: 20 + waitMs,
    });
    const ids = Array.from({ length: ROWS }, () => randomUUID());
    const ends = await Promise.allSettled(ids.map((requestId) => bank.deposit("1", usd(1n), { requestId })));
    bank.close();
    await Promise.all(servers.flatMap(({ later }) => later));
    const states = ids.map((id) => ledger.outcome(id).state);
    for (const [i, end] of ends.entries()) {
      const outcome = end.status === "fulfilled" ? "done" : outcomeOf(end.reason);
      if (outcome === "done") expect(states[i]).toBe(RequestState.COMMITTED);
      if (outcome === "NOT_APPLIED") expect(states[i]).toBe(RequestState.NOT_SEEN);
    }
    expect(ledger.balances.get("1")).toBe(BigInt(states.filter((state) => state === RequestState.COMMITTED).length));
    const positions = ends.flatMap((end) =>
      end.status === "fulfilled" ? (end.value as Booked).transaction.position : [],
    );
    expect(new Set(positions).size).toBe(positions.length);
  });
  await fc.assert(runs, { seed: SEED, numRuns: 80 });
});

function outcomeOf(error: unknown): string {
  if (!(error instanceof BankError)) throw error;
  return error.outcome;
}

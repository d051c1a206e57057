import { randomUUID } from "node:crypto";
import { type BankClient, type BankError, connectBank } from "@bank/client";
import {
  ExecuteMovementsRequestSchema,
  type PipelineRequest,
  PipelineRequestSchema,
  RequestService,
  SessionService,
  TransactionService,
} from "@bank/proto";
import { connectToServer, movementCallsCodec, type ServerConnection } from "@bank/rpc";
import { FaultProxy, until } from "@bank/testkit";
import { type DescMessage, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it, onTestFinished } from "vitest";
import { PLACES, startServers } from "./calls.test-util.ts";
import { columns } from "./movement-columns.test-util.ts";
import { RawPipeline } from "./pipeline.test-util.ts";
import { startTestBank } from "./servers.test-util.ts";

const cent = { currency: "USD", minor: 1n };
const CALLERS = 200;

/** A connection that notes the methods that are called, and passes on what `asOld` makes of streams. */
function noted(methods: string[], { isOld = false } = {}) {
  return (url: string): ServerConnection => {
    const connection = connectToServer(url, { codecs: [movementCallsCodec] });
    const { unary, stream } = connection.transport;
    return {
      ...connection,
      transport: {
        unary: (method, ...rest) => {
          methods.push(method.name);
          return unary(method, ...rest);
        },
        stream: (method, signal, timeoutMs, header, input, ...rest) => {
          methods.push(method.name);
          const isSessions = method.parent.typeName === SessionService.typeName;
          return stream(
            method,
            signal,
            timeoutMs,
            header,
            isOld && isSessions ? withoutMovements(input, methods) : input,
            ...rest,
          );
        },
      },
    };
  };
}

const LEFT_OUT = "movements of a stream";

/** What a server of the release before reads: it knows no such field. Each that was left out is noted. */
async function* withoutMovements<I extends DescMessage>(
  messages: AsyncIterable<MessageInitShape<I>>,
  methods: string[],
): AsyncGenerator<MessageInitShape<I>> {
  for await (const message of messages) {
    // As it comes over the wire: some of it may be written already.
    const read = fromBinary(
      PipelineRequestSchema,
      toBinary(PipelineRequestSchema, message as unknown as PipelineRequest),
    );
    for (const call of read.calls) {
      if (call.call.case !== "movements") continue;
      call.call = { case: undefined };
      methods.push(LEFT_OUT);
    }
    yield read as unknown as MessageInitShape<I>;
  }
}

function sdk(server: string, options: Partial<Parameters<typeof connectBank>[0]> = {}): BankClient {
  const bank = connectBank({ server, timeoutMs: 30_000, ...options } as Parameters<typeof connectBank>[0]);
  onTestFinished(() => bank.close());
  return bank;
}

async function withAccount(bank: BankClient): Promise<BankClient> {
  await bank.openAccount({});
  return bank;
}

const deposits = (bank: BankClient, count = CALLERS, ids: readonly string[] = []) =>
  Array.from({ length: count }, (_, i) => bank.deposit("1", cent, ids[i] === undefined ? {} : { requestId: ids[i] }));

async function balanceOf(bank: BankClient): Promise<bigint> {
  return (await bank.balance("1", { consistency: "linearizable" })).posted.minor;
}

const { executeMovements } = TransactionService.method;
const { pipeline } = SessionService.method;

describe.each(PLACES)("movements that many callers ask for at once at $place", ({ branch }) => {
  it("go over one stream, and one or two of them in a call of their own", async () => {
    const { bank, branch: branches } = await startServers({ store: "memory:" });
    const methods: string[] = [];
    const client = await withAccount(sdk(branch === 0 ? bank.url : branches.url, { connect: noted(methods) }));
    methods.length = 0;
    await Promise.all(deposits(client, 2));
    expect(methods).not.toContain(pipeline.name);
    for (let round = 0; round < 3; round++) await Promise.all(deposits(client));
    expect(methods.filter((name) => name === pipeline.name)).toHaveLength(1);
    const movementCalls = methods.filter((name) => name === executeMovements.name).length;
    // Those of the two callers, at the most.
    expect(movementCalls).toBeLessThanOrEqual(1);
    expect(await balanceOf(client)).toBe(BigInt(3 * CALLERS + 2));
  });

  it("go in calls of their own at a server that knows no columns on its stream, which is asked for it once", async () => {
    const { bank, branch: branches } = await startServers({ store: "memory:" });
    const methods: string[] = [];
    const connect = noted(methods, { isOld: true });
    const client = await withAccount(sdk(branch === 0 ? bank.url : branches.url, { connect }));
    const first = await Promise.all(deposits(client));
    const before = methods.filter((name) => name === executeMovements.name).length;
    expect(before).toBeGreaterThan(0);
    const again = await Promise.all(deposits(client));
    expect(methods.filter((name) => name === executeMovements.name).length).toBeGreaterThan(before);
    expect(methods.filter((name) => name === LEFT_OUT)).toHaveLength(1);
    expect([...first, ...again].every(({ replayed }) => !replayed)).toBe(true);
    expect(await balanceOf(client)).toBe(BigInt(2 * CALLERS));
  });

  it("are each done once where the connection breaks before the answer, and told what was done", async () => {
    const { bank, branch: branches } = await startServers({ store: "memory:" });
    const proxy = await FaultProxy.start({ target: branch === 0 ? bank.url : branches.url });
    onTestFinished(() => proxy.close());
    const client = await withAccount(sdk(proxy.url));
    await Promise.all(deposits(client, 10));
    const before = bank.replica.committedPosition;
    proxy.cut("toClient", "lose");
    const ids = Array.from({ length: CALLERS }, () => randomUUID());
    const asked = deposits(client, CALLERS, ids);
    await until(() => bank.replica.committedPosition > before);
    proxy.endAll("rst");
    proxy.heal();
    const booked = await Promise.all(asked);
    expect(booked.map(({ requestId }) => requestId)).toEqual(ids);
    expect(booked.filter(({ replayed }) => replayed).length).toBeGreaterThan(0);
    expect(await balanceOf(client)).toBe(BigInt(10 + CALLERS));
  });

  it("end with their own callers' signals, and the stream serves the others", async () => {
    const { bank, branch: branches } = await startServers({ store: "memory:" });
    const proxy = await FaultProxy.start({ target: branch === 0 ? bank.url : branches.url });
    onTestFinished(() => proxy.close());
    const methods: string[] = [];
    const client = await withAccount(sdk(proxy.url, { connect: noted(methods) }));
    await Promise.all(deposits(client, 10));
    const before = bank.replica.committedPosition;
    proxy.cut("toClient", "hold");
    const leaving = new AbortController();
    const ids = Array.from({ length: 10 }, () => randomUUID());
    const left = ids.map((requestId) => client.deposit("1", cent, { requestId, signal: leaving.signal }));
    const kept = deposits(client, 10);
    await until(() => bank.replica.committedPosition >= before + 20);
    leaving.abort();
    const failures = await Promise.allSettled(left);
    expect(failures.map((each) => (each.status === "rejected" ? (each.reason as BankError).outcome : "told"))).toEqual(
      ids.map(() => "OUTCOME_UNKNOWN"),
    );
    proxy.heal();
    expect((await Promise.all(kept)).every(({ replayed }) => !replayed)).toBe(true);
    expect(methods.filter((name) => name === pipeline.name)).toHaveLength(1);
    expect(methods).not.toContain(RequestService.method.cancelRequest.name);
    // What nobody waited for was done, and whoever asks again is told so.
    const again = await Promise.all(deposits(client, 10, ids));
    expect(again.every(({ replayed }) => replayed)).toBe(true);
    expect(await balanceOf(client)).toBe(30n);
  });
});

it("bytes that are no movements are refused alone, and the stream goes on", async () => {
  const bank = await startTestBank({ store: "memory:" });
  const client = await withAccount(sdk(bank.url));
  const stream = new RawPipeline(bank.url);
  const fine = toBinary(ExecuteMovementsRequestSchema, columns([{ debit: 0, credit: 1, amount: 1 }]));
  const replies = await stream.callAll(
    [new Uint8Array([0xff, 0xff]), fine, new Uint8Array(0), fine].map((value) => ({
      call: { case: "movements", value },
    })),
  );
  const told = replies.map(({ reply }) => (reply.case === "failure" ? reply.value.reason : reply.case));
  expect(told).toEqual(["INVALID_REQUEST", "movements", "INVALID_REQUEST", "movements"]);
  const [first] = replies;
  expect(first?.reply.case === "failure" && first.reply.value.violations.map(({ field }) => field)).toEqual([
    "movements",
  ]);
  // The ids of both were the same.
  expect(await balanceOf(client)).toBe(1n);
});

it("movements under way when a bank stops in order are each done once, by it or the one that follows", async () => {
  const first = await startTestBank();
  const client = await withAccount(sdk(first.url));
  await Promise.all(deposits(client, 10));
  let isStopped = false;
  let done = 0;
  const caller = async () => {
    while (!isStopped) {
      await client.deposit("1", cent);
      done++;
    }
  };
  const callers = Array.from({ length: 50 }, caller);
  const goesOn = async (count: number) => {
    const until_ = done + count;
    await until(() => done >= until_);
  };
  await goesOn(200);
  const { dataDir, port } = first;
  await first.close();
  await startTestBank({ dataDir, port });
  await goesOn(200);
  isStopped = true;
  await Promise.all(callers);
  expect(await balanceOf(client)).toBe(BigInt(10 + done));
});

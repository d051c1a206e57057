import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { RefusalError } from "@bank/core";
import {
  BatchItemSchema,
  BranchService,
  DepositRequestSchema,
  GetAccountRequestSchema,
  GetAccountResponseSchema,
  type PipelinedCall,
  PipelinedReplySchema,
  type PipelineRequest,
  type PipelineResponse,
  PipelineResponseSchema,
  SessionService,
} from "@bank/proto";
import {
  CONSISTENCY_HEADER,
  connectErrorFromRefusal,
  connectToServer,
  EPOCH_HEADER,
  failureFromRefusal,
  isSilence,
  outcomeOf,
  SESSION_HEADER,
} from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport, type Transport } from "@connectrpc/connect";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { connectionRefused } from "./faulty-connection.test-util.ts";
import type { PipelinedOperation, PipelinedSending } from "./pipeline-entry.ts";
import { ServerPipeline } from "./pipeline-server.ts";

/** What calls end with where a server says nothing. */
async function silence(): Promise<ConnectError> {
  const deaf = createServer();
  deaf.listen(0, "127.0.0.1");
  await once(deaf, "listening");
  onTestFinished(() => void deaf.close());
  const url = `http://127.0.0.1:${(deaf.address() as AddressInfo).port}`;
  const connection = connectToServer(url, { connectTimeoutMs: 10 });
  onTestFinished(() => connection.close());
  return createClient(BranchService, connection.transport)
    .getBranch({})
    .then(() => expect.fail("nobody answers"), ConnectError.from);
}

/** One stream as the server sees it. */
class FakeStream {
  readonly epoch: string | null;
  readonly messages: PipelinedCall[][] = [];
  isFinished = false;
  private readonly outgoing: (PipelineResponse | "end" | Error)[] = [];
  private wake: (() => void) | undefined;

  constructor(epoch: string | null) {
    this.epoch = epoch;
  }

  get calls(): PipelinedCall[] {
    return this.messages.flat();
  }

  open(callsInFlightMax = 100): void {
    this.push(create(PipelineResponseSchema, { callsInFlightMax }));
  }

  /** Answers that the account is the one that was asked for. */
  answer(...calls: readonly PipelinedCall[]): void {
    const replies = calls.map(({ id, call }) => {
      const number = call.case === "getAccount" ? call.value.account : "";
      const value = create(GetAccountResponseSchema, { account: { number }, readInfo: { epoch: 3n } });
      return create(PipelinedReplySchema, { id, reply: { case: "getAccount", value } });
    });
    this.push(create(PipelineResponseSchema, { replies }));
  }

  push(response: PipelineResponse | "end" | Error): void {
    this.outgoing.push(response);
    this.wake?.();
  }

  async read(requests: AsyncIterable<PipelineRequest>): Promise<void> {
    for await (const { calls } of requests) this.messages.push(calls);
    this.isFinished = true;
  }

  async *answers(): AsyncGenerator<PipelineResponse> {
    for (;;) {
      const next = this.outgoing.shift();
      if (next === "end") return;
      if (next instanceof Error) throw next;
      if (next !== undefined) yield next;
      else
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
    }
  }
}

/** A server whose streams are answered by hand. */
class FakeServer {
  readonly streams: FakeStream[] = [];
  /** What further streams end with at once. */
  refusal: Error | undefined;
  /** What a stream ends with at the client, whatever the server says. */
  breaking: Error | undefined;
  readonly pipeline: ServerPipeline;

  constructor() {
    const transport = createRouterTransport((router) => {
      router.service(SessionService, {
        pipeline: (requests, { requestHeader }) => this.serve(requests, requestHeader),
      });
    });
    const broken = async function* <T>(this: FakeServer, messages: AsyncIterable<T>) {
      try {
        yield* messages;
      } catch (error) {
        throw this.breaking ?? error;
      }
    }.bind(this);
    const stream: Transport["stream"] = async (...call) => {
      const response = await transport.stream(...call);
      return { ...response, message: broken(response.message) as typeof response.message };
    };
    this.pipeline = new ServerPipeline(createClient(SessionService, { ...transport, stream }));
    open.push(this.pipeline);
  }

  /** The stream of that number, from 0, once it is there. */
  stream(index: number): Promise<FakeStream> {
    return vi.waitUntil(() => this.streams[index], { interval: 1 });
  }

  /** Likewise, once so many calls have come over it. */
  async asked(index: number, calls: number): Promise<FakeStream> {
    const stream = await this.stream(index);
    await vi.waitUntil(() => stream.calls.length >= calls, { interval: 1 });
    return stream;
  }

  private async *serve(requests: AsyncIterable<PipelineRequest>, headers: Headers): AsyncGenerator<PipelineResponse> {
    if (this.refusal !== undefined) throw this.refusal;
    const stream = new FakeStream(headers.get(EPOCH_HEADER));
    this.streams.push(stream);
    stream.read(requests).catch(() => undefined);
    yield* stream.answers();
  }
}

const open: ServerPipeline[] = [];
afterEach(() => {
  for (const pipeline of open.splice(0)) pipeline.close();
});

const get = (account: string): PipelinedOperation & { case: "getAccount" } => ({
  case: "getAccount",
  value: create(GetAccountRequestSchema, { account }),
});

/** A deposit of a dollar. */
const itemOf = (account: string): PipelinedOperation & { case: "item" } => {
  const amount = { currencyCode: "USD", amountMinor: 100n };
  const value = create(DepositRequestSchema, { requestId: randomUUID(), account, amount });
  return { case: "item", value: create(BatchItemSchema, { command: { case: "deposit", value } }) };
};

const SENDING: PipelinedSending = { headers: {}, timeoutMs: 5_000 };

async function opened(): Promise<{ server: FakeServer; stream: FakeStream; pipeline: ServerPipeline }> {
  const server = new FakeServer();
  const first = server.pipeline.call(get("0"), SENDING);
  const stream = await server.stream(0);
  stream.open();
  await server.asked(0, 1);
  stream.answer(...stream.calls);
  await first;
  stream.messages.length = 0;
  return { server, stream, pipeline: server.pipeline };
}

describe("the pipeline to one server", () => {
  it("sends nothing before the server has said its first word", async () => {
    const server = new FakeServer();
    const call = server.pipeline.call(get("1"), SENDING);
    const stream = await server.stream(0);
    expect(stream.messages).toEqual([]);
    stream.open();
    await server.asked(0, 1);
    stream.answer(...stream.calls);
    expect((await call).reply.value.account?.number).toBe("1");
  });

  it("sends what is called in one turn in one message, and gives each its answer, in whatever order they come", async () => {
    const { server, stream, pipeline } = await opened();
    const calls = ["1", "2", "3"].map((account) => pipeline.call(get(account), SENDING));
    await server.asked(0, 3);
    expect(stream.messages).toHaveLength(1);
    const [a, b, c] = stream.calls as [PipelinedCall, PipelinedCall, PipelinedCall];
    stream.answer(c);
    stream.answer(b, a);
    expect((await Promise.all(calls)).map(({ reply }) => reply.value.account?.number)).toEqual(["1", "2", "3"]);
  });

  it("carries the headers of a call by itself, and its deadline", async () => {
    const { server, pipeline, stream } = await opened();
    const headers = { [SESSION_HEADER]: "token", [CONSISTENCY_HEADER]: "session" };
    pipeline.call(get("1"), { headers, timeoutMs: 1_000 }).catch(() => undefined);
    await server.asked(0, 1);
    const [call] = stream.calls;
    expect(call).toMatchObject({ session: "token", consistency: "session", propagation: "" });
    expect(call?.timeoutMs).toBeGreaterThan(900);
    expect(call?.timeoutMs).toBeLessThanOrEqual(1_000);
  });

  it("has no more under way than the server takes", async () => {
    const server = new FakeServer();
    const calls = Array.from({ length: 5 }, (_, i) => server.pipeline.call(get(String(i)), SENDING));
    const stream = await server.stream(0);
    stream.open(2);
    await server.asked(0, 2);
    expect(server.pipeline.commands).toBe(5);
    stream.answer(stream.calls[0] as PipelinedCall);
    await server.asked(0, 3);
    await calls[0];
    expect(stream.calls).toHaveLength(3);
    expect(server.pipeline.commands).toBe(4);
    stream.answer(...stream.calls.slice(1));
    await server.asked(0, 5);
    stream.answer(...stream.calls.slice(3));
    await Promise.all(calls);
    expect(server.pipeline.commands).toBe(0);
  });

  it("ends calls at their deadlines, wherever they are, and goes on with the others", async () => {
    const server = new FakeServer();
    const short = server.pipeline.call(get("1"), { ...SENDING, timeoutMs: 20 });
    await expect(short).rejects.toMatchObject({ code: Code.DeadlineExceeded });
    const stream = await server.stream(0);
    const long = server.pipeline.call(get("2"), SENDING);
    stream.open(1);
    await server.asked(0, 1);
    expect(stream.calls).toMatchObject([{ call: { value: { account: "2" } } }]);
    stream.answer(...stream.calls);
    await long;
  });

  it("counts a call that ended before its answer until that comes", async () => {
    const server = new FakeServer();
    const ending = new AbortController();
    const first = server.pipeline.call(get("1"), { ...SENDING, signal: ending.signal });
    const stream = await server.stream(0);
    stream.open(1);
    await server.asked(0, 1);
    ending.abort();
    await expect(first).rejects.toMatchObject({ code: Code.Canceled });
    const second = server.pipeline.call(get("2"), SENDING);
    await new Promise((resolve) => setImmediate(resolve));
    expect(stream.calls).toHaveLength(1);
    stream.answer(...stream.calls);
    await server.asked(0, 2);
    stream.answer(stream.calls[1] as PipelinedCall);
    expect((await second).reply.value.account?.number).toBe("2");
  });

  it("does not send what is canceled already", async () => {
    const { pipeline, stream } = await opened();
    await expect(pipeline.call(get("1"), { ...SENDING, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: Code.Canceled,
    });
    expect(stream.calls).toEqual([]);
  });

  it("opens a stream again that breaks, and asks again for what was not answered, in order", async () => {
    const { server, pipeline, stream } = await opened();
    const calls = ["1", "2", "3"].map((account) => pipeline.call(get(account), SENDING));
    await server.asked(0, 3);
    stream.answer(stream.calls[1] as PipelinedCall);
    await calls[1];
    stream.push(new ConnectError("reset", Code.Unavailable));
    const next = await server.stream(1);
    next.open();
    await server.asked(1, 2);
    expect(next.calls.map(({ call }) => (call.value as { account: string }).account)).toEqual(["1", "3"]);
    next.answer(...next.calls);
    await Promise.all(calls);
  });

  it.each(["call", "result"] as const)(
    "does not take the word of a later stream's server that nothing was applied for what an earlier one may have done (%s)",
    async (as) => {
      const { server, pipeline, stream } = await opened();
      const call = as === "call" ? get("1") : itemOf("1");
      const twice = pipeline.call(call, SENDING).catch((error: unknown) => error);
      await server.asked(0, 1);
      stream.push(new ConnectError("reset", Code.Unavailable));
      const next = await server.stream(1);
      next.open();
      await server.asked(1, 1);
      const once = pipeline.call(call, SENDING).catch((error: unknown) => error);
      await server.asked(1, 2);
      const failure = failureFromRefusal(new RefusalError("NOT_LEADER", { problem: "it waits", leader: "nobody" }));
      const replies = next.calls.map(({ id }) => {
        const result = { result: { case: "failure" as const, value: failure } };
        const reply =
          as === "call" ? { case: "failure" as const, value: failure } : { case: "result" as const, value: result };
        return create(PipelinedReplySchema, { id, reply });
      });
      next.push(create(PipelineResponseSchema, { replies }));
      expect([await twice, await once].map((error) => outcomeOf(error as ConnectError))).toEqual([
        "OUTCOME_UNKNOWN",
        "NOT_APPLIED",
      ]);
    },
  );

  it("does not wait for a server again that fell silent", async () => {
    const { server, pipeline, stream } = await opened();
    const asked = pipeline.call(get("1"), SENDING).catch((error: unknown) => error);
    await server.asked(0, 1);
    server.breaking = await silence();
    stream.push(new ConnectError("silent", Code.Unavailable));
    expect(await asked).toMatchObject({ rawMessage: expect.stringContaining("the stream was lost") });
    expect(isSilence(await asked)).toBe(true);
    expect(server.streams).toHaveLength(1);
  });

  it("gives up what it cannot send again, and says which of it may have been done", async () => {
    const { server, pipeline, stream } = await opened();
    const sent = pipeline.call(get("1"), SENDING).catch((error: unknown) => error);
    await server.asked(0, 1);
    const refused = connectionRefused();
    server.refusal = refused;
    stream.push(new ConnectError("reset", Code.Unavailable));
    const unsent = pipeline.call(get("2"), SENDING).catch((error: unknown) => error);
    // Without the cause that would say that nothing can have been sent.
    const cause = expect.not.objectContaining({ syscall: expect.anything() });
    expect(await sent).toMatchObject({ rawMessage: expect.stringContaining("the stream was lost"), cause });
    expect(await unsent).toMatchObject({ rawMessage: refused.rawMessage });
    // The next call tries again.
    server.refusal = undefined;
    const later = pipeline.call(get("3"), SENDING);
    const next = await server.stream(1);
    next.open();
    await server.asked(1, 1);
    next.answer(...next.calls);
    await later;
  });

  it("knows that a server which shuts down has not begun what it has not answered", async () => {
    const { server, pipeline, stream } = await opened();
    const call = pipeline.call(get("1"), SENDING).catch((error: unknown) => error);
    await server.asked(0, 1);
    const refused = connectErrorFromRefusal(new RefusalError("STORE_REFUSED", {}));
    server.refusal = refused;
    stream.push(connectErrorFromRefusal(new RefusalError("NOT_READY", { problem: "shutting down" })));
    expect(await call).toMatchObject({ rawMessage: refused.rawMessage });
  });

  it("does not ask for ever who opens streams and breaks them", async () => {
    const server = new FakeServer();
    const call = server.pipeline.call(get("1"), SENDING).catch((error: unknown) => error);
    for (const index of [0, 1]) {
      const stream = await server.stream(index);
      stream.open();
      await server.asked(index, 1);
      stream.push(new ConnectError("reset", Code.Unavailable));
    }
    expect(await call).toMatchObject({ code: Code.Unavailable });
    expect(server.streams).toHaveLength(2);
  });

  it("tells a newer epoch by a new stream, once, and lets the old one answer what it has", async () => {
    const { server, pipeline, stream } = await opened();
    const first = pipeline.call(get("1"), SENDING);
    await server.asked(0, 1);
    // The server itself has named epoch 3.
    const known = pipeline.call(get("2"), { ...SENDING, headers: { [EPOCH_HEADER]: "3" } });
    await server.asked(0, 2);
    const newer = pipeline.call(get("3"), { ...SENDING, headers: { [EPOCH_HEADER]: "4;bank=00" } });
    const next = await server.stream(1);
    expect(next.epoch).toBe("4;bank=00");
    next.open();
    await server.asked(1, 1);
    next.answer(...next.calls);
    await newer;
    stream.answer(...stream.calls);
    await Promise.all([first, known]);
    await vi.waitUntil(() => stream.isFinished, { interval: 1 });
    expect(server.streams).toHaveLength(2);
  });

  it("rejects as the call by itself, with the session that a rejection has seen", async () => {
    const { server, pipeline, stream } = await opened();
    const value = create(BatchItemSchema, { command: { case: "deposit", value: create(DepositRequestSchema) } });
    const calls = [
      pipeline.call({ case: "item", value }, SENDING),
      pipeline.call(get("9"), SENDING),
      pipeline.call(get("8"), SENDING),
    ];
    const errors = Promise.all(calls.map((call) => (call as Promise<unknown>).catch((error: unknown) => error)));
    await server.asked(0, 3);
    const failure = failureFromRefusal(new RefusalError("OVERLOADED", { waiting: "9" }));
    const [a, b, c] = stream.calls as [PipelinedCall, PipelinedCall, PipelinedCall];
    const result = { replayed: false, result: { case: "failure", value: failure } } as const;
    stream.push(
      create(PipelineResponseSchema, {
        replies: [
          { id: a.id, reply: { case: "result", value: result }, readInfo: { session: "seen" } },
          { id: b.id, reply: { case: "failure", value: failure } },
          { id: c.id, reply: { case: "result", value: result } },
          { id: 77n, reply: { case: "failure", value: failure } },
        ],
      }),
    );
    const [item, read, unfit] = (await errors) as [ConnectError, ConnectError, Error];
    expect(item).toMatchObject({ code: Code.ResourceExhausted });
    expect(item.metadata.get(SESSION_HEADER)).toBe("seen");
    expect(read).toMatchObject({ code: Code.ResourceExhausted });
    expect(unfit.name).toBe("UnexpectedReplyError");
  });

  it("says where the server does not know such streams", async () => {
    const server = new FakeServer();
    server.refusal = new ConnectError("unimplemented", Code.Unimplemented);
    await expect(server.pipeline.call(get("1"), SENDING)).rejects.toMatchObject({ code: Code.Unimplemented });
    expect(server.pipeline.isUnsupported).toBe(true);
  });

  it("ends everything when it is closed", async () => {
    const { server, pipeline, stream } = await opened();
    const call = pipeline.call(get("1"), SENDING).catch((error: unknown) => error);
    await server.asked(0, 1);
    pipeline.close();
    expect(await call).toMatchObject({ code: Code.Canceled });
    await expect(pipeline.call(get("2"), SENDING)).rejects.toMatchObject({ code: Code.Canceled });
    await vi.waitUntil(() => stream.isFinished || server.streams.length === 1, { interval: 1 });
  });

  it("makes those wait who call faster than they are answered", async () => {
    const server = new FakeServer();
    const calls = Array.from({ length: 8_192 }, () => server.pipeline.call(get("1"), SENDING));
    let hasRoom = false;
    const room = server.pipeline.whenRoom().then(() => {
      hasRoom = true;
    });
    const stream = await server.stream(0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(hasRoom).toBe(false);
    stream.open(10_000);
    await room;
    await server.asked(0, 8_192);
    stream.answer(...stream.calls);
    await Promise.all(calls);
  });

  it("keeps nothing of calls that have ended while they waited, and has room again", async () => {
    const server = new FakeServer();
    const { pipeline } = server;
    const timeoutMs = 20;
    const calls = Array.from({ length: 8_192 }, () => pipeline.call(get("1"), { ...SENDING, timeoutMs }));
    const room = pipeline.whenRoom();
    const ended = await Promise.allSettled(calls);
    expect(ended.every(({ status }) => status === "rejected")).toBe(true);
    await room;
    const long = pipeline.call(get("2"), SENDING);
    const stream = await server.stream(0);
    stream.open();
    await server.asked(0, 1);
    expect(stream.calls).toMatchObject([{ call: { value: { account: "2" } } }]);
    stream.answer(...stream.calls);
    await long;
  });

  it("gives up a server that takes a stream and does not say its first word", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const server = new FakeServer();
    const call = server.pipeline.call(get("1"), { ...SENDING, timeoutMs: 20_000 }).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(4_900);
    const other = server.pipeline.call(get("2"), { ...SENDING, timeoutMs: 20_000 }).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(200);
    for (const error of await Promise.all([call, other])) {
      expect(error).toMatchObject({ code: Code.Unavailable, rawMessage: "the server did not begin the stream" });
    }
    // The next call tries again.
    const later = server.pipeline.call(get("3"), SENDING);
    await vi.advanceTimersByTimeAsync(1);
    const next = server.streams[1] as FakeStream;
    next.open();
    await vi.advanceTimersByTimeAsync(1);
    next.answer(...next.calls);
    await later;
    // An open stream has no such limit.
    const slow = server.pipeline.call(get("4"), { ...SENDING, timeoutMs: 20_000 });
    await vi.advanceTimersByTimeAsync(6_000);
    next.answer(...next.calls.slice(1));
    await slow;
    expect(server.streams).toHaveLength(2);
  });
});

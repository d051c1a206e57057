import {
  BatchItemSchema,
  GetAccountResponseSchema,
  type PipelinedCall,
  PipelinedCallSchema,
  type PipelinedReply,
  type PipelineRequest,
  PipelineRequestSchema,
  type PipelineResponse,
  PipelineResponseSchema,
} from "@bank/proto";
import { rest } from "@bank/testkit";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import type { CallUnderWay } from "./pipeline-call.ts";
import { CALLS_IN_FLIGHT_MAX, COMMANDS_IN_FLIGHT_MAX, PipelineStream } from "./pipeline-stream.ts";

/** Turns of the event loop after which nothing goes on by itself any more. */
const LONG = 20;

function read(id: number): PipelinedCall {
  return create(PipelinedCallSchema, { id: BigInt(id), call: { case: "getAccount", value: { account: "1" } } });
}

/** A group of so many commands. */
function group(id: number, size: number): PipelinedCall {
  const items = Array.from({ length: size }, () => create(BatchItemSchema));
  const item = { command: { case: "group", value: { items } } } as const;
  return create(PipelinedCallSchema, { id: BigInt(id), call: { case: "item", value: item } });
}

/** Movements in so many bytes of columns. */
function movements(id: number, bytes: number): PipelinedCall {
  return create(PipelinedCallSchema, { id: BigInt(id), call: { case: "movements", value: new Uint8Array(bytes) } });
}

const reads = (from: number, count: number) => Array.from({ length: count }, (_, i) => read(from + i));

/** Messages that are pushed by hand, and a stream that reads them. */
class Bench {
  readonly begun: CallUnderWay[] = [];
  readonly ending = new AbortController();
  readonly gone = new AbortController();
  readonly stream = new PipelineStream(
    (calls) => {
      this.begun.push(...calls);
    },
    (replies) => create(PipelineResponseSchema, { replies }),
  );
  private readonly pushed: (PipelineRequest | "end" | Error)[] = [];
  private wake: (() => void) | undefined;
  readonly answers: AsyncGenerator<PipelineResponse>;

  constructor() {
    this.answers = this.stream.answer(this.messages(), { ending: this.ending.signal, gone: this.gone.signal });
  }

  get unread(): number {
    return this.pushed.length;
  }

  push(...calls: PipelinedCall[]): void {
    this.pushed.push(create(PipelineRequestSchema, { calls }));
    this.wake?.();
  }

  endWith(end: "end" | Error): void {
    this.pushed.push(end);
    this.wake?.();
  }

  answer(index: number): void {
    const value = create(GetAccountResponseSchema);
    this.begun[index]?.answer({ reply: { case: "getAccount", value } });
  }

  /** The next message's answers. */
  async next(): Promise<readonly PipelinedReply[] | undefined> {
    const { value, done } = await this.answers.next();
    return done === true ? undefined : value.replies;
  }

  /** Reads the first message, which has no answers. */
  async open(): Promise<number> {
    const { value } = await this.answers.next();
    return (value as PipelineResponse).callsInFlightMax;
  }

  private async *messages(): AsyncGenerator<PipelineRequest> {
    for (;;) {
      const next = this.pushed.shift();
      if (next === "end") return;
      if (next instanceof Error) throw next;
      if (next !== undefined) {
        yield next;
        continue;
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}

describe("a stream of calls", () => {
  it("says first how many calls it takes", async () => {
    expect(await new Bench().open()).toBe(CALLS_IN_FLIGHT_MAX);
  });

  it("hands over together what is ready together, in whatever order it became ready", async () => {
    const bench = new Bench();
    await bench.open();
    const first = bench.next();
    bench.push(...reads(1, 3));
    await rest(LONG);
    bench.answer(2);
    bench.answer(0);
    expect((await first)?.map(({ id }) => id)).toEqual([3n, 1n]);
    const second = bench.next();
    bench.answer(1);
    expect((await second)?.map(({ id }) => id)).toEqual([2n]);
    expect(bench.stream.inFlight).toBe(0);
  });

  it("takes a handful of calls of columns at a time, by their bytes", async () => {
    const bench = new Bench();
    await bench.open();
    void bench.next();
    // As many rows as a call may have, each with an id of its own.
    const bytes = 10_000 * 40;
    bench.push(...Array.from({ length: 20 }, (_, i) => movements(i, bytes)));
    await rest(LONG);
    expect(bench.begun.length).toBeGreaterThanOrEqual(4);
    expect(bench.begun.length).toBeLessThan(10);
    const { length } = bench.begun;
    bench.begun[0]?.answer({ reply: { case: "movements", value: new Uint8Array(8) } });
    await rest(LONG);
    void bench.next();
    await rest(LONG);
    expect(bench.begun).toHaveLength(length + 1);
  });

  it("gives each call one answer", async () => {
    const bench = new Bench();
    await bench.open();
    const first = bench.next();
    bench.push(read(1));
    await rest(LONG);
    bench.answer(0);
    bench.answer(0);
    expect(await first).toHaveLength(1);
    bench.endWith("end");
    expect(await bench.next()).toBeUndefined();
  });

  it("begins no more than the limit, however many come in one message, and the others as soon as answers are taken", async () => {
    const bench = new Bench();
    await bench.open();
    const first = bench.next();
    bench.push(...reads(1, CALLS_IN_FLIGHT_MAX + 3));
    await rest(LONG);
    expect(bench.begun).toHaveLength(CALLS_IN_FLIGHT_MAX);
    bench.answer(0);
    bench.answer(7);
    expect(await first).toHaveLength(2);
    await rest(LONG);
    expect(bench.begun).toHaveLength(CALLS_IN_FLIGHT_MAX + 2);
  });

  it("counts the commands inside groups", async () => {
    const bench = new Bench();
    await bench.open();
    void bench.next();
    const groups = Math.ceil(COMMANDS_IN_FLIGHT_MAX / 100);
    bench.push(...Array.from({ length: groups + 5 }, (_, i) => group(i, 100)));
    await rest(LONG);
    expect(bench.begun).toHaveLength(groups);
  });

  it("does not read on while its caller does not take the answers, and goes on when he does", async () => {
    const bench = new Bench();
    await bench.open();
    const first = bench.next();
    bench.push(read(0));
    await rest(LONG);
    bench.answer(0);
    await first;
    // Nobody asks for the next message, and everything is answered at once.
    for (let sent = 1; sent < 3 * CALLS_IN_FLIGHT_MAX; sent += 512) bench.push(...reads(sent, 512));
    for (let answered = 1, quiet = 0; quiet < 3; quiet++) {
      await rest(LONG);
      for (; answered < bench.begun.length; answered++, quiet = 0) bench.answer(answered);
    }
    expect(bench.begun).toHaveLength(1 + CALLS_IN_FLIGHT_MAX);
    expect(bench.stream.inFlight).toBe(CALLS_IN_FLIGHT_MAX);
    const taken = await bench.next();
    await rest(LONG);
    expect(bench.begun).toHaveLength(1 + CALLS_IN_FLIGHT_MAX + (taken?.length ?? 0));
  });

  it("refuses an id that is under way, and takes it again once its answer was handed over", async () => {
    const bench = new Bench();
    await bench.open();
    const first = bench.next();
    bench.push(read(5), read(5));
    expect(await first).toMatchObject([
      { id: 5n, reply: { case: "failure", value: { reason: "INVALID_REQUEST", violations: [{ field: "id" }] } } },
    ]);
    expect(bench.stream.inFlight).toBe(1);
    bench.answer(0);
    expect(await bench.next()).toMatchObject([{ id: 5n, reply: { case: "getAccount" } }]);
    const again = bench.next();
    bench.push(read(5));
    await rest(LONG);
    bench.answer(1);
    expect(await again).toMatchObject([{ id: 5n, reply: { case: "getAccount" } }]);
  });

  it("ends in order when its caller sends no more, once everything is answered", async () => {
    const bench = new Bench();
    await bench.open();
    const first = bench.next();
    bench.push(read(1), read(2));
    bench.endWith("end");
    await rest(LONG);
    bench.answer(0);
    expect(await first).toHaveLength(1);
    const second = bench.next();
    await rest(LONG);
    bench.answer(1);
    expect(await second).toHaveLength(1);
    expect(await bench.next()).toBeUndefined();
  });

  it("reads no more when the server shuts down, answers what it took, and says that it is going", async () => {
    const bench = new Bench();
    await bench.open();
    const first = bench.next();
    bench.push(read(1));
    await rest(LONG);
    bench.ending.abort();
    bench.push(read(2));
    await rest(LONG);
    expect(bench.begun).toHaveLength(1);
    bench.answer(0);
    expect(await first).toHaveLength(1);
    await expect(bench.next()).rejects.toMatchObject({ refusal: { reason: "NOT_READY", outcome: "NOT_APPLIED" } });
    expect(bench.stream.inFlight).toBe(0);
  });

  it("throws away what still comes after that, so that nothing is left unread", async () => {
    const bench = new Bench();
    await bench.open();
    const first = bench.next();
    bench.ending.abort();
    bench.push(read(1));
    bench.push(read(2));
    await expect(first).rejects.toMatchObject({ refusal: { reason: "NOT_READY" } });
    bench.push(read(3));
    await rest(LONG);
    expect(bench.unread).toBe(0);
    expect(bench.begun).toEqual([]);
  });

  it("takes nothing where the server shuts down already", async () => {
    const bench = new Bench();
    bench.ending.abort();
    await bench.open();
    bench.push(read(1));
    await expect(bench.next()).rejects.toMatchObject({ refusal: { reason: "NOT_READY" } });
    expect(bench.begun).toEqual([]);
  });

  it("leaves out what waits for room when the server shuts down", async () => {
    const bench = new Bench();
    await bench.open();
    const first = bench.next();
    bench.push(...reads(1, CALLS_IN_FLIGHT_MAX + 3));
    await rest(LONG);
    bench.ending.abort();
    for (let i = 0; i < CALLS_IN_FLIGHT_MAX; i++) bench.answer(i);
    let answered = (await first)?.length ?? 0;
    while (answered < CALLS_IN_FLIGHT_MAX) answered += (await bench.next())?.length ?? 0;
    await expect(bench.next()).rejects.toMatchObject({ refusal: { reason: "NOT_READY" } });
    expect(bench.begun).toHaveLength(CALLS_IN_FLIGHT_MAX);
  });

  it("answers what it took when the caller's messages break, and ends with what broke them", async () => {
    const bench = new Bench();
    await bench.open();
    const first = bench.next();
    bench.push(read(1));
    bench.endWith(new ConnectError("too long", Code.ResourceExhausted));
    await rest(LONG);
    bench.answer(0);
    expect(await first).toHaveLength(1);
    await expect(bench.next()).rejects.toMatchObject({ code: Code.ResourceExhausted });
  });

  it("waits for nothing when its caller is gone", async () => {
    const bench = new Bench();
    await bench.open();
    const first = bench.next();
    bench.push(read(1));
    await rest(LONG);
    bench.gone.abort();
    expect(await first).toBeUndefined();
    // Its call is still answered, for nobody.
    bench.answer(0);
  });
});

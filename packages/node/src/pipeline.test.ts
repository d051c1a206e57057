import { randomUUID } from "node:crypto";
import {
  type PipelinedCall,
  PipelinedCallSchema,
  type PipelinedReply,
  type ReadInfo,
  SessionService,
} from "@bank/proto";
import { SESSION_HEADER } from "@bank/rpc";
import { consistency, type ServerClient } from "@bank/testkit";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { accountWith, asked, failureOf, PLACES, reasonOf, usd } from "./calls.test-util.ts";
import { silentLog } from "./log.ts";
import { type CallInit, itemCall, RawPipeline } from "./pipeline.test-util.ts";
import { clientOf } from "./servers.test-util.ts";
import { type RunningCluster, startCluster } from "./start-cluster.ts";

type Item = Exclude<Parameters<typeof itemCall>[0], { case: undefined }>;
type ItemInit = { readonly case: Item["case"]; readonly value: object };

/** The call by itself. */
function unary(client: ServerClient, { case: kind, value }: ItemInit): Promise<object> {
  const { accounts, transactions, holds } = client;
  // Each method takes the message of its own case, which is what the value is.
  const request = value as never;
  switch (kind) {
    case "openAccount":
      return accounts.openAccount(request);
    case "updateAccount":
      return accounts.updateAccount(request);
    case "freezeAccount":
      return accounts.freezeAccount(request);
    case "unfreezeAccount":
      return accounts.unfreezeAccount(request);
    case "closeAccount":
      return accounts.closeAccount(request);
    case "deposit":
      return transactions.deposit(request);
    case "withdraw":
      return transactions.withdraw(request);
    case "transfer":
      return transactions.transfer(request);
    case "reverse":
      return transactions.reverseTransaction(request);
    case "applyInterest":
      return transactions.applyInterest(request);
    case "group":
      return transactions.executeGroup(request);
    case "placeHold":
      return holds.placeHold(request);
    case "captureHold":
      return holds.captureHold(request);
    case "releaseHold":
      return holds.releaseHold(request);
    case "extendHold":
      return holds.extendHold(request);
  }
}

/** What a unary reply says was done: its only field that every reply has not. */
function doneIn(reply: object): unknown {
  const { $typeName: _, replayed: __, readInfo: ___, ...rest } = reply as Record<string, unknown>;
  return Object.values(rest)[0];
}

/** What of a state stays the same for a while. */
function steady(info: ReadInfo | undefined) {
  const { position, session, connected, epoch, time, propagation } = info as ReadInfo;
  return { position, session, connected, epoch, time, propagation };
}

let cluster: RunningCluster;
beforeAll(async () => {
  cluster = await startCluster({ branches: [1], log: silentLog });
});
afterAll(() => cluster.close());

/** The place's client and a stream to it, and an account with so much money. */
async function at(branch: number, minor = 0) {
  const url = branch === 0 ? cluster.bankUrl : cluster.branchUrl(branch);
  const client = clientOf(url);
  return { client, pipeline: new RawPipeline(url), account: await accountWith(client, minor) };
}

function resultOf({ reply }: PipelinedReply) {
  if (reply.case !== "result")
    throw new Error(
      `answered with ${reply.case}: ${JSON.stringify(reply.value, (_, v) => (typeof v === "bigint" ? String(v) : v))}`,
    );
  return reply.value;
}

function failureIn({ reply }: PipelinedReply) {
  if (reply.case === "failure") return reply.value;
  if (reply.case === "result" && reply.value.result.case === "failure") return reply.value.result.value;
  throw new Error(`answered with ${reply.case}`);
}

/** What is only foreseen has the time of its question. */
function timeless(done: unknown): unknown {
  return JSON.parse(
    JSON.stringify(done, (key, value: unknown) =>
      TIMES.includes(key) ? 0 : typeof value === "bigint" ? String(value) : value,
    ),
  );
}

const TIMES = ["time", "openedAt"];

/** Asked over a stream first, then by itself under the same id, which repeats the answer. */
async function expectTwins(client: ServerClient, pipeline: RawPipeline, item: ItemInit): Promise<unknown> {
  const preview = { ...item, value: { ...item.value, requestId: randomUUID(), validateOnly: true } } as never;
  const foreseen = resultOf(await pipeline.call(itemCall(preview)));
  expect(timeless(foreseen.result.value)).toEqual(timeless(doneIn(await unary(client, preview))));
  const streamed = await pipeline.call(itemCall(item as never));
  const alone = await unary(client, item);
  const { result, replayed } = resultOf(streamed);
  expect(result.value).toEqual(doneIn(alone));
  expect([replayed, (alone as { replayed: boolean }).replayed]).toEqual([false, true]);
  expect(steady(streamed.readInfo)).toEqual(steady((alone as { readInfo: ReadInfo }).readInfo));
  const again = await pipeline.call(itemCall(item as never));
  expect(resultOf(again)).toMatchObject({ replayed: true, result: { value: result.value } });
  return result.value;
}

describe.each(PLACES)("a stream of calls at $place", ({ branch }) => {
  it("answers every kind of command as the call by itself does", async () => {
    const { client, pipeline } = await at(branch);
    const twins = (kind: Item["case"], value: object) =>
      expectTwins(client, pipeline, { case: kind, value: asked(value) }) as Promise<Record<string, never>>;
    const { number: account } = await twins("openAccount", { owner: "Ada", currencyCode: "USD" });
    const other = await accountWith(client, 0);
    await twins("updateAccount", { account, displayName: "hats" });
    await twins("deposit", { account, amount: usd(10_000) });
    const { position: withdrawal } = await twins("withdraw", { account, amount: usd(7) });
    await twins("transfer", { fromAccount: account, toAccount: other, amount: usd(5) });
    await twins("reverse", { transaction: withdrawal });
    await twins("applyInterest", { account, ratePercent: "1.5" });
    const expiresAt = timestampFromMs(Date.now() + 8e8);
    const { hold: first } = await twins("placeHold", { account, amount: usd(9), expiresAt });
    await twins("extendHold", { hold: first, expiresAt: timestampFromMs(Date.now() + 9e8) });
    await twins("captureHold", { hold: first, amount: usd(4) });
    const { hold: second } = await twins("placeHold", { account, amount: usd(9) });
    await twins("releaseHold", { hold: second });
    await twins("freezeAccount", { account: other });
    await twins("unfreezeAccount", { account: other });
    await twins("group", {
      items: [
        { command: { case: "deposit", value: { account, amount: usd(1) } } },
        { command: { case: "withdraw", value: { account: other, amount: usd(2) } } },
      ],
    });
    await client.transactions.withdraw(asked({ account: other, amount: usd(3) }));
    await twins("closeAccount", { account: other });
  });

  it("answers every kind of read as the call by itself does", async () => {
    const { client, pipeline, account } = await at(branch, 100);
    const { hold } = await client.holds.placeHold(asked({ account, amount: usd(9) }));
    const held = hold?.hold as bigint;
    const requestId = randomUUID();
    const { transaction, readInfo } = await client.transactions.deposit({ requestId, account, amount: usd(5) });
    const position = transaction?.position as bigint;
    const session = readInfo?.session as string;
    const twins: [CallInit["call"], () => Promise<{ readInfo?: ReadInfo | undefined }>][] = [
      [{ case: "getAccount", value: { account } }, () => client.accounts.getAccount({ account })],
      [{ case: "getBalance", value: { account } }, () => client.accounts.getBalance({ account })],
      [{ case: "getHold", value: { hold: held } }, () => client.holds.getHold({ hold: held })],
      [{ case: "getOutcome", value: { requestId } }, () => client.requests.getOutcome({ requestId })],
      [
        { case: "getTransaction", value: { transaction: position } },
        () => client.transactions.getTransaction({ transaction: position }),
      ],
      [
        { case: "getBalance", value: { account, asOf: { case: "position", value: position - 1n } } },
        () => client.accounts.getBalance({ account, asOf: { case: "position", value: position - 1n } }),
      ],
    ];
    // Twice each in one message, so that they share their waits.
    const replies = await pipeline.callAll([...twins, ...twins].map(([call]) => ({ call, session })) as CallInit[]);
    for (const [i, { reply }] of replies.entries()) {
      const [call, alone] = twins[i % twins.length] as (typeof twins)[number];
      expect(reply.case).toBe(call?.case);
      const { readInfo: ofStream, ...value } = reply.value as { readInfo: ReadInfo };
      const { readInfo: ofUnary, ...expected } = await alone();
      expect(value).toEqual(expected);
      expect(steady(ofStream)).toEqual(steady(ofUnary));
    }
    const past = {
      call: { case: "getBalance", value: { account } },
      consistency: `position=${position - 1n}`,
    } as const;
    const { readInfo: _, ...expected } = await client.accounts.getBalance({ account }, consistency(past.consistency));
    expect((await pipeline.call(past)).reply.value).toMatchObject(expected);
  });

  it("rules out requests as the call by itself does", async () => {
    const { client, pipeline, account } = await at(branch);
    const [ruledOut, done] = [randomUUID(), randomUUID()];
    await client.transactions.deposit({ requestId: done, account, amount: usd(5) });
    for (const requestId of [ruledOut, done]) {
      const { reply } = await pipeline.call({ call: { case: "cancelRequest", value: { requestId } } });
      expect(reply).toEqual({ case: "cancelRequest", value: expect.anything() });
      const { readInfo: _, ...alone } = await client.requests.cancelRequest({ requestId });
      expect(reply.value).toMatchObject(alone);
    }
    const late = itemCall({ case: "deposit", value: asked({ requestId: ruledOut, account, amount: usd(1) }) } as never);
    expect(failureIn(await pipeline.call(late)).reason).toBe("REQUEST_CANCELLED");
  });

  it("fails as the call by itself fails, one without the others", async () => {
    const { client, pipeline, account } = await at(branch, 100);
    const other = await accountWith(client, 0);
    const deposit = (value: object) => ({
      case: "deposit",
      value: { ...asked({ account, amount: usd(1) }), ...value },
    });
    const { accounts, transactions, holds, requests } = client;
    const items: ItemInit[] = [
      deposit({ account: "999" }),
      deposit({ account: "" }),
      deposit({ amount: { currencyCode: "usd", amountMinor: 1n } }),
      deposit({ requestId: "no id" }),
      deposit({ requestId: "" }),
      deposit({ expectedVersion: 77n }),
      { case: "withdraw", value: asked({ account, amount: usd(1_000_000) }) },
      { case: "reverse", value: asked({ transaction: 999_9999_999n }) },
      { case: "captureHold", value: asked({ hold: 999_9999_999n }) },
      { case: "group", value: asked({ items: [{ command: deposit({ requestId: "", account: "999" }) }] }) },
      { case: "group", value: asked({ items: [{ command: deposit({ requestId: "", account: "" }) }] }) },
      { case: "group", value: asked({ items: [] }) },
    ] as ItemInit[];
    const reads: [CallInit, () => Promise<unknown>][] = [
      [{ call: { case: "getAccount", value: { account: "999" } } }, () => accounts.getAccount({ account: "999" })],
      [{ call: { case: "getAccount", value: { account: "" } } }, () => accounts.getAccount({ account: "" })],
      [{ call: { case: "getBalance", value: { account: "999" } } }, () => accounts.getBalance({ account: "999" })],
      [{ call: { case: "getHold", value: { hold: 999_999n } } }, () => holds.getHold({ hold: 999_999n })],
      [
        { call: { case: "getTransaction", value: { transaction: 999_999n } } },
        () => transactions.getTransaction({ transaction: 999_999n }),
      ],
      [{ call: { case: "getOutcome", value: { requestId: "x" } } }, () => requests.getOutcome({ requestId: "x" })],
      [
        { call: { case: "cancelRequest", value: { requestId: "x" } } },
        () => requests.cancelRequest({ requestId: "x" }),
      ],
      ...["session", "sometimes", "position=99999", "position=1", "bounded"].map(
        (mode): [CallInit, () => Promise<unknown>] => [
          { call: { case: "getAccount", value: { account } }, consistency: mode },
          () => accounts.getAccount({ account }, consistency(mode)),
        ],
      ),
      ...["bm9uZQ", "x".repeat(3_000)].flatMap((session): [CallInit, () => Promise<unknown>][] => {
        const headers = { [SESSION_HEADER]: session };
        const write = asked({ account, amount: usd(1) });
        return [
          [
            { call: { case: "getAccount", value: { account } }, session },
            () => accounts.getAccount({ account }, { headers }),
          ],
          [
            { ...itemCall({ case: "deposit", value: write } as never), session },
            () => transactions.deposit(write as never, { headers }),
          ],
        ];
      }),
    ];
    // Changes nothing that the others are told of.
    const good = [
      itemCall(deposit({ account: other }) as never),
      { call: { case: "getAccount", value: { account } } } as CallInit,
    ];
    const replies = await pipeline.callAll([
      ...items.map((item) => itemCall(item as never)),
      ...reads.map(([call]) => call),
      ...good,
    ]);
    for (const [i, item] of items.entries())
      await expectSame(replies[i], () => unary(client, item), JSON.stringify(item.case));
    for (const [i, [call, alone]] of reads.entries())
      await expectSame(replies[items.length + i], alone, String(call.call?.case));
    expect(replies.slice(-2).map(({ reply }) => reply.case)).toEqual(["result", "getAccount"]);
  });

  it("answers what it cannot make sense of, and lives on", async () => {
    const { pipeline, account } = await at(branch);
    const get = { case: "getAccount", value: { account } } as const;
    const unknown = create(PipelinedCallSchema, { id: 1_000n });
    unknown.$unknown = [{ no: 99, wireType: 2, data: new Uint8Array([0]) }];
    const known = pipeline.callAll([
      {},
      { call: { case: "item", value: {} } },
      { call: get, timeoutMs: 300_001 },
      { call: get, consistency: "line\nfeed" },
      { call: get, propagation: "x".repeat(2_000) },
      itemCall({ case: "deposit", value: asked({ account, amount: usd(1) }) } as never),
    ]);
    pipeline.send([unknown]);
    const replies = await known;
    expect(
      replies
        .slice(0, 5)
        .map((reply) => [failureIn(reply).code, failureIn(reply).reason, failureIn(reply).metadata["outcome"]]),
    ).toEqual([
      [Code.Unimplemented, "INVALID_REQUEST", "NOT_APPLIED"],
      ...Array(4).fill([Code.InvalidArgument, "INVALID_REQUEST", "NOT_APPLIED"]),
    ]);
    expect(failureIn(replies[2] as PipelinedReply).violations).toMatchObject([{ field: "timeout_ms" }]);
    expect(replies[5]?.reply.case).toBe("result");
    await expect.poll(() => pipeline.replies.find(({ id }) => id === 1_000n)).toBeDefined();
    expect(failureIn(pipeline.replies.find(({ id }) => id === 1_000n) as PipelinedReply).code).toBe(Code.Unimplemented);
  });

  it("ends a stream whose caller puts too many calls into a message, once what came before is answered", async () => {
    const { pipeline, account } = await at(branch);
    const get = create(PipelinedCallSchema, { id: 7n, call: { case: "getAccount", value: { account } } });
    pipeline.send([get]);
    pipeline.send(new Array<PipelinedCall>(10_001).fill(create(PipelinedCallSchema)));
    expect(await reasonOf(pipeline.ended)).toBe("INVALID_REQUEST");
    expect(pipeline.replies.map(({ id, reply }) => [id, reply.case])).toEqual([[7n, "getAccount"]]);
  });

  it("has what came together share a batch, and answers it in one message", async () => {
    const { client, pipeline, account } = await at(branch);
    const deposits = Array.from({ length: 300 }, () =>
      itemCall({ case: "deposit", value: asked({ account, amount: usd(1) }) } as never),
    );
    const replies = await pipeline.callAll(deposits);
    expect(new Set(replies.map(({ readInfo }) => readInfo?.position)).size).toBe(300);
    expect(pipeline.messages.length).toBeLessThan(5);
    expect(await client.balance(account)).toBe(300n);
    // All of one batch have its time.
    const times = replies
      .map((reply) => resultOf(reply).result.value)
      .map((t) => JSON.stringify((t as { time: { nanos: number } }).time.nanos));
    expect(new Set(times).size).toBeLessThan(5);
  });

  it("tells how far a write has spread, as the call by itself does", async () => {
    const { pipeline, account } = await at(branch);
    const deposit = () => itemCall({ case: "deposit", value: asked({ account, amount: usd(1) }) } as never);
    const replies = await pipeline.callAll(
      [
        { ...deposit(), propagation: "all-branches" },
        { ...deposit(), propagation: "quorum=1" },
        { ...deposit(), propagation: "nowhere" },
        deposit(),
      ].map((call) => ({ ...call, timeoutMs: 300 })),
    );
    // The copy of this branch is in memory, where nothing is safe: it makes no quorum.
    expect(replies.map(({ readInfo }) => readInfo?.propagation?.satisfied)).toEqual([
      true,
      false,
      undefined,
      undefined,
    ]);
    expect(failureIn(replies[2] as PipelinedReply)).toMatchObject({ reason: "INVALID_REQUEST" });
    expect(pipeline.replies.map(({ id }) => id).at(-1)).toBe(2n);
  });

  it("speaks JSON to those who do", async () => {
    const { account } = await at(branch, 7);
    const baseUrl = branch === 0 ? cluster.bankUrl : cluster.branchUrl(branch);
    const transport = createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: false });
    const call = { id: 9n, call: { case: "getBalance", value: { account } } } as const;
    const deposit = { id: 10n, ...itemCall({ case: "deposit", value: asked({ account, amount: usd(1) }) } as never) };
    const replies: PipelinedReply[] = [];
    for await (const message of createClient(SessionService, transport).pipeline(one({ calls: [call, deposit] })))
      replies.push(...message.replies);
    const kinds = replies.map(({ id, reply }) => [id, reply.case]).sort();
    expect(kinds).toEqual([
      [10n, "result"],
      [9n, "getBalance"],
    ]);
  });

  it("ends in order when its caller sends no more", async () => {
    const { pipeline, account } = await at(branch);
    const deposits = Array.from({ length: 50 }, () =>
      itemCall({ case: "deposit", value: asked({ account, amount: usd(1) }) } as never),
    );
    const answers = pipeline.callAll(deposits);
    pipeline.finish();
    await pipeline.ended;
    expect((await answers).filter(({ reply }) => reply.case === "result")).toHaveLength(50);
  });
});

async function expectSame(
  reply: PipelinedReply | undefined,
  alone: () => Promise<unknown>,
  what: string,
): Promise<void> {
  const { code, reason, metadata, violations } = await failureOf(alone());
  const told = failureIn(reply as PipelinedReply);
  // Between the two the journal went on.
  const { position: _, ...expected } = metadata;
  expect({ ...told, position: 0n }, what).toMatchObject({ code, reason, metadata: expected, violations });
  expect(Object.keys(told.metadata), what).toEqual(Object.keys(metadata));
}

async function* one<T>(message: T): AsyncGenerator<T> {
  yield message;
}

import { randomUUID } from "node:crypto";
import { connectPipeline, type Pipeline, type PipelinedOperation } from "@bank/client";
import {
  BatchItemSchema,
  DepositRequestSchema,
  GetBalanceRequestSchema,
  BranchState as WireBranchState,
} from "@bank/proto";
import { FaultProxy } from "@bank/testkit";
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { accountWith, asked, PLACES, startServers, usd } from "./calls.test-util.ts";
import { silentLog } from "./log.ts";
import { itemCall, RawPipeline } from "./pipeline.test-util.ts";
import { clientOf, startFollowing, startTestBank } from "./servers.test-util.ts";
import { CALLS_IN_FLIGHT_MAX } from "./services/pipeline-stream.ts";
import { type RunningCluster, startCluster } from "./start-cluster.ts";

function pipelineTo(...servers: string[]): Pipeline {
  const pipeline = connectPipeline({ servers, retryDelayMs: 5 });
  onTestFinished(() => pipeline.close());
  return pipeline;
}

function deposit(account: string, minor = 1, requestId = randomUUID()): PipelinedOperation & { case: "item" } {
  const value = create(DepositRequestSchema, { requestId, account, amount: usd(minor) });
  return { case: "item", value: create(BatchItemSchema, { command: { case: "deposit", value } }) };
}

function balanceOf(account: string): PipelinedOperation & { case: "getBalance" } {
  return { case: "getBalance", value: create(GetBalanceRequestSchema, { account }) };
}

/** For tests that leave it as they found it. */
let cluster: RunningCluster;
beforeAll(async () => {
  cluster = await startCluster({ branches: [1], log: silentLog });
});
afterAll(() => cluster.close());

const urlAt = (branch: number) => (branch === 0 ? cluster.bankUrl : cluster.branchUrl(branch));

async function startProxy(target: string): Promise<FaultProxy> {
  const proxy = await FaultProxy.start({ target });
  onTestFinished(() => proxy.close());
  return proxy;
}

describe("a pipelining client", { timeout: 20_000 }, () => {
  it.each(PLACES)("has 1,000 mixed operations under way at $place, each answered as it asks", async ({ branch }) => {
    const client = clientOf(urlAt(branch));
    const pipeline = pipelineTo(urlAt(branch));
    const accounts = await Promise.all(Array.from({ length: 4 }, () => accountWith(client, 1_000)));
    const refused: string[] = [];
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, async (_, i) => {
        const account = accounts[i % 4] as string;
        if (i % 10 === 9)
          return pipeline
            .call(deposit("999"))
            .catch((error: { reason: string; requestId: string }) => refused.push(error.reason));
        if (i % 2 === 0) return pipeline.call(deposit(account, i + 1));
        const consistency = i % 4 === 1 ? "linearizable" : "local";
        const { reply } = await pipeline.call(balanceOf(account), { consistency });
        expect(reply.value.posted?.amountMinor).toBeGreaterThanOrEqual(1_000n);
        return reply;
      }),
    );
    expect(answers).toHaveLength(1_000);
    expect(refused).toEqual(Array(100).fill("ACCOUNT_NOT_FOUND"));
    const amounts = Array.from({ length: 1_000 }, (_, i) => i).filter((i) => i % 2 === 0 && i % 10 !== 9);
    const total = amounts.reduce((sum, i) => sum + i + 1, 0);
    const balances = await Promise.all(accounts.map((account) => client.balance(account)));
    expect(balances.reduce((sum, balance) => sum + balance, 0n)).toBe(BigInt(4_000 + total));
  });

  it("does everything once when the server is restarted in the middle", async () => {
    const first = await startTestBank();
    const proxy = await startProxy(first.url);
    const account = await accountWith(clientOf(first.url), 0);
    const pipeline = pipelineTo(proxy.url);
    let answered = 0;
    const answers = Promise.all(
      Array.from({ length: 60 }, async (_, caller) => {
        for (let i = 0; i < 10; i++) {
          await pipeline.call(deposit(account, 10 * caller + i + 1));
          answered++;
        }
      }),
    );
    await vi.waitUntil(() => answered > 100, { interval: 1 });
    await first.close();
    proxy.endAll("rst");
    expect(answered).toBeLessThan(600);
    const second = await startTestBank({ dataDir: first.dataDir });
    proxy.setTarget(second.url);
    await answers;
    // No two are alike, so that one done twice cannot stand in for another.
    expect(await clientOf(second.url).balance(account)).toBe(BigInt((600 * 601) / 2));
  });

  it("does everything once over connections that are cut again and again", async () => {
    const proxy = await startProxy(urlAt(1));
    const account = await accountWith(clientOf(urlAt(0)), 0);
    const pipeline = pipelineTo(proxy.url);
    let answered = 0;
    const callers = Array.from({ length: 50 }, async (_, caller) => {
      for (let i = 0; i < 10; i++) {
        await pipeline.call(deposit(account, 10 * caller + i + 1));
        answered++;
      }
    });
    const done = Promise.all(callers);
    for (const until of [50, 200, 350]) {
      await vi.waitUntil(() => answered >= until, { interval: 1 });
      proxy.endAfter(until === 200 ? "toServer" : "toClient", 300, "rst");
    }
    await done;
    expect(proxy.counts.accepted).toBeGreaterThan(3);
    expect(await clientOf(urlAt(0)).balance(account)).toBe(BigInt((500 * 501) / 2));
  });

  it("goes on at another server, in the same session", async () => {
    const proxy = await startProxy(urlAt(1));
    const account = await accountWith(clientOf(urlAt(0)), 0);
    const pipeline = pipelineTo(proxy.url, urlAt(0));
    await pipeline.call(deposit(account));
    proxy.refuse();
    proxy.endAll("rst");
    const { reply } = await pipeline.call(deposit(account));
    expect(reply.value.result.value).toMatchObject({ branch: 0 });
    const balance = await pipeline.call(balanceOf(account), { consistency: "session" });
    expect(balance.reply.value.posted?.amountMinor).toBe(2n);
  });

  it("honours deadlines where the server cannot answer in time, and says what is known", async () => {
    const proxy = await startProxy(urlAt(0));
    const account = await accountWith(clientOf(urlAt(0)), 0);
    const pipeline = pipelineTo(proxy.url);
    await pipeline.call(balanceOf(account));
    proxy.cut("toClient");
    const beganMs = performance.now();
    const calls = [
      pipeline.call(deposit(account), { timeoutMs: 150 }),
      pipeline.call(balanceOf(account), { timeoutMs: 150 }),
    ];
    const failures = await Promise.all(
      calls.map((call) =>
        call.then(
          () => undefined,
          (error: object) => error,
        ),
      ),
    );
    expect(performance.now() - beganMs).toBeLessThan(1_000);
    expect(failures).toMatchObject([
      { reason: "DEADLINE_EXCEEDED", outcome: "OUTCOME_UNKNOWN" },
      { reason: "DEADLINE_EXCEEDED", outcome: "NOT_APPLIED" },
    ]);
    proxy.uncut();
    // The stream is the same, and lives.
    expect((await pipeline.call(balanceOf(account))).reply.value.posted?.amountMinor).toBe(1n);
  });

  it("refuses what a session has lost, and what goes to a branch that is draining", async () => {
    const { bank, branch, atBank } = await startServers();
    const account = await accountWith(atBank, 5);
    const other = await startTestBank();
    const { readInfo } = await clientOf(other.url).accounts.getAccount({
      account: await accountWith(clientOf(other.url), 5),
    });
    const pipeline = pipelineTo(branch.url);
    const session = readInfo?.session as string;
    await expect(pipeline.call(balanceOf(account), { session })).rejects.toMatchObject({ reason: "SESSION_INVALID" });
    await atBank.branches.updateBranch(
      asked({ number: 1, change: { case: "state", value: WireBranchState.DRAINING } as const }),
    );
    await expect.poll(() => branch.replica().ledger.branches.get(1)?.state).toBeGreaterThan(1);
    await expect(pipeline.call(balanceOf(account))).rejects.toMatchObject({
      reason: "DRAINING",
      outcome: "NOT_APPLIED",
    });
    await expect(pipeline.call(deposit(account))).rejects.toMatchObject({
      reason: "DRAINING",
      outcome: "OUTCOME_UNKNOWN",
    });
    expect(bank.fatal).toEqual([]);
  });
});

describe("a server of streams", { timeout: 20_000 }, () => {
  it("answers local reads while others wait for a bank that is cut off", async () => {
    const bank = await startTestBank();
    const proxy = await startProxy(bank.url);
    const branch = await startFollowing(proxy.url, [1]);
    const account = await accountWith(clientOf(branch.url), 5);
    const pipeline = new RawPipeline(branch.url);
    await pipeline.call({ call: balanceOf(account) });
    proxy.cut("both");
    const waiting = pipeline.callAll([
      { call: balanceOf(account), timeoutMs: 400 },
      { call: deposit(account), timeoutMs: 200 },
    ]);
    const local = await pipeline.callAll(
      Array.from({ length: 20 }, () => ({ call: balanceOf(account), consistency: "local" })),
    );
    expect(local.map(({ reply }) => reply.case)).toEqual(Array(20).fill("getBalance"));
    expect(pipeline.replies).toHaveLength(21);
    const failures = (await waiting).map(({ reply }) => (reply.case === "failure" ? reply.value : undefined));
    expect(failures.map((failure) => failure?.metadata["outcome"])).toEqual(["NOT_APPLIED", "OUTCOME_UNKNOWN"]);
    expect(["DEADLINE_EXCEEDED", "BANK_UNREACHABLE"]).toContain(failures[0]?.reason);
    proxy.uncut();
  });

  it("answers what it took when it shuts down, and then says so", async () => {
    const bank = await startTestBank();
    const account = await accountWith(clientOf(bank.url), 0);
    const pipeline = new RawPipeline(bank.url);
    const answers = pipeline.callAll(Array.from({ length: 200 }, () => itemCall(deposit(account).value.command)));
    await vi.waitUntil(() => bank.replica.ledger.position > 5, { interval: 1 });
    const closing = bank.close();
    await expect(pipeline.ended).rejects.toMatchObject({ rawMessage: expect.stringContaining("shutting down") });
    expect((await answers).filter(({ reply }) => reply.case === "result")).toHaveLength(200);
    await closing;
  });

  it("is held up by no caller who does not read, and holds no more for him than it says", async () => {
    const account = await accountWith(clientOf(urlAt(0)), 0);
    const pipeline = new RawPipeline(urlAt(0));
    await pipeline.call({ call: balanceOf(account) });
    const gate = Promise.withResolvers<void>();
    pipeline.gate = gate.promise;
    const calls = 6 * CALLS_IN_FLIGHT_MAX;
    const answers: Promise<unknown>[] = [];
    for (let sent = 0; sent < calls; sent += 2_048)
      answers.push(
        pipeline.callAll(Array.from({ length: 2_048 }, () => ({ call: balanceOf(account), consistency: "local" }))),
      );
    const other = new RawPipeline(urlAt(0));
    for (let i = 0; i < 20; i++) await other.call({ call: deposit(account) });
    expect(pipeline.replies.length).toBeLessThan(calls / 2);
    gate.resolve();
    await Promise.all(answers);
    expect(pipeline.replies).toHaveLength(calls + 1);
  });

  it("goes on with what a caller wanted who hung up", async () => {
    const account = await accountWith(clientOf(urlAt(0)), 0);
    const pipeline = new RawPipeline(urlAt(1));
    await pipeline.call({ call: balanceOf(account) });
    const { position } = cluster.bank.replica.ledger;
    void pipeline.callAll(Array.from({ length: 100 }, () => ({ call: deposit(account) })));
    await vi.waitUntil(() => cluster.bank.replica.ledger.position > position, { interval: 1 });
    pipeline.drop();
    await expect.poll(() => clientOf(urlAt(0)).balance(account)).toBe(100n);
  });
});

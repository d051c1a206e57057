import { connectBank } from "@bank/client";
import type { Platform } from "@bank/replica";
import { EPOCH_HEADER } from "@bank/rpc";
import { RedisJournalStore, type RedisStoreOptions } from "@bank/store";
import { describeWithRedis } from "@bank/store/conformance";
import { consistency } from "@bank/testkit";
import { Code } from "@connectrpc/connect";
import { expect, it, onTestFinished, vi } from "vitest";
import { asked, failureOf, usd as wireUsd } from "./calls.test-util.ts";
import { silentLog } from "./log.ts";
import { nodePlatform } from "./platform.ts";
import { freePort } from "./promotion.test-util.ts";
import { clientOf as callsOf, startTestBank, startTestBranches, type TestBank } from "./servers.test-util.ts";

const TTL_MS = 700;

/** How often a bank makes sure by itself that it is the bank. */
const LOOK_MS = 1_000;

type LeaseClock = NonNullable<RedisStoreOptions["clock"]>;

/** By which a store counts its lease; stopped, it neither gives a sign of life nor finds that time has passed. */
function pausable() {
  let stoppedMs: number | undefined;
  const clock: LeaseClock = {
    nowMs: () => stoppedMs ?? performance.now(),
    after: (ms, act) => {
      const timer = setTimeout(() => {
        if (stoppedMs === undefined) act();
      }, ms);
      return { cancel: () => clearTimeout(timer) };
    },
  };
  const real = nodePlatform(silentLog);
  const platform: Platform = {
    ...real,
    // It does not ask by itself whether it is the bank: a test says when it does.
    delay: (ms, signal) => real.delay(ms === LOOK_MS ? 60_000 : ms, signal),
  };
  return {
    on: (url: string) => bankOn(url, clock, 0, platform),
    stop: () => {
      stoppedMs = performance.now();
    },
  };
}

function bankOn(url: string, clock?: LeaseClock, port = 0, platform?: Platform): Promise<TestBank> {
  const options = { url, ttlMs: TTL_MS, ...(clock === undefined ? {} : { clock }) };
  const wrapStore = () => new RedisJournalStore(options);
  return startTestBank({ port, store: url, wrapStore, ...(platform === undefined ? {} : { platform }) });
}

function clientOf(...servers: string[]) {
  const client = connectBank({ servers, timeoutMs: 15_000 });
  onTestFinished(() => client.close());
  return client;
}

/** The client tries again for so long: only for what is asked again and again. One answer is had by a call that is not tried again. */
const BRIEFLY = { timeoutMs: 500 };

function depositAt({ url }: TestBank): Promise<unknown> {
  return callsOf(url).transactions.deposit(asked({ account: "1", amount: wireUsd(1) }));
}

const usd = (minor: bigint) => ({ currency: "USD", minor });

describeWithRedis("two banks on one store", (server) => {
  it("are told apart: the one that was paused and replaced answers nothing that must be newest, and writes nothing", async () => {
    const url = server.newUrl();
    const { on, stop } = pausable();
    const first = await on(url);
    const customer = clientOf(first.url);
    await customer.openAccount({});
    await customer.deposit("1", usd(100n));
    // It believes that it has the lease, and goes on believing so.
    stop();
    const second = await bankOn(url);
    await clientOf(second.url).withdraw("1", usd(60n));
    const end = second.replica.committedPosition;

    expect((await customer.balance("1", { consistency: "local" })).posted).toEqual(usd(100n));
    const refused = { reason: "NOT_LEADER", metadata: { leader: second.url } };
    const { accounts } = callsOf(first.url);
    expect(await failureOf(accounts.getBalance({ account: "1" }, consistency("linearizable")))).toMatchObject(refused);
    expect(await failureOf(depositAt(first))).toMatchObject({ reason: "NOT_LEADER" });
    expect(first.fatal).toMatchObject([{ name: "LeaseLostError", holder: second.url }]);
    expect(second.replica.committedPosition).toBe(end);
    // Whoever knows both is served by the one that is left, in the epoch that it began.
    const { posted, epoch } = await clientOf(first.url, second.url).balance("1");
    expect({ posted, epoch }).toEqual({ posted: usd(40n), epoch: 2 });
  });

  it("have the second refuse a write of the paused first one by itself", async () => {
    const url = server.newUrl();
    const { on, stop } = pausable();
    const first = await on(url);
    const customer = clientOf(first.url);
    await customer.openAccount({});
    stop();
    const second = await bankOn(url);
    expect(await failureOf(depositAt(first))).toMatchObject({ reason: "NOT_LEADER" });
    expect((await clientOf(second.url).balance("1")).posted).toEqual(usd(0n));
  });

  it("have the one that waits say who is the leader, to customers and to branches", async () => {
    const url = server.newUrl();
    const first = await bankOn(url);
    const port = await freePort();
    const starting = bankOn(url, undefined, port);
    const waiting = `http://127.0.0.1:${port}`;
    const alone = clientOf(waiting);
    const refusal = () => callsOf(waiting).accounts.getBalance({ account: "1" });
    await vi.waitFor(async () =>
      expect(await failureOf(refusal())).toMatchObject({
        reason: "NOT_LEADER",
        metadata: { leader: first.url },
        error: { code: Code.Unavailable },
      }),
    );
    const both = clientOf(waiting, first.url);
    await both.openAccount({});
    await both.deposit("1", usd(5n));
    const branches = await startTestBranches(waiting, [1], { otherUpstreams: [first.url] });
    await branches.whenFollowing(AbortSignal.timeout(10_000));
    expect((await clientOf(branches.url).balance("1")).posted).toEqual(usd(5n));
    await first.close();
    const second = await starting;
    expect(second.url).toBe(waiting);
    await clientOf(branches.url).deposit("1", usd(6n));
    expect((await both.balance("1")).posted).toEqual(usd(11n));
    expect(await alone.balance("1")).toMatchObject({ posted: usd(11n), epoch: 2 });
  });

  it("tell whoever asks the one that waits the address that the leader is to be reached at", async () => {
    const url = server.newUrl();
    const options = { store: url, wrapStore: () => new RedisJournalStore({ url, ttlMs: TTL_MS }) };
    const first = await startTestBank({ ...options, host: "0.0.0.0", advertise: "http://bank.example:50051" });
    expect(first.log.about("nobody can connect to")).toEqual([]);
    const port = await freePort();
    const starting = startTestBank({ ...options, port });
    const customer = clientOf(`http://127.0.0.1:${port}`);
    const leader = { metadata: { leader: "http://bank.example:50051" } };
    await vi.waitFor(() => expect(customer.balance("1", BRIEFLY)).rejects.toMatchObject(leader));
    const { branches } = await clientOf(`http://127.0.0.1:${first.port}`).branches();
    expect(branches[0]).toMatchObject({ number: 0, address: "http://bank.example:50051" });
    await first.close();
    await starting;
  });

  it("say so where others are told an address that none of them can reach", async () => {
    const url = server.newUrl();
    const wrapStore = () => new RedisJournalStore({ url, ttlMs: TTL_MS });
    const bank = await startTestBank({ store: url, wrapStore, host: "0.0.0.0" });
    expect(bank.log.about("nobody can connect to")).toMatchObject([{ level: "warn", fields: { url: bank.url } }]);
  });

  it("wait for each other: the second begins when the first has closed", async () => {
    const url = server.newUrl();
    const first = await bankOn(url);
    const customer = clientOf(first.url);
    await customer.openAccount({});
    await customer.deposit("1", usd(5n));
    const starting = bankOn(url);
    await new Promise((resolve) => setTimeout(resolve, TTL_MS));
    expect(first.fatal).toEqual([]);
    await first.close();
    const second = await starting;
    expect(second.log.about("waiting for its turn")).toMatchObject([{ fields: { leader: first.url } }]);
    expect((await clientOf(second.url).balance("1")).posted).toEqual(usd(5n));
    expect(second.replica.ledger.currentEpoch()?.number).toBe(2);
  });

  it("have the other one take over at once where one is told of a newer bank, which there is not", async () => {
    // So long that it cannot have passed by itself.
    const url = server.newUrl("?lease_ms=60000");
    const at = () => startTestBank({ store: url });
    const first = await at();
    await clientOf(first.url).openAccount({});
    const starting = at();
    await callsOf(first.url)
      .journal.getPosition({}, { headers: { [EPOCH_HEADER]: "2" } })
      .catch(() => undefined);
    expect(first.fatal).toMatchObject([{ name: "SupersededError" }]);
    const second = await starting;
    expect((await clientOf(second.url).balance("1")).epoch).toBe(2);
  });

  it("have the other one take over at once where one is told to stop before it has started", async () => {
    const url = server.newUrl("?lease_ms=60000");
    const first = await startTestBank({ store: url });
    const nobody = { branch: 9, name: "nine", address: "http://127.0.0.1:9" };
    await callsOf(first.url).replication.registerBranch(nobody);
    await first.close();
    const stopping = new AbortController();
    // It would wait for ever, with the lease: nobody is there to testify.
    const waiting = startTestBank({ store: url, requireWitnesses: 1, signal: stopping.signal });
    const reason = new Error("stop");
    setTimeout(() => stopping.abort(reason), 100);
    await expect(waiting).rejects.toBe(reason);
    expect((await startTestBank({ store: url })).replica.ledger.currentEpoch()?.number).toBe(2);
  });

  it("keep one going whose server was away for longer than its lease lasts", async () => {
    const url = server.newUrl();
    const bank = await bankOn(url);
    const customer = clientOf(bank.url);
    await customer.openAccount({});
    const before = bank.replica.ledger.currentEpoch()?.number;
    const lease = () => vi.waitUntil(() => bank.log.about("held again").length > 0, 10_000);
    server.signal("SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, 2 * TTL_MS));
    const writing = customer.deposit("1", usd(7n));
    const reading = customer.balance("1");
    server.signal("SIGCONT");
    await Promise.all([writing, reading, lease()]);
    expect((await customer.balance("1")).posted).toEqual(usd(7n));
    expect(bank.replica.ledger.currentEpoch()?.number).toBe(before);
    expect(bank.fatal).toEqual([]);
  });
});

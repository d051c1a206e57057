import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { connectBank } from "@bank/client";
import { LossDetectedError, type Platform } from "@bank/replica";
import { failureFromConnectError } from "@bank/rpc";
import type { JournalStore } from "@bank/store";
import { RedisJournalStore } from "@bank/store";
import { describeWithRedis } from "@bank/store/conformance";
import { FaultProxy, RecordingLog } from "@bank/testkit";
import { ConnectError } from "@connectrpc/connect";
import { expect, it, onTestFinished, vi } from "vitest";
import { LeaderJournal } from "./leader-journal.ts";
import { nodePlatform } from "./platform.ts";
import { freePort } from "./promotion.test-util.ts";
import {
  clientOf as callsOf,
  hurried,
  startFollowing,
  startTestBank,
  type TestBank,
  temporaryFolder,
} from "./servers.test-util.ts";
import { WarmStandby } from "./warm-standby.ts";

/** What is read of a store. */
interface Reads {
  batches: number;
  pages: number;
}

/** A store on Redis that counts what is read of it, besides what is checked. */
function counted(url: string, reads: Reads): JournalStore {
  const store = new RedisJournalStore({ url });
  const read = store.read.bind(store);
  const snapshotPage = store.snapshotPage.bind(store);
  return Object.assign(store, {
    read: async (...asked: Parameters<typeof read>) => {
      const batches = await read(...asked);
      reads.batches += batches.length;
      return batches;
    },
    snapshotPage: (...asked: Parameters<typeof snapshotPage>) => {
      reads.pages++;
      return snapshotPage(...asked);
    },
  });
}

function clientOf(...servers: string[]) {
  const client = connectBank({ servers, timeoutMs: 10_000 });
  onTestFinished(() => client.close());
  return client;
}

const usd = (minor: bigint) => ({ currency: "USD", minor });

async function deposit(server: TestBank, times: number): Promise<void> {
  const client = clientOf(server.url);
  for (let i = 0; i < times; i++) await client.deposit("1", usd(1n));
}

interface StandbyOptions {
  /** Where the leader is said to be; where it listens if it is not said. */
  readonly address?: (leader: TestBank) => Promise<string>;
  /** Of the one that waits: one that is kept costs a thread. */
  readonly history?: "eager" | "lazy";
  readonly standby?: "cold";
}

/** A leader with an account, and another server that waits. */
async function leaderAndStandby(url: string, { address, ...options }: StandbyOptions = {}) {
  const first = await startTestBank({ store: url });
  await clientOf(first.url).openAccount({});
  await deposit(first, 10);
  // To be found elsewhere, for those that wait.
  if (address !== undefined) first.replica.announce(await address(first));
  const reads = { batches: 0, pages: 0 };
  const [log, port, folder] = [new RecordingLog(), await freePort(), await temporaryFolder()];
  const stopping = new AbortController();
  const dataDir = join(folder, "second");
  const { signal } = stopping;
  const wrapStore = () => counted(url, reads);
  const witnessTimeoutMs = 5_000;
  const real = nodePlatform(log);
  // Nobody waits a whole second for branches that are not there.
  const platform: Platform = { ...real, timeout: (ms) => real.timeout(ms === 1_000 ? 50 : ms) };
  const starting = startTestBank({
    store: url,
    port,
    log,
    dataDir,
    wrapStore,
    signal,
    witnessTimeoutMs,
    platform,
    ...options,
  });
  starting.catch(() => undefined);
  onTestFinished(() => stopping.abort(new Error("the test is over")));
  return { first, starting, reads, log, waiting: `http://127.0.0.1:${port}`, port, stopping, dataDir };
}

const PATIENCE_MS = 20_000;

const told = (log: RecordingLog, text: string) => vi.waitUntil(() => log.about(text).length > 0, PATIENCE_MS);

/** What the server that waits answers. */
async function refusal(url: string): Promise<{ reason: string; leader: string; problem: string }> {
  const error = await callsOf(url)
    .accounts.getBalance({ account: "1" })
    .catch((thrown: unknown) => thrown);
  const { reason = "", metadata } = (error instanceof ConnectError && failureFromConnectError(error)) || {};
  return { reason, leader: metadata?.["leader"] ?? "", problem: metadata?.["problem"] ?? "" };
}

/** Waits until it says that it has the leader's journal up to this position. */
function current(url: string, { replica }: TestBank): Promise<boolean> {
  const text = `up to position ${replica.committedPosition}`;
  return vi.waitUntil(async () => (await refusal(url)).problem.includes(text), PATIENCE_MS);
}

describeWithRedis("a bank server that waits for its turn", (server) => {
  it("has what the leader has, and reads only what lies behind that when its turn comes", async () => {
    const proxy = await FaultProxy.start();
    onTestFinished(() => proxy.close());
    const url = server.newUrl("?lease_ms=700");
    const address = async (leader: TestBank) => {
      proxy.setTarget(leader.url);
      return proxy.url;
    };
    const at = await leaderAndStandby(url, { address });
    const { first, log, reads } = at;
    await told(log, "is warm");
    await current(at.waiting, first);
    expect(await refusal(at.waiting)).toMatchObject({ reason: "NOT_LEADER", leader: proxy.url });
    // A stream that is cut is begun again.
    proxy.endAll("rst");
    await deposit(first, 3);
    await current(at.waiting, first);
    const position = first.replica.committedPosition;
    // What it misses it finds in the store, and nothing else.
    proxy.refuse();
    proxy.endAll("rst");
    await told(log, "cannot follow");
    const before = reads.batches;
    await deposit(first, 4);
    await first.close();
    const second = await at.starting;
    expect(reads.batches - before).toBe(4);
    expect(reads.pages).toBe(0);
    expect(second.recovered).toMatchObject({ warmPosition: position, replayedRecords: 4 });
    expect(await clientOf(at.waiting).balance("1")).toMatchObject({ posted: usd(17n), epoch: 2 });
  });

  it("waits a second for branches that do not testify, and no longer: it has seen the journal's end itself", async () => {
    const at = await leaderAndStandby(server.newUrl("?lease_ms=700"));
    await callsOf(at.first.url).replication.registerBranch({ branch: 1, name: "gone", address: "http://127.0.0.1:1" });
    await current(at.waiting, at.first);
    await at.first.close();
    const second = await at.starting;
    expect(second.log.about("without the testimony")).toMatchObject([{ fields: { missing: 1, waited_ms: 1_000 } }]);
  });

  it("leaves nothing behind when it is told to stop", async () => {
    const at = await leaderAndStandby(server.newUrl("?lease_ms=700"), { history: "eager" });
    await current(at.waiting, at.first);
    expect(at.first.replica.feed.followers).toBe(1);
    const files = () => readdirSync(at.dataDir);
    await vi.waitUntil(() => files().includes("history.db-wal"), PATIENCE_MS);
    at.stopping.abort(new Error("stop"));
    await expect(at.starting).rejects.toThrow("stop");
    await vi.waitUntil(() => at.first.replica.feed.followers === 0, PATIENCE_MS);
    // The history's file is closed, and the port and the folder are free.
    expect(files()).not.toContain("history.db-wal");
    const again = await startTestBank({ port: at.port, dataDir: at.dataDir });
    expect(again.port).toBe(at.port);
    await deposit(at.first, 1);
  });

  it("does not begin where the store has lost what it has seen committed", async () => {
    const at = await leaderAndStandby(server.newUrl("?lease_ms=700"));
    await current(at.waiting, at.first);
    // As a server comes back that kept its data in memory alone.
    await server.command("FLUSHALL");
    await expect(at.starting).rejects.toThrow(LossDetectedError);
  });

  it("follows nobody but the leader: no branch, and none that waits itself", async () => {
    const url = server.newUrl("?lease_ms=700");
    const branches: { url: string }[] = [];
    const address = async (leader: TestBank) => {
      branches.push(await startFollowing(leader.url, [1]));
      return branches[0]?.url ?? "";
    };
    const at = await leaderAndStandby(url, { address });
    await told(at.log, "cannot follow");
    expect(at.log.about("cannot follow")[0]?.fields["problem"]).toMatch(/only the leader is followed/);
    at.first.replica.announce(at.waiting);
    await vi.waitUntil(() => at.log.about("cannot follow").length === 2, PATIENCE_MS);
    expect(at.log.about("cannot follow")[1]?.fields["problem"]).toMatch(/not the leader|NOT_LEADER|waits for its turn/);
    expect((await refusal(at.waiting)).problem).not.toMatch(/up to position/);
    // Where it never found the leader it starts from what is stored.
    await at.first.close();
    const second = await at.starting;
    expect(second.recovered.warmPosition).toBeUndefined();
    expect((await clientOf(second.url).balance("1")).posted).toEqual(usd(10n));
  });

  it("has nothing where it is to be cold", async () => {
    const at = await leaderAndStandby(server.newUrl("?lease_ms=700"), { standby: "cold" });
    await vi.waitUntil(async () => (await refusal(at.waiting)).leader === at.first.url, PATIENCE_MS);
    await at.first.close();
    expect((await at.starting).recovered.warmPosition).toBeUndefined();
    expect(at.log.about("standby")).toEqual([]);
  });

  it("that was led to another bank starts from what is stored of its own", async () => {
    const other = await startTestBank();
    await clientOf(other.url).openAccount({});
    const at = await leaderAndStandby(server.newUrl("?lease_ms=700"), { address: async () => other.url });
    await told(at.log, "is warm");
    await at.first.close();
    const second = await at.starting;
    expect(at.log.about("is not what is stored")).toMatchObject([{ fields: { problem: "it is of another bank" } }]);
    expect((await clientOf(second.url).balance("1")).posted).toEqual(usd(10n));
  });
});

it("keeps a history file as current as itself, from its beginning and over an end of the leader", async () => {
  const leader = await startTestBank();
  await clientOf(leader.url).openAccount({});
  await deposit(leader, 10);
  const file = join(await temporaryFolder(), "history.db");
  const log = new RecordingLog();
  const standbyOf = ({ url }: TestBank) => {
    const standby = new WarmStandby({ platform: hurried(nodePlatform(log)), name: "the other", historyFile: file });
    onTestFinished(() => standby.close());
    standby.follow(url);
    return standby;
  };
  const whenCurrent = (standby: WarmStandby) =>
    vi.waitUntil(() => standby.historyPosition === leader.replica.committedPosition, PATIENCE_MS);
  const first = standbyOf(leader);
  await whenCurrent(first);
  await deposit(leader, 5);
  await whenCurrent(first);
  await first.close();
  const kept = () => {
    const database = new DatabaseSync(file);
    const { position } = database.prepare("SELECT position FROM head").get() as { position: number };
    database.close();
    return position;
  };
  expect(kept()).toBe(leader.replica.committedPosition);
  await deposit(leader, 5);
  // What came meanwhile is asked of the leader.
  await whenCurrent(standbyOf(leader));
  expect(log.about("built anew")).toEqual([]);
});

it("leaves the connection to whom it follows no more", async () => {
  const close = vi.spyOn(LeaderJournal.prototype, "close");
  const standby = new WarmStandby({ platform: nodePlatform(new RecordingLog()), name: "it", historyFile: undefined });
  for (const end of [1, 2]) standby.follow(`http://127.0.0.1:${end}`);
  expect(close).toHaveBeenCalledTimes(1);
  await standby.close();
  expect(close).toHaveBeenCalledTimes(2);
});

it("a bank server alone has nobody to follow", async () => {
  const bank = await startTestBank();
  expect(bank.recovered.warmPosition).toBeUndefined();
  expect(bank.log.about("standby")).toEqual([]);
});

import { type Position, RefusalError } from "@bank/core";
import { consistency, FaultProxy, followJournal, HeldStore, Random, rest } from "@bank/testkit";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { RemoteJournal } from "./bank-link.ts";
import { deposit, give, openAccount } from "./books.test-util.ts";
import {
  clientOf,
  crashImage,
  startFollowing,
  startTestBank,
  startTestBranches,
  type TestBank,
  type TestBranches,
} from "./servers.test-util.ts";

const SOON = () => AbortSignal.timeout(10_000);
const PATIENT = { timeout: 10_000 };
/** Any snapshot is worth it. */
const ALWAYS = { recordsMin: 1, recordsPerEntry: 0 };

interface Scene {
  readonly bank: TestBank;
  /** Under the bank's store. */
  readonly store: HeldStore;
  readonly account: string;
}

/** A bank with a snapshot whose root is in the journal, and something behind it. */
async function bankWithSnapshot(): Promise<Scene> {
  const stores: HeldStore[] = [];
  const bank = await startTestBank({
    snapshotEveryRecords: 20,
    wrapStore: (store) => {
      stores.push(new HeldStore(store));
      return stores[0] as HeldStore;
    },
  });
  const account = await openAccount(clientOf(bank.url));
  const scene = { bank, store: stores[0] as HeldStore, account };
  await untilRoot(scene, 1);
  return scene;
}

/** Books until the journal names the root of a snapshot at this position or later, and a little more. */
async function untilRoot({ bank, account }: Scene, position: Position): Promise<void> {
  const client = clientOf(bank.url);
  for (let i = 0; (bank.replica.ledger.root?.position ?? 0) < position; i++) {
    expect(i).toBeLessThan(1_000);
    await give(client, deposit(0, account, 1n));
  }
  for (let i = 0; i < 5; i++) await give(client, deposit(0, account, 100n));
}

function digestOf({ ledger }: { readonly ledger: { digestBytes(): Uint8Array } }): string {
  return Buffer.from(ledger.digestBytes()).toString("hex");
}

/** The branch shows what the bank has, and has it all. */
async function expectSame({ bank }: Scene, branch: TestBranches): Promise<void> {
  const { committedPosition } = bank.replica;
  await branch.replica().whenApplied(committedPosition, SOON());
  expect(digestOf(branch.replica())).toBe(digestOf(bank.replica));
  await vi.waitUntil(() => branch.replica().savedPosition >= committedPosition, PATIENT);
}

async function whenWhole(branch: TestBranches): Promise<void> {
  await vi.waitUntil(() => branch.log.about("the journal is whole").length > 0, PATIENT);
}

describe("a new branch", () => {
  it("begins from a snapshot, follows from there, and fetches what lies before it", async () => {
    const scene = await bankWithSnapshot();
    const { bank, account } = scene;
    const branch = await startFollowing(bank.url, [1], { seedCosts: ALWAYS });
    expect(branch.log.about("goes on from a snapshot")).toHaveLength(1);
    expect(branch.replica().recovered?.snapshotPosition).toBe(bank.replica.ledger.root?.position);
    const client = clientOf(branch.url);
    expect(await client.balance(account)).toBe(await clientOf(bank.url).balance(account));
    await expectSame(scene, branch);
    await whenWhole(branch);
    const whole = await followJournal(client, bank.replica.committedPosition);
    expect(whole.records.length).toBe(bank.replica.committedPosition);
    const { posted } = await client.accounts.getBalance(
      { account, asOf: { case: "position", value: 6n } },
      consistency("local"),
    );
    expect(posted).toEqual(
      (await clientOf(bank.url).accounts.getBalance({ account, asOf: { case: "position", value: 6n } })).posted,
    );
  });

  it("follows from the beginning where that is less, and where there is no snapshot", async () => {
    const scene = await bankWithSnapshot();
    const branch = await startFollowing(scene.bank.url, [1]);
    expect(branch.replica().recovered).toBeUndefined();
    await expectSame(scene, branch);
    const plain = await startTestBank();
    const other = await startFollowing(plain.url, [1], { seedCosts: ALWAYS });
    expect(other.log.about("snapshot")).toEqual([]);
  });

  it("says how far it is with what it does not have yet, and goes on fetching after a restart", async () => {
    const scene = await bankWithSnapshot();
    const { bank, store, account } = scene;
    const first = deposit(1, account, 9n);
    const early = await give(clientOf(bank.url), first);
    await untilRoot(scene, bank.replica.committedPosition);
    const held = Promise.withResolvers<void>();
    store.before.read = () => held.promise;
    const opened = await startFollowing(bank.url, [1], { seedCosts: ALWAYS });
    const { dataDir } = opened;
    await opened.close();
    const branch = await startFollowing(bank.url, [1], { seedCosts: ALWAYS, dataDir });
    // Once is enough: now there is a gap.
    expect(branch.log.about("goes on from a snapshot")).toEqual([]);
    const client = clientOf(branch.url);
    await expectSame(scene, branch);
    const missing = /has been fetched up to|it has fetched up to/;
    const { journal } = client;
    const follow = async () => {
      for await (const _ of journal.follow({ formatLevel: 9 }));
    };
    await expect(follow()).rejects.toThrow(missing);
    await expect(journal.getPosition({ atPosition: 2n })).rejects.toThrow(missing);
    await expect(
      client.accounts.getBalance({ account, asOf: { case: "position", value: 6n } }, consistency("local")),
    ).rejects.toThrow(missing);
    const outcome = () => client.requests.getOutcome({ requestId: first.requestId }, consistency("local"));
    await expect(outcome()).rejects.toThrow(missing);
    // The bank answers a repeated request all the same.
    expect(await give(client, first)).toEqual({ ...early, replayed: true });

    held.resolve();
    await whenWhole(branch);
    expect((await outcome()).result).toBeDefined();
    expect((await followJournal(client, bank.replica.committedPosition)).records.length).toBe(
      bank.replica.committedPosition,
    );
  });

  it("begins again when the snapshot breaks off, and does not believe one that is altered", async () => {
    const scene = await bankWithSnapshot();
    const { bank, store } = scene;
    const page = store.snapshotPage.bind(store);
    let calls = 0;
    store.snapshotPage = async (position, number) => {
      const bytes = await page(position, number);
      calls++;
      if (calls === 1) throw new RefusalError("NOT_READY", { problem: "broken off by the test" });
      // In the middle: of an account, an id, a name.
      if (calls === 2 && bytes !== undefined) bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
      return bytes;
    };
    const branch = await startFollowing(bank.url, [1], { seedCosts: ALWAYS });
    expect(branch.log.about("cannot begin from a snapshot")).toHaveLength(2);
    expect(branch.log.about("goes on from a snapshot")).toHaveLength(1);
    await expectSame(scene, branch);
  });
});

describe("a branch that was away", () => {
  it("keeps what it has, goes on from a later snapshot, and fills the gap between", async () => {
    const scene = await bankWithSnapshot();
    const { bank, account } = scene;
    const away = await startFollowing(bank.url, [1]);
    await expectSame(scene, away);
    const { dataDir } = away;
    const { savedPosition } = away.replica();
    await away.close();
    await untilRoot(scene, bank.replica.committedPosition);
    const back = await startFollowing(bank.url, [1], { dataDir, seedCosts: ALWAYS });
    expect(back.log.about("goes on from a snapshot")).toHaveLength(1);
    await whenWhole(back);
    await expectSame(scene, back);
    expect(savedPosition).toBeLessThan(bank.replica.ledger.root?.position ?? 0);
    const client = clientOf(back.url);
    expect((await followJournal(client, bank.replica.committedPosition)).records.length).toBe(
      bank.replica.committedPosition,
    );
    expect(await client.balance(account)).toBe(await clientOf(bank.url).balance(account));
  });
});

describe("a branch whose journal is another one", () => {
  it("is evidence, however far it is behind: it gets no snapshot", async () => {
    const scene = await bankWithSnapshot();
    const { bank } = scene;
    const { port } = bank;
    await bank.close();
    const image = await crashImage(bank.dataDir);
    const first = await startTestBank({ dataDir: bank.dataDir, port });
    const branch = await startFollowing(first.url, [1]);
    const { dataDir } = branch;
    await give(clientOf(branch.url), deposit(1, scene.account, 7n));
    const { appliedPosition } = branch.replica();
    await branch.close();
    await first.close();
    const other = await startTestBank({ dataDir: image, port, snapshotEveryRecords: 20 });
    await untilRoot({ ...scene, bank: other }, appliedPosition + 1);
    const back = await startTestBranches(other.url, [1], { dataDir, seedCosts: ALWAYS });
    await vi.waitUntil(() => back.replica().state === "diverged", PATIENT);
    expect(back.log.about("goes on from a snapshot")).toEqual([]);
    expect(back.replica().savedPosition).toBe(appliedPosition);
  });
});

describe("a branch of a branch", () => {
  it("begins from the snapshot of the bank, or of its parent, and fetches the past from its parent", async () => {
    const scene = await bankWithSnapshot();
    const { bank } = scene;
    const replaying = await startFollowing(bank.url, [1]);
    await expectSame(scene, replaying);
    // The parent has no snapshot of its own that is proven: it passes that of the bank on.
    const child = await startFollowing(replaying.url, [2], { seedCosts: ALWAYS });
    expect(child.log.about("goes on from a snapshot")).toHaveLength(1);
    await whenWhole(child);
    // The child has one.
    const grandchild = await startFollowing(child.url, [3], { seedCosts: ALWAYS });
    expect(grandchild.log.about("goes on from a snapshot")).toHaveLength(1);
    await whenWhole(grandchild);
    await expectSame(scene, grandchild);
    const { committedPosition } = bank.replica;
    expect((await followJournal(clientOf(grandchild.url), committedPosition)).records.length).toBe(committedPosition);
  });
});

describe("the past of a journal", () => {
  it("is handed out between two batches, committed, and only to those of this bank", async () => {
    const { bank } = await bankWithSnapshot();
    const link = new RemoteJournal(bank.url, "a test");
    onTestFinished(() => link.close());
    const { committedPosition, bankId } = bank.replica;
    const count = async (after: number, last: number) => {
      let frames = 0;
      for await (const _ of link.fetchBatches(bankId, after, last, SOON())) frames++;
      return frames;
    };
    const all = await count(0, committedPosition + 100);
    expect(all).toBeGreaterThan(20);
    expect(await count(committedPosition, committedPosition + 100)).toBe(0);
    expect((await count(0, 10)) + (await count(10, committedPosition))).toBe(all);
    const stranger = async () => {
      for await (const _ of link.fetchBatches(new Uint8Array(16), 0, 9, SOON()));
    };
    await expect(stranger()).rejects.toThrow(/this is bank/);
  });
});

it("a follower that is cut off again and again, in the middle of whatever comes, ends with the same digest", async () => {
  const scene = await bankWithSnapshot();
  const { bank, account } = scene;
  const proxy = await FaultProxy.start({ target: bank.url, seed: 7 });
  onTestFinished(() => proxy.close());
  const branch = await startTestBranches(proxy.url, [1], { seedCosts: ALWAYS });
  const client = clientOf(bank.url);
  const random = new Random(7);
  for (let cut = 0; cut < 40; cut++) {
    await Promise.all(Array.from({ length: 20 }, () => give(client, deposit(0, account, 1n))));
    // Some come through before the next cut, some do not.
    await rest(random.below(30));
    proxy.endAfter("toClient", 1 + random.below(2_000), random.pick(["fin", "rst"]));
  }
  proxy.heal();
  await branch.whenFollowing(SOON());
  await whenWhole(branch);
  await expectSame(scene, branch);
  expect(proxy.counts.accepted).toBeGreaterThan(10);
  expect(branch.fatal).toEqual([]);
});

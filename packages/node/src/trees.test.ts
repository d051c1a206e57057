import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { followJournal } from "@bank/testkit";
import { expect, it, vi } from "vitest";
import { RemoteJournal } from "./bank-link.ts";
import { deposit, give, openAccount } from "./books.test-util.ts";
import { clientOf, startFollowing, startTestBank, startTestBranches, temporaryFolder } from "./servers.test-util.ts";

const SOON = () => AbortSignal.timeout(10_000);

it("a chain of branches shows, books and tells the time as one, and the bank serves its own child alone", async () => {
  const bank = await startTestBank();
  const child = await startFollowing(bank.url, [1]);
  const grandchild = await startFollowing(child.url, [2]);
  const leaf = await startFollowing(grandchild.url, [3]);
  const client = clientOf(leaf.url);
  const account = await openAccount(client);
  const order = deposit(3, account, 70n);
  const reply = await give(client, order);
  expect(reply).toMatchObject({ done: true, replayed: false });
  expect(await give(client, order)).toEqual({ ...reply, replayed: true });
  expect(await client.balance(account)).toBe(70n);
  expect(await client.balance("cash/3/USD")).toBe(-70n);
  // What the leaf read is the newest: all hops were asked anew, after it came.
  await give(clientOf(bank.url), deposit(0, account, 5n));
  expect(await client.balance(account)).toBe(75n);
  const timeMs = Date.now();
  await vi.waitUntil(() => Date.now() > timeMs);
  const moment = { seconds: BigInt(Math.floor(timeMs / 1000)), nanos: (timeMs % 1000) * 1_000_000 };
  const past = await client.accounts.getBalance({ account, asOf: { case: "time", value: moment } });
  expect(past.posted?.amountMinor).toBe(75n);
  expect(bank.replica.feed.followers).toBe(1);
  expect(child.replica().feed.followers).toBe(1);
  const position = bank.replica.committedPosition;
  await leaf.replica().whenApplied(position, SOON());
  const digests = [bank.replica, child.replica(), grandchild.replica(), leaf.replica()].map(({ ledger }) =>
    Buffer.from(ledger.digestBytes()).toString("hex"),
  );
  expect(new Set(digests).size).toBe(1);
  expect((await followJournal(client, position)).records.length).toBe(position);
  const { branches } = await client.branches.listBranches({});
  expect(branches.slice(1).map(({ number, address, name }) => [number, address, name])).toEqual([
    [1, child.url, "branch 1"],
    [2, grandchild.url, "branch 2"],
    [3, leaf.url, "branch 3"],
  ]);
});

it("a tree loads the bank with its own children only, however many ask", async () => {
  const bank = await startTestBank();
  const parent = await startFollowing(bank.url, [1]);
  const leaves = [
    await startFollowing(parent.url, [2]),
    await startFollowing(parent.url, [3]),
    await startFollowing(parent.url, [4]),
  ];
  const clients = leaves.map(({ url }) => clientOf(url));
  const accounts = await Promise.all(clients.map((client) => openAccount(client)));
  expect(bank.replica.feed.followers).toBe(1);
  expect(parent.replica().feed.followers).toBe(3);
  const asked = vi.spyOn(bank.replica, "readIndex");
  const written = vi.spyOn(bank.replica, "submit");
  const ROUNDS = 50;
  await Promise.all(
    clients.flatMap((client, i) =>
      Array.from({ length: ROUNDS }, () => give(client, deposit(i + 2, accounts[i] as string, 1n))),
    ),
  );
  const writes = written.mock.calls.length;
  expect(writes).toBeLessThan(leaves.length * ROUNDS);
  expect(written.mock.calls.flatMap(([requests]) => requests)).toHaveLength(leaves.length * ROUNDS);
  asked.mockClear();
  const reads = clients.flatMap((client, i) =>
    Array.from({ length: ROUNDS }, () => client.balance(accounts[i] as string)),
  );
  expect(new Set(await Promise.all(reads))).toEqual(new Set([BigInt(ROUNDS)]));
  expect(asked.mock.calls.length).toBeLessThan(ROUNDS);
});

it("children of a parent that dies move to the next server, and go on", async () => {
  const bank = await startTestBank();
  const parent = await startFollowing(bank.url, [1]);
  const child = await startFollowing(parent.url, [2], { otherUpstreams: [bank.url] });
  const grandchild = await startFollowing(child.url, [3]);
  const client = clientOf(grandchild.url);
  const account = await openAccount(client);
  await give(client, deposit(3, account, 1n));
  expect(child.upstreamUrl).toBe(parent.url);
  await parent.close();
  await vi.waitFor(() => give(client, deposit(3, account, 1n)), { timeout: 10_000 });
  expect(child.upstreamUrl).toBe(bank.url);
  await vi.waitFor(async () => expect(await client.balance(account)).toBeGreaterThanOrEqual(2n), { timeout: 10_000 });
  await grandchild.replica().whenApplied(bank.replica.committedPosition, SOON());
  expect(Buffer.from(grandchild.replica().ledger.digestBytes())).toEqual(
    Buffer.from(bank.replica.ledger.digestBytes()),
  );
});

it.each([2, 3])("a loop of %d is refused, loudly, and recovers when the bank is back", async (length) => {
  const bank = await startTestBank();
  const { port, dataDir } = bank;
  const bankUrl = bank.url;
  // The first knows the last as a way out, which is none.
  const lastPort = await freePort();
  const first = await startFollowing(bankUrl, [1], { otherUpstreams: [`http://127.0.0.1:${lastPort}`] });
  let before = first;
  for (let number = 2; number <= length; number++)
    before = await startFollowing(before.url, [number], number === length ? { firstPort: lastPort } : {});
  const account = await openAccount(clientOf(before.url));
  await bank.close();
  await vi.waitUntil(() => first.log.about("would follow itself").length > 0, { timeout: 10_000 });
  expect(first.log.about("would follow itself")[0]?.level).toBe("error");
  await vi.waitUntil(() => !first.replica().connected && !before.replica().connected, { timeout: 10_000 });
  expect(first.replica().state).toBe("connecting");
  await expect(clientOf(before.url).balance(account)).rejects.toThrow(/no connection to the bank/);

  await startTestBank({ port, dataDir });
  const client = clientOf(before.url);
  await vi.waitFor(() => give(client, deposit(length, account, 3n)), { timeout: 10_000 });
  await vi.waitFor(async () => expect(await client.balance(account)).toBeGreaterThanOrEqual(3n), { timeout: 10_000 });
});

it("a branch that is told to follow itself says so", async () => {
  const bank = await startTestBank();
  const port = await freePort();
  const first = await startFollowing(bank.url, [1], { firstPort: port });
  await first.close();
  const url = `http://127.0.0.1:${port}`;
  const lonely = await startTestBranches(url, [1], { firstPort: port, dataDir: first.dataDir });
  await vi.waitUntil(() => lonely.log.about("would follow itself").length > 0, { timeout: 10_000 });
  expect(lonely.replica().state).toBe("connecting");
});

it("a branch that is told to follow itself before it ever reached a bank says so, and each cause once", async () => {
  const port = await freePort();
  const lonely = await startTestBranches(`http://127.0.0.1:${port}`, [1], { firstPort: port });
  await vi.waitUntil(() => lonely.log.about("would follow itself").length > 0, { timeout: 10_000 });
  expect(lonely.log.about("would follow itself")[0]?.level).toBe("error");
  const probe = vi.spyOn(RemoteJournal.prototype, "probe");
  await vi.waitUntil(() => probe.mock.calls.length > 20, { timeout: 10_000 });
  expect(lonely.log.about("would follow itself")).toHaveLength(1);
  const problems = lonely.log.about("cannot be followed").map(({ fields }) => String(fields["problem"]));
  expect(problems.filter((problem) => problem.includes("never reached"))).toHaveLength(1);
  expect(problems.length).toBeLessThan(4);
});

it("a server that refuses every try is told of once, however the refusal came", async () => {
  const nobody = `http://127.0.0.1:${await freePort()}`;
  // It answers, and has no bank.
  const parent = await startTestBranches(nobody, [1]);
  const heads = vi.spyOn(RemoteJournal.prototype, "head");
  const child = await startTestBranches(parent.url, [2]);
  const tries = () => heads.mock.contexts.filter((asked) => (asked as RemoteJournal).url === parent.url).length;
  await vi.waitUntil(() => tries() > 20, { timeout: 10_000 });
  expect(child.log.about("cannot be followed")).toHaveLength(1);
  expect(child.log.about("cannot be followed")[0]?.fields["problem"]).toContain("never reached its bank");
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

it("another bank in the list of a branch is never followed, and its epochs are nobody else's", async () => {
  const folder = await temporaryFolder();
  const foreignDir = join(folder, "foreign");
  // It was started more often, and so is of a higher epoch.
  for (let starts = 0; starts < 3; starts++) await (await startTestBank({ dataDir: foreignDir })).close();
  const foreign = await startTestBank({ dataDir: foreignDir });
  const bank = await startTestBank({ dataDir: join(folder, "bank") });
  const { port } = bank;
  const branch = await startFollowing(bank.url, [1], { otherUpstreams: [foreign.url] });
  const client = clientOf(branch.url);
  const account = await openAccount(client);
  await bank.close();
  await vi.waitUntil(() => branch.log.lines.some(({ fields }) => String(fields["problem"]).includes("another bank")));
  const again = await startTestBank({ dataDir: bank.dataDir, port });
  await vi.waitFor(() => give(client, deposit(1, account, 1n)), { timeout: 10_000 });
  expect(again.replica.isSuperseded).toBe(false);
  expect(await client.balance(account)).toBe(1n);
});

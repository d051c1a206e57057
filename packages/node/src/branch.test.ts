import { randomUUID } from "node:crypto";
import type { FailureOutcome } from "@bank/core";
import { failureFromConnectError } from "@bank/rpc";
import { StoreLockedError } from "@bank/store";
import { consistency, followJournal, rest, watch } from "@bank/testkit";
import { type CallOptions, Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it, vi } from "vitest";
import { RemoteJournal } from "./bank-link.ts";
import { checkBooks, deposit, give, openAccount, withdrawal } from "./books.test-util.ts";
import { silentLog } from "./log.ts";
import {
  clientOf,
  slowStreams,
  startFollowing,
  startTestBank,
  startTestBranches,
  temporaryFolder,
} from "./servers.test-util.ts";
import { startCluster } from "./start-cluster.ts";

/** Why a call failed, and what that says about its effect. */
async function failureOf(call: Promise<unknown>): Promise<{ reason: string; outcome: FailureOutcome; text: string }> {
  try {
    await call;
  } catch (error) {
    const failure = error instanceof ConnectError ? failureFromConnectError(error) : undefined;
    if (failure === undefined) throw error;
    const { reason, message: text, metadata } = failure;
    return { reason, text, outcome: metadata["outcome"] as FailureOutcome };
  }
  throw new Error("the call was expected to fail");
}

const SOON = () => AbortSignal.timeout(10_000);

describe("a branch without its bank", () => {
  it("fails fast, goes on with local reads, and recovers by itself", async () => {
    const first = await startTestBank();
    const { port, dataDir } = first;
    const branch = await startFollowing(first.url, [1]);
    const client = clientOf(branch.url);
    const account = await openAccount(client);
    const before = deposit(1, account, 70n);
    const reply = await give(client, before);
    const { readInfo } = await client.accounts.getBalance({ account });
    const session = readInfo?.session ?? "";

    await first.close();
    await vi.waitUntil(() => branch.replica().state === "connecting");
    const order = deposit(1, account, 5n);
    // The deadline is long: what ends these is that there is no bank.
    expect(await failureOf(give(client, order))).toMatchObject({
      reason: "BANK_UNREACHABLE",
      outcome: "OUTCOME_UNKNOWN",
    });
    expect(await failureOf(give(client, before))).toMatchObject({ outcome: "OUTCOME_UNKNOWN" });
    expect(await failureOf(client.balance(account))).toMatchObject({
      reason: "BANK_UNREACHABLE",
      outcome: "NOT_APPLIED",
    });
    expect(await client.balance(account, consistency("local"))).toBe(70n);
    expect(await client.balance(account, consistency("session", session))).toBe(70n);
    expect((await client.status()).connected).toBe(false);

    const again = await startTestBank({ port, dataDir, witnessTimeoutMs: 5_000 });
    await branch.whenFollowing(SOON());
    const retried = await give(client, order);
    expect(retried).toMatchObject({ done: true, replayed: false });
    expect(await give(client, before)).toEqual({ ...reply, replayed: true });
    expect(await client.balance(account)).toBe(75n);
    expect((await client.status()).connected).toBe(true);
    const journal = await followJournal(client, again.replica.committedPosition);
    checkBooks(journal, [
      { order: before, reply },
      { order, reply: retried },
    ]);
  });

  it("may be started first, and then knows nothing", async () => {
    const gone = await startTestBank();
    const { port, dataDir, url } = gone;
    await gone.close();
    const branch = await startTestBranches(url, [1]);
    const client = clientOf(branch.url);
    const reasons = [
      client.balance("1"),
      client.balance("1", consistency("local")),
      client.status(),
      client.journal.getPosition({}),
      (async () => {
        for await (const _ of client.journal.follow({}));
      })(),
      give(client, deposit(1, "1", 1n)),
    ].map(async (call) => (await failureOf(call)).reason);
    expect(await Promise.all(reasons)).toEqual([
      "BANK_UNREACHABLE",
      "NOT_READY",
      "NOT_READY",
      "NOT_READY",
      "NOT_READY",
      "BANK_UNREACHABLE",
    ]);
    await startTestBank({ port, dataDir });
    await branch.whenFollowing(SOON());
    expect(await openAccount(client)).toBe("1");
  });

  it("shows a session what it has, and fails fast for what it cannot have", async () => {
    const bank = await startTestBank();
    const behind = await startFollowing(bank.url, [2]);
    const ahead = clientOf((await startFollowing(bank.url, [1])).url);
    const account = await openAccount(ahead);
    const tokens: string[] = [];
    for (let i = 0; i < 2; i++) {
      await give(ahead, deposit(1, account, 10n));
      const { readInfo } = await ahead.accounts.getBalance({ account });
      tokens.push(readInfo?.session ?? "");
      if (i > 0) continue;
      await behind.replica().whenApplied(Number(readInfo?.position), SOON());
      await behind.close();
    }
    await bank.close();
    const { dataDir } = behind;
    const client = clientOf((await startTestBranches(bank.url, [2], { dataDir })).url);
    const [old, recent] = tokens as [string, string];
    expect(await client.balance(account, consistency("session", old))).toBe(10n);
    expect(await failureOf(client.balance(account, consistency("session", recent)))).toMatchObject({
      reason: "BANK_UNREACHABLE",
    });
    expect(await client.balance(account, consistency("local", recent))).toBe(10n);
  });
});

describe("a branch that is started again", () => {
  it("goes on from its own position, and asks for nothing twice", async () => {
    const bank = await startTestBank();
    const follow = vi.spyOn(bank.replica.feed, "messages");
    const branch = await startFollowing(bank.url, [1]);
    expect(follow.mock.calls.map(([after]) => after)).toEqual([0]);
    const client = clientOf(branch.url);
    const account = await openAccount(client);
    for (let i = 0; i < 20; i++) await give(client, deposit(1, account, 1n));
    const end = bank.replica.committedPosition;
    await branch.replica().whenApplied(end, SOON());
    await branch.close();
    const atBank = clientOf(bank.url);
    await give(atBank, withdrawal(0, account, 3n));

    const again = await startFollowing(bank.url, [1], { dataDir: branch.dataDir });
    expect(again.replica().recovered?.replay.ledger.position).toBeGreaterThanOrEqual(end);
    expect(follow.mock.calls.map(([after]) => after)).toEqual([0, end]);
    expect(await clientOf(again.url).balance(account)).toBe(17n);
    const position = bank.replica.committedPosition;
    await again.replica().whenApplied(position, SOON());
    const copy = await followJournal(clientOf(again.url), position);
    expect(copy.digests).toEqual((await followJournal(atBank, position)).digests);
  });

  it("takes no data folder that another server uses", async () => {
    const bank = await startTestBank();
    await expect(startTestBank({ dataDir: bank.dataDir })).rejects.toThrow(StoreLockedError);
    const branch = await startFollowing(bank.url, [1]);
    const second = startTestBranches(bank.url, [2], { dataDir: branch.dataDir });
    await expect(second).rejects.toThrow(`the data folder ${branch.dataDir}/journal is in use`);
    expect(await openAccount(clientOf(branch.url))).toBe("1");
  });

  it("gives its data folder back where it cannot listen", async () => {
    const bank = await startTestBank();
    const branch = await startFollowing(bank.url, [1]);
    await branch.close();
    const { dataDir } = branch;
    const taken = { dataDir, firstPort: bank.port };
    await expect(startTestBranches(bank.url, [1], taken)).rejects.toMatchObject({ code: "EADDRINUSE" });
    await startFollowing(bank.url, [1], { dataDir });
    const other = await startTestBank();
    await other.close();
    const again = { dataDir: other.dataDir, port: bank.port };
    for (let tries = 0; tries < 2; tries++)
      await expect(startTestBank(again)).rejects.toMatchObject({ code: "EADDRINUSE" });
    await startTestBank({ ...again, port: 0 });
  });
});

describe("branches in one process", () => {
  it("listen each on its own port, and book on their own cash accounts", async () => {
    const bank = await startTestBank();
    const server = await startFollowing(bank.url, [3, 1, 2]);
    expect(server.branches.map(({ number }) => number)).toEqual([3, 1, 2]);
    const clients = server.branches.map(({ number, url }) => ({ number, client: clientOf(url) }));
    const account = await openAccount(clientOf(bank.url));
    await give(clientOf(bank.url), deposit(0, account, 1n));
    const answered = [];
    for (const { number, client } of clients) {
      const order = deposit(number, account, BigInt(10 * number));
      answered.push({ order, reply: await give(client, order) });
      const { branch } = await client.branches.getBranch({});
      expect(branch).toMatchObject({ number, name: `branch ${number}` });
    }
    for (const { client } of clients) {
      expect(await client.balance(account)).toBe(61n);
      for (const { number } of clients) expect(await client.balance(`cash/${number}/USD`)).toBe(BigInt(-10 * number));
      expect(await client.balance("cash/0/USD")).toBe(-1n);
      const { branches } = await client.branches.listBranches({});
      const addresses = Object.fromEntries(server.branches.map(({ number, url }) => [number, url]));
      expect(branches.map(({ number, address }) => [number, address])).toEqual([
        [0, bank.url],
        [1, addresses[1]],
        [2, addresses[2]],
        [3, addresses[3]],
      ]);
      // Of itself and those beside it a server knows how current they are.
      expect(branches.map(({ status }) => status !== undefined)).toEqual([false, true, true, true]);
    }
    // The bank knows it of all that are connected.
    await vi.waitFor(async () => {
      const { branches } = await clientOf(bank.url).branches.listBranches({});
      expect(branches.map(({ status }) => status?.connected)).toEqual([true, true, true, true]);
    }, 10_000);
    expect(await failureOf(clientOf(bank.url).branches.getBranch({ number: 9 }))).toMatchObject({
      reason: "READ_BRANCH_NOT_FOUND",
    });
  });

  it("are registered before anything is booked there: else it would be rejected for ever", async () => {
    const bank = await startTestBank();
    const account = await openAccount(clientOf(bank.url));
    const held = Promise.withResolvers<void>();
    const { registerBranch } = RemoteJournal.prototype;
    const register = vi.spyOn(RemoteJournal.prototype, "registerBranch").mockImplementation(async function (
      this: RemoteJournal,
      ...args
    ) {
      await held.promise;
      return registerBranch.apply(this, args);
    });
    const branch = await startTestBranches(bank.url, [1]);
    await vi.waitUntil(() => register.mock.calls.length > 0);
    expect(branch.replica().state).toBe("following");
    const position = bank.replica.committedPosition;
    const order = deposit(1, account, 1n);
    const reply = watch(give(clientOf(branch.url), order));
    // Reads do not wait for it.
    expect(await clientOf(branch.url).balance(account)).toBe(0n);
    await rest(50);
    expect([reply.state, bank.replica.committedPosition]).toEqual(["pending", position]);
    held.resolve();
    await vi.waitUntil(() => reply.state !== "pending");
    expect(reply.value).toMatchObject({ done: true, booking: { branch: 1 } });
  });

  it("say where they listen now, after they moved", async () => {
    const bank = await startTestBank();
    const old = await startFollowing(bank.url, [1]);
    const { dataDir, url } = old;
    await old.close();
    const moved = await startFollowing(bank.url, [1], { dataDir });
    expect(moved.url).not.toBe(url);
    const { branches } = await clientOf(bank.url).branches.listBranches({});
    expect(branches[1]).toMatchObject({ number: 1, address: moved.url });
    const position = bank.replica.committedPosition;
    await moved.close();
    const same = { dataDir, firstPort: Number(new URL(moved.url).port) };
    await startFollowing(bank.url, [1], same);
    expect(bank.replica.committedPosition, "what the bank knows it does not write again").toBe(position);
  });

  it("cannot be registered at what is no address", async () => {
    const { replication } = clientOf((await startTestBank()).url);
    for (const address of ["", "nonsense", "http://", "127.0.0.1:1", "http://127.0.0.1:1/path"])
      expect(await failureOf(replication.registerBranch({ branch: 1, name: "x", address }))).toMatchObject({
        reason: "INVALID_REQUEST",
      });
    await replication.registerBranch({ branch: 1, name: "x", address: "http://127.0.0.1:1" });
  });
});

describe("a session", () => {
  it("sees at any branch what it did and saw at another", async () => {
    const bank = await startTestBank();
    slowStreams(bank, () => 30);
    const servers = await Promise.all([1, 2, 3].map((number) => startFollowing(bank.url, [number])));
    const clients = [...servers, bank].map(({ url }) => clientOf(url));
    const [first] = clients as [(typeof clients)[0]];
    const account = await openAccount(first);
    for (let i = 1; i <= 30; i++) {
      const { readInfo } = await first.transactions.deposit({
        requestId: randomUUID(),
        account,
        amount: { currencyCode: "USD", amountMinor: 1n },
      });
      const token = readInfo?.session ?? "";
      expect(await first.balance(account, consistency("local")), "where it was done it shows at once").toBe(BigInt(i));
      for (const client of clients) {
        const read = await client.accounts.getBalance({ account }, consistency("session", token));
        expect(read.posted?.amountMinor).toBe(BigInt(i));
        expect(read.readInfo?.position).toBeGreaterThanOrEqual(readInfo?.position ?? 0n);
      }
    }
  });

  it("sees its own write also where the branch did not show that in time, of an epoch that this branch does not know", async () => {
    const first = await startTestBank();
    const { port, dataDir } = first;
    const account = await openAccount(clientOf(first.url));
    const branch = await startFollowing(first.url, [1]);
    await first.close();
    // The journal does not come, as where a branch has much to catch up.
    const bank = await startTestBank({ port, dataDir });
    const { feed } = bank.replica;
    const messages = feed.messages.bind(feed);
    vi.spyOn(feed, "messages").mockImplementation(async function* (after, signal) {
      for await (const message of messages(after, signal)) if (message.batch === undefined) yield message;
    });
    const request = { requestId: randomUUID(), account, amount: { currencyCode: "USD", amountMinor: 1n } };
    const deposit = () => clientOf(branch.url).transactions.deposit(request, { timeoutMs: 500 });
    const { readInfo } = await vi.waitFor(deposit, { timeout: 10_000 });
    expect(branch.replica().appliedPosition).toBeLessThan(Number(readInfo?.position));
    const token = consistency("session", readInfo?.session);
    expect(await clientOf(bank.url).balance(account, token)).toBe(1n);
    const here = clientOf(branch.url).accounts.getBalance({ account }, { ...token, timeoutMs: 300 });
    expect(await failureOf(here)).toMatchObject({ reason: "DEADLINE_EXCEEDED" });
  });

  it("of another bank, or of no bank, is told so; of a bank it is not asked for a mode that does not exist", async () => {
    const [bank, other] = [await startTestBank(), await startTestBank()];
    const branch = await startFollowing(bank.url, [1]);
    const account = await openAccount(clientOf(bank.url));
    const { readInfo } = await clientOf(other.url).branches.listBranches({});
    const foreign = readInfo?.session ?? "";
    const request = () => ({ requestId: randomUUID(), account, amount: { currencyCode: "USD", amountMinor: 1n } });
    for (const client of [clientOf(bank.url), clientOf(branch.url)]) {
      for (const token of [foreign, "garbage", "AAAA"]) {
        for (const mode of ["session", "linearizable"])
          expect(await failureOf(client.balance(account, consistency(mode, token)))).toMatchObject({
            reason: "SESSION_INVALID",
            outcome: "NOT_APPLIED",
          });
        const write = failureOf(client.transactions.deposit(request(), consistency("", token)));
        expect((await write).reason).toBe("SESSION_INVALID");
      }
      for (const mode of ["eventual", "LOCAL", "bounded"]) {
        const ask: CallOptions = consistency(mode, foreign);
        const error = await client.balance(account, ask).catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({ code: Code.InvalidArgument });
      }
      expect(await failureOf(client.balance(account, consistency("session")))).toMatchObject({
        reason: "INVALID_REQUEST",
      });
      expect(await client.balance(account)).toBe(0n);
    }
  });

  it("is no part of a request: who is refused because of it does not know what an earlier try did", async () => {
    const bank = await startTestBank();
    const other = await startTestBank();
    const branch = await startFollowing(bank.url, [1]);
    const { readInfo } = await clientOf(other.url).branches.listBranches({});
    const token = consistency("", readInfo?.session);
    const account = await openAccount(clientOf(bank.url));
    for (const client of [clientOf(bank.url), clientOf(branch.url)]) {
      const request = { requestId: randomUUID(), account, amount: { currencyCode: "USD", amountMinor: 1n } };
      expect(await failureOf(client.transactions.deposit(request, token))).toMatchObject({ outcome: "NOT_APPLIED" });
      await client.transactions.deposit(request);
      expect(await failureOf(client.transactions.deposit(request, token))).toMatchObject({
        reason: "SESSION_INVALID",
        outcome: "OUTCOME_UNKNOWN",
      });
    }
  });

  it("may be long, also with as many commands as a call can have", async () => {
    const bank = await startTestBank();
    const branch = await startFollowing(bank.url, [1]);
    const client = clientOf(branch.url);
    const account = await openAccount(client);
    const owner = "ü".repeat(64);
    await client.accounts.openAccount({ requestId: randomUUID(), owner, displayName: owner, currencyCode: "USD" });
    const item = () => ({
      command: {
        case: "deposit" as const,
        value: {
          requestId: randomUUID(),
          account,
          amount: { currencyCode: "USD", amountMinor: 1n },
        },
      },
    });
    const items = Array.from({ length: 10_000 }, item);
    const { readInfo } = await client.accounts.getBalance({ account });
    // A token of sixteen epochs: the bank's own, and fifteen times the same again.
    const bytes = Buffer.from(readInfo?.session ?? "", "base64url");
    const entry = bytes.subarray(17);
    const long = Buffer.concat([bytes, ...Array.from({ length: 15 }, () => entry)]).toString("base64url");
    const { results } = await client.transactions.executeBatch({ items }, consistency("", long));
    expect(results.filter(({ result }) => result.case === "transaction")).toHaveLength(items.length);
    expect(await client.balance(account)).toBe(BigInt(items.length));
  });
});

describe("the pages of a list", () => {
  it("go on at any server, with the accounts that there were at the first page", async () => {
    const bank = await startTestBank();
    const servers = await Promise.all([1, 2].map((number) => startFollowing(bank.url, [number])));
    const clients = [bank, ...servers].map(({ url }) => clientOf(url));
    const atBank = clients[0] as (typeof clients)[0];
    for (let i = 0; i < 11; i++) await openAccount(atBank);
    for (const mode of ["linearizable", "local", "session"]) {
      const before = await atBank.accounts.listAccounts({ pageSize: 1_000 });
      const token = before.readInfo?.session;
      const numbers: string[] = [];
      let pageToken = "";
      for (let page = 0; page === 0 || pageToken !== ""; page++) {
        const client = clients[page % clients.length] as (typeof clients)[0];
        const read = await client.accounts.listAccounts({ pageSize: 3, pageToken }, consistency(mode, token));
        numbers.push(...read.accounts.map(({ number }) => number));
        pageToken = read.nextPageToken;
        await openAccount(atBank);
      }
      expect(numbers).toEqual(before.accounts.map(({ number }) => number));
    }
  });

  it("are asked for by the tokens of this list alone", async () => {
    const [bank, other] = [await startTestBank(), await startTestBank()];
    const [{ accounts }, foreign] = [clientOf(bank.url), clientOf(other.url)];
    for (const client of [clientOf(bank.url), foreign]) for (let i = 0; i < 3; i++) await openAccount(client);
    const list = (pageToken: string) => failureOf(accounts.listAccounts({ pageSize: 1, pageToken }));
    for (const token of ["x", "1", ".1", "AAAA.1", "garbage.1", "AAAA.x", `${"A".repeat(55)}.1`])
      expect(await list(token)).toMatchObject({ reason: "INVALID_PAGE_TOKEN" });
    const { nextPageToken } = await foreign.accounts.listAccounts({ pageSize: 1 });
    expect(await list(nextPageToken)).toMatchObject({ reason: "SESSION_INVALID" });
    const own = await accounts.listAccounts({ pageSize: 1 });
    const [state] = own.nextPageToken.split(".");
    expect((await accounts.listAccounts({ pageToken: `${state}.9999999999` })).accounts).toEqual([]);
  });
});

describe("a cluster", () => {
  it("starts with all its branches, and leaves nothing behind", async () => {
    const cluster = await startCluster({ branches: [1, 2], log: silentLog });
    const account = await openAccount(clientOf(cluster.branchUrl(1)));
    await give(clientOf(cluster.branchUrl(1)), deposit(1, account, 3n));
    expect(await clientOf(cluster.branchUrl(2)).balance(account)).toBe(3n);
    expect(() => cluster.branchUrl(3)).toThrow(RangeError);
    await cluster.close();
    await cluster.close();
    await startTestBank({ port: cluster.bank.port });
  });

  it("that cannot start leaves nothing behind either", async () => {
    const blocker = await startTestBank();
    const dataDir = await temporaryFolder();
    // Branch 1 finds its port taken, and branch 2 most likely not.
    const start = startCluster({ branches: [1, 2], dataDir, firstBranchPort: blocker.port, log: silentLog });
    await expect(start).rejects.toMatchObject({ code: "EADDRINUSE" });
    // Whatever still ran would hold its data folder.
    const cluster = await startCluster({ branches: [1, 2], dataDir, log: silentLog });
    await cluster.close();
  });
});

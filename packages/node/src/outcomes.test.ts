import { randomUUID } from "node:crypto";
import { type BatchResult, type GetOutcomeResponse, RequestState } from "@bank/proto";
import { itemFromCommand } from "@bank/rpc";
import { MemoryJournalStore } from "@bank/store";
import { consistency, HeldStore, type ServerClient, watch } from "@bank/testkit";
import { Code } from "@connectrpc/connect";
import { describe, expect, it, vi } from "vitest";
import { RemoteJournal } from "./bank-link.ts";
import {
  accountWith,
  asked,
  clientAt,
  digestAt,
  failureOf,
  PLACES,
  reasonOf,
  startServers,
  usd,
} from "./calls.test-util.ts";
import { clientOf, startFollowing, startTestBank, startTestBranches } from "./servers.test-util.ts";

const { COMMITTED, REJECTED, IN_PROGRESS, NOT_SEEN, CANCELLED } = RequestState;

function outcomeOf({ requests }: ServerClient, requestId: string, mode = "linearizable"): Promise<GetOutcomeResponse> {
  return requests.getOutcome({ requestId }, consistency(mode));
}

function result(told: BatchResult["result"]): object {
  return { $typeName: "bank.v1.BatchResult", result: told, replayed: false };
}

/** A bank whose appends wait when the test says so, with a branch. */
async function startHeldServers() {
  const store = new HeldStore(new MemoryJournalStore());
  const servers = await startServers({ wrapStore: () => store });
  return { store, ...servers };
}

describe.each(PLACES)("what became of a request, asked at $place,", ({ branch }) => {
  it("is its answer, as it got it, for ever", async () => {
    const servers = await startServers({ snapshotEveryRecords: 5 });
    const client = clientAt(servers, branch);
    const { transactions } = client;
    const account = await accountWith(client, 100);
    const deposit = asked({ account, amount: usd(1) });
    const { transaction, readInfo } = await transactions.deposit(deposit);
    if (transaction === undefined) throw new Error("a deposit is a transaction");
    const withdraw = asked({ account, amount: usd(102) });
    const rejected = await failureOf(transactions.withdraw(withdraw));
    const items = [1n, 2n].map((minor) =>
      itemFromCommand({ kind: "deposit", account, amount: { currency: "USD", minor } }),
    );
    const grouped = asked({ items });
    const { group } = await transactions.executeGroup(grouped);
    if (group === undefined) throw new Error("a group has results");
    const bad = asked({ items: [...items, itemFromCommand({ kind: "freezeAccount", account: "999" })] });
    const badGroup = await failureOf(transactions.executeGroup(bad));
    // Told at once, from the state of a session alone too.
    const local = consistency("session", readInfo?.session);
    expect(await client.requests.getOutcome({ requestId: deposit.requestId }, local)).toMatchObject({
      state: COMMITTED,
    });

    const expectAll = async () => {
      const done = await outcomeOf(client, deposit.requestId);
      expect(done).toMatchObject({
        state: COMMITTED,
        result: result({ case: "transaction", value: transaction }),
        position: transaction.position,
      });
      expect(done.readInfo?.position).toBeGreaterThanOrEqual(transaction.position);
      // In any spelling of the id.
      expect(await outcomeOf(client, deposit.requestId.toUpperCase())).toMatchObject({ state: COMMITTED });
      const no = await outcomeOf(client, withdraw.requestId);
      expect(no).toMatchObject({
        state: REJECTED,
        result: {
          result: {
            case: "failure",
            value: { reason: rejected.reason, message: rejected.message, metadata: rejected.metadata },
          },
          replayed: false,
        },
      });
      expect(no.position).toBeGreaterThan(transaction.position);
      expect(await outcomeOf(client, grouped.requestId)).toMatchObject({
        state: COMMITTED,
        result: result({ case: "group", value: group }),
        position: group.position,
      });
      expect(await outcomeOf(client, bad.requestId)).toMatchObject({
        state: REJECTED,
        result: { result: { value: { reason: "ACCOUNT_NOT_FOUND", item: badGroup.item } } },
      });
    };
    await expectAll();
    const { dataDir, port } = servers.bank;
    await servers.bank.close();
    const again = await startTestBank({ dataDir, port });
    expect(again.recovered.snapshotPosition).toBeGreaterThan(0);
    await servers.branch.whenFollowing(AbortSignal.timeout(10_000));
    await expectAll();
  });

  it("is not seen up to a position, and that is not final", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const account = await accountWith(client, 1);
    const deposit = asked({ account, amount: usd(1) });
    const outcome = await outcomeOf(client, deposit.requestId);
    expect(outcome).toMatchObject({ state: NOT_SEEN, position: 0n });
    expect(outcome.result).toBeUndefined();
    expect(Number(outcome.readInfo?.position)).toBe(servers.bank.replica.committedPosition);
    // What uses up no id leaves nothing behind.
    await client.transactions.deposit({ ...deposit, validateOnly: true });
    await failureOf(client.transactions.deposit({ ...deposit, amount: usd(0) }));
    await failureOf(client.transactions.deposit({ ...deposit, expectedVersion: 9n }));
    expect(await outcomeOf(client, deposit.requestId)).toMatchObject({ state: NOT_SEEN });
    await client.transactions.deposit(deposit);
    expect(await outcomeOf(client, deposit.requestId)).toMatchObject({ state: COMMITTED });
  });

  it("is that it is in progress, as long as it is not on the disk", async () => {
    const { store, ...servers } = await startHeldServers();
    const client = clientAt(servers, branch);
    const account = await accountWith(client, 1);
    store.holds = true;
    const [first, second] = [asked({ account, amount: usd(1) }), asked({ account, amount: usd(2) })];
    const calls = [watch(client.transactions.deposit(first))];
    await vi.waitUntil(() => store.held.length > 0);
    // This one waits for its turn.
    calls.push(watch(client.transactions.deposit(second)));
    const told = async ({ requestId }: typeof first) => (await outcomeOf(client, requestId)).state;
    await vi.waitUntil(async () => (await told(second)) === IN_PROGRESS);
    expect(await told(first)).toBe(IN_PROGRESS);
    expect(await told(asked({ account, amount: usd(3) }))).toBe(NOT_SEEN);
    expect(calls.map(({ state }) => state)).toEqual(["pending", "pending"]);
    store.holds = false;
    store.passNext();
    await vi.waitUntil(() => calls.every(({ state }) => state === "fulfilled"));
    expect([await told(first), await told(second)]).toEqual([COMMITTED, COMMITTED]);
  });

  it("is ruled out for ever by a cancellation, unless it was answered before", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { requests, transactions } = client;
    const account = await accountWith(client, 100);
    const late = asked({ account, amount: usd(7) });
    const cancelled = await requests.cancelRequest({ requestId: late.requestId });
    expect(cancelled).toMatchObject({ state: CANCELLED });
    expect(cancelled.result).toBeUndefined();
    expect(Number(cancelled.position)).toBe(servers.bank.replica.committedPosition);
    expect(cancelled.readInfo?.position).toBe(cancelled.position);
    expect(await outcomeOf(client, late.requestId)).toMatchObject({ state: CANCELLED, position: cancelled.position });
    // Whatever comes under this id now.
    const digest = await digestAt(client);
    for (const call of [
      transactions.deposit(late),
      transactions.deposit({ ...late, amount: usd(8) }),
      client.accounts.freezeAccount({ requestId: late.requestId, account }),
    ])
      expect(await failureOf(call)).toMatchObject({
        code: Code.Aborted,
        reason: "REQUEST_CANCELLED",
        metadata: { request_id: late.requestId, outcome: "REJECTED" },
      });
    const again = await requests.cancelRequest({ requestId: late.requestId });
    expect(again).toMatchObject({ state: CANCELLED, position: cancelled.position });
    expect(await digestAt(client)).toBe(digest);

    const early = asked({ account, amount: usd(7) });
    const { transaction } = await transactions.withdraw(early);
    if (transaction === undefined) throw new Error("a withdrawal is a transaction");
    expect(await requests.cancelRequest({ requestId: early.requestId })).toMatchObject({
      state: COMMITTED,
      result: result({ case: "transaction", value: transaction }),
      position: transaction.position,
    });
    const refused = asked({ account, amount: usd(999) });
    await failureOf(transactions.withdraw(refused));
    expect(await requests.cancelRequest({ requestId: refused.requestId })).toMatchObject({
      state: REJECTED,
      result: { result: { value: { reason: "INSUFFICIENT_FUNDS" } } },
    });
    expect(await client.balance(account)).toBe(93n);
  });

  it("is asked for by an id", async () => {
    const servers = await startServers();
    const { requests } = clientAt(servers, branch);
    for (const requestId of ["", "7", `${randomUUID()}x`]) {
      const malformed = { reason: "INVALID_REQUEST", violations: [{ field: "request_id" }] };
      expect(await failureOf(requests.getOutcome({ requestId }))).toMatchObject(malformed);
      expect(await failureOf(requests.cancelRequest({ requestId }))).toMatchObject(malformed);
    }
  });
});

describe("a branch that is asked what became of a request", () => {
  it("knows what is under way through it, without its bank, and when its caller is gone", async () => {
    const { store, atBranch, branch } = await startHeldServers();
    const account = await accountWith(atBranch, 1);
    store.holds = true;
    const deposit = asked({ account, amount: usd(1) });
    const impatient = new AbortController();
    const call = watch(atBranch.transactions.deposit(deposit, { signal: impatient.signal }));
    await vi.waitUntil(() => store.held.length > 0);
    impatient.abort();
    await vi.waitUntil(() => call.state === "rejected");
    const asker = async (mode: string) => (await outcomeOf(atBranch, deposit.requestId, mode)).state;
    expect(await asker("local")).toBe(IN_PROGRESS);
    // The bank cannot be asked either way: it is known here.
    const readIndex = vi.spyOn(branch.replica().gate, "readIndex");
    expect(await asker("linearizable")).toBe(IN_PROGRESS);
    expect(readIndex).not.toHaveBeenCalled();
    store.holds = false;
    store.passNext();
    await vi.waitUntil(async () => (await asker("local")) === COMMITTED);
    expect(await atBranch.transactions.deposit(deposit)).toMatchObject({ replayed: true });
  });

  it("knows what has not left it yet, too", async () => {
    const bank = await startTestBank();
    const account = await accountWith(clientOf(bank.url), 1);
    const held = Promise.withResolvers<void>();
    const { registerBranch } = RemoteJournal.prototype;
    vi.spyOn(RemoteJournal.prototype, "registerBranch").mockImplementation(async function (
      this: RemoteJournal,
      ...args
    ) {
      await held.promise;
      return registerBranch.apply(this, args);
    });
    const branch = await startTestBranches(bank.url, [1]);
    await vi.waitUntil(() => branch.replica().state === "following");
    const client = clientOf(branch.url);
    const deposit = asked({ account, amount: usd(1) });
    const call = watch(client.transactions.deposit(deposit));
    const told = async () => (await outcomeOf(client, deposit.requestId)).state;
    await vi.waitUntil(async () => (await told()) === IN_PROGRESS);
    held.resolve();
    await vi.waitUntil(() => call.state === "fulfilled");
    expect(await told()).toBe(COMMITTED);
  });

  it("forgets what was under way once it is answered, however that ended", async () => {
    const { bank, branch, atBranch: client } = await startServers();
    const account = await accountWith(client, 5);
    const { deposit, withdraw } = client.transactions;
    const twice = asked({ account, amount: usd(1) });
    const requests = [
      [deposit, twice],
      [deposit, twice],
      [deposit, asked({ account, amount: usd(0) })],
      [withdraw, asked({ account, amount: usd(999) })],
      [withdraw, { ...asked({ account, amount: usd(1) }), validateOnly: true }],
    ] as const;
    await Promise.allSettled(requests.map(([call, request]) => call(request)));
    await bank.close();
    await vi.waitUntil(() => branch.replica().state !== "following");
    const lost = asked({ account, amount: usd(1) });
    expect(await reasonOf(deposit(lost))).toBe("BANK_UNREACHABLE");
    const states = [...requests.map(([, request]) => request), lost].map(
      async ({ requestId }) => (await outcomeOf(client, requestId, "local")).state,
    );
    expect(await Promise.all(states)).toEqual([COMMITTED, COMMITTED, NOT_SEEN, REJECTED, NOT_SEEN, NOT_SEEN]);
  });

  it("answers from a state that is as new as it is asked for, and says of which position", async () => {
    const bank = await startTestBank();
    const { feed } = bank.replica;
    const messages = feed.messages.bind(feed);
    let passed = Promise.resolve();
    vi.spyOn(feed, "messages").mockImplementation(async function* (after, signal) {
      for await (const message of messages(after, signal)) {
        await passed;
        yield message;
      }
    });
    const branch = await startFollowing(bank.url, [1]);
    const [atBank, atBranch] = [clientOf(bank.url), clientOf(branch.url)];
    const account = await accountWith(atBank, 1);
    const before = bank.replica.committedPosition;
    await branch.replica().whenApplied(before, AbortSignal.timeout(10_000));
    const { promise, resolve: pass } = Promise.withResolvers<void>();
    passed = promise;
    const deposit = asked({ account, amount: usd(1) });
    const { transaction } = await atBank.transactions.deposit(deposit);
    const old = await outcomeOf(atBranch, deposit.requestId, "local");
    expect([old.state, Number(old.readInfo?.position)]).toEqual([NOT_SEEN, before]);
    const told = outcomeOf(atBranch, deposit.requestId);
    pass();
    expect(await told).toMatchObject({ state: COMMITTED, position: transaction?.position });
  });

  it("does not answer for the bank that it cannot reach, but for itself", async () => {
    const { bank, branch, atBranch } = await startServers();
    const account = await accountWith(atBranch, 1);
    const deposit = asked({ account, amount: usd(1) });
    const { transaction } = await atBranch.transactions.deposit(deposit);
    const position = bank.replica.committedPosition;
    await bank.close();
    await vi.waitUntil(() => branch.replica().state !== "following");
    expect(await reasonOf(outcomeOf(atBranch, deposit.requestId))).toBe("BANK_UNREACHABLE");
    expect(await outcomeOf(atBranch, deposit.requestId, "local")).toMatchObject({
      state: COMMITTED,
      position: transaction?.position,
    });
    const unknown = await outcomeOf(atBranch, randomUUID(), "local");
    expect(unknown).toMatchObject({ state: NOT_SEEN });
    expect(Number(unknown.readInfo?.position)).toBe(position);
    const cancel = await failureOf(atBranch.requests.cancelRequest({ requestId: randomUUID() }));
    expect(cancel).toMatchObject({ reason: "BANK_UNREACHABLE", metadata: { outcome: "OUTCOME_UNKNOWN" } });
  });
});

import { formatEpoch } from "@bank/rpc";
import { beforeEach, describe, expect, it } from "vitest";
import {
  clientOf,
  clientOfAll,
  failure,
  lossDetected,
  outcomeUnknown,
  overloaded,
  said,
  storeRefused,
  usd,
} from "./clients.test-util.ts";
import type { ClientOptions } from "./connect-bank.ts";
import { FakeServer } from "./fake-bank.test-util.ts";
import { FakeLedger } from "./fake-ledger.test-util.ts";
import type { Fault } from "./faulty-connection.test-util.ts";
import type { RetryNotice } from "./retry.ts";

let ledger: FakeLedger;
let first: FakeServer;
let second: FakeServer;
let third: FakeServer;
let notices: RetryNotice[];
/** A client of all three, which would not live to see a second round. */
const client = (options: ClientOptions = {}) =>
  clientOfAll(
    { first, second, third },
    { retryDelayMs: 1, timeoutMs: 5_000, onRetry: (notice) => notices.push(notice), ...options },
  );
const asked = () => [first, second, third].map(({ calls }) => calls.length);

const unreachable = () => said("BANK_UNREACHABLE", { branch: "1" });
const tooFew = () => said("TOO_FEW_BRANCHES", { away: "branch 1", connected: "0", copies: "1", missing: "1" });
const draining = () => said("DRAINING", { branch: "1", state: "draining" });
const superseded = () => said("EPOCH_SUPERSEDED", { epoch: "1", newer: "2" });

beforeEach(() => {
  ledger = new FakeLedger();
  ledger.balances.set("1", 1000n);
  [first, second, third] = [new FakeServer(ledger), new FakeServer(ledger, 1), new FakeServer(ledger, 2)];
  notices = [];
});

describe("a client of several servers", () => {
  it("says which there are, and where its calls go", async () => {
    const all = client();
    expect(all.servers).toEqual(["http://first", "http://second", "http://third"]);
    first.afterwards = "refuse";
    await all.balance("1");
    expect(all.server).toBe("http://second");
  });

  it.each<[string, () => Fault]>([
    ["cannot be reached", () => "refuse"],
    ["breaks the connection", () => "lose-request"],
    ["loses its answer", () => "lose-reply"],
    ["is not ready", () => said("NOT_READY", { problem: "it starts" })],
    ["has no link to the bank", unreachable],
    ["lost its call to the bank", outcomeUnknown],
    ["is draining", draining],
    ["was replaced", superseded],
    ["is too stale", () => said("STALENESS_BOUND_EXCEEDED", { branch: "1", max_staleness_ms: "1", staleness_ms: "9" })],
    ["does not know the epoch of the session", () => said("SESSION_INVALID", { problem: "unknown epoch" })],
    ["ran out of time", () => said("DEADLINE_EXCEEDED", { waiting_for: "position 9" })],
  ])("asks the next where one %s, at once and under the same request id", async (_, fault) => {
    first.faults.push(fault());
    const { requestId } = await client({ retryDelayMs: 10 }).deposit("1", usd(5n));
    expect(asked()).toEqual([1, 1, 0]);
    expect([first, second].map(({ calls }) => calls[0]?.requestId)).toEqual([requestId, requestId]);
    expect(ledger.balances.get("1")).toBe(1005n);
    expect(notices).toMatchObject([{ server: "http://first", nextServer: "http://second", attempts: 1, requestId }]);
    // Only so that not all who lost the same server come in one moment.
    expect(notices[0]?.delayMs).toBeLessThan(10);
  });

  it.each<[string, () => Fault]>([
    ["the journal could not be written", storeRefused],
    ["too few branches are connected", tooFew],
    ["the bank is overloaded", overloaded],
  ])("waits and asks the same one again where %s: it is the same everywhere", async (_, fault) => {
    first.faults.push(fault());
    await client().deposit("1", usd(5n));
    expect(asked()).toEqual([2, 0, 0]);
  });

  it.each<[string, () => Fault]>([
    ["a rejection", () => "serve"],
    ["a loss", lossDetected],
    ["a lost session", () => said("SESSION_LOST", { fork_position: "3", position: "9" })],
    ["a fault inside", () => said("INTERNAL", { incident: "af" }, "OUTCOME_UNKNOWN")],
  ])("takes %s for an answer, wherever it comes from", async (_, fault) => {
    first.faults.push(fault());
    await failure(client().withdraw("1", usd(5_000n)));
    expect(asked()).toEqual([1, 0, 0]);
  });

  it("stays with the one that worked", async () => {
    const all = client();
    first.afterwards = "refuse";
    for (let i = 0; i < 5; i++) await all.deposit("1", usd(1n));
    expect(asked()).toEqual([1, 5, 0]);
  });

  it("is shared, with what it has learnt, by the clients that came from it", async () => {
    const all = client();
    first.afterwards = "refuse";
    await all.balance("1");
    await all.withSession().balance("1");
    expect(asked()).toEqual([1, 2, 0]);
  });

  it("asks all of them again, after a wait, where none gave an answer", async () => {
    for (const server of [first, second, third]) server.faults.push("refuse");
    await client().deposit("1", usd(5n));
    expect(notices.map(({ server, nextServer }) => [server, nextServer])).toEqual([
      ["http://first", "http://second"],
      ["http://second", "http://third"],
      ["http://third", expect.any(String)],
    ]);
    expect(asked().reduce((sum, calls) => sum + calls)).toBe(4);
  });

  it("tells of all of them, when the time is up", async () => {
    first.afterwards = "refuse";
    second.afterwards = unreachable();
    third.afterwards = draining();
    const error = await failure(client({ timeoutMs: 500 }).deposit("1", usd(5n)));
    expect(error).toMatchObject({ code: "UNAVAILABLE", outcome: "NOT_APPLIED" });
    // The one that is draining will not say anything else.
    expect(third.calls).toHaveLength(1);
    expect(error.message).toMatch(/ Other servers: .*http:\/\/third DRAINING/);
  });

  it("ends at once where none of them will ever say anything else", async () => {
    for (const server of [first, second, third]) server.afterwards = draining();
    const error = await failure(client({ timeoutMs: 60_000 }).balance("1"));
    expect(error).toMatchObject({ reason: "DRAINING", attempts: 3 });
    expect(error.message).toContain("Other servers: http://first DRAINING, http://second DRAINING.");
  });

  it("knows that a change may have been done at one that hung, whatever the others say they did not do", async () => {
    first.faults.push("lose-reply");
    second.faults.push(storeRefused(), lossDetected());
    expect(await failure(client().deposit("1", usd(5n)))).toMatchObject({
      reason: "LOSS_DETECTED",
      outcome: "OUTCOME_UNKNOWN",
    });
  });

  it("gives one that hangs half of the time, and then asks the next", async () => {
    first.afterwards = "hang";
    const all = client({ timeoutMs: 600 });
    await all.deposit("1", usd(5n));
    expect(asked()).toEqual([1, 1, 0]);
    expect(first.calls[0]?.timeoutMs).toBeLessThanOrEqual(300);
    // It rests from now on.
    await all.deposit("1", usd(5n));
    expect(asked()).toEqual([1, 2, 0]);
  });

  it("says that one of them did not answer in time only when no other can be asked any more", async () => {
    for (const server of [first, second, third]) server.afterwards = "hang";
    const error = await failure(client({ timeoutMs: 1_500 }).balance("1"));
    expect(error).toMatchObject({ reason: "DEADLINE_EXCEEDED", attempts: 3, outcome: "NOT_APPLIED" });
    expect(asked()).toEqual([1, 1, 1]);
  });

  it("sends a batch's open commands to the next", async () => {
    first.faults.push("lose-reply");
    const deposit = { kind: "deposit", account: "1", amount: usd(5n) } as const;
    const results = await client().executeBatch([deposit, deposit]);
    expect(results).toMatchObject([
      { ok: true, replayed: true },
      { ok: true, replayed: true },
    ]);
    expect(ledger.balances.get("1")).toBe(1010n);
  });

  it.each<[string, () => Fault]>([
    ["is draining", draining],
    ["gives no answer in time", () => "late"],
  ])("sends a whole batch to the next where one %s", async (_, fault) => {
    first.faults.push(fault());
    const deposit = { kind: "deposit", account: "1", amount: usd(5n) } as const;
    expect(await client().executeBatch([deposit, deposit])).toMatchObject([{ ok: true }, { ok: true }]);
    expect(asked()).toEqual([1, 1, 0]);
    expect(ledger.balances.get("1")).toBe(1010n);
  });

  it("finds a head office that nobody knows the address of among its own", async () => {
    expect((await clientOfAll({ third, first }).branch(0)).server).toBe("http://first");
  });

  it("goes to a branch that is named, and to no other", async () => {
    ledger.branches.set(2, "http://third");
    const atThird = await client().branch(2);
    third.afterwards = unreachable();
    expect(await failure(atThird.balance("1", { timeoutMs: 300 }))).toMatchObject({ reason: "BANK_UNREACHABLE" });
    expect([atThird.servers, second.calls]).toEqual([["http://third"], []]);
  });
});

describe("a client of one server", () => {
  it("ends at once where that is draining, or was replaced", async () => {
    for (const fault of [draining, superseded]) {
      first.faults.push(fault());
      expect(await failure(clientOf(first, { timeoutMs: 60_000 }).balance("1"))).toMatchObject({ attempts: 1 });
    }
  });
});

/** Whoever names a version does not go with others. */
const BY_ITSELF = { expectedVersion: 1 };

describe("the budget of retries", () => {
  it("keeps an outage from being multiplied, and everything is done once it is over", async () => {
    const CALLS = 300;
    const before = ledger.position;
    first.afterwards = "refuse";
    const one = clientOf(first, { timeoutMs: 30_000, retryDelayMs: 1 });
    const calls = Array.from({ length: CALLS }, () => one.openAccount({ owner: "Ada" }));
    // All have failed once, the budget is spent, and one is looking whether it works again.
    await expect.poll(() => first.calls.length, { timeout: 10_000 }).toBeGreaterThan(CALLS * 1.2 + 10);
    expect(first.calls.length).toBeLessThan(CALLS * 1.2 + 10 + 30);
    first.afterwards = "serve";
    await Promise.all(calls);
    expect(ledger.position).toBe(before + CALLS);
  });

  it("says how calls ended that waited in line until their deadline, and did not send them all the while", async () => {
    const CALLS = 60;
    first.afterwards = "refuse";
    const one = clientOf(first, { timeoutMs: 500, retryDelayMs: 25 });
    const errors = await Promise.all(
      Array.from({ length: CALLS }, () => failure(one.deposit("1", usd(1n), BY_ITSELF))),
    );
    for (const error of errors) expect(error).toMatchObject({ reason: "CONNECTION_FAILED", outcome: "NOT_APPLIED" });
    // Without a budget each of them would have tried four times at least. One at a time tried beyond it: in the last moments,
    // when no wait fits into its time any more, each of those in line once, one behind the other.
    expect(first.calls.length).toBeLessThan(CALLS * 2.2 + 10 + 10);
  });
});

describe("the highest epoch that was heard of", () => {
  const told = (epoch: number) => formatEpoch({ epoch, bankId: ledger.bankId });

  it("is told with every call to every server, by all clients of a family", async () => {
    const all = client();
    ledger.epoch = 7;
    await all.balance("1");
    await all.withSession().balance("1", { consistency: "local" });
    ledger.epoch = 6;
    first.afterwards = "refuse";
    await all.deposit("1", usd(1n));
    await all.deposit("1", usd(1n));
    expect(first.calls.map(({ epoch }) => epoch)).toEqual([undefined, told(7), told(7)]);
    expect(second.calls.map(({ epoch }) => epoch)).toEqual([told(7), told(7)]);
  });

  it("is that of the bank that is talked to", async () => {
    const other = new FakeServer(new FakeLedger());
    other.ledger.bankId.fill(9);
    other.ledger.balances.set("1", 1n);
    ledger.epoch = 7;
    const both = clientOfAll({ first, other });
    await both.balance("1");
    first.afterwards = "refuse";
    await both.withSession().balance("1");
    await both.withSession().balance("1");
    const bankId = other.ledger.bankId;
    expect(other.calls.map(({ epoch }) => epoch)).toEqual([told(7), formatEpoch({ epoch: 1, bankId })]);
  });
});

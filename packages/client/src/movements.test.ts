import { randomUUID } from "node:crypto";
import { Code, ConnectError } from "@connectrpc/connect";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { Caller } from "./caller.ts";
import { clientOf, clientOfAll, failure, lossDetected, said, storeRefused, usd } from "./clients.test-util.ts";
import { type ClientOptions, callerOptions } from "./connect-bank.ts";
import { Connections } from "./connections.ts";
import { FakeServer } from "./fake-bank.test-util.ts";
import { FakeLedger } from "./fake-ledger.test-util.ts";
import { type MovementLimits, MovementQueue } from "./movement-queue.ts";
import type { Booked, VersionedOptions } from "./types/index.ts";

let ledger: FakeLedger;
let server: FakeServer;
const client = (options: ClientOptions = {}) => clientOf(server, options);

beforeEach(() => {
  ledger = new FakeLedger();
  ledger.balances.set("1", 1000n);
  ledger.balances.set("2", 0n);
  server = new FakeServer(ledger);
});

/** A queue of its own, with limits that a test can reach. */
function queue(limits: Partial<MovementLimits>, servers: readonly FakeServer[] = [server]) {
  const connections = new Connections((url) => servers[Number(new URL(url).hostname.slice(1))] ?? expect.fail(url));
  const options = callerOptions({ servers: servers.map((_, i) => `s${i}`), retryDelayMs: 1 }, connections);
  const closing = new AbortController();
  const movements = new MovementQueue(new Caller({ ...options, lifetime: closing.signal }), limits);
  const deposit = (options: VersionedOptions = {}) => movements.book(undefined, "1", usd(1n), options);
  return { movements, deposit };
}

const many = <T>(count: number, call: (index: number) => Promise<T>) =>
  Array.from({ length: count }, (_, i) => call(i));
const booked = (count: number) => Array.from({ length: count }, () => expect.objectContaining({ replayed: false }));

describe("movements that are asked for together", () => {
  it("go in one call, in the order in which they were asked for", async () => {
    const bank = client();
    const done = await Promise.all([
      bank.deposit("2", usd(5n)),
      bank.transfer("2", "1", usd(3n)),
      bank.withdraw("2", usd(2n)),
    ]);
    expect(server.methods).toEqual(["ExecuteMovements"]);
    expect(done.map(({ transaction }) => [transaction.kind, transaction.position])).toEqual([
      ["deposit", 2],
      ["transfer", 3],
      ["withdrawal", 4],
    ]);
    expect(bank.session).toBe(ledger.token(4));
  });

  it("go alone where nothing else is under way", async () => {
    const bank = client();
    await bank.deposit("1", usd(1n));
    await bank.withdraw("1", usd(1n));
    expect(server.methods).toEqual(["Deposit", "Withdraw"]);
  });

  it("wait for those that are under way, and then go together", async () => {
    const gate = Promise.withResolvers<void>();
    const { deposit } = queue({ callsInFlightMax: 1 });
    server.beforeReply = () => gate.promise;
    const first = deposit();
    await vi.waitUntil(() => server.calls.length === 1, { interval: 1 });
    const others = many(20, () => deposit());
    await new Promise((resolve) => setImmediate(resolve));
    expect(server.methods).toEqual(["Deposit"]);
    gate.resolve();
    expect(await Promise.all([first, ...others])).toEqual(booked(21));
    expect(server.methods).toEqual(["Deposit", "ExecuteMovements"]);
  });

  it("go in calls of a currency each, none of which waits for all of another", async () => {
    const { movements } = queue({ callsInFlightMax: 1, rowsPerCallMax: 2 });
    const ask = (currency: string) => movements.book(undefined, "1", { currency, minor: 1n }, {});
    await Promise.all([...many(4, () => ask("USD")), ...many(2, () => ask("EUR"))]);
    const currencies = server.calls.map(({ message }) => (message as { currencyCode: string }).currencyCode);
    expect(currencies).toEqual(["USD", "EUR", "USD"]);
  });

  it("are as many in a call as it may have", async () => {
    const { deposit } = queue({ rowsPerCallMax: 4 });
    await Promise.all(many(11, () => deposit()));
    expect(server.calls.map(({ message }) => (message as { amountsMinor: string[] }).amountsMinor.length)).toEqual([
      4, 4, 3,
    ]);
    expect(ledger.balances.get("1")).toBe(1011n);
  });

  it("go in two calls where they are many, so that one is answered while the other is made", async () => {
    const { deposit } = queue({ rowsPerCallMin: 2 });
    let left = 10;
    const caller = async () => {
      while (left-- > 0) await deposit();
    };
    await Promise.all(many(10, () => deposit()));
    const rows = server.calls.map(({ message }) => (message as { amountsMinor: string[] }).amountsMinor.length);
    expect(rows).toEqual([5, 5]);
    await Promise.all(many(4, caller));
    expect(ledger.balances.get("1")).toBe(1020n);
  });

  it.each<[string, VersionedOptions]>([
    ["names a version", { expectedVersion: 1 }],
    ["is a preview", { validateOnly: true }],
    ["should spread", { propagation: "all-branches" }],
  ])("go alone all the same where one %s", async (_, options) => {
    const bank = client();
    await Promise.all([bank.deposit("1", usd(1n), options), bank.deposit("2", usd(1n), options)]);
    expect(server.methods).toEqual(["Deposit", "Deposit"]);
  });

  it("reach servers that do not know columns as a batch", async () => {
    const bank = client();
    const again = randomUUID();
    await bank.deposit("1", usd(2n), { requestId: again });
    server.faults.push(new ConnectError("unknown method", Code.Unimplemented));
    const ends = await Promise.allSettled([
      bank.deposit("1", usd(1n)),
      bank.withdraw("2", usd(9n)),
      bank.deposit("1", usd(2n), { requestId: again }),
    ]);
    expect(ends).toMatchObject([
      { value: { replayed: false, transaction: { kind: "deposit" } } },
      { reason: { reason: "INSUFFICIENT_FUNDS", outcome: "REJECTED", attempts: 1 } },
      { value: { replayed: true, requestId: again } },
    ]);
    await Promise.all(many(3, () => bank.deposit("1", usd(1n))));
    expect(server.methods.slice(-3)).toEqual(["ExecuteMovements", "ExecuteBatch", "ExecuteBatch"]);
  });

  it("take the amount as it was when they were asked for", async () => {
    const amount = { currency: "USD", minor: 1n };
    const bank = client();
    const calls = [bank.deposit("1", amount), bank.deposit("1", amount)];
    amount.minor = 500n;
    expect(await Promise.all(calls)).toMatchObject([{ transaction: { amount: usd(1n) } }, {}]);
    expect(ledger.balances.get("1")).toBe(1002n);
  });
});

describe("a call of movements that fails", () => {
  it("goes on at the next server, under the same request ids", async () => {
    for (const fault of [
      "lose-reply",
      "lose-request",
      "refuse",
      "late",
      said("DRAINING", { branch: "1", state: "x" }),
    ]) {
      const [first, second] = [new FakeServer(ledger), new FakeServer(ledger, 1)];
      first.faults.push(fault as "late");
      const before = ledger.balances.get("1") ?? 0n;
      const bank = clientOfAll({ first, second });
      const ends = await Promise.all(many(5, () => bank.deposit("1", usd(1n))));
      expect(ends.map(({ replayed }) => replayed)).toEqual(Array.from({ length: 5 }, () => fault === "lose-reply"));
      expect([first.calls.length, second.calls.length]).toEqual([1, 1]);
      expect(ledger.balances.get("1")).toBe(before + 5n);
    }
  });

  it("goes on elsewhere when its server hangs", async () => {
    const [first, second] = [new FakeServer(ledger), new FakeServer(ledger, 1)];
    first.afterwards = "hang";
    const bank = clientOfAll({ first, second }, { timeoutMs: 400 });
    expect(await Promise.all(many(5, () => bank.deposit("1", usd(1n))))).toEqual(booked(5));
    expect(ledger.balances.get("1")).toBe(1005n);
  });

  it("says in each what it would have said alone", async () => {
    const told = async (count: number) => {
      const [first, second] = [new FakeServer(ledger), new FakeServer(ledger, 1)];
      first.afterwards = "lose-request";
      second.faults.push(lossDetected());
      const bank = clientOfAll({ first, second });
      return Promise.all(many(count, () => failure(bank.deposit("1", usd(1n)))));
    };
    const [alone] = await told(1);
    for (const error of await told(3)) {
      expect(error).toMatchObject({
        message: alone?.message,
        outcome: "OUTCOME_UNKNOWN",
        attempts: 2,
        metadata: { ...alone?.metadata, request_id: error.requestId },
      });
    }
    expect(alone?.message).toContain("Other servers: http://first CONNECTION_LOST.");
  });

  it("tries again only what was refused, and keeps nobody waiting meanwhile", async () => {
    const requestId = randomUUID();
    ledger.refuseOnce.add(requestId);
    const notices: string[] = [];
    const bank = client({ retryDelayMs: 200, onRetry: ({ reason }) => notices.push(reason) });
    const order: string[] = [];
    const note = (name: string) => (done: Booked) => order.push(`${name} ${done.replayed}`);
    await Promise.all([
      bank.deposit("1", usd(1n), { requestId }).then(note("refused")),
      bank
        .deposit("1", usd(1n))
        .then(note("beside"))
        .then(() => Promise.all(many(9, () => bank.deposit("1", usd(1n))))),
    ]);
    expect(order).toEqual(["beside false", "refused false"]);
    expect(notices).toEqual(["OVERLOADED"]);
    expect(ledger.balances.get("1")).toBe(1011n);
  });

  it("keeps nobody waiting when it is slow", async () => {
    const { deposit } = queue({ callsInFlightMax: 1, slowMs: 10 });
    server.faults.push("hang");
    const hanging = many(3, () => failure(deposit({ timeoutMs: 500 })));
    await vi.waitUntil(() => server.calls.length === 1, { interval: 1 });
    // It would not live to see the end of those.
    expect(await deposit({ timeoutMs: 300 })).toMatchObject({ replayed: false });
    expect(await Promise.all(hanging)).toMatchObject(
      hanging.map(() => ({ reason: "DEADLINE_EXCEEDED", outcome: "OUTCOME_UNKNOWN", attempts: 1 })),
    );
  });

  it("goes apart where it is malformed: one row does not fail the others", async () => {
    const bad = randomUUID();
    const violations = [{ field: "amounts_minor[0]", description: "must be another" }];
    const malformed = () => said("INVALID_REQUEST", { problem: "x" }, "NOT_APPLIED", { violations });
    // Whatever has the bad row in it is refused.
    const transport = server.transport;
    const unary: typeof transport.unary = (method, ...rest) => {
      const text = JSON.stringify(rest[3], (_, value) =>
        typeof value === "bigint" ? value.toString(16).padStart(16, "0") : value,
      );
      const isBad =
        method.name === "Deposit" ? text.includes(bad) : text.includes(bad.replaceAll("-", "").slice(0, 16));
      return isBad ? Promise.reject(malformed()) : transport.unary(method, ...rest);
    };
    Object.assign(server, { transport: { ...transport, unary } });
    const bank = client();
    const ends = await Promise.allSettled(
      many(9, (i) => bank.deposit("1", usd(1n), i === 5 ? { requestId: bad } : {})),
    );
    expect(ends.map(({ status }) => status)).toEqual(
      Array.from({ length: 9 }, (_, i) => (i === 5 ? "rejected" : "fulfilled")),
    );
    expect(ends[5]).toMatchObject({
      reason: { reason: "INVALID_REQUEST", outcome: "NOT_APPLIED", attempts: 1, requestId: bad, violations },
    });
    expect(ledger.balances.get("1")).toBe(1008n);
  });

  it("stands for the session that it carried, unless it only repeats what was answered before", async () => {
    const bank = client();
    const ids = [randomUUID(), randomUUID()];
    const book = () => Promise.all(ids.map((requestId) => bank.deposit("1", usd(1n), { requestId })));
    await book();
    const before = bank.session as string;
    ledger.epoch = 2;
    await book();
    // The answers are of the epoch before, or of none that contains it: both are kept in mind.
    expect(bank.session).not.toBe(ledger.token());
    expect(bank.session).not.toBe(before);
    await Promise.all(ids.map(() => bank.deposit("1", usd(1n))));
    expect(bank.session).toBe(ledger.token());
  });

  it("with another bank's answer is no answer", async () => {
    const bank = client();
    await bank.balance("1");
    ledger.bankId.fill(9);
    for (const error of await Promise.all(many(2, () => failure(bank.deposit("1", usd(1n))))))
      expect(error).toMatchObject({ reason: "SESSION_INVALID", outcome: "OUTCOME_UNKNOWN" });
  });

  it("with an answer that does not fit says that nothing is known", async () => {
    ledger.dropResults = true;
    const bank = client();
    for (const error of await Promise.all(many(2, () => failure(bank.deposit("1", usd(1n))))))
      expect(error).toMatchObject({ reason: "UNEXPECTED_REPLY", outcome: "OUTCOME_UNKNOWN" });
  });

  it("rejects with what the caller's own onRetry throws", async () => {
    server.faults.push(storeRefused());
    const mistake = new Error("mine");
    const bank = client({
      onRetry: () => {
        throw mistake;
      },
    });
    expect(await Promise.allSettled(many(2, () => bank.deposit("1", usd(1n))))).toEqual([
      { status: "rejected", reason: mistake },
      { status: "rejected", reason: mistake },
    ]);
  });
});

describe("a movement among others that its caller does not wait for", () => {
  it("ends at its own deadline, and the others go on", async () => {
    const gate = Promise.withResolvers<void>();
    server.beforeReply = () => gate.promise;
    const bank = client();
    // Of one class of timeouts, and so of one call.
    const [short, long] = [
      bank.deposit("1", usd(1n), { timeoutMs: 300 }),
      bank.deposit("1", usd(1n), { timeoutMs: 400 }),
    ];
    const other = bank.deposit("1", usd(1n), { timeoutMs: 5_000 });
    for (const call of [short, long])
      expect(await failure(call)).toMatchObject({
        reason: "DEADLINE_EXCEEDED",
        message: "http://bank did not answer in time.",
        outcome: "OUTCOME_UNKNOWN",
        attempts: 1,
      });
    gate.resolve();
    expect(await other).toMatchObject({ replayed: false });
    expect(ledger.balances.get("1")).toBe(1003n);
  });

  it("ends at its deadline where it was never sent, and then nothing was done", async () => {
    const gate = Promise.withResolvers<void>();
    server.beforeReply = () => gate.promise;
    const { deposit } = queue({ callsInFlightMax: 1 });
    const first = deposit();
    await vi.waitUntil(() => server.calls.length === 1, { interval: 1 });
    expect(await failure(deposit({ timeoutMs: 20 }))).toMatchObject({
      reason: "DEADLINE_EXCEEDED",
      outcome: "NOT_APPLIED",
      attempts: 0,
    });
    gate.resolve();
    await first;
    expect(ledger.balances.get("1")).toBe(1001n);
  });

  it("ends between two tries with what the last one said", async () => {
    server.afterwards = storeRefused();
    const bank = client({ timeoutMs: 300, retryDelayMs: 200 });
    for (const error of await Promise.all(many(2, () => failure(bank.deposit("1", usd(1n))))))
      expect(error).toMatchObject({ reason: "STORE_REFUSED", outcome: "NOT_APPLIED" });
  });

  it("ends between two tries at its own deadline, before that of the others, with what is known", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    onTestFinished(() => {
      vi.restoreAllMocks();
    });
    server.faults.push(storeRefused());
    const bank = client({ retryDelayMs: 110 });
    const [short, long] = [70, 127].map((timeoutMs) => bank.deposit("1", usd(1n), { timeoutMs }));
    expect(await failure(short as Promise<Booked>)).toMatchObject({
      reason: "STORE_REFUSED",
      outcome: "NOT_APPLIED",
      attempts: 1,
    });
    await long?.catch(() => undefined);
    expect(server.calls.length).toBeLessThanOrEqual(2);
  });

  it("ends with its signal between two tries, with what is known", async () => {
    const canceling = new AbortController();
    server.faults.push(storeRefused());
    const bank = client({ onRetry: () => canceling.abort() });
    const left = failure(bank.deposit("1", usd(1n), { signal: canceling.signal }));
    expect(await bank.deposit("1", usd(1n))).toMatchObject({ replayed: false });
    expect(await left).toMatchObject({ reason: "CANCELED", outcome: "NOT_APPLIED", attempts: 1 });
    expect(ledger.balances.get("1")).toBe(1001n);
  });

  it("ends with its signal, unknown if it was under way, and the others go on", async () => {
    const canceling = new AbortController();
    const gate = Promise.withResolvers<void>();
    server.beforeReply = () => gate.promise;
    const bank = client();
    const ends = [bank.deposit("1", usd(1n), { signal: canceling.signal }), bank.deposit("1", usd(1n))];
    await vi.waitUntil(() => server.calls.length === 1, { interval: 1 });
    canceling.abort();
    expect(await failure(ends[0] as Promise<Booked>)).toMatchObject({
      code: "CANCELED",
      reason: "CANCELED",
      message: "The call was canceled before http://bank had answered.",
      outcome: "OUTCOME_UNKNOWN",
      attempts: 1,
    });
    gate.resolve();
    expect(await ends[1]).toMatchObject({ replayed: false });
    expect(ledger.balances.get("1")).toBe(1002n);
  });

  it("ends as never done where its call was refused and its half of that has not been sent again", async () => {
    const canceling = new AbortController();
    const gate = Promise.withResolvers<void>();
    server.faults.push(said("INVALID_REQUEST", { problem: "x" }, "NOT_APPLIED"));
    const bank = client();
    const ends = many(4, (i) => bank.deposit("1", usd(1n), i < 2 ? {} : { signal: canceling.signal }));
    server.beforeReply = () => gate.promise;
    const lefts = ends.slice(2).map((left) => failure(left));
    await vi.waitUntil(() => server.calls.length === 2, { interval: 1 });
    canceling.abort();
    for (const left of await Promise.all(lefts))
      expect(left).toMatchObject({ reason: "CANCELED", outcome: "NOT_APPLIED" });
    gate.resolve();
    expect(await Promise.all(ends.slice(0, 2))).toEqual(booked(2));
    expect(server.methods).toEqual(["ExecuteMovements", "ExecuteMovements"]);
    expect(ledger.balances.get("1")).toBe(1002n);
  });

  it("that all have left is not tried again", async () => {
    const canceling = new AbortController();
    server.afterwards = "hang";
    const bank = client();
    const ends = many(2, () => failure(bank.deposit("1", usd(1n), { signal: canceling.signal })));
    await vi.waitUntil(() => server.calls.length === 1, { interval: 1 });
    canceling.abort();
    await Promise.all(ends);
    server.afterwards = "serve";
    await bank.deposit("1", usd(1n));
    expect(server.methods).toEqual(["ExecuteMovements", "Deposit"]);
  });

  it("ends before it is sent with a signal that was aborted, and nothing was done", async () => {
    const bank = client();
    const other = bank.deposit("1", usd(1n));
    expect(await failure(bank.deposit("1", usd(1n), { signal: AbortSignal.abort() }))).toMatchObject({
      reason: "CANCELED",
      outcome: "NOT_APPLIED",
      attempts: 0,
    });
    expect(await other).toMatchObject({ replayed: false });
  });

  it("ends when the client is closed: what waits was not done, what is under way is not known", async () => {
    server.afterwards = "hang";
    const bank = client();
    const sent = many(2, () => failure(bank.deposit("1", usd(1n))));
    await vi.waitUntil(() => server.calls.length === 1, { interval: 1 });
    for (let calls = 2; calls <= 3; calls++) {
      sent.push(failure(bank.deposit("1", usd(1n))), failure(bank.deposit("1", usd(1n))));
      await vi.waitUntil(() => server.calls.length === calls, { interval: 1 });
    }
    const waiting = many(3, () => failure(bank.deposit("1", usd(1n))));
    await new Promise((resolve) => setImmediate(resolve));
    bank.close();
    for (const error of await Promise.all(sent))
      expect(error).toMatchObject({ reason: "CLIENT_CLOSED", outcome: "OUTCOME_UNKNOWN", attempts: 1 });
    for (const error of await Promise.all(waiting))
      expect(error).toMatchObject({ reason: "CLIENT_CLOSED", outcome: "NOT_APPLIED", attempts: 0 });
    expect(await failure(bank.deposit("1", usd(1n)))).toMatchObject({ reason: "CLIENT_CLOSED", attempts: 0 });
    await bank.whenRoom();
  });
});

describe("movements that are asked for faster than they are answered", () => {
  it("wait for room, and are refused beyond the limit", async () => {
    const gate = Promise.withResolvers<void>();
    server.beforeReply = () => gate.promise;
    const { movements, deposit } = queue({ callsInFlightMax: 1, waitingEnough: 2, waitingMax: 4 });
    await movements.whenRoom();
    const first = deposit();
    await vi.waitUntil(() => server.calls.length === 1, { interval: 1 });
    const waiting = many(4, () => deposit());
    let hasRoom = false;
    const room = movements.whenRoom().then(() => {
      hasRoom = true;
    });
    expect(await failure(deposit())).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      reason: "OVERLOADED",
      outcome: "NOT_APPLIED",
      attempts: 0,
      metadata: { waiting: "4" },
    });
    expect(hasRoom).toBe(false);
    gate.resolve();
    await room;
    expect(await Promise.all([first, ...waiting])).toEqual(booked(5));
  });

  it("count as waiting while they are tried again", async () => {
    server.afterwards = storeRefused();
    const { movements, deposit } = queue({ waitingEnough: 2, waitingMax: 3 });
    const tried = many(3, () => deposit());
    await vi.waitUntil(() => server.calls.length >= 1, { interval: 1 });
    await new Promise((resolve) => setImmediate(resolve));
    expect(await failure(deposit())).toMatchObject({ reason: "OVERLOADED", attempts: 0 });
    server.afterwards = "serve";
    await movements.whenRoom();
    expect(await Promise.all(tried)).toEqual(booked(3));
    await deposit();
  });

  it("may be very many", async () => {
    const { deposit } = queue({ rowsPerCallMax: 50 });
    let done = 0;
    const calls = many(300, () => deposit().then(() => done++));
    await Promise.all(calls);
    expect([done, ledger.balances.get("1")]).toEqual([300, 1300n]);
  });
});

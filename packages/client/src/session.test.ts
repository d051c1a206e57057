import { randomUUID } from "node:crypto";
import { decodeSession, encodeSession } from "@bank/rpc";
import { beforeEach, describe, expect, it } from "vitest";
import { clientOf, failure, lossDetected, said, usd } from "./clients.test-util.ts";
import { FakeServer } from "./fake-bank.test-util.ts";

let server: FakeServer;
beforeEach(() => {
  server = new FakeServer();
  server.ledger.balances.set("1", 1000n);
});

/** What a token says, as text: `1@5` is position 5 of epoch 1. */
function seen(token: string | undefined): string[] {
  if (token === undefined) return [];
  return decodeSession(token)
    .seen.map(({ epochId, position }) => `${epochId[0]}@${position}`)
    .sort();
}

describe("a session", () => {
  it("begins with the first answer, goes with every later call, and grows with each answer", async () => {
    const client = clientOf(server);
    expect(client.session).toBeUndefined();
    await client.balance("1");
    expect(seen(client.session)).toEqual(["1@1"]);
    await client.deposit("1", usd(5n));
    await client.balance("1");
    expect(server.calls.map(({ session }) => seen(session))).toEqual([[], ["1@1"], ["1@2"]]);
  });

  it("goes on from a token", async () => {
    await clientOf(server, { session: server.ledger.token(7) }).balance("1");
    expect(seen(server.calls[0]?.session)).toEqual(["1@7"]);
  });

  it("also sees what a rejection tells", async () => {
    const client = clientOf(server);
    await failure(client.withdraw("1", usd(5000n)));
    expect(seen(client.session)).toEqual(["1@2"]);
  });

  it("keeps what it saw when an older answer comes later", async () => {
    const client = clientOf(server);
    const replies: (() => void)[] = [];
    server.beforeReply = () => new Promise((resolve) => replies.push(resolve));
    const calls = [client.openAccount({ owner: "Ada" }), client.openAccount({ owner: "Ben" })];
    await expect.poll(() => replies.length, { timeout: 10_000 }).toBe(2);
    for (const reply of replies.reverse()) reply();
    await Promise.all(calls);
    expect(seen(client.session)).toEqual(["1@3"]);
  });

  it("is shared with the clients of branches, and with none that has its own", async () => {
    const branch = new FakeServer(server.ledger, 1);
    server.ledger.branches.set(1, "http://branch");
    const client = clientOf({ bank: server, branch });
    const atBranch = await client.branch(1);
    const stranger = client.withSession();
    await atBranch.deposit("1", usd(1n));
    expect(seen(client.session)).toEqual(["1@2"]);
    expect(stranger.session).toBeUndefined();
    expect(seen(client.withSession(client.session).session)).toEqual(["1@2"]);
  });

  it("asks for nothing with its first session read, and then for what it saw", async () => {
    const client = clientOf(server, { consistency: "session" });
    await client.balance("1");
    await client.balance("1");
    expect(server.calls.map(({ mode }) => mode)).toEqual(["local", "session"]);
  });

  it("refuses a token that is none, and one of another bank", async () => {
    const refused = { code: "INVALID_ARGUMENT", reason: "SESSION_INVALID", outcome: "NOT_APPLIED" };
    expect(() => clientOf(server, { session: "mine" })).toThrow(expect.objectContaining(refused));
    expect(() => clientOf(server).withSession("mine")).toThrow(expect.objectContaining(refused));
    const other = encodeSession({
      bankId: new Uint8Array(16).fill(9),
      seen: [{ epochId: new Uint8Array(16), position: 1 }],
    });
    const client = clientOf(server, { session: other });
    // A server that does not notice is no reason to forget: the deposit may have been done, and the client says so.
    expect(await failure(client.deposit("1", usd(5n)))).toMatchObject({
      reason: "SESSION_INVALID",
      outcome: "OUTCOME_UNKNOWN",
    });
    expect(client.session).toBe(other);
  });
});

describe("a session over the epochs of a bank", () => {
  it("is told when what it saw was lost, stays lost, and begins anew only when its owner says so", async () => {
    const client = clientOf(server, { session: server.ledger.token(9) });
    const lost = () => said("SESSION_LOST", { fork_position: "3", position: "9" });
    server.faults.push(lost(), lost());
    const error = await failure(client.deposit("1", usd(5n)));
    expect(error).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "SESSION_LOST",
      outcome: "NOT_APPLIED",
      attempts: 1,
      metadata: { fork_position: "3", position: "9" },
    });
    expect(await failure(client.balance("1"))).toMatchObject({ reason: "SESSION_LOST" });
    expect(server.calls.map(({ session }) => seen(session))).toEqual([["1@9"], ["1@9"]]);
    expect(seen(client.session)).toEqual(["1@9"]);
    await client.withSession().balance("1");
    expect(server.calls.at(-1)?.session).toBeUndefined();
  });

  it("forgets an epoch once an answer is known to contain what it saw there", async () => {
    const client = clientOf(server, { session: server.ledger.token(9) });
    server.ledger.epoch = 2;
    server.ledger.position = 20;
    await client.balance("1", { consistency: "local" });
    expect(seen(client.session)).toEqual(["1@9", "2@20"]);
    await client.balance("1", { consistency: "session" });
    expect(seen(client.session)).toEqual(["2@20"]);
  });

  it("does not take a repeated answer for one that contains everything", async () => {
    const client = clientOf(server);
    server.faults.push("lose-reply");
    const { requestId } = await client.deposit("1", usd(5n));
    server.ledger.epoch = 2;
    server.ledger.position = 20;
    await client.deposit("1", usd(6n));
    expect(seen(client.session)).toEqual(["2@21"]);
    server.ledger.epoch = 1;
    expect(await client.deposit("1", usd(5n), { requestId })).toMatchObject({ replayed: true, position: 2 });
    expect(seen(client.session)).toEqual(["1@2", "2@21"]);
  });

  it("does not take a batch in which nothing is new for one either", async () => {
    const client = clientOf(server);
    const { requestId } = await client.deposit("1", usd(5n));
    server.ledger.epoch = 2;
    server.ledger.position = 20;
    await client.deposit("1", usd(6n));
    server.ledger.epoch = 1;
    const refused = randomUUID();
    server.ledger.refuseOnce.add(refused);
    server.faults.push("serve", lossDetected());
    const deposit = { kind: "deposit", account: "1", amount: usd(5n) } as const;
    const results = await client.executeBatch([
      { ...deposit, requestId },
      { ...deposit, requestId: refused },
    ]);
    expect(results).toMatchObject([{ ok: true, replayed: true }, { ok: false }]);
    expect(seen(client.session)).toEqual(["1@2", "2@21"]);
  });

  it("does not take a cancellation for an answer that contains everything: it may be an old one", async () => {
    const client = clientOf(server);
    const requestId = randomUUID();
    await client.cancelRequest(requestId);
    server.ledger.epoch = 2;
    server.ledger.position = 20;
    await client.deposit("1", usd(6n));
    server.ledger.epoch = 1;
    server.ledger.position = 2;
    await client.cancelRequest(requestId);
    expect(seen(client.session)).toEqual(["1@2", "2@21"]);
  });

  it("stays usable over any number of epochs", async () => {
    const client = clientOf(server);
    for (let epoch = 1; epoch <= 40; epoch++) {
      server.ledger.epoch = epoch;
      await client.deposit("1", usd(1n));
      if (epoch % 3 === 0) await client.balance("1");
    }
    expect(seen(client.session)).toEqual(["40@41"]);
  });
});

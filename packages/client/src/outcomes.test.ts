import { randomUUID } from "node:crypto";
import { BatchResultSchema, GetOutcomeResponseSchema, RequestService, RequestState } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { createRouterTransport } from "@connectrpc/connect";
import { beforeEach, describe, expect, it } from "vitest";
import type { BankClient } from "./bank-client.ts";
import { clientOf, failure, lossDetected, storeRefused, usd } from "./clients.test-util.ts";
import { FakeServer, READ_TIME_MS } from "./fake-bank.test-util.ts";
import { FaultyConnection } from "./faulty-connection.test-util.ts";

let server: FakeServer;
let client: BankClient;
beforeEach(() => {
  server = new FakeServer();
  server.ledger.balances.set("1", 1000n);
  client = clientOf(server);
});

describe("the outcome of a request", () => {
  it("that was carried out is what it gave", async () => {
    const { requestId, transaction } = await client.deposit("1", usd(5n));
    await client.deposit("1", usd(6n));
    expect(await client.outcome(requestId)).toEqual({
      requestId,
      state: "committed",
      result: { kind: "transaction", transaction },
      answeredPosition: 2,
      position: 3,
      timeMs: READ_TIME_MS,
      stalenessMs: 0,
      connected: true,
      epoch: 1,
      session: expect.any(String),
    });
  });

  it("that was a group is what each item did", async () => {
    const { requestId, group } = await client.executeGroup([{ kind: "placeHold", account: "1", amount: usd(5n) }]);
    expect(await client.outcome(requestId)).toMatchObject({ state: "committed", result: { kind: "group", group } });
  });

  it("that was decided against is the error that its call got", async () => {
    const requestId = randomUUID();
    const withdrawal = await failure(client.withdraw("1", usd(5_000n), { requestId }));
    const outcome = await client.outcome(requestId);
    if (outcome.state !== "rejected") expect.fail(`it is ${outcome.state}`);
    expect(outcome.answeredPosition).toBe(2);
    const { code, reason, message, metadata } = withdrawal;
    expect(outcome.error).toMatchObject({ code, reason, message, metadata, requestId, outcome: "REJECTED" });
    expect(outcome.error.attempts).toBe(0);
  });

  it("that was a group that was decided against names the item", async () => {
    const tooMuch = { kind: "withdraw", account: "1", amount: usd(5_000n) } as const;
    const requestId = randomUUID();
    await failure(
      client.executeGroup(
        [
          { ...tooMuch, kind: "deposit" },
          { ...tooMuch, amount: usd(9_000n) },
        ],
        { requestId },
      ),
    );
    expect(await client.outcome(requestId)).toMatchObject({ state: "rejected", error: { item: 2 } });
  });

  it("without an answer yet says up to where nothing was seen", async () => {
    const [waiting, unseen] = [randomUUID(), randomUUID()];
    server.ledger.inProgress.add(waiting);
    expect(await client.outcome(waiting)).toMatchObject({ requestId: waiting, state: "inProgress" });
    expect(await client.outcome(unseen)).toEqual({
      requestId: unseen,
      state: "notSeen",
      position: 1,
      timeMs: READ_TIME_MS,
      stalenessMs: 0,
      connected: true,
      epoch: 1,
      session: expect.any(String),
    });
  });

  it("is a read: tried again, as current as asked for, and in no doubt", async () => {
    const requestId = randomUUID();
    server.faults.push("lose-reply");
    await client.outcome(requestId, { consistency: "local" });
    expect(server.calls.map(({ mode }) => mode)).toEqual(["local", "local"]);
    server.faults.push("lose-reply", lossDetected());
    expect(await failure(client.outcome(requestId))).toMatchObject({ outcome: "NOT_APPLIED", requestId: undefined });
  });

  it("cannot be asked for under a name that is no UUID", async () => {
    const refused = { reason: "INVALID_REQUEST", outcome: "NOT_APPLIED" };
    expect(await failure(client.outcome("mine"))).toMatchObject(refused);
    expect(await failure(client.cancelRequest("mine"))).toMatchObject(refused);
    expect(server.calls).toEqual([]);
  });
});

describe("cancelling a request", () => {
  it("that never came rules it out for ever", async () => {
    const requestId = randomUUID();
    expect(await client.cancelRequest(requestId)).toEqual({
      requestId,
      state: "cancelled",
      answeredPosition: 2,
      position: 2,
      timeMs: undefined,
      stalenessMs: 0,
      connected: true,
      epoch: 1,
      session: expect.any(String),
    });
    expect(await client.outcome(requestId)).toMatchObject({ state: "cancelled", answeredPosition: 2 });
    const late = await failure(client.deposit("1", usd(5n), { requestId }));
    expect(late).toMatchObject({ code: "ABORTED", reason: "REQUEST_CANCELLED", outcome: "REJECTED", attempts: 1 });
    expect(server.ledger.balances.get("1")).toBe(1000n);
  });

  it.each([
    ["was done", "lose-reply", "committed", 1005n],
    ["never arrived", "lose-request", "cancelled", 1000n],
  ] as const)("finds out, after an unknown outcome, that it %s", async (_, fault, state, balance) => {
    server.faults.push(fault, lossDetected());
    const unknown = await failure(client.deposit("1", usd(5n)));
    expect(unknown.outcome).toBe("OUTCOME_UNKNOWN");
    const found = await client.cancelRequest(unknown.requestId as string);
    expect(found.state).toBe(state);
    // Whether it is told again or refused: nothing more happens.
    await client.deposit("1", usd(5n), { requestId: unknown.requestId }).catch(() => undefined);
    expect(server.ledger.balances.get("1")).toBe(balance);
  });

  it("that was rejected before tells the rejection", async () => {
    const { requestId = "" } = await failure(client.withdraw("1", usd(5_000n)));
    expect(await client.cancelRequest(requestId)).toMatchObject({
      state: "rejected",
      error: { reason: "INSUFFICIENT_FUNDS", requestId },
    });
  });

  it("is tried again, and does not matter twice", async () => {
    const requestId = randomUUID();
    server.faults.push("refuse", "lose-reply", storeRefused());
    expect(await client.cancelRequest(requestId)).toMatchObject({ state: "cancelled", answeredPosition: 2 });
    expect(server.ledger.position).toBe(2);
    expect(new Set(server.calls.map((call) => call.requestId))).toEqual(new Set([requestId]));
  });

  it("may have an unknown outcome itself, and can then be called again", async () => {
    const requestId = randomUUID();
    server.faults.push("lose-reply", lossDetected());
    expect(await failure(client.cancelRequest(requestId))).toMatchObject({ outcome: "OUTCOME_UNKNOWN", requestId });
    expect(await client.cancelRequest(requestId)).toMatchObject({ state: "cancelled" });
  });

  it("is seen by the session", async () => {
    await client.cancelRequest(randomUUID());
    expect(client.session).toBe(server.ledger.token(2));
  });
});

describe("an outcome that no bank of this version tells", () => {
  const transaction = create(BatchResultSchema, { result: { case: "transaction", value: {} } });
  it.each([
    ["without a state", { state: RequestState.UNSPECIFIED }, "request state 0"],
    ["of what was done, without a result", { state: RequestState.COMMITTED }, "it gave an empty result"],
    ["of what was rejected, without a reason", { state: RequestState.REJECTED }, "why the request was rejected"],
    ["of a rejection that is none", { state: RequestState.REJECTED, result: transaction }, "why the request was"],
  ])("is refused: %s", async (_, reply, message) => {
    const readInfo = { position: 1n, session: server.ledger.token() };
    const routes = createRouterTransport((router) =>
      router.service(RequestService, {
        getOutcome: () => create(GetOutcomeResponseSchema, { ...reply, readInfo }),
        cancelRequest: () => ({ state: RequestState.NOT_SEEN, readInfo }),
      }),
    );
    const strange = clientOf(new FaultyConnection(routes));
    const error = await failure(strange.outcome(randomUUID()));
    expect(error).toMatchObject({ reason: "UNEXPECTED_REPLY", message: expect.stringContaining(message) });
    // Whoever cancels does not leave it open.
    expect(await failure(strange.cancelRequest(randomUUID()))).toMatchObject({ reason: "UNEXPECTED_REPLY" });
  });
});

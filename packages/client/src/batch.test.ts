import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { clientOf, lossDetected, said, storeRefused, usd } from "./clients.test-util.ts";
import { FakeServer } from "./fake-bank.test-util.ts";
import type { BatchCommand } from "./types/index.ts";

let server: FakeServer;
beforeEach(() => {
  server = new FakeServer();
  server.ledger.balances.set("1", 1000n);
  server.ledger.balances.set("2", 0n);
});

const deposit: BatchCommand = { kind: "deposit", account: "1", amount: usd(5n) };
const tooMuch: BatchCommand = { kind: "withdraw", account: "1", amount: usd(5_000n) };
const transfer: BatchCommand = { kind: "transfer", from: "1", to: "2", amount: usd(7n) };

describe("a batch", () => {
  it("gives one result for each command, in their order", async () => {
    const results = await clientOf(server).executeBatch([deposit, tooMuch, transfer]);
    expect(results).toMatchObject([
      { ok: true, replayed: false, transaction: { kind: "deposit", amount: usd(5n) } },
      { ok: false, error: { reason: "INSUFFICIENT_FUNDS", outcome: "REJECTED", attempts: 1 } },
      { ok: true, transaction: { kind: "transfer", debitAccount: "1", creditAccount: "2" } },
    ]);
    expect(new Set(results.map(({ requestId }) => requestId)).size).toBe(3);
    expect(server.calls).toHaveLength(1);
  });

  it("carries the session and adds to it", async () => {
    const client = clientOf(server);
    await client.executeBatch([deposit]);
    expect(client.session).toBe(server.ledger.token(2));
  });

  it("is done once when its reply is lost", async () => {
    server.faults.push("lose-reply");
    const results = await clientOf(server).executeBatch([deposit, tooMuch]);
    expect(results).toMatchObject([
      { ok: true, replayed: true },
      { ok: false, error: { reason: "INSUFFICIENT_FUNDS", outcome: "REJECTED" } },
    ]);
    expect(server.ledger.balances.get("1")).toBe(1005n);
  });

  it("sends again only what was not answered, under the same ids", async () => {
    const [first, second] = [randomUUID(), randomUUID()];
    server.ledger.refuseOnce.add(second);
    const results = await clientOf(server).executeBatch([
      { ...deposit, requestId: first },
      { ...transfer, requestId: second },
    ]);
    expect(results).toMatchObject([
      { ok: true, requestId: first, replayed: false },
      { ok: true, requestId: second, replayed: false },
    ]);
    expect(server.calls).toHaveLength(2);
    expect(server.ledger.balances).toEqual(
      new Map([
        ["1", 998n],
        ["2", 7n],
      ]),
    );
  });

  it("says of each command what is known when the call fails", async () => {
    const [first, second] = [randomUUID(), randomUUID()];
    server.ledger.refuseOnce.add(second);
    server.faults.push("serve", "lose-request", lossDetected());
    const results = await clientOf(server).executeBatch([
      { ...deposit, requestId: first },
      { ...transfer, requestId: second },
    ]);
    expect(results).toMatchObject([
      { ok: true, requestId: first },
      {
        ok: false,
        requestId: second,
        error: {
          reason: "LOSS_DETECTED",
          outcome: "OUTCOME_UNKNOWN",
          attempts: 3,
          requestId: second,
          metadata: { outcome: "OUTCOME_UNKNOWN", request_id: second },
        },
      },
    ]);
  });

  it("stays unknown after a lost try, whatever later tries did not do", async () => {
    server.faults.push("lose-request", storeRefused(), lossDetected());
    const [result] = await clientOf(server).executeBatch([deposit]);
    expect(result).toMatchObject({ ok: false, error: { reason: "LOSS_DETECTED", outcome: "OUTCOME_UNKNOWN" } });
  });

  it("was not applied when nobody ever listened", async () => {
    server.afterwards = "refuse";
    const results = await clientOf(server, { timeoutMs: 30 }).executeBatch([deposit, transfer]);
    expect(results).toMatchObject([
      { ok: false, error: { reason: "CONNECTION_FAILED", outcome: "NOT_APPLIED" } },
      { ok: false, error: { reason: "CONNECTION_FAILED", outcome: "NOT_APPLIED" } },
    ]);
  });

  it("is canceled as a whole", async () => {
    const canceling = new AbortController();
    server.afterwards = "hang";
    const running = clientOf(server).executeBatch([deposit], { signal: canceling.signal });
    await expect.poll(() => server.calls.length, { timeout: 10_000 }).toBe(1);
    canceling.abort();
    expect(await running).toMatchObject([
      { ok: false, error: { code: "CANCELED", reason: "CANCELED", outcome: "OUTCOME_UNKNOWN" } },
    ]);
  });

  it("leaves out commands that no bank would take", async () => {
    const results = await clientOf(server).executeBatch([
      { ...deposit, amount: usd(0n) },
      { ...deposit, requestId: "again" },
      deposit,
    ]);
    expect(results).toMatchObject([
      { ok: false, error: { reason: "INVALID_AMOUNT", outcome: "NOT_APPLIED" } },
      { ok: false, requestId: "again", error: { reason: "INVALID_REQUEST", outcome: "NOT_APPLIED" } },
      { ok: true },
    ]);
  });

  it("takes commands of every kind, and groups", async () => {
    const amount = usd(5n);
    const results = await clientOf(server).executeBatch([
      { kind: "openAccount", alias: "new" },
      { kind: "updateAccount", account: "1", displayName: "hats" },
      { kind: "applyInterest", account: "1", rate: "1" },
      { kind: "placeHold", account: "1", amount },
      { kind: "extendHold", hold: 5, expiresAtMs: 9_000 },
      { kind: "captureHold", hold: 5, to: "2" },
      { kind: "releaseHold", hold: 5 },
      { kind: "reverse", transaction: 4 },
      { kind: "group", items: [deposit, { kind: "freezeAccount", account: "2" }] },
      { kind: "closeAccount", account: "2" },
    ]);
    expect(results).toMatchObject([
      { ok: true, kind: "account", account: { number: "3", alias: "new" } },
      { ok: true, kind: "accountUpdate", update: { account: "1", displayName: "hats" } },
      { ok: true, kind: "interest", interest: { amount: usd(10n) } },
      { ok: true, kind: "hold", hold: { position: 5, state: "open" } },
      { ok: true, kind: "hold", hold: { position: 5, expiresAtMs: 9_000 } },
      {
        ok: true,
        kind: "capture",
        capture: { transaction: { amount, creditAccount: "2" }, hold: { state: "captured" } },
      },
      { ok: false, error: { reason: "HOLD_ENDED", outcome: "REJECTED", item: undefined, failures: [] } },
      { ok: true, kind: "transaction", transaction: { kind: "reversal", reverses: 4 } },
      {
        ok: true,
        kind: "group",
        group: { results: [{ kind: "transaction" }, { kind: "stateChange", change: { state: "frozen" } }] },
      },
      { ok: true, kind: "stateChange", change: { account: "2", state: "closed" } },
    ]);
    expect(results.every((result) => !result.ok || (!result.preview && !result.replayed))).toBe(true);
  });

  it("says of a group that was not done what became of each item", async () => {
    const [result] = await clientOf(server).executeBatch([{ kind: "group", items: [deposit, tooMuch] }]);
    if (result === undefined || result.ok) expect.fail("the second item cannot be done");
    expect(result.error).toMatchObject({ reason: "INSUFFICIENT_FUNDS", outcome: "REJECTED", item: 2 });
    expect(result.error.failures.map(({ reason }) => reason)).toEqual(["GROUP_NOT_APPLIED", "INSUFFICIENT_FUNDS"]);
    expect(server.ledger.balances.get("1")).toBe(1000n);
  });

  it("can hold previews, which leave nothing in doubt beside commands that do", async () => {
    server.faults.push("serve", "lose-request", lossDetected());
    const [first, second] = [randomUUID(), randomUUID()];
    server.ledger.refuseOnce.add(first).add(second);
    const preview = { ...deposit, validateOnly: true } as const;
    const results = await clientOf(server).executeBatch([
      preview,
      { ...preview, requestId: first },
      { ...deposit, requestId: second },
      { ...tooMuch, validateOnly: true },
    ]);
    expect(results).toMatchObject([
      { ok: true, preview: true, transaction: { position: 0 } },
      { ok: false, error: { reason: "LOSS_DETECTED", outcome: "NOT_APPLIED", metadata: { outcome: "NOT_APPLIED" } } },
      { ok: false, error: { reason: "LOSS_DETECTED", outcome: "OUTCOME_UNKNOWN" } },
      { ok: false, error: { reason: "INSUFFICIENT_FUNDS", outcome: "NOT_APPLIED", attempts: 1 } },
    ]);
    expect(server.ledger.balances.get("1")).toBe(1000n);
  });

  it("does not send a stale command again", async () => {
    const [stale] = await clientOf(server).executeBatch([{ ...deposit, expectedVersion: 7 }]);
    expect(stale).toMatchObject({ ok: false, error: { reason: "STALE_VERSION", outcome: "NOT_APPLIED", attempts: 1 } });
    expect(server.calls).toHaveLength(1);
  });

  it("is sent again, at once and in its order, without the commands that the bank finds malformed", async () => {
    const empty = { field: "items[1].deposit.account", description: "must not be empty" };
    const missing = { field: "items[3].group", description: "must have items" };
    const refused = (...violations: (typeof empty)[]) =>
      said("INVALID_REQUEST", { problem: "it is malformed" }, "NOT_APPLIED", { violations });
    server.faults.push(refused(empty, missing), refused({ ...empty, field: "items[1]" }));
    const requestId = randomUUID();
    const results = await clientOf(server, { retryDelayMs: 60_000 }).executeBatch([
      deposit,
      { ...deposit, account: "" },
      { ...deposit, requestId },
      { kind: "group", items: [] },
      tooMuch,
    ]);
    const error = { reason: "INVALID_REQUEST", outcome: "NOT_APPLIED" };
    expect(results).toMatchObject([
      { ok: true },
      {
        ok: false,
        error: {
          ...error,
          message: "The request is malformed: account: must not be empty.",
          attempts: 1,
          violations: [{ field: "account", description: "must not be empty" }],
        },
      },
      { ok: false, requestId, error: { ...error, attempts: 2, violations: [{ field: "" }] } },
      { ok: false, error: { ...error, message: "The request is malformed: must have items.", attempts: 1 } },
      { ok: false, error: { reason: "INSUFFICIENT_FUNDS", outcome: "REJECTED", attempts: 3 } },
    ]);
    expect(server.calls).toHaveLength(3);
    expect(server.ledger.balances.get("1")).toBe(1005n);
  });

  it.each([
    ["is malformed itself", "items"],
    ["is refused for a command that is not in it", "items[1].deposit"],
  ])("that %s is refused as a whole", async (_, field) => {
    const violations = [{ field, description: "must be another" }];
    server.faults.push(said("INVALID_REQUEST", { problem: "x" }, "NOT_APPLIED", { violations }));
    const results = await clientOf(server).executeBatch([deposit]);
    expect(results).toMatchObject([{ ok: false, error: { reason: "INVALID_REQUEST", violations, attempts: 1 } }]);
    expect(server.calls).toHaveLength(1);
  });

  it("with too many malformed commands ends, and says that nothing of the others was done", async () => {
    const violations = [{ field: "items[0].deposit.account", description: "must not be empty" }];
    server.afterwards = said("INVALID_REQUEST", { problem: "x" }, "NOT_APPLIED", { violations });
    const results = await clientOf(server).executeBatch(Array.from({ length: 30 }, () => deposit));
    expect(server.calls).toHaveLength(21);
    for (const result of results)
      expect(result).toMatchObject({ ok: false, error: { reason: "INVALID_REQUEST", outcome: "NOT_APPLIED" } });
  });

  it("refuses an answer of another kind than was asked for, and of that command alone", async () => {
    const requestId = randomUUID();
    await clientOf(server).deposit("1", usd(5n), { requestId });
    const [first, result, last] = await clientOf(server).executeBatch([
      deposit,
      { kind: "freezeAccount", account: "1", requestId },
      deposit,
    ]);
    expect([first, last]).toMatchObject([{ ok: true }, { ok: true }]);
    expect(result).toMatchObject({
      ok: false,
      error: {
        reason: "UNEXPECTED_REPLY",
        message: expect.stringContaining('it answered the command freezeAccount with the result "transaction"'),
        outcome: "OUTCOME_UNKNOWN",
      },
    });
  });

  it("refuses replies that do not fit", async () => {
    server.ledger.dropResults = true;
    const results = await clientOf(server).executeBatch([deposit]);
    expect(results).toMatchObject([
      {
        ok: false,
        error: {
          reason: "UNEXPECTED_REPLY",
          message: "http://bank does not answer as a bank of this version: it gave 0 results for 1 commands.",
          outcome: "OUTCOME_UNKNOWN",
        },
      },
    ]);
  });

  it("may be empty, and has at most 10,000 commands", async () => {
    expect(await clientOf(server).executeBatch([])).toEqual([]);
    const many = Array.from({ length: 10_001 }, () => deposit);
    await expect(clientOf(server).executeBatch(many)).rejects.toThrow(RangeError);
    const group = { kind: "group", items: many.slice(0, 101) } as const;
    const groups = Array.from({ length: 100 }, () => group);
    await expect(clientOf(server).executeBatch(groups)).rejects.toThrow(
      "at most 10000 commands, those in groups counted",
    );
    expect(server.calls).toEqual([]);
  });
});

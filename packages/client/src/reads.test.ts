import { Code, ConnectError } from "@connectrpc/connect";
import { beforeEach, describe, expect, it } from "vitest";
import { clientOf, failure, said, usd } from "./clients.test-util.ts";
import { FakeServer, READ_TIME_MS } from "./fake-bank.test-util.ts";
import type { Consistency } from "./types/index.ts";

let server: FakeServer;
beforeEach(() => {
  server = new FakeServer();
  server.ledger.balances.set("1", 1000n);
});

/** What an answer says about the state at a position. */
const stateAt = (position: number) => ({
  position,
  timeMs: READ_TIME_MS,
  stalenessMs: 0,
  connected: true,
  epoch: 1,
  session: server.ledger.token(position),
});

describe("a read", () => {
  it("gives what it read and from which state", async () => {
    expect(await clientOf(server).balance("1")).toEqual({
      account: "1",
      posted: usd(1000n),
      held: usd(0n),
      available: usd(1000n),
      version: 1,
      position: 1,
      timeMs: 3_000,
      readPosition: 1,
      stalenessMs: 0,
      connected: true,
      epoch: 1,
      session: server.ledger.token(1),
    });
    expect(await clientOf(server).getAccount("1")).toMatchObject({
      account: { number: "1", type: "savings", openedAtMs: 1_000, openedPosition: 1 },
      position: 1,
      timeMs: READ_TIME_MS,
    });
  });

  it("is linearizable unless the client or the call says otherwise", async () => {
    await clientOf(server).balance("1");
    await clientOf(server, { consistency: "local" }).balance("1");
    await clientOf(server, { consistency: "local" }).balance("1", { consistency: "linearizable" });
    expect(server.calls.map(({ mode }) => mode)).toEqual(["linearizable", "local", "linearizable"]);
  });

  it("is tried again while that may help", async () => {
    server.faults.push("refuse", "lose-request", "lose-reply", said("BANK_UNREACHABLE", { branch: "1" }));
    expect(await clientOf(server).balance("1")).toMatchObject({ posted: usd(1000n) });
    expect(server.calls).toHaveLength(5);
  });

  it("never leaves an effect in doubt", async () => {
    server.faults.push("lose-reply", "late");
    const error = await failure(clientOf(server).balance("1"));
    expect(error).toMatchObject({ reason: "DEADLINE_EXCEEDED", outcome: "NOT_APPLIED", requestId: undefined });
    expect(error.metadata).toEqual({ server: "http://bank", outcome: "NOT_APPLIED" });
  });

  it("says what is not there", async () => {
    const error = await failure(clientOf(server).balance("7"));
    expect(error).toMatchObject({
      code: "NOT_FOUND",
      reason: "READ_ACCOUNT_NOT_FOUND",
      message: "There is no account 7 at position 1.",
      attempts: 1,
    });
  });
});

describe("how current a read must be", () => {
  it.each<[Consistency, string]>([
    ["linearizable", "linearizable"],
    [{ mode: "local" }, "local"],
    [{ mode: "bounded", maxStalenessMs: 0 }, "bounded;max-staleness-ms=0"],
    [{ mode: "bounded", maxStalenessMs: 1_500 }, "bounded;max-staleness-ms=1500"],
    [{ mode: "position", position: 7 }, "position=7"],
    [{ mode: "time", time: new Date(1_500) }, "time=1970-01-01T00:00:01.500Z"],
    [{ mode: "time", time: "2026-01-05T10:00:00+01:00" }, "time=2026-01-05T09:00:00.000Z"],
  ])("is said as %j, by a call and by a client", async (consistency, header) => {
    await clientOf(server).balance("1", { consistency });
    await clientOf(server, { consistency }).balance("1");
    expect(server.calls.map(({ mode }) => mode)).toEqual([header, header]);
  });

  it.each<[Consistency, ErrorConstructor]>([
    [{ mode: "bounded", maxStalenessMs: -1 }, RangeError],
    [{ mode: "bounded", maxStalenessMs: 0.5 }, RangeError],
    [{ mode: "position", position: 0 }, RangeError],
    [{ mode: "position", position: Number.NaN }, RangeError],
    [{ mode: "time", time: new Date(Number.NaN) }, RangeError],
    [{ mode: "time", time: "yesterday" }, RangeError],
    [{ mode: "time", time: "2026-02-30T00:00:00Z" }, RangeError],
    ["newest" as "local", TypeError],
    [{ mode: "newest" as "local" }, TypeError],
  ])("is refused as %j before anything is sent", async (consistency, kind) => {
    await expect(clientOf(server).balance("1", { consistency })).rejects.toThrow(kind);
    expect(() => clientOf(server, { consistency })).toThrow(kind);
    expect(server.calls).toEqual([]);
  });
});

describe("a balance of the past", () => {
  it("is asked for by its position, and says so", async () => {
    server.ledger.position = 9;
    const past = { mode: "position", position: 4 } as const;
    expect(await clientOf(server).balance("1", { consistency: past })).toMatchObject({
      position: 4,
      timeMs: 3_000,
      readPosition: 9,
    });
  });

  it("is asked for by its time, and says of which position it is", async () => {
    server.ledger.position = 9;
    const past = { mode: "time", time: new Date(1_500) } as const;
    expect(await clientOf(server).balance("1", { consistency: past })).toMatchObject({
      position: 1,
      timeMs: 1_500,
      readPosition: 9,
    });
  });
});

describe("a transaction", () => {
  it("is read by its position, with what took it back", async () => {
    const client = clientOf(server);
    const { transaction } = await client.deposit("1", usd(5n));
    const read = await client.transaction(transaction.position);
    const state = stateAt(2);
    expect(read).toEqual({ transaction: { ...transaction, reversedBy: 77 }, ...state });
  });

  it("that is not there is told apart", async () => {
    expect(await failure(clientOf(server).transaction(4))).toMatchObject({
      code: "NOT_FOUND",
      reason: "READ_TRANSACTION_NOT_FOUND",
      metadata: { transaction: "4" },
    });
    expect(await failure(clientOf(server).transaction(-4))).toMatchObject({ reason: "INVALID_REQUEST" });
  });
});

describe("the transactions of an account", () => {
  beforeEach(async () => {
    const client = clientOf(server);
    server.ledger.balances.set("1", 0n);
    for (const minor of [10n, 20n, 30n]) await client.deposit("1", usd(minor));
    await client.withdraw("1", usd(5n));
    server.calls.splice(0);
  });

  it("come the newest first, each with what it changed", async () => {
    const page = await clientOf(server).transactionsPage("1", { pageSize: 2 });
    expect(page).toMatchObject({
      transactions: [
        { transaction: { position: 5, kind: "withdrawal" }, change: usd(-5n), postedAfter: usd(55n) },
        { transaction: { position: 4, kind: "deposit" }, change: usd(30n), postedAfter: usd(60n) },
      ],
      position: 5,
    });
    const rest = await clientOf(server).transactionsPage("1", { pageSize: 2, pageToken: page.nextPageToken });
    expect(rest.transactions.map(({ transaction }) => transaction.position)).toEqual([3, 2]);
    expect(rest.nextPageToken).toBeUndefined();
  });

  it("are read page after page, with the same question for each", async () => {
    const changes: bigint[] = [];
    const options = { oldestFirst: true, pageSize: 3, kinds: ["deposit", "withdrawal"], consistency: "local" } as const;
    for await (const { change } of clientOf(server).transactions("1", options)) changes.push(change.minor);
    expect(changes).toEqual([10n, 20n, 30n, -5n]);
    const filter = { kinds: ["TRANSACTION_KIND_DEPOSIT", "TRANSACTION_KIND_WITHDRAWAL"] };
    const asked = { account: "1", pageSize: 3, oldestFirst: true, filter };
    expect(server.calls.map(({ message, mode }) => [message, mode])).toEqual([
      [asked, "local"],
      [{ ...asked, pageToken: "3" }, "local"],
    ]);
  });

  it("are filtered by all that is said", async () => {
    await clientOf(server).transactionsPage("1", {
      fromTimeMs: 0,
      beforeTimeMs: 2_000,
      kinds: ["reversal", "interest", "capture", "transfer"],
      amountMin: 5n,
      amountMax: 2n ** 63n - 1n,
      counterparty: "cash/0/USD",
    });
    expect(server.calls[0]?.message).toEqual({
      account: "1",
      filter: {
        fromTime: "1970-01-01T00:00:00Z",
        beforeTime: "1970-01-01T00:00:02Z",
        kinds: [
          "TRANSACTION_KIND_REVERSAL",
          "TRANSACTION_KIND_INTEREST",
          "TRANSACTION_KIND_CAPTURE",
          "TRANSACTION_KIND_TRANSFER",
        ],
        amountMin: "5",
        amountMax: "9223372036854775807",
        counterparty: "cash/0/USD",
      },
    });
  });

  it.each([
    ["a time that is none", { fromTimeMs: Number.NaN }, "filter.from_time"],
    ["a time before 1970", { beforeTimeMs: -1 }, "filter.before_time"],
    ["a negative amount", { amountMin: -1n }, "filter.amount_min"],
    ["at most nothing, which would be no bound", { amountMax: 0n }, "filter.amount_max"],
    ["an amount beyond 64 bits", { amountMax: 2n ** 63n }, "filter.amount_max"],
    ["half a page", { pageSize: 0.5 }, "page_size"],
    ["a page beyond 32 bits", { pageSize: 2 ** 31 }, "page_size"],
  ])("are not asked for with %s", async (_, options, field) => {
    const error = await failure(clientOf(server).transactionsPage("1", options));
    expect(error).toMatchObject({ reason: "INVALID_REQUEST", outcome: "NOT_APPLIED", violations: [{ field }] });
    expect(server.calls).toEqual([]);
  });
});

describe("holds", () => {
  it("are read one by one, open or ended", async () => {
    const client = clientOf(server);
    const { hold } = await client.placeHold("1", usd(5n));
    const state = stateAt(2);
    expect(await client.getHold(hold.position)).toEqual({ hold, ...state });
    await client.releaseHold(hold.position);
    expect((await client.getHold(hold.position)).hold.state).toBe("released");
    expect(await failure(client.getHold(9))).toMatchObject({ code: "NOT_FOUND", reason: "READ_HOLD_NOT_FOUND" });
  });

  it("of an account are listed while they are open, page after page", async () => {
    const client = clientOf(server);
    for (const minor of [1n, 2n, 3n, 4n]) await client.placeHold("1", usd(minor));
    await client.releaseHold(3);
    const page = await client.holdsPage("1", { pageSize: 2 });
    expect(page.holds.map(({ position }) => position)).toEqual([2, 4]);
    expect(page.nextPageToken).toBe("2");
    const amounts: bigint[] = [];
    for await (const { amount } of client.holds("1", { pageSize: 2 })) amounts.push(amount.minor);
    expect(amounts).toEqual([1n, 3n, 4n]);
    expect(server.calls.slice(-2).map(({ message }) => message)).toEqual([
      { account: "1", pageSize: 2 },
      { account: "1", pageSize: 2, pageToken: "2" },
    ]);
  });

  it("show in the balances of their account", async () => {
    const client = clientOf(server);
    await client.placeHold("1", usd(30n));
    const balances = { posted: usd(1000n), held: usd(30n), available: usd(970n), version: 2 };
    expect(await client.balance("1")).toMatchObject(balances);
    expect((await client.getAccount("1")).account).toMatchObject(balances);
  });
});

describe("listing accounts", () => {
  beforeEach(() => {
    for (let i = 2; i <= 7; i++) server.ledger.balances.set(String(i), 0n);
  });

  it("reads page after page, and only as far as it is asked", async () => {
    const numbers: string[] = [];
    for await (const { number } of clientOf(server).listAccounts({ pageSize: 3 })) {
      numbers.push(number);
      if (number === "4") break;
    }
    expect(numbers).toEqual(["1", "2", "3", "4"]);
    expect(server.calls).toHaveLength(2);
  });

  it("gives them all", async () => {
    const numbers: string[] = [];
    for await (const { number } of clientOf(server).listAccounts({ pageSize: 3 })) numbers.push(number);
    expect(numbers).toEqual(["1", "2", "3", "4", "5", "6", "7"]);
  });

  it("gives a page, and the token of the next", async () => {
    const client = clientOf(server);
    const first = await client.listAccountsPage({ pageSize: 5 });
    expect(first.accounts).toHaveLength(5);
    const second = await client.listAccountsPage({ pageSize: 5, pageToken: first.nextPageToken });
    expect(second.accounts.map(({ number }) => number)).toEqual(["6", "7"]);
    expect(second.nextPageToken).toBeUndefined();
  });

  it("also gives the bank's own where they are asked for, on every page", async () => {
    for await (const _ of clientOf(server).listAccounts({ pageSize: 5, includeInternal: true }));
    expect(server.calls.map(({ message }) => message)).toEqual([
      { pageSize: 5, includeInternal: true },
      { pageSize: 5, pageToken: "5", includeInternal: true },
    ]);
  });
});

describe("whoever answers but is no bank", () => {
  const unexpected = async (fault: ConnectError) => {
    server.afterwards = fault;
    return failure(clientOf(server).balance("1"));
  };

  it("is told apart from a server that is down, and not asked again", async () => {
    const notHttp2 = new ConnectError("Protocol error", Code.Internal);
    notHttp2.cause = Object.assign(new Error("Protocol error"), { code: "ERR_HTTP2_ERROR" });
    expect(await unexpected(notHttp2)).toMatchObject({
      code: "UNAVAILABLE",
      reason: "UNEXPECTED_REPLY",
      message: "http://bank does not answer as a bank of this version: Protocol error.",
      attempts: 1,
    });
    expect(await unexpected(new ConnectError("no such method", Code.Unimplemented))).toMatchObject({
      code: "UNIMPLEMENTED",
      reason: "UNEXPECTED_REPLY",
      attempts: 1,
    });
    expect(await unexpected(new ConnectError("HTTP 403", Code.PermissionDenied))).toMatchObject({
      code: "PERMISSION_DENIED",
    });
  });

  it.each([Code.Canceled, Code.Aborted, Code.Unavailable, Code.Internal])(
    "is not suspected when a connection breaks with status %s",
    async (code) => {
      server.faults.push(new ConnectError("http/2 stream closed", code));
      expect(await clientOf(server).balance("1")).toMatchObject({ posted: usd(1000n) });
    },
  );
});

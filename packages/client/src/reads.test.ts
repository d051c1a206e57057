import { Code, ConnectError } from "@connectrpc/connect";
import { beforeEach, describe, expect, it } from "vitest";
import { clientOf, failure, said, usd } from "./clients.test-util.ts";
import { FakeServer } from "./fake-bank.test-util.ts";

let server: FakeServer;
beforeEach(() => {
  server = new FakeServer();
  server.ledger.balances.set("1", 1000n);
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
    });
    expect(await clientOf(server).getAccount("1")).toMatchObject({
      account: { number: "1", type: "savings", openedAtMs: 1_000, openedPosition: 1 },
      position: 1,
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

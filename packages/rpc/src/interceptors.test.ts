import { RefusalError } from "@bank/core";
import {
  AccountService,
  BadRequestSchema,
  HoldService,
  JournalService,
  ReplicationService,
  RequestService,
  TransactionService,
} from "@bank/proto";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import { failureFromConnectError } from "./failure.ts";
import { failureOf, grpcTransport, startServer } from "./wire.test-util.ts";

const REQUEST_ID = "00000000-0000-4000-8000-000000000001";
const USD = { currencyCode: "USD", amountMinor: 1n };

describe("a request that breaks the rules of its message", () => {
  it("is refused with the path of each field, before the handler", async () => {
    let seen = 0;
    const { serving } = await startServer((router) => {
      router.service(TransactionService, {
        deposit: () => {
          seen++;
          return {};
        },
        executeBatch: () => {
          seen++;
          return {};
        },
      });
      router.service(AccountService, {
        listAccounts: () => {
          seen++;
          return {};
        },
      });
    });
    const transport = grpcTransport(serving.url);
    const client = createClient(TransactionService, transport);
    const deposit = { requestId: REQUEST_ID, account: "1", amount: USD };
    const item = (command: object) => ({ command: { case: "deposit" as const, value: { ...deposit, ...command } } });
    const broken: [Promise<unknown>, string[]][] = [
      [client.deposit({ ...deposit, requestId: "7" }), ["request_id"]],
      [client.deposit({ requestId: "8", account: "x".repeat(65) }), ["request_id", "account", "amount"]],
      [client.deposit({ ...deposit, amount: { currencyCode: "usd", amountMinor: 1n } }), ["amount.currency_code"]],
      [client.executeBatch({ items: [] }), ["items"]],
      [client.executeBatch({ items: [item({}), item({ account: "" })] }), ["items[1].deposit.account"]],
      [client.executeBatch({ items: [{}] }), ["items[0].command"]],
      [createClient(AccountService, transport).listAccounts({ pageSize: -1 }), ["page_size"]],
    ];
    for (const [call, paths] of broken) {
      const error = await failureOf(call);
      expect(error.code).toBe(Code.InvalidArgument);
      const failure = failureFromConnectError(error);
      expect(failure?.reason).toBe("INVALID_REQUEST");
      expect(failure?.metadata["outcome"]).toBe("NOT_APPLIED");
      for (const path of paths) expect(failure?.metadata["problem"]).toContain(`${path}: `);
      // And for programs.
      expect(failure?.violations.map(({ field }) => field)).toEqual(paths);
      expect(error.findDetails(BadRequestSchema)).toHaveLength(1);
    }
    expect(seen).toBe(0);
    await client.deposit(deposit);
    await client.executeBatch({ items: [item({})] });
    expect(seen).toBe(2);
  });

  it("is refused for every new rule, by the name of the field", async () => {
    const { serving } = await startServer((router) => {
      router.service(AccountService, {});
      router.service(HoldService, {});
      router.service(RequestService, {});
      router.service(TransactionService, {});
    });
    const transport = grpcTransport(serving.url);
    const [accounts, holds] = [createClient(AccountService, transport), createClient(HoldService, transport)];
    const requests = createClient(RequestService, transport);
    const transactions = createClient(TransactionService, transport);
    const open = { requestId: REQUEST_ID, owner: "Ada", currencyCode: "USD" };
    const on = { requestId: REQUEST_ID, account: "1" };
    const group = (command: object) => ({ requestId: REQUEST_ID, items: [{ command: command as never }] });
    const broken: [Promise<unknown>, string][] = [
      [accounts.openAccount({ ...open, type: 3 }), "type"],
      [accounts.openAccount({ ...open, alias: "a/b" }), "alias"],
      [accounts.openAccount({ ...open, alias: "-a" }), "alias"],
      [accounts.openAccount({ ...open, floorMinor: 1n }), "floor_minor"],
      [accounts.openAccount({ ...open, ceilingMinor: -1n }), "ceiling_minor"],
      [accounts.openAccount({ ...open, metadata: { "": "x" } }), 'metadata[""]'],
      [accounts.updateAccount({ ...on, ceilingMinor: -1n }), "ceiling_minor"],
      [accounts.updateAccount({ ...on, metadata: { metadata: { a: "x".repeat(1_025) } } }), 'metadata.metadata["a"]'],
      [accounts.closeAccount({ ...on, expectedVersion: 0n }), "expected_version"],
      [accounts.getBalance({ account: "1", asOf: { case: "position", value: 0n } }), "position"],
      [transactions.reverseTransaction({ requestId: REQUEST_ID }), "transaction"],
      [transactions.applyInterest(on), "rate_percent"],
      [transactions.executeGroup({ requestId: REQUEST_ID }), "items"],
      [transactions.executeGroup(group({ case: "deposit", value: { account: "1" } })), "items[0].deposit.amount"],
      [transactions.listTransactions({ account: "1", pageSize: -1 }), "page_size"],
      [transactions.listTransactions({ account: "1", filter: { kinds: [99 as never] } }), "filter.kinds[0]"],
      [holds.placeHold(on), "amount"],
      [holds.captureHold({ requestId: REQUEST_ID, hold: 2n ** 53n }), "hold"],
      [holds.extendHold({ requestId: REQUEST_ID, hold: 1n }), "expires_at"],
      [holds.listHolds({ account: "1", pageSize: -1 }), "page_size"],
      [requests.getOutcome({ requestId: "" }), "request_id"],
      [requests.cancelRequest({}), "request_id"],
    ];
    for (const [call, field] of broken)
      expect(failureFromConnectError(await failureOf(call)), field).toMatchObject({
        reason: "INVALID_REQUEST",
        metadata: { outcome: "NOT_APPLIED" },
        violations: [{ field }],
      });
  });

  it("is told so in a few words, however often it breaks them", async () => {
    const { serving } = await startServer((router) => router.service(TransactionService, {}));
    const client = createClient(TransactionService, grpcTransport(serving.url));
    const items = Array.from({ length: 10_000 }, () => ({ command: { case: "deposit", value: {} } }) as const);
    const error = await failureOf(client.executeBatch({ items }));
    expect(failureFromConnectError(error)).toMatchObject({ reason: "INVALID_REQUEST" });
    expect(error.rawMessage).toContain("items[0].deposit.account: ");
    expect(error.rawMessage).toContain("and 19990 more");
  });

  it("is refused where it opens a stream too", async () => {
    let seen = 0;
    const { serving } = await startServer((router) => {
      router.service(JournalService, {
        async *follow() {
          seen++;
          yield {};
        },
      });
    });
    const { follow } = createClient(JournalService, grpcTransport(serving.url));
    const read = async (request: Parameters<typeof follow>[0]) => {
      for await (const _ of follow(request)) return;
    };
    const error = await failureOf(read({ bankId: new Uint8Array(17) }));
    expect(failureFromConnectError(error)).toMatchObject({ reason: "INVALID_REQUEST" });
    expect(error.rawMessage).toContain("bank_id");
    expect(seen).toBe(0);
    await read({ bankId: new Uint8Array(16) });
    expect(seen).toBe(1);
  });

  it("is left to the handler where branches gather the commands of many customers", async () => {
    const { serving } = await startServer((router) => {
      router.service(ReplicationService, { submit: ({ commands }) => ({ outcomes: commands.map(() => ({})) }) });
    });
    const client = createClient(ReplicationService, grpcTransport(serving.url));
    expect((await client.submit({ commands: [{ branch: 70_000 }, {}] })).outcomes).toHaveLength(2);
  });
});

describe("an unexpected error", () => {
  it("leaves no trace of its cause but the id under which it was logged", async () => {
    const { serving, incidents } = await startServer((router) => {
      router.service(AccountService, {
        getAccount: () => {
          throw new TypeError("the password is swordfish");
        },
        getBalance: async () => {
          throw { password: "swordfish" };
        },
      });
      router.service(JournalService, {
        async *follow() {
          yield {};
          throw new Error("the password is swordfish");
        },
      });
    });
    const transports = [
      grpcTransport(serving.url),
      createConnectTransport({ baseUrl: serving.url, httpVersion: "1.1", useBinaryFormat: false }),
    ];
    for (const transport of transports) {
      const accounts = createClient(AccountService, transport);
      const readAll = async () => {
        for await (const _ of createClient(JournalService, transport).follow({}));
      };
      for (const [method, call] of [
        ["bank.v1.AccountService/GetAccount", () => accounts.getAccount({ account: "1" })],
        ["bank.v1.AccountService/GetBalance", () => accounts.getBalance({ account: "1" })],
        ["bank.journal.v1.JournalService/Follow", readAll],
      ] as const) {
        const logged = incidents.length;
        const error = await failureOf(call());
        expect(error.code).toBe(Code.Internal);
        expect(failureFromConnectError(error)?.reason).toBe("INTERNAL");
        expect(JSON.stringify([error.message, error.details, [...error.metadata]])).not.toMatch(/swordfish|password/);
        expect(incidents).toHaveLength(logged + 1);
        const incident = incidents.at(-1);
        expect(incident?.method).toBe(method);
        expect(JSON.stringify(incident?.error, Object.getOwnPropertyNames(incident?.error))).toContain("swordfish");
        expect(failureFromConnectError(error)?.metadata).toEqual({
          incident: incident?.id,
          // It may have happened behind the effect.
          outcome: "OUTCOME_UNKNOWN",
        });
      }
    }
    expect(new Set(incidents.map(({ id }) => id)).size).toBe(incidents.length);
  });
});

describe("an expected error", () => {
  it("reaches the caller of a stream as it reaches that of a call", async () => {
    const { serving, incidents } = await startServer((router) => {
      router.service(JournalService, {
        async *follow({ follower }) {
          if (follower === "stranger") throw new RefusalError("JOURNAL_DIVERGED", { problem: "of another bank" });
          yield {};
          throw new ConnectError("over", Code.Unavailable);
        },
      });
    });
    const readAll = async (follower: string) => {
      for await (const _ of createClient(JournalService, grpcTransport(serving.url)).follow({ follower }));
    };
    expect(failureFromConnectError(await failureOf(readAll("stranger")))).toMatchObject({
      reason: "JOURNAL_DIVERGED",
      metadata: { problem: "of another bank" },
    });
    expect((await failureOf(readAll("friend"))).code).toBe(Code.Unavailable);
    expect(incidents).toEqual([]);
  });
});

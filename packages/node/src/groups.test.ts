import { randomUUID } from "node:crypto";
import { COMMANDS_PER_CALL_MAX, GROUP_ITEMS_MAX, type GroupItem } from "@bank/core";
import {
  BadRequestSchema,
  type BatchItem,
  type BatchResult,
  BatchResultSchema,
  ErrorInfoSchema,
  GroupFailureSchema,
} from "@bank/proto";
import { groupFailureFromConnectError, itemFromCommand } from "@bank/rpc";
import { toJson } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import {
  accountWith,
  asked,
  clientAt,
  digestAt,
  failureOf,
  item,
  PLACES,
  startServers,
  usd,
} from "./calls.test-util.ts";
import { startTestBank } from "./servers.test-util.ts";

function withdrawal(account: string, minor: number): GroupItem {
  return { kind: "withdraw", account, amount: { currency: "USD", minor: BigInt(minor) } };
}

function deposit(account: string, minor: number): GroupItem {
  return { ...withdrawal(account, minor), kind: "deposit" } as GroupItem;
}

function transfer(from: string, to: string, minor: number): GroupItem {
  return { kind: "transfer", from, to, amount: { currency: "USD", minor: BigInt(minor) } };
}

function group(...items: GroupItem[]): BatchItem[] {
  return items.map((command) => itemFromCommand(command));
}

/** What became of an item, in a word. */
function wordOf({ result, replayed }: BatchResult): string {
  const word = result.case === "failure" ? result.value.reason : (result.case ?? "nothing");
  return replayed ? `${word} again` : word;
}

describe.each(PLACES)("a group at $place", ({ branch }) => {
  it("is done as a whole, under one id, and its retry is told the same", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { transactions } = client;
    const [from, to] = [await accountWith(client, 500), await accountWith(client, 0)];
    // The money for the second comes from the first.
    const items = group(
      transfer(from, to, 300),
      withdrawal(to, 250),
      { kind: "placeHold", account: to, amount: { currency: "USD", minor: 50n }, expiresMs: 0 },
      { kind: "freezeAccount", account: from },
    );
    const request = asked({ items });
    const { group: done, replayed } = await transactions.executeGroup(request);
    expect(replayed).toBe(false);
    expect(done?.results.map(wordOf)).toEqual(["transaction", "transaction", "hold", "stateChange"]);
    const [first] = done?.results ?? [];
    if (first?.result.case !== "transaction") throw new Error("a transfer is a transaction");
    expect(first.result.value).toMatchObject({
      debitAccount: from,
      creditAccount: to,
      requestId: request.requestId,
      branch,
    });
    expect(Number(done?.position)).toBe(servers.bank.replica.committedPosition);
    const digest = await digestAt(client);
    expect(await transactions.executeGroup(request)).toMatchObject({ group: done, replayed: true });
    expect(await digestAt(client), "nothing was done again").toBe(digest);
    expect([await client.balance(from), await client.balance(to)]).toEqual([200n, 50n]);
    // The same items in another order are another request.
    const other = failureOf(transactions.executeGroup({ ...request, items: [...items].reverse() }));
    expect(await other).toMatchObject({ code: Code.AlreadyExists, reason: "REQUEST_ID_REUSED" });
  });

  it("is not done at all where one item cannot be, and tells which, for ever", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { transactions } = client;
    const [from, to] = [await accountWith(client, 500), await accountWith(client, 0)];
    const request = asked({ items: group(transfer(from, to, 300), withdrawal(to, 301), withdrawal("999", 1)) });
    const rejected = await failureOf(transactions.executeGroup(request));
    expect(rejected).toMatchObject({
      code: Code.FailedPrecondition,
      reason: "INSUFFICIENT_FUNDS",
      item: 2,
      metadata: { account: to, available: "3.00", requested: "3.01", outcome: "REJECTED" },
    });
    expect(rejected.error.findDetails(ErrorInfoSchema)).toHaveLength(1);
    expect(rejected.error.findDetails(BadRequestSchema)).toEqual([]);
    expect(groupFailureFromConnectError(rejected.error)?.failures).toMatchObject([
      { reason: "GROUP_NOT_APPLIED", code: Code.Aborted, item: 1, metadata: { item: "2" } },
      { reason: "INSUFFICIENT_FUNDS", code: Code.FailedPrecondition, item: 2 },
      { reason: "GROUP_NOT_APPLIED", code: Code.Aborted, item: 3 },
    ]);
    expect([await client.balance(from), await client.balance(to)]).toEqual([500n, 0n]);
    await transactions.deposit(asked({ account: to, amount: usd(1) }));
    const again = await failureOf(transactions.executeGroup(request));
    expect(again.message, "it was told no").toBe(rejected.message);
    expect(groupFailureFromConnectError(again.error)).toEqual(groupFailureFromConnectError(rejected.error));
  });

  it("that is stale, or malformed, says which item, and uses up no id", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { transactions } = client;
    const account = await accountWith(client, 500);
    const requestId = randomUUID();
    const stale = {
      requestId,
      items: group(deposit(account, 1), { ...withdrawal(account, 5), expectedVersion: 2 } as GroupItem),
    };
    expect(await failureOf(transactions.executeGroup(stale))).toMatchObject({
      code: Code.Aborted,
      reason: "STALE_VERSION",
      item: 2,
      metadata: { version: "3", outcome: "NOT_APPLIED" },
    });
    const nothing = { requestId, items: group(deposit(account, 1), deposit(account, 0)) };
    const malformed = await failureOf(transactions.executeGroup(nothing));
    expect(malformed).toMatchObject({
      reason: "INVALID_AMOUNT",
      item: 2,
      violations: [{ field: "items[1].deposit.amount.amount_minor" }],
    });
    expect(malformed.error.findDetails(GroupFailureSchema)).toHaveLength(1);
    for (const [bad, field] of [
      [item(deposit(account, 1)), "items[0].deposit.request_id"],
      [itemFromCommand(deposit(account, 1), { validateOnly: true }), "items[0].deposit.validate_only"],
      [itemFromCommand({ kind: "group", items: [deposit(account, 1)] }), "items[0].group"],
    ] as const)
      expect(await failureOf(transactions.executeGroup({ requestId, items: [bad] }))).toMatchObject({
        reason: "INVALID_REQUEST",
        item: 1,
        violations: [{ field }],
      });
    const without = await failureOf(transactions.executeGroup({ items: group(deposit(account, 1)) }));
    expect(without).toMatchObject({ item: 0, violations: [{ field: "request_id" }] });
    await transactions.executeGroup({ requestId, items: group(deposit(account, 1)) });
    expect(await client.balance(account)).toBe(501n);
  });

  it("can be as large as a group can be", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const account = await accountWith(client, 0);
    const ones = new Array<GroupItem>(GROUP_ITEMS_MAX - 1).fill(deposit(account, 1));
    const { group: done } = await client.transactions.executeGroup(
      asked({ items: group(...ones, deposit(account, 2)) }),
    );
    expect(done?.results).toHaveLength(GROUP_ITEMS_MAX);
    const rejected = await failureOf(
      client.transactions.executeGroup(asked({ items: group(...ones, withdrawal("999", 1)) })),
    );
    expect(rejected).toMatchObject({ reason: "ACCOUNT_NOT_FOUND", item: GROUP_ITEMS_MAX });
    expect(groupFailureFromConnectError(rejected.error)?.failures).toHaveLength(GROUP_ITEMS_MAX);
    expect(await client.balance(account)).toBe(101n);
  });
});

describe.each(PLACES)("a batch at $place", ({ branch }) => {
  it("has commands of every kind and groups, each done or not by itself, in their order", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { transactions } = client;
    const [one, two] = [await accountWith(client, 100), await accountWith(client, 100)];
    const groupId = randomUUID();
    const grouped = (...items: GroupItem[]) => itemFromCommand({ kind: "group", items }, { requestId: groupId });
    const items = [
      item({ kind: "openAccount", type: 2, owner: "Bob", displayName: "", currency: "USD", alias: "bob" }),
      item(transfer(one, "bob", 60)),
      item(withdrawal(one, 41)),
      grouped(transfer(two, "bob", 50), withdrawal("bob", 110)),
      itemFromCommand({ kind: "group", items: [deposit(one, 1), withdrawal(two, 51)] }, { requestId: randomUUID() }),
      item({ kind: "placeHold", account: two, amount: { currency: "USD", minor: 50n }, expiresMs: 0 }),
      item({ kind: "applyInterest", account: one, rate: 10_000_000 }),
      item({ kind: "updateAccount", account: "bob", displayName: "Bobby" }),
      item(withdrawal(two, 1)),
      item({ ...withdrawal(one, 1), expectedVersion: 1 } as GroupItem),
      item({ kind: "closeAccount", account: "bob" }),
      item(deposit("bob", 1)),
      // What was said under an id before is said again, and another thing is refused.
      grouped(transfer(two, "bob", 50), withdrawal("bob", 110)),
      item(deposit(one, 1), groupId),
      item(deposit(one, 0)),
    ];
    const { results, readInfo } = await transactions.executeBatch({ items });
    expect(results.map(wordOf)).toEqual([
      "account",
      "transaction",
      "INSUFFICIENT_FUNDS",
      "group",
      "INSUFFICIENT_FUNDS",
      "hold",
      "interest",
      "accountUpdate",
      "INSUFFICIENT_FUNDS",
      "STALE_VERSION",
      "stateChange",
      "ACCOUNT_CLOSED",
      "group again",
      "REQUEST_ID_REUSED",
      "INVALID_AMOUNT",
    ]);
    const [, , , first, second, , , , , , , , again, , invalid] = results.map(({ result }) => result);
    expect(again).toEqual(first);
    expect(second?.value).toMatchObject({ item: 2, metadata: { outcome: "REJECTED" } });
    expect(invalid?.value).toMatchObject({ violations: [{ field: "amount.amount_minor" }], position: 0n });
    expect(Number(readInfo?.position)).toBe(servers.bank.replica.committedPosition);

    const digest = await digestAt(client);
    const retried = await transactions.executeBatch({ items });
    // All but what uses up no id was answered for ever.
    expect(retried.results.map(wordOf)).toEqual(
      results
        .map(wordOf)
        .map((word) =>
          word.endsWith(" again") || ["STALE_VERSION", "REQUEST_ID_REUSED", "INVALID_AMOUNT"].includes(word)
            ? word
            : `${word} again`,
        ),
    );
    for (const [i, told] of retried.results.entries())
      expect(json({ ...told, replayed: false })).toEqual(json({ ...results[i]!, replayed: false }));
    expect(await digestAt(client)).toBe(digest);
  });

  it("has so many commands at the most, those in its groups counted", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { transactions } = client;
    const account = await accountWith(client, 0);
    const full = new Array<GroupItem>(GROUP_ITEMS_MAX).fill(deposit(account, 1));
    const groups = Array.from({ length: COMMANDS_PER_CALL_MAX / GROUP_ITEMS_MAX }, () =>
      itemFromCommand({ kind: "group", items: full }, { requestId: randomUUID() }),
    );
    const tooMany = await failureOf(transactions.executeBatch({ items: [...groups, item(deposit(account, 1))] }));
    expect(tooMany).toMatchObject({ reason: "INVALID_REQUEST", violations: [{ field: "items" }] });
    expect(tooMany.message).toContain("at most 10000 commands, those inside groups counted, not 10001");
    const { results } = await transactions.executeBatch({ items: groups });
    expect(results.filter(({ result }) => result.case === "group")).toHaveLength(groups.length);
    expect(await client.balance(account)).toBe(BigInt(COMMANDS_PER_CALL_MAX));
  });
});

it("the results of groups are the same years later, from the disk", async () => {
  const { bank, atBank } = await startServers({ snapshotEveryRecords: 5 });
  const account = await accountWith(atBank, 100);
  const request = asked({
    items: group(
      { kind: "openAccount", type: 1, owner: "Bob", displayName: "", currency: "JPY", metadata: { b: "2", a: "1" } },
      { kind: "applyInterest", account, rate: 5_000_000 },
      { kind: "placeHold", account, amount: { currency: "USD", minor: 7n }, expiresMs: 0 },
    ),
  });
  const { group: original } = await atBank.transactions.executeGroup(request);
  const rejectedRequest = asked({ items: group(deposit(account, 1), withdrawal(account, 999)) });
  const rejected = await failureOf(atBank.transactions.executeGroup(rejectedRequest));
  const { dataDir, port } = bank;
  await bank.close();
  const again = await startTestBank({ dataDir, port });
  expect(again.recovered.snapshotPosition).toBeGreaterThan(0);
  expect(await atBank.transactions.executeGroup(request)).toMatchObject({ group: original, replayed: true });
  const { error, ...told } = await failureOf(atBank.transactions.executeGroup(rejectedRequest));
  expect({ ...rejected, error: undefined }).toEqual({ ...told, error: undefined });
  expect(groupFailureFromConnectError(error)).toEqual(groupFailureFromConnectError(rejected.error));
});

function json(result: BatchResult) {
  return toJson(BatchResultSchema, result);
}

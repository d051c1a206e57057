import { randomUUID } from "node:crypto";
import type { Group, GroupItem } from "@bank/core";
import { type ExecuteBatchResponse, GroupFailureSchema, type ReadInfo } from "@bank/proto";
import { itemFromCommand } from "@bank/rpc";
import { consistency, type ServerClient } from "@bank/testkit";

import { timestampFromMs } from "@bufbuild/protobuf/wkt";
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

function amount(minor: number) {
  return { currency: "USD", minor: BigInt(minor) };
}

/** What a single call gives for a command. */
type Told = Record<string, unknown> & { readonly replayed: boolean; readonly readInfo?: ReadInfo };

/** One call for each mutation that there is, on an account with 1,000 of which 100 are held. */
function everyCall(client: ServerClient, from: { account: string; other: string; hold: bigint; moved: bigint }) {
  const { accounts, transactions, holds } = client;
  const { account, other, hold, moved } = from;
  const later = timestampFromMs(4_000_000_000_000);
  const calls = {
    openAccount: [accounts.openAccount, { owner: "Bob", currencyCode: "KWD", alias: "bob" }],
    updateAccount: [accounts.updateAccount, { account, displayName: "new" }],
    deposit: [transactions.deposit, { account, amount: usd(50) }],
    withdraw: [transactions.withdraw, { account, amount: usd(40) }],
    transfer: [transactions.transfer, { fromAccount: account, toAccount: other, amount: usd(30) }],
    reverseTransaction: [transactions.reverseTransaction, { transaction: moved }],
    applyInterest: [transactions.applyInterest, { account, ratePercent: "10" }],
    placeHold: [holds.placeHold, { account, amount: usd(20), expiresAt: later }],
    captureHold: [holds.captureHold, { hold, amount: usd(10), toAccount: other }],
    extendHold: [holds.extendHold, { hold, expiresAt: timestampFromMs(4_000_000_000_001) }],
    releaseHold: [holds.releaseHold, { hold }],
    executeGroup: [
      transactions.executeGroup,
      {
        items: [
          itemFromCommand({ kind: "deposit", account, amount: amount(5) }),
          itemFromCommand({ kind: "placeHold", account: other, amount: amount(4), expiresMs: 0 }),
          itemFromCommand({ kind: "openAccount", type: 1, owner: "C", displayName: "", currency: "JPY" }),
        ],
      },
    ],
    freezeAccount: [accounts.freezeAccount, { account }],
    unfreezeAccount: [accounts.unfreezeAccount, { account }],
  } as const;
  return Object.entries(calls) as unknown as [string, [(request: object) => Promise<Told>, object]][];
}

/** A reply without what a preview cannot know: places in the journal, and when it will be. */
function withoutPlaces(value: unknown, from: bigint): unknown {
  if (typeof value === "bigint") return value >= from ? 0n : value;
  if (Array.isArray(value)) return value.map((one) => withoutPlaces(one, from));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => !["time", "openedAt", "readInfo", "replayed"].includes(key));
  return Object.fromEntries(
    entries.map(([key, one]) => [
      key,
      ["position", "hold", "openedPosition"].includes(key) || typeof one === "object" ? withoutPlaces(one, from) : one,
    ]),
  );
}

describe.each(PLACES)("a preview at $place", ({ branch }) => {
  it("of every call is what the call then does, changes nothing, and uses up no id", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const account = await accountWith(client, 1_000);
    const other = await accountWith(client, 100);
    const { hold } = await client.holds.placeHold(
      asked({ account, amount: usd(100), expiresAt: timestampFromMs(4e12) }),
    );
    const { transaction } = await client.transactions.transfer(
      asked({ fromAccount: account, toAccount: other, amount: usd(1) }),
    );
    const from = { account, other, hold: hold?.hold ?? 0n, moved: transaction?.position ?? 0n };
    for (const [name, [call, request]] of everyCall(client, from)) {
      const mutation = asked(request);
      const before = [await digestAt(servers.atBank), await digestAt(client)];
      const preview = await call({ ...mutation, validateOnly: true });
      expect(preview.replayed, name).toBe(false);
      expect([await digestAt(servers.atBank), await digestAt(client)], name).toEqual(before);
      const position = BigInt(servers.bank.replica.committedPosition);
      expect(preview.readInfo?.position, name).toBe(position);
      // What is told is of a state, which a session can name.
      const seen = client.accounts.getAccount({ account }, consistency("session", preview.readInfo?.session));
      expect((await seen).readInfo?.position, name).toBe(position);

      const done = await call(mutation);
      expect(done.replayed, `${name} was not done before`).toBe(false);
      expect(withoutPlaces(preview, position + 1n), name).toEqual(withoutPlaces(done, position + 1n));
      expect(placesIn(preview, position + 1n), `${name} has no place yet`).toEqual([]);
    }
    const empty = await accountWith(client, 0);
    const close = asked({ account: empty });
    const { change } = await client.accounts.closeAccount({ ...close, validateOnly: true });
    expect(await client.accounts.closeAccount(close)).toMatchObject({ change, replayed: false });
  });

  it("of what cannot be done says why, and rules nothing out", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { transactions } = client;
    const account = await accountWith(client, 100);
    const withdraw = asked({ account, amount: usd(101) });
    const digest = await digestAt(client);
    const no = await failureOf(transactions.withdraw({ ...withdraw, validateOnly: true }));
    expect(no).toMatchObject({
      code: Code.FailedPrecondition,
      reason: "INSUFFICIENT_FUNDS",
      metadata: { available: "1.00", outcome: "NOT_APPLIED" },
    });
    const stale = transactions.withdraw({ ...withdraw, validateOnly: true, expectedVersion: 1n });
    expect(await failureOf(stale)).toMatchObject({ reason: "STALE_VERSION" });
    const malformed = transactions.withdraw({ ...withdraw, validateOnly: true, amount: usd(0) });
    expect(await failureOf(malformed)).toMatchObject({ reason: "INVALID_AMOUNT" });
    const items = [
      itemFromCommand({ kind: "withdraw", account, amount: amount(60) }),
      itemFromCommand({ kind: "withdraw", account, amount: amount(60) }),
    ];
    const group = await failureOf(transactions.executeGroup({ ...asked({ items }), validateOnly: true }));
    expect(group).toMatchObject({ reason: "INSUFFICIENT_FUNDS", item: 2, metadata: { outcome: "NOT_APPLIED" } });
    expect(group.error.findDetails(GroupFailureSchema)[0]?.failures).toHaveLength(2);
    expect(await digestAt(client)).toBe(digest);
    await transactions.deposit(asked({ account, amount: usd(1) }));
    expect(await transactions.withdraw(withdraw)).toMatchObject({ replayed: false });
  });

  it("under an id that was used says what was answered under it", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { transactions } = client;
    const account = await accountWith(client, 100);
    const deposit = asked({ account, amount: usd(1) });
    const { transaction } = await transactions.deposit(deposit);
    const digest = await digestAt(client);
    expect(await transactions.deposit({ ...deposit, validateOnly: true })).toMatchObject({
      transaction,
      replayed: true,
    });
    const other = transactions.deposit({ ...deposit, amount: usd(2), validateOnly: true });
    expect(await failureOf(other)).toMatchObject({ reason: "REQUEST_ID_REUSED" });
    expect(await digestAt(client)).toBe(digest);
  });

  it("in a batch is of what the items before it have done", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const account = await accountWith(client, 100);
    const shown = (command: GroupItem | Group) =>
      itemFromCommand(command, { requestId: randomUUID(), validateOnly: true });
    const withdraw = (minor: number): GroupItem => ({ kind: "withdraw", account, amount: amount(minor) });
    const before = servers.bank.replica.committedPosition;
    const told = await client.transactions.executeBatch({
      items: [
        shown(withdraw(100)),
        item(withdraw(60)),
        shown(withdraw(60)),
        shown(withdraw(40)),
        item(withdraw(999)),
        shown({ kind: "group", items: [withdraw(20), withdraw(20)] }),
        item(withdraw(40)),
        shown(withdraw(1)),
      ],
    });
    expect(wordsOf(told)).toEqual([
      "transaction",
      "transaction",
      "INSUFFICIENT_FUNDS",
      "transaction",
      "INSUFFICIENT_FUNDS",
      "group",
      "transaction",
      "INSUFFICIENT_FUNDS",
    ]);
    expect(
      told.results.map(({ result }) => (result.case === "failure" ? result.value.metadata["outcome"] : "")),
    ).toEqual(["", "", "NOT_APPLIED", "", "REJECTED", "", "", "NOT_APPLIED"]);
    expect(servers.bank.replica.committedPosition, "two withdrawals and a rejection").toBe(before + 3);
    expect(Number(told.readInfo?.position)).toBe(before + 3);
    expect(await client.balance(account)).toBe(0n);
    // Without any mutation in it, too.
    const digest = await digestAt(client);
    const only = await client.transactions.executeBatch({
      items: [shown(withdraw(1)), shown({ ...withdraw(1), kind: "deposit" } as GroupItem)],
    });
    expect(wordsOf(only)).toEqual(["INSUFFICIENT_FUNDS", "transaction"]);
    expect(await digestAt(client)).toBe(digest);
  });
});

/** Numbers in a reply that name places in the journal from this on. */
function placesIn(told: Told, from: bigint): bigint[] {
  const { readInfo: _, ...reply } = told;
  const found: bigint[] = [];
  JSON.stringify(reply, (key, value: unknown) => {
    if (typeof value !== "bigint") return value;
    if (["position", "hold", "openedPosition"].includes(key) && value >= from) found.push(value);
    return String(value);
  });
  return found;
}

function wordsOf({ results }: ExecuteBatchResponse): string[] {
  return results.map(({ result }) => (result.case === "failure" ? result.value.reason : (result.case ?? "nothing")));
}

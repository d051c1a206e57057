import { randomUUID } from "node:crypto";
import { BranchState } from "@bank/core";
import { RequestState, TransactionService } from "@bank/proto";
import { encodeMovements } from "@bank/rpc";
import { consistency, until } from "@bank/testkit";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { expect, it, onTestFinished, vi } from "vitest";
import { BankTeller } from "./bank-teller.ts";
import { accountWith, clientAt, failureOf, PLACES, reasonOf, startServers } from "./calls.test-util.ts";
import { base, columns, explicit, idAt, type Row } from "./movement-columns.test-util.ts";
import { clientOf, startFollowing, startTestBank } from "./servers.test-util.ts";

const { signal } = new AbortController();

function spied<Name extends "executeForwardedMovements" | "executeForwarded">(name: Name) {
  const spy = vi.spyOn(BankTeller.prototype, name);
  onTestFinished(() => spy.mockRestore());
  return spy;
}

it("movements of several callers at once come back to each, through a branch of a branch, which shows them", async () => {
  const { bank, branch, atBank } = await startServers();
  const second = await startFollowing(bank.url, [2], { bankUrl: branch.url });
  const client = clientOf(second.url);
  const accounts = [await accountWith(atBank, 0), await accountWith(atBank, 0), await accountWith(atBank, 0)].map(
    Number,
  );
  const passed = spied("executeForwardedMovements");
  const replies = await Promise.all(
    accounts.map((credit, i) =>
      client.transactions.executeMovements(
        columns([
          { debit: 0, credit, amount: i + 1 },
          { debit: credit, credit: 0, amount: 100 },
        ]),
      ),
    ),
  );
  for (const [i, reply] of replies.entries()) {
    expect(reply).toMatchObject({ branch: 2, others: [{ row: 1 }] });
    expect(await client.balance(`${accounts[i]}`, consistency("local"))).toBe(BigInt(i + 1));
    const { transaction } = await atBank.transactions.getTransaction({ transaction: reply.positions[0] as bigint });
    expect(transaction).toMatchObject({ branch: 2, creditAccount: `${accounts[i]}` });
  }
  expect(passed).toHaveBeenCalledTimes(3);
});

it("a bank of the release before takes movements as ordinary commands, and is asked for nothing else again", async () => {
  const { atBranch, atBank } = await startServers();
  const account = Number(await accountWith(atBank, 10));
  const columnsCall = spied("executeForwardedMovements");
  columnsCall.mockRejectedValue(new ConnectError("no such method", Code.Unimplemented));
  const rows: Row[] = [
    { debit: 0, credit: account, amount: 5 },
    { debit: account, credit: 0, amount: 1_000 },
    { debit: account, credit: 0, amount: 1 },
  ];
  const request = columns(rows);
  const done = await atBranch.transactions.executeMovements(request);
  expect(done.others.map(({ row, result }) => [row, result?.result.case])).toEqual([[1, "failure"]]);
  expect(done.readInfo?.position).toBe(done.positions[2]);
  expect(done.times[0]?.row).toBe(0);
  expect(columnsCall).toHaveBeenCalledTimes(1);
  const again = await atBranch.transactions.executeMovements(request);
  expect(again.positions).toEqual(done.positions);
  expect(again.others.map(({ result }) => result?.replayed)).toEqual([true, true, true]);
  expect(columnsCall).toHaveBeenCalledTimes(1);
  columnsCall.mockRestore();
  // Whoever was asked row by row has done what columns ask for.
  const same = await atBank.transactions.executeMovements(request);
  expect(same.positions).toEqual(done.positions);
  expect(await atBank.balance(`${account}`)).toBe(14n);
});

it("what was lost on the way is told to be unknown, is known to be under way meanwhile, and is done once", async () => {
  const { bank, branch, atBranch } = await startServers();
  const account = Number(await accountWith(atBranch, 0));
  const original = BankTeller.prototype.executeForwardedMovements;
  const passed = spied("executeForwardedMovements");
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let done = 0;
  passed.mockImplementation(async function (this: BankTeller, ...args) {
    await begun;
    await original.apply(this, args);
    done++;
    return new Promise(() => undefined);
  });
  const first = base();
  const ids = [randomUUID(), randomUUID()];
  const rows: Row[] = [
    { debit: 0, credit: account, amount: 1 },
    { debit: 0, credit: account, amount: 2 },
  ];
  const counted = columns(rows, { baseRequestId: first });
  const listed = columns(rows, explicit(ids));
  const lost = [counted, listed].map((request) => failureOf(atBranch.transactions.executeMovements(request)));
  const state = async (requestId: string) =>
    (await atBranch.requests.getOutcome({ requestId }, consistency("local"))).state;
  // Before the journal says so.
  expect(await state(randomUUID())).toBe(RequestState.NOT_SEEN);
  await until(() => passed.mock.calls.length > 0);
  expect([await state(idAt(first, 1)), await state(ids[1] as string)]).toEqual([
    RequestState.IN_PROGRESS,
    RequestState.IN_PROGRESS,
  ]);
  expect(await state(idAt(first, 2))).toBe(RequestState.NOT_SEEN);
  begin();
  await until(() => done === 2);
  const { dataDir, port } = bank;
  await bank.close();
  for (const failure of await Promise.all(lost)) {
    expect(failure.reason).toBe("BANK_UNREACHABLE");
    expect(failure.metadata["outcome"]).toBe("OUTCOME_UNKNOWN");
  }
  passed.mockRestore();
  await startTestBank({ dataDir, port });
  await branch.whenFollowing(signal);
  await vi.waitFor(async () => expect((await atBranch.status()).connected).toBe(true), { timeout: 10_000 });
  for (const request of [counted, listed]) await atBranch.transactions.executeMovements(request);
  expect(await atBranch.balance(`${account}`)).toBe(6n);
});

it("what cannot be read fails alone at a branch too, whatever the bank takes", async () => {
  const { branch, atBank, atBranch } = await startServers();
  const account = Number(await accountWith(atBank, 0));
  const fine = () => encodeMovements(columns([{ debit: 0, credit: account, amount: 1 }]));
  const columnsCall = spied("executeForwardedMovements");
  for (const takesColumns of [true, false]) {
    if (!takesColumns) columnsCall.mockRejectedValue(new ConnectError("no such method", Code.Unimplemented));
    const { outcomes } = await atBranch.replication.submitMovements({
      calls: [fine(), new Uint8Array([0xff, 0xff]), fine()].map((movements) => ({ branch: 1, session: "", movements })),
    });
    expect(outcomes.map(({ result }) => result.case)).toEqual(["movements", "failure", "movements"]);
    const told = outcomes[1]?.result;
    expect(told?.case === "failure" && [told.value.reason, told.value.metadata["outcome"]]).toEqual([
      "INVALID_REQUEST",
      "NOT_APPLIED",
    ]);
  }
  await branch.replica().whenApplied(4);
  expect(await atBank.balance(`${account}`)).toBe(4n);
});

it("calls that are too many, or none, are refused before any is looked at", async () => {
  const { atBank, atBranch } = await startServers();
  for (const { replication } of [atBank, atBranch]) {
    for (const calls of [[], new Array<object>(10_001).fill({})]) {
      expect(await reasonOf(replication.submitMovements({ calls }))).toBe("INVALID_REQUEST");
      expect(await reasonOf(replication.submit({ commands: calls }))).toBe("INVALID_REQUEST");
    }
  }
});

it("a draining branch takes no movements", async () => {
  const { bank, branch, atBank, atBranch } = await startServers();
  const account = Number(await accountWith(atBranch, 0));
  const change = { case: "state", value: BranchState.DRAINING } as const;
  await atBank.branches.updateBranch({ requestId: randomUUID(), number: 1, change });
  const rows = [{ debit: 0, credit: account, amount: 1 }];
  await branch.replica().whenApplied(bank.replica.committedPosition);
  const { reason, metadata } = await failureOf(atBranch.transactions.executeMovements(columns(rows)));
  expect([reason, metadata["outcome"]]).toEqual(["DRAINING", "OUTCOME_UNKNOWN"]);
  expect(await atBank.balance(`${account}`)).toBe(0n);
});

it("a malformed call among those of a branch, or one with a lost session, fails alone", async () => {
  const bank = await startTestBank();
  const client = clientOf(bank.url);
  const account = Number(await accountWith(client, 0));
  const fine = encodeMovements(columns([{ debit: 0, credit: account, amount: 1 }]));
  const call = (movements: Uint8Array, session = "") => ({ branch: 1, session, movements });
  const { outcomes } = await client.replication.submitMovements({
    calls: [
      call(encodeMovements(columns([{ debit: 0, credit: 0, amount: 1 }]))),
      call(encodeMovements({ ...columns([]), currencyCode: "usd" })),
      call(fine, "AAAA"),
      call(fine),
      call(fine, "AAAA"),
      // No message at all.
      call(new Uint8Array([0xff, 0xff])),
      call(fine),
    ],
  });
  expect(outcomes.map(({ result }) => (result.case === "failure" ? result.value.reason : result.case))).toEqual([
    "INVALID_REQUEST",
    "INVALID_REQUEST",
    "SESSION_INVALID",
    "movements",
    "SESSION_INVALID",
    "INVALID_REQUEST",
    "movements",
  ]);
  expect(outcomes[3]?.epochId).toHaveLength(16);
  const again = await client.replication.submitMovements({ calls: [call(fine, "AAAA")] });
  const told = again.outcomes[0]?.result;
  // Its row was carried out by the call before.
  expect(told?.case === "failure" && told.value.metadata["outcome"]).toBe("OUTCOME_UNKNOWN");
});

it.each(PLACES)("movements in JSON over HTTP/1.1 are the same: at $place", async ({ branch }) => {
  const servers = await startServers();
  const client = clientAt(servers, branch);
  const account = Number(await accountWith(client, 0));
  const baseUrl = branch === 0 ? servers.bank.url : servers.branch.url;
  const transport = createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false });
  const json = createClient(TransactionService, transport);
  const request = columns([
    { debit: 0, credit: account, amount: 3 },
    { debit: account, credit: 0, amount: 4 },
  ]);
  const done = await json.executeMovements(request);
  const again = await client.transactions.executeMovements(request);
  expect(again.positions).toEqual(done.positions);
  expect(done.others.map(({ row }) => row)).toEqual([1]);
  expect(await reasonOf(json.executeMovements({ ...request, amountsMinor: [1n] }))).toBe("INVALID_REQUEST");
});

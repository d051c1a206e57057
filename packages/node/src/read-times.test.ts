import { type ReadInfo, RequestState } from "@bank/proto";
import { itemFromCommand } from "@bank/rpc";
import { MemoryJournalStore } from "@bank/store";
import { consistency, HeldStore, watch } from "@bank/testkit";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it, vi } from "vitest";
import { accountWith, asked, clientAt, item, PLACES, startServers, type TestServers, usd } from "./calls.test-util.ts";

interface Told {
  readonly readInfo?: ReadInfo | undefined;
}

function timeOf({ readInfo }: Told): number | undefined {
  return readInfo?.time === undefined ? undefined : timestampMs(readInfo.time);
}

/** What the bank's journal says of the position that the reply names. */
async function journalTimeOf({ bank }: TestServers, { readInfo }: Told): Promise<number | undefined> {
  return (await bank.replica.recordAt(Number(readInfo?.position)))?.timeMs;
}

/** Lets real time go on, so that now is another time than that of anything written before. */
async function laterThan(servers: TestServers): Promise<void> {
  const { timeMs } = servers.bank.replica.ledger;
  await vi.waitUntil(() => Date.now() > timeMs + 1);
}

describe.each(PLACES)("the time that is told at $place", ({ branch }) => {
  it("of every read is the journal time of its position, however late it is read", async () => {
    const servers = await startServers();
    const { accounts, transactions, holds, requests, branches } = clientAt(servers, branch);
    const account = await accountWith(clientAt(servers, branch), 100);
    const deposit = asked({ account, amount: usd(1) });
    const { transaction } = await transactions.deposit(deposit);
    const placed = await holds.placeHold(asked({ account, amount: usd(5) }));
    await laterThan(servers);
    const { position = 0n } = transaction ?? {};
    const last = await transactions.withdraw(asked({ account, amount: usd(2) }));
    await laterThan(servers);
    const first = await transactions.listTransactions({ account, pageSize: 1 });
    const reads: Record<string, Told> = {
      getAccount: await accounts.getAccount({ account }),
      listAccounts: await accounts.listAccounts({}),
      getBalance: await accounts.getBalance({ account }),
      getBalanceAsOf: await accounts.getBalance({ account, asOf: { case: "position", value: position } }),
      getHold: await holds.getHold({ hold: placed.hold?.hold ?? 0n }),
      listHolds: await holds.listHolds({ account }),
      getTransaction: await transactions.getTransaction({ transaction: position }),
      listTransactions: first,
      getOutcome: await requests.getOutcome({ requestId: deposit.requestId }),
      notSeen: await requests.getOutcome({ requestId: asked({}).requestId }),
      getBranch: await branches.getBranch({}),
      listBranches: await branches.listBranches({}),
    };
    const lastMs = timeOf(last);
    expect(lastMs).toBe(await journalTimeOf(servers, last));
    for (const [name, read] of Object.entries(reads)) {
      expect(read.readInfo?.position, name).toBe(last.transaction?.position);
      expect(timeOf(read), name).toBe(lastMs);
    }
    // A later page is of the state of the first, also when that is not the newest any more.
    await transactions.deposit(asked({ account, amount: usd(1) }));
    const next = await transactions.listTransactions({ account, pageSize: 1, pageToken: first.nextPageToken });
    expect([next.readInfo?.position, timeOf(next)]).toEqual([first.readInfo?.position, lastMs]);
  });

  it("of a write is that of its record where the answer shows it, and else left out", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { accounts, transactions, holds, requests } = client;
    const account = await accountWith(client, 1_000);
    const deposit = asked({ account, amount: usd(1) });
    const deposited = await transactions.deposit(deposit);
    const { hold } = await holds.placeHold(asked({ account, amount: usd(100) }));
    await laterThan(servers);
    const items = [
      itemFromCommand({ kind: "freezeAccount", account }),
      itemFromCommand({ kind: "unfreezeAccount", account }),
      itemFromCommand({ kind: "deposit", account, amount: { currency: "USD", minor: 1n } }),
    ];
    const shown: Record<string, Told> = {
      opened: await accounts.openAccount(asked({ owner: "Bob", currencyCode: "USD" })),
      interest: await transactions.applyInterest(asked({ account, ratePercent: "10" })),
      capture: await holds.captureHold(asked({ hold: hold?.hold ?? 0n, amount: usd(1) })),
      group: await transactions.executeGroup(asked({ items })),
      batch: await transactions.executeBatch({
        items: [
          item({ kind: "deposit", account, amount: { currency: "USD", minor: 1n } }),
          item({ kind: "deposit", account, amount: { currency: "USD", minor: 2n } }),
        ],
      }),
    };
    for (const [name, write] of Object.entries(shown)) {
      expect(timeOf(write), name).toBeGreaterThan(timeOf(deposited) ?? Number.NaN);
      expect(timeOf(write), name).toBe(await journalTimeOf(servers, write));
    }
    // An answer that is repeated is of its own time.
    for (const again of [
      await transactions.deposit(deposit),
      await transactions.deposit({ ...deposit, validateOnly: true }),
      await requests.cancelRequest({ requestId: deposit.requestId }),
    ])
      expect([again.readInfo?.position, timeOf(again)]).toEqual([deposited.readInfo?.position, timeOf(deposited)]);
    const silent: Record<string, Told> = {
      frozen: await accounts.freezeAccount(asked({ account })),
      unfrozen: await accounts.unfreezeAccount(asked({ account })),
      cancelled: await requests.cancelRequest(asked({})),
      // What is only tried would be of the time at which it is tried, and that of the position is another.
      preview: await transactions.deposit(asked({ account, amount: usd(1), validateOnly: true })),
      previewOfOpening: await accounts.openAccount(asked({ owner: "Eve", currencyCode: "USD", validateOnly: true })),
      previewOfGroup: await transactions.executeGroup({ ...asked({ items }), validateOnly: true }),
      noInterest: await transactions.applyInterest(asked({ account, ratePercent: "0" })),
    };
    for (const [name, write] of Object.entries(silent)) {
      expect(Number(write.readInfo?.position), name).toBeGreaterThan(0);
      expect(write.readInfo?.time, name).toBeUndefined();
    }
  });

  it("of an outcome is that of what is on the disk, when the bank is ahead of it", async () => {
    const store = new HeldStore(new MemoryJournalStore());
    const servers = await startServers({ wrapStore: () => store });
    const client = clientAt(servers, branch);
    const account = await accountWith(client, 1);
    await laterThan(servers);
    store.holds = true;
    const deposit = asked({ account, amount: usd(1) });
    const call = watch(client.transactions.deposit(deposit));
    await vi.waitUntil(() => store.held.length > 0);
    const told = await client.requests.getOutcome({ requestId: deposit.requestId }, consistency("linearizable"));
    expect(told.state).toBe(RequestState.IN_PROGRESS);
    expect(Number(told.readInfo?.position)).toBe(servers.bank.replica.committedPosition);
    expect(timeOf(told)).toBe(await journalTimeOf(servers, told));
    store.holds = false;
    store.passNext();
    await vi.waitUntil(() => call.state === "fulfilled");
  });
});

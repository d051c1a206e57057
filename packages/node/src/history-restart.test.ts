import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type AccountIndex, RefusalError } from "@bank/core";
import { type Random, type ServerClient, seeds, withSeed } from "@bank/testkit";
import { ConnectError } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { openAccount } from "./books.test-util.ts";
import { BranchTeller } from "./branch-teller.ts";
import { listAll, naiveHistoryOf, plain, plainNaive, RandomMovements, reasonOf } from "./history-calls.test-util.ts";
import { silentLog } from "./log.ts";
import { loseTail } from "./loss.test-util.ts";
import { acceptLoss } from "./recover-loss.ts";
import {
  clientOf,
  startFollowing,
  startProcess,
  startTestBank,
  startTestBranches,
  temporaryFolder,
} from "./servers.test-util.ts";

const KILLS = 4;

/** Compares the histories of all accounts with what the server's journal says. */
async function expectTrue(client: ServerClient, accounts: readonly string[]): Promise<void> {
  const end = Number((await client.status()).appliedPosition);
  const { naive, ledger } = await naiveHistoryOf(client, end);
  for (const account of accounts) {
    const index = ledger.findAccount(account) as AccountIndex;
    const list = { account: index, upper: naive.position, oldestFirst: false, filter: {} };
    const expected = naive.list(list).map((entry) => plainNaive(ledger, index, entry));
    expect((await listAll(client, { account })).map(plain)).toEqual(expected);
  }
}

async function moveMoney(client: ServerClient, random: Random, accounts: readonly string[]): Promise<void> {
  const movements = new RandomMovements(random, accounts);
  for (let i = 0; i < 5; i++) await movements.give(client, 10);
}

it.each(seeds(0))("goes on where it was when the bank starts again, with seed %i", (seed) =>
  withSeed(seed, "packages/node/src/history-restart.test.ts", async (random) => {
    const first = await startTestBank({ history: "eager" });
    const before = clientOf(first.url);
    const accounts = [await openAccount(before), await openAccount(before)];
    await moveMoney(before, random, accounts);
    await expectTrue(before, accounts);
    await first.close();
    const second = await startTestBank({ dataDir: first.dataDir, history: "eager" });
    const after = clientOf(second.url);
    await moveMoney(after, random, accounts);
    await expectTrue(after, accounts);
    expect(second.log.about("history")).toEqual([]);
  }),
);

it.each(seeds(0))("is built anew from the journal where its file is no history, and says so, with seed %i", (seed) =>
  withSeed(seed, "packages/node/src/history-restart.test.ts", async (random) => {
    const first = await startTestBank();
    const before = clientOf(first.url);
    const accounts = [await openAccount(before), await openAccount(before)];
    await moveMoney(before, random, accounts);
    await first.close();
    const file = join(first.dataDir, "history.db");
    expect(existsSync(file), "nobody has asked for a history").toBe(false);
    await writeFile(file, "This is none.".repeat(1_000));
    const second = await startTestBank({ dataDir: first.dataDir, history: "eager" });
    await expectTrue(clientOf(second.url), accounts);
    expect(second.log.about("was damaged").map(({ level }) => level)).toEqual(["error"]);
  }),
);

it("leaves nothing on the disk where the journal is in memory", async () => {
  const bank = await startTestBank({ store: "memory:", history: "eager" });
  const client = clientOf(bank.url);
  const account = await openAccount(client);
  expect(await listAll(client, { account })).toEqual([]);
  expect(existsSync(join(bank.dataDir, "history.db"))).toBe(false);
});

it.each(seeds(0))("is whole after the bank is killed in the middle of writes, time and again, with seed %i", (seed) =>
  withSeed(seed, "packages/node/src/history-restart.test.ts", async (random) => {
    const dataDir = join(await temporaryFolder(), "bank");
    let accounts: string[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      const bank = startProcess({ app: "bank-server", args: ["--listen", "127.0.0.1:0", "--data", dataDir] });
      const client = clientOf(await bank.url());
      if (kill === 0) accounts = [await openAccount(client), await openAccount(client), await openAccount(client)];
      const movements = new RandomMovements(random, accounts);
      let calls = 0;
      const load = (async () => {
        for (;;) {
          await movements.give(client, 1 + random.below(50));
          if (++calls === 15) void bank.kill();
        }
      })();
      await expect(load).rejects.toThrow(ConnectError);
      const { stderr } = await bank.ended;
      expect(stderr).not.toContain("history");
    }
    const bank = await startTestBank({ dataDir, history: "eager" });
    await expectTrue(clientOf(bank.url), accounts);
    expect(bank.log.about("history")).toEqual([]);
  }),
);

it("begins anew with the copy of a branch whose bank has lost something, and lists of before end", async () => {
  const lost = await loseTail();
  const { bankDir, bankPort, branchDir, branchPort, account, kept, end } = lost;
  const bankUrl = `http://127.0.0.1:${bankPort}`;
  const options = { dataDir: branchDir, firstPort: branchPort, history: "eager" as const };
  const branch = await startTestBranches(bankUrl, [1], options);
  const here = clientOf(branch.url);
  const local = { headers: { "bank-consistency": "local" } };
  const page = await here.transactions.listTransactions({ account, pageSize: 2 }, local);
  expect(page.transactions).toHaveLength(2);
  expect(Number(page.readInfo?.position)).toBe(end);
  await acceptLoss({ dataDir: bankDir, log: silentLog });
  const bank = await startTestBank({ dataDir: bankDir, port: bankPort });
  await branch.whenFollowing(AbortSignal.timeout(10_000));
  const balances = [];
  for (const client of [here, clientOf(bank.url)]) {
    await expectTrue(client, [account]);
    const asOf = { case: "position" as const, value: BigInt(kept) };
    balances.push((await client.accounts.getBalance({ account, asOf })).posted?.amountMinor);
    const next = client.transactions.listTransactions({ account, pageSize: 2, pageToken: page.nextPageToken });
    expect(await reasonOf(next)).toBe("SESSION_LOST");
  }
  expect(balances).toEqual([lost.keptBalance, lost.keptBalance]);
  expect(branch.log.about("of another journal")).toHaveLength(1);
});

it("belongs to its journal: who read the ledger of another copy is refused", async () => {
  const bank = await startTestBank();
  const branch = await startFollowing(bank.url, [1]);
  const other = await startFollowing(bank.url, [2]);
  const host = branch as unknown as ConstructorParameters<typeof BranchTeller>[1];
  const teller = new BranchTeller(1, host);
  expect(teller.historyOf(branch.replica().ledger)).toBe(host.history());
  expect(() => teller.historyOf(other.replica().ledger)).toThrow(RefusalError);
});

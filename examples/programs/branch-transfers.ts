// Transfers between accounts of different branches, many at once. Each moves both sides or none, so whoever adds up the
// accounts, at any branch and any moment, finds the same total; and a transfer that is sent again moves nothing again.
import { randomUUID } from "node:crypto";
import { type BankClient, connectBank, type Money } from "@bank/client";
import { formatAmount } from "@bank/core";
import { silentLog, startCluster } from "@bank/node";

const BRANCHES = [1, 2, 3];
/** From each account to each other one. */
const TRANSFERS = 50;

const cluster = await startCluster({ branches: BRANCHES, log: silentLog });
const clients = BRANCHES.map((number) => connectBank({ server: cluster.branchUrl(number) }));
try {
  for (const [i, client] of clients.entries()) {
    // Accounts are numbered as they are opened: 1, 2, 3, as the branches happen to be.
    const { account } = await client.openAccount({ owner: `customer of branch ${BRANCHES[i]}` });
    await client.deposit(account.number, usd(1_000_00n));
  }
  console.log(`At the start:  ${await balances(at(1))}`);

  let moving = true;
  const moves = Promise.all(clients.map(transferToOthers)).finally(() => {
    moving = false;
  });
  const totals = new Set<bigint>();
  // One look at each branch at least, also where the transfers are quick.
  do for (const client of clients) totals.add(await total(client));
  while (moving);
  await moves;
  const count = BRANCHES.length * (BRANCHES.length - 1) * TRANSFERS;
  console.log(`${count} transfers at all branches at once, adding up all the while:`);
  console.log(`  totals seen: ${[...totals].map((minor) => formatAmount(minor, 2)).join(", ")}`);
  for (const number of BRANCHES) console.log(`  at branch ${number}:   ${await balances(at(number))}`);

  // The caller names a transfer before its first try. Suppose that the answer of branch 1 was lost: it asks branch 2.
  const requestId = randomUUID();
  const first = await at(1).transfer("1", "3", usd(100_00n), { requestId });
  const again = await at(2).transfer("1", "3", usd(100_00n), { requestId });
  const sameMove = first.transaction.position === again.transaction.position;
  console.log("100.00 from 1 to 3, sent to branch 1 and, under the same request id, to branch 2:");
  console.log(`  done before: ${again.replayed}, the same transaction: ${sameMove}`);
  console.log(`  at branch 3:   ${await balances(at(3))}`);
} finally {
  for (const client of clients) client.close();
  await cluster.close();
}

/** The account of branch 1 pays 1.00 to each of the others, that of branch 2 pays 2.00, and so on; again and again. */
async function transferToOthers(client: BankClient, index: number): Promise<void> {
  const accounts = BRANCHES.map(String);
  const from = accounts[index] as string;
  const amount = usd(BigInt(index + 1) * 100n);
  for (let i = 0; i < TRANSFERS; i++) {
    const others = accounts.filter((account) => account !== from);
    await Promise.all(others.map((to) => client.transfer(from, to, amount)));
  }
}

/** The sum over all customers' accounts. A page is of one state, so it is what was there at one moment. */
async function total(client: BankClient): Promise<bigint> {
  const { accounts } = await client.listAccountsPage();
  return accounts.reduce((sum, { posted }) => sum + posted.minor, 0n);
}

async function balances(client: BankClient): Promise<string> {
  const { accounts } = await client.listAccountsPage();
  const parts = accounts.map(({ number, posted }) => `${number}: ${formatAmount(posted.minor, 2)}`);
  return `${parts.join("   ")}   total: ${formatAmount(await total(client), 2)}`;
}

function at(branch: number): BankClient {
  return clients[BRANCHES.indexOf(branch)] as BankClient;
}

/** Dollars, as cents. */
function usd(minor: bigint): Money {
  return { currency: "USD", minor };
}

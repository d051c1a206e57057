// Accounts with ids of the caller's choice, kept on disk: what services over Redis or a database call CreateAccount,
// GetBalance, Deposit, Withdraw and CalculateInterest. Here there is nothing to set up: the bank keeps its data in a
// folder, and every answer waits until what it says is on the disk.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BankClient, BankError, connectBank, type Money } from "@bank/client";
import { formatAmount } from "@bank/core";
import { silentLog, startBank } from "@bank/node";

const dataDir = await mkdtemp(join(tmpdir(), "bank-example-"));
try {
  await withBank(async (bank) => {
    await bank.openAccount({ alias: "123", type: "savings" });
    console.log(`Account 123 created. Balance: ${await balance(bank, "123")}`);
    await bank.openAccount({ alias: "123", type: "checking" }).catch(explain);
    await bank.balance("321").catch(explain);

    await bank.deposit("123", usd(750_00n));
    console.log(`Deposited 750.00 into 123. Balance: ${await balance(bank, "123")}`);
    await bank.deposit("123", usd(-5_00n)).catch(explain);
    await bank.withdraw("123", usd(250_00n));
    console.log(`Withdrew 250.00 from 123. Balance: ${await balance(bank, "123")}`);
    await bank.withdraw("123", usd(500_01n)).catch(explain);

    await bank.applyInterest("123", "2.5");
    console.log(`Paid 2.5 % of interest into 123. Balance: ${await balance(bank, "123")}`);
    await bank.applyInterest("123", "-2.5").catch(explain);

    await bank.openAccount({ alias: "savings-of-bo" });
    await bank.deposit("savings-of-bo", usd(95_30n));
    // A preview: it calculates, and changes nothing.
    const { interest } = await bank.applyInterest("savings-of-bo", "12.5", { validateOnly: true });
    console.log(`12.5 % of ${text(interest.balance)} would be ${text(interest.amount)}.`);
  });

  console.log("The bank was stopped. Starting it again:");
  await withBank(async (bank) => {
    for (const id of ["123", "savings-of-bo"]) console.log(`Balance of ${id}: ${await balance(bank, id)}`);
    await bank.openAccount({ alias: "123" }).catch(explain);
  });
} finally {
  await rm(dataDir, { recursive: true });
}

/** Starts the bank on its folder, has it used, and stops it. */
async function withBank(use: (bank: BankClient) => Promise<void>): Promise<void> {
  const server = await startBank({ dataDir, log: silentLog });
  const bank = connectBank({ server: server.url });
  try {
    await use(bank);
  } finally {
    bank.close();
    await server.close();
  }
}

/** Dollars, as cents. */
function usd(minor: bigint): Money {
  return { currency: "USD", minor };
}

function text({ minor }: Money): string {
  return formatAmount(minor, 2);
}

async function balance(bank: BankClient, account: string): Promise<string> {
  return text((await bank.balance(account)).posted);
}

/** Every failure has a status, a reason to go by, and a sentence for people. */
function explain(error: unknown): void {
  if (!(error instanceof BankError)) throw error;
  console.log(`  ${error.code}, ${error.reason}: ${error.message}`);
}

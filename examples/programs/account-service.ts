// A simple account service: what such services call OpenAccount, DepositAccount, WithdrawAccount and AddInterest.
import { BankError, connectBank, type Money } from "@bank/client";
import { formatAmount } from "@bank/core";
import { silentLog, startCluster } from "@bank/node";

// A bank without branches, in a temporary folder. Against one that runs already, only its address would be needed.
const cluster = await startCluster({ branches: [], log: silentLog });
const bank = connectBank({ server: cluster.bankUrl });
try {
  const { account } = await bank.openAccount({ owner: "Ada" });
  const id = account.number;
  console.log(`Account ${id} is opened.`);

  await bank.deposit(id, usd(100_00n));
  console.log(`Deposited 100.00 into account ${id}. Balance: ${await balance(id)}`);

  await bank.withdraw(id, usd(4_70n));
  console.log(`Withdrew 4.70 from account ${id}. Balance: ${await balance(id)}`);

  // Exact where a float is 107.2125: rounded to whole cents, half to even.
  await bank.applyInterest(id, "12.5");
  console.log(`Added 12.5 % of interest to account ${id}. Balance: ${await balance(id)}`);

  console.log("Withdrawing 500.00, then from account 9, then 0.00:");
  await bank.withdraw(id, usd(500_00n)).catch(explain);
  await bank.withdraw("9", usd(1_00n)).catch(explain);
  await bank.withdraw(id, usd(0n)).catch(explain);
  console.log(`Nothing of that moved money. Balance: ${await balance(id)}`);
} finally {
  bank.close();
  await cluster.close();
}

/** Dollars, as cents. */
function usd(minor: bigint): Money {
  return { currency: "USD", minor };
}

async function balance(account: string): Promise<string> {
  const { posted } = await bank.balance(account);
  return formatAmount(posted.minor, 2);
}

/** Every failure has a status, a reason to go by, and a sentence for people. */
function explain(error: unknown): void {
  if (!(error instanceof BankError)) throw error;
  console.log(`  ${error.code}, ${error.reason}: ${error.message}`);
}

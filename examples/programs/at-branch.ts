// A part of read-your-writes.ts: `at-branch.ts SERVER TOKEN ACCOUNT DOLLARS` withdraws if there is anything to withdraw,
// and prints the balance with the token of what it has seen.
import { connectBank } from "@bank/client";

const [server, session, account, dollars] = process.argv.slice(2) as [string, string, string, string];
const bank = connectBank({ server, session, consistency: "session" });
try {
  const minor = BigInt(dollars) * 100n;
  if (minor > 0n) await bank.withdraw(account, { currency: "USD", minor });
  const { posted } = await bank.balance(account);
  console.log(JSON.stringify({ balance: Number(posted.minor / 100n), session: bank.session }));
} finally {
  bank.close();
}

// Read your writes and monotonic writes over branches: the exercise in which each event names its branch ("dest"), and
// branches compare write sets. Here an answer tells how far the journal has to be to show it, as an opaque token. Whoever
// brings the token, at any branch, from any process, sees at least that.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { connectBank } from "@bank/client";
import { silentLog as log, startBank, startBranch } from "@bank/node";

const folder = await mkdtemp(join(tmpdir(), "bank-example-"));
const bank = await startBank({ dataDir: join(folder, "bank"), log });
const branches = [await open(1)];
try {
  const customer = connectBank({ server: urlOf(1) });
  const { account } = await customer.openAccount({ owner: "customer 1" });
  await customer.deposit(account.number, { currency: "USD", minor: 400_00n });
  const token = customer.session as string;
  customer.close();

  console.log("Read your writes: deposit 400 at branch 1, query at branch 2");
  // Branch 2 opens only now, and has nothing yet. Of itself it cannot know that there is something to wait for.
  branches.push(await open(2));
  const elsewhere = connectBank({ server: urlOf(2), session: token, consistency: "session" });
  const { posted } = await elsewhere.balance(account.number);
  elsewhere.close();
  console.log(JSON.stringify([{ id: 1, balance: Number(posted.minor / 100n) }]));

  console.log(
    "Monotonic writes: deposit 400 at branch 1, withdraw 400 at branch 2 from another process, query at branch 1",
  );
  const withdrawn = await inAnotherProcess(urlOf(2), token, account.number, "400");
  const read = await inAnotherProcess(urlOf(1), withdrawn.session, account.number, "0");
  console.log(JSON.stringify([{ id: 1, balance: read.balance }]));
} finally {
  for (const branch of branches) await branch.close();
  await bank.close();
  await rm(folder, { recursive: true });
}

function open(number: number) {
  const dataDir = join(folder, `branch-${number}`);
  return startBranch({ branches: [{ number, port: 0 }], bankUrl: bank.url, dataDir, log });
}

function urlOf(number: number): string {
  return branches[number - 1]?.branches[0]?.url as string;
}

/** Another process goes on with the session: see there what it is given. */
async function inAnotherProcess(...args: [server: string, token: string, account: string, dollars: string]) {
  const program = join(import.meta.dirname, "at-branch.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, program, ...args]);
  return JSON.parse(stdout) as { readonly balance: number; readonly session: string };
}

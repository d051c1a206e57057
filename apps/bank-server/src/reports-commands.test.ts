import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog, startBank } from "@bank/node";
import { describeWithPostgres } from "@bank/store/conformance";
import { type Ran, runHere, ServerClient } from "@bank/testkit";
import { expect, it, onTestFinished } from "vitest";
import { program } from "./program.ts";

/** What it prints, and the code that its process would end with. */
async function run(...words: string[]): Promise<Ran> {
  const ran = await runHere(() => program().parseAsync(["node", "bank-server", ...words]));
  const exitCode = ran.exitCode ?? Number(process.exitCode ?? 0);
  process.exitCode = 0;
  return { ...ran, exitCode };
}

describeWithPostgres("bank-server reports", (server) => {
  it("makes tables of a bank that runs, or of the store of one that is stopped, and says how far they are", async () => {
    const into = server().url("by_command");
    const dataDir = await mkdtemp(join(tmpdir(), "bank-server-reports-"));
    onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
    const none = await run("reports", "status", "--into", into);
    expect(none).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("there are no reports in postgres://") });
    expect(await run("reports", "follow", "--into", into)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("--upstream"),
    });
    expect(await run("reports", "rebuild", "--data", join(dataDir, "none"), "--into", into)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("there is no journal"),
    });

    const bank = await startBank({ dataDir, log: silentLog, history: "lazy", witnessTimeoutMs: 0 });
    onTestFinished(() => bank.close());
    const client = new ServerClient(bank.url);
    onTestFinished(() => client.close());
    await client.accounts.openAccount({ requestId: randomUUID(), owner: "Ada", type: 1, currencyCode: "USD" });
    const { position } = bank.replica.ledger;
    const served = await run("reports", "rebuild", "--upstream", bank.url, "--into", into);
    expect(served).toMatchObject({ exitCode: 0, stderr: "" });
    expect(served.stdout).toContain(`up to position ${position}`);
    const inUse = await run("--data", dataDir, "reports", "rebuild", "--into", into);
    expect(inUse).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("the bank has to be stopped for this"),
    });
    await client.close();
    await bank.close();
    const stored = await run("--data", dataDir, "reports", "rebuild", "--into", into);
    expect(stored).toMatchObject({ exitCode: 0, stderr: "" });

    const text = await run("reports", "status", "--into", into);
    expect(text).toMatchObject({ exitCode: 0, stderr: "" });
    expect(text.stdout).toMatch(/behind {7}0 records/);
    expect(text.stdout).toMatch(/seen {9}\d+\.\d s ago/);
    const document = JSON.parse((await run("reports", "status", "--json", "--into", into)).stdout);
    expect(document).toMatchObject({ epoch: 1, position: document.journal_position, unseen_ms: expect.any(Number) });
    const verified = JSON.parse((await run("store", "verify", "--data", dataDir, "--json")).stdout);
    expect(document).toMatchObject({
      position: verified.position,
      chain_hash: verified.chain_hash,
      bank: verified.bank,
    });
  });
});

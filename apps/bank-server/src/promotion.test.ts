import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog, startBank, startBranch } from "@bank/node";
import { EPOCH_HEADER } from "@bank/rpc";
import { type Ran, runHere, ServerClient, ServerProcess } from "@bank/testkit";
import { expect, it, onTestFinished } from "vitest";
import { program } from "./program.ts";

/** What it prints, and the code that its process would end with. */
async function run(...words: string[]): Promise<Ran> {
  const ran = await runHere(() => program().parseAsync(["node", "bank-server", ...words]));
  const exitCode = ran.exitCode ?? Number(process.exitCode ?? 0);
  process.exitCode = 0;
  return { ...ran, exitCode };
}

function clientOf(url: string): ServerClient {
  const client = new ServerClient(url);
  onTestFinished(() => client.close());
  return client;
}

it("bank-server makes a branch the bank, and a bank that was replaced does not start until an operator says so", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bank-server-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const [bankDir, branchDir] = [join(folder, "bank"), join(folder, "branch")];
  const bank = await startBank({ dataDir: bankDir, log: silentLog, history: "lazy" });
  onTestFinished(() => bank.close());
  const branches = [{ number: 1, port: 0 }];
  const branch = await startBranch({
    branches,
    bankUrl: bank.url,
    dataDir: branchDir,
    log: silentLog,
    history: "lazy",
  });
  onTestFinished(() => branch.close());
  await branch.whenFollowing(AbortSignal.timeout(10_000));
  const opened = await clientOf(branch.branches[0]?.url ?? "").accounts.openAccount({
    requestId: randomUUID(),
    currencyCode: "USD",
  });
  await branch.close();
  await bank.close();

  expect(await run("promote", "--accept-loss")).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("say with --data which branch's data folder"),
  });
  const refused = await run("promote", "--data", branchDir, "--accept-loss");
  expect(refused).toMatchObject({ exitCode: 1, stdout: "", stderr: expect.stringContaining("--old-bank-is-stopped") });
  const promoted = await run("promote", "--data", branchDir, "--accept-loss", "--old-bank-is-stopped");
  expect(promoted).toMatchObject({ exitCode: 0, stderr: "" });
  expect(promoted.stdout).toMatch(
    /^Promoted: the journal in .* is the bank's, and epoch 1000000 begins behind position \d+\./,
  );
  const server = new ServerProcess({
    app: "bank-server",
    args: ["--listen", "127.0.0.1:0", "--data", branchDir, "--witness-timeout", "0"],
  });
  onTestFinished(async () => {
    await server.kill();
  });
  const atNew = clientOf(await server.url());
  const { posted, readInfo } = await atNew.accounts.getBalance({ account: opened.account?.number ?? "" });
  expect(posted?.amountMinor).toBe(0n);
  expect(readInfo?.epoch).toBe(1_000_001n);

  const old = await startBank({ dataDir: bankDir, witnessTimeoutMs: 0, log: silentLog, history: "lazy" });
  const headers = { [EPOCH_HEADER]: String(readInfo?.epoch) };
  await expect(clientOf(old.url).accounts.listAccounts({}, { headers })).rejects.toThrow(/It has stopped for good/);
  await old.close();
  const args = ["--listen", "127.0.0.1:0", "--data", bankDir];
  const { code, stderr } = await new ServerProcess({ app: "bank-server", args }).ended;
  expect(code).toBe(5);
  expect(stderr).toContain("The bank does not start: it was replaced.");
  expect(await run("resume", "--data", bankDir)).toMatchObject({ exitCode: 2 });
  expect(await run("resume", "--data", bankDir, "--there-is-no-newer-bank")).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining("Epoch 2000000 begins behind position"),
  });
  const resumed = await startBank({ dataDir: bankDir, witnessTimeoutMs: 0, log: silentLog, history: "lazy" });
  onTestFinished(() => resumed.close());
  // The same word stops it no more.
  await clientOf(resumed.url).accounts.listAccounts({}, { headers });
  expect(await run("resume", "--data", bankDir, "--there-is-no-newer-bank")).toMatchObject({ exitCode: 1 });
});

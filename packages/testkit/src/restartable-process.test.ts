import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it, onTestFinished, vi } from "vitest";
import { startBankProcess } from "./bank-process.ts";
import { startBranchProcess } from "./branch-process.ts";
import { consistency, ServerClient } from "./server-client.ts";
import { watch } from "./waiting.ts";

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "testkit-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function clientOf(url: string): ServerClient {
  const client = new ServerClient(url);
  onTestFinished(() => client.close());
  return client;
}

it("pauses, kills and restarts a bank and a branch, each where it was", async () => {
  const folder = await temporaryFolder();
  const bank = await startBankProcess({ dataDir: join(folder, "bank") });
  onTestFinished(() => bank.kill());
  const branch = await startBranchProcess({ number: 1, bankUrl: bank.url, dataDir: join(folder, "branch") });
  onTestFinished(() => branch.kill());
  await branch.process.printed(/^branch 1 follows/);
  const clients = [clientOf(bank.url), clientOf(branch.url)] as const;
  const opened = await clients[1].accounts.openAccount({ requestId: randomUUID(), currencyCode: "USD" });
  const account = opened.account?.number ?? "";

  // Paused it answers nothing, and what was asked meanwhile is answered afterwards.
  bank.pause();
  bank.pause();
  const asked = watch(clients[0].balance(account));
  // The branch goes on; the bank would have answered by then.
  for (let i = 0; i < 10; i++) expect(await clients[1].balance(account, consistency("local"))).toBe(0n);
  expect(asked.state).toBe("pending");
  bank.resume();
  await vi.waitUntil(() => asked.state === "fulfilled");

  // Killed while it is paused, and started again with what it had.
  bank.pause();
  await bank.restart();
  branch.pause();
  await branch.restart();
  expect(new URL(await bank.process.url()).port).toBe(String(bank.port));
  expect(await clientOf(bank.url).balance(account)).toBe(0n);
  expect(await clientOf(branch.url).balance(account, consistency("local"))).toBe(0n);

  // Neither is left by a test that ends at any moment: paused, or in the middle of a restart.
  branch.pause();
  expect(await branch.stop()).toBe(0);
  const interrupted = watch(bank.restart());
  await bank.kill();
  await vi.waitUntil(() => interrupted.state === "rejected");
  await expect(clientOf(bank.url).balance(account)).rejects.toThrow("ECONNREFUSED");
});

it("does not leave a paused process behind when the tests themselves are killed", async () => {
  const index = fileURLToPath(new URL("server-process.ts", import.meta.url));
  const program = `
    const { ServerProcess } = await import(${JSON.stringify(index)});
    const server = new ServerProcess({ app: "bank-server", args: ["--listen", "127.0.0.1:0", "--store", "memory:"] });
    await server.url();
    server.pause();
    console.log(server.pid);
    setInterval(() => undefined, 1_000);`;
  const args = ["--conditions=bank-src", "--input-type=module", "--eval", program];
  const tests = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
  onTestFinished(() => {
    tests.kill("SIGKILL");
  });
  const [line] = await once(tests.stdout, "data");
  const pid = Number(String(line));
  onTestFinished(() => {
    if (isAlive(pid)) process.kill(pid, "SIGKILL");
  });
  expect(isAlive(pid)).toBe(true);
  tests.kill("SIGKILL");
  await vi.waitUntil(async () => !isAlive(pid) || (await stateOf(pid)) === "Z", { timeout: 5_000 });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** One letter, as `ps` tells it; nobody may be there to bury an orphan. */
async function stateOf(pid: number): Promise<string> {
  const { stdout } = await promisify(execFile)("ps", ["-o", "state=", "-p", String(pid)]).catch(() => ({
    stdout: "Z",
  }));
  return stdout.trim();
}

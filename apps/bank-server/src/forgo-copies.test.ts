import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog, startBank, startBranch } from "@bank/node";
import { type Ran, runHere, ServerClient } from "@bank/testkit";
import { expect, it, onTestFinished, vi } from "vitest";
import { program } from "./program.ts";

/** What it prints, and the code that its process would end with. */
async function run(...words: string[]): Promise<Ran> {
  const ran = await runHere(() => program().parseAsync(["node", "bank-server", ...words]));
  const exitCode = ran.exitCode ?? Number(process.exitCode ?? 0);
  process.exitCode = 0;
  return { ...ran, exitCode };
}

it("bank-server lets a bank go on without its copies only by an operator's word", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bank-server-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const dataDir = join(folder, "bank");
  const bank = await startBank({ dataDir, log: silentLog, history: "lazy" });
  onTestFinished(() => bank.close());
  const branch = await startBranch({
    branches: [{ number: 1, port: 0 }],
    bankUrl: bank.url,
    dataDir: join(folder, "branch"),
    log: silentLog,
    history: "lazy",
  });
  onTestFinished(() => branch.close());
  await branch.whenFollowing(AbortSignal.timeout(10_000));
  const client = new ServerClient(bank.url);
  onTestFinished(() => client.close());
  await vi.waitFor(() => client.branches.setDurability({ requestId: randomUUID(), copies: 1, branches: [1] }), {
    timeout: 10_000,
    interval: 20,
  });
  await bank.close();

  expect(await run("forgo-copies", "--data", dataDir)).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("--accept-risk"),
  });
  const forgone = await run("forgo-copies", "--data", dataDir, "--accept-risk");
  expect(forgone).toMatchObject({ exitCode: 0, stderr: "" });
  expect(forgone.stdout).toMatch(
    /^A write had to be on the disks of 1 of the branches 1\. None count any more: epoch 2 begins behind position \d+\./,
  );
  expect(await run("forgo-copies", "--data", dataDir, "--accept-risk")).toMatchObject({
    exitCode: 1,
    stdout: "",
    stderr: expect.stringContaining("no copies count"),
  });
});

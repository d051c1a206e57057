import { randomUUID } from "node:crypto";
import { cp, mkdtemp, readFile, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startBranch } from "@bank/node";
import { RecordingLog, ServerClient, ServerProcess } from "@bank/testkit";
import { describe, expect, it, onTestFinished, vi } from "vitest";

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "bank-server-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): ServerProcess {
  const server = new ServerProcess({ app: "bank-server", args, env });
  onTestFinished(async () => {
    await server.kill();
  });
  return server;
}

function clientOf(url: string): ServerClient {
  const client = new ServerClient(url);
  onTestFinished(() => client.close());
  return client;
}

function deposit({ transactions }: ServerClient, account: string) {
  const amount = { currencyCode: "USD", amountMinor: 100n };
  return transactions.deposit({ requestId: randomUUID(), account, amount });
}

async function openAccount({ accounts }: ServerClient): Promise<string> {
  const { account } = await accounts.openAccount({ requestId: randomUUID(), currencyCode: "USD" });
  return account?.number ?? "";
}

describe("a bank-server process", () => {
  it("takes its settings from the environment, and what it has answered before SIGTERM is there after it", async () => {
    const folder = await temporaryFolder();
    const env = { BANK_LISTEN: "127.0.0.1:0", BANK_DATA: join(folder, "bank") };
    const first = start([], env);
    const url = await first.url();
    await first.logged(/bank [0-9a-f]{8} recovered to position 0 in \d+ ms: no snapshot and 0 records behind it/);
    const client = clientOf(url);
    const account = await openAccount(client);
    let done = 0;
    const customers = Array.from({ length: 8 }, async () => {
      for (;;) {
        await deposit(client, account);
        done++;
      }
    }).map((customer) => customer.catch(() => undefined));
    await vi.waitUntil(() => done > 30);
    const ended = await first.terminate();
    await Promise.all(customers);
    expect(ended).toMatchObject({ code: 0, stdout: `bank-server listening on ${url}` });
    expect(ended.stderr).not.toMatch(/ error /);

    const port = new URL(url).port;
    const second = start(["--listen", `127.0.0.1:${port}`], { BANK_DATA: env.BANK_DATA });
    expect(await second.url()).toBe(url);
    await second.logged(/recovered to position \d+ in \d+ ms: the snapshot at \d+ and 0 records behind it/);
    // Each answer that left is there. What was still on its way may be, too.
    const { posted } = await client.accounts.getBalance({ account });
    expect(Number(posted?.amountMinor) / 100).toBeGreaterThanOrEqual(done);
    expect(Number(posted?.amountMinor) / 100).toBeLessThanOrEqual(done + customers.length);

    const locked = await start(["--listen", "127.0.0.1:0"], { BANK_DATA: env.BANK_DATA }).ended;
    expect(locked).toMatchObject({ code: 1, stdout: "" });
    expect(locked.stderr).toContain(`the data folder ${env.BANK_DATA} is in use`);
    const taken = await start(["--listen", `127.0.0.1:${port}`, "--data", join(folder, "other")]).ended;
    expect(taken).toMatchObject({ code: 1, stdout: "" });
    expect(taken.stderr).toContain(`127.0.0.1:${port} is taken: another server listens there`);
  });

  it("stops at once when it is told to while it waits for its witnesses", async () => {
    const folder = await temporaryFolder();
    const args = ["--listen", "127.0.0.1:0", "--data", join(folder, "bank"), "--witness-timeout", "0"];
    const first = start(args);
    const { replication } = clientOf(await first.url());
    await replication.registerBranch({ branch: 1, name: "gone", address: "http://127.0.0.1:1" });
    await first.kill();
    const waiting = start([...args, "--require-witness", "1"]);
    await waiting.logged(/branch does not testify yet/);
    expect(await waiting.terminate()).toMatchObject({ code: 0, stdout: "" });
  });
});

describe("a bank-server process that was killed and has lost records", () => {
  it("ends with exit code 4 and says how to go on; both ways work", async () => {
    const folder = await temporaryFolder();
    const dataDir = join(folder, "bank");
    const first = start(["--listen", "127.0.0.1:0", "--data", dataDir]);
    const url = await first.url();
    const log = new RecordingLog();
    const branch = await startBranch({
      branches: [{ number: 1, port: 0 }],
      bankUrl: url,
      dataDir: join(folder, "branch"),
      log,
    });
    onTestFinished(() => branch.close());
    await branch.whenFollowing(AbortSignal.timeout(10_000));
    const branchUrl = branch.branches[0]?.url ?? "";
    const client = clientOf(url);
    const account = await openAccount(client);
    await deposit(client, account);
    const args = ["--listen", new URL(url).host, "--data", dataDir];
    // A clean stop puts everything into the journal's file; what comes then is in its log alone.
    expect((await first.terminate()).code).toBe(0);
    const second = start(args);
    await second.url();
    for (let i = 0; i < 3; i++) await deposit(client, account);
    const { appliedPosition } = await client.status();
    const end = Number(appliedPosition);
    await branch.replica().whenApplied(end, AbortSignal.timeout(10_000));
    await vi.waitUntil(() => branch.replica().savedPosition === end);
    await second.kill();
    await truncate(join(dataDir, "journal.db-wal"), 0);

    const refused = await start(args).ended;
    expect(refused).toMatchObject({ code: 4, stdout: "" });
    const kept = Number(/The journal ends at position (\d+)/.exec(refused.stderr)?.[1]);
    expect(end - kept).toBeGreaterThanOrEqual(4);
    expect(refused.stderr).toContain(`branch 1 at ${branchUrl} holds position ${end}: ${end - kept} committed records`);
    expect(refused.stderr).toContain("bank-server heal --from URL");
    expect(refused.stderr).toContain(`such as ${branchUrl}`);
    expect(refused.stderr).toContain("bank-server accept-loss");
    const other = join(folder, "other");
    await cp(dataDir, other, { recursive: true });

    const healed = await start(["heal", "--from", branchUrl, "--data", dataDir]).ended;
    expect(healed.stdout).toContain(`Healed: positions ${kept + 1} to ${end} were taken from ${branchUrl}.`);
    expect(healed.code).toBe(0);
    const third = start(args);
    await third.url();
    expect(await client.balance(account)).toBe(400n);
    expect((await third.terminate()).code).toBe(0);

    const accepted = await start(["--data", other, "accept-loss"]).ended;
    expect(accepted.stdout).toContain(`Given up: everything behind position ${kept}.`);
    const path = /written to (\S+\.jsonl)\./.exec(accepted.stdout)?.[1] ?? "";
    expect((await readFile(path, "utf8")).trimEnd().split("\n").length).toBeGreaterThanOrEqual(end - kept);
    expect(accepted.code).toBe(0);
    const fourth = start(["--listen", new URL(url).host, "--data", other]);
    await fourth.url();
    await branch.whenFollowing(AbortSignal.timeout(10_000));
    expect(await clientOf(branchUrl).balance(account)).toBe(100n);
  });
});

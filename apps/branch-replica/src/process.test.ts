import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startBank } from "@bank/node";
import { consistency, RecordingLog, ServerClient, ServerProcess } from "@bank/testkit";
import { expect, it, onTestFinished } from "vitest";

/** For six processes, one behind the other, each of which a busy machine may take seconds to start. */
const PATIENCE_MS = 120_000;

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "branch-replica-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): ServerProcess {
  const server = new ServerProcess({ app: "branch-replica", args, env });
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

async function listeningAt(server: ServerProcess, number: number): Promise<string> {
  const [, url] = await server.printed(new RegExp(`^branch ${number} listening on (\\S+)$`));
  return url as string;
}

it(
  "hosts branches as a process, from its own position after every end, and says why it cannot",
  async () => {
    const folder = await temporaryFolder();
    const bankOptions = { dataDir: join(folder, "bank"), log: new RecordingLog(), witnessTimeoutMs: 0 };
    const reserved = await startBank(bankOptions);
    const { url: bankUrl, port } = reserved;
    await reserved.close();

    // Before its bank is there it listens; then it follows by itself.
    const env = {
      BRANCH_ID: "1,2",
      BRANCH_BANK: bankUrl,
      BRANCH_LISTEN: "127.0.0.1:0",
      BRANCH_DATA: join(folder, "b"),
    };
    const first = start([], env);
    const urls = [await listeningAt(first, 1), await listeningAt(first, 2)] as const;
    const bank = await startBank({ ...bankOptions, port });
    onTestFinished(() => bank.close());
    await first.printed(new RegExp(`^branch 1, 2 follows ${bankUrl}$`));
    const clients = urls.map(clientOf);
    const opened = await clients[0]?.accounts.openAccount({ requestId: randomUUID(), currencyCode: "USD" });
    const account = opened?.account?.number ?? "";
    const request = () => ({ requestId: randomUUID(), account, amount: { currencyCode: "USD", amountMinor: 5n } });
    await clients[1]?.transactions.deposit(request());
    expect(await clients[0]?.balance("cash/2/USD")).toBe(-5n);

    const locked = await start(["--id", "3", "--listen", "127.0.0.1:0"], env).ended;
    expect(locked).toMatchObject({ code: 1, stdout: "" });
    expect(locked.stderr).toContain(`the data folder ${env.BRANCH_DATA}/journal is in use`);
    const taken = await start(["--data", join(folder, "c"), "--listen", new URL(bankUrl).host], env).ended;
    expect(taken).toMatchObject({ code: 1, stdout: "" });
    expect(taken.stderr).toContain(`127.0.0.1:${port} is taken`);

    // Killed, it has at least what it had saved; told to stop, it leaves with 0.
    await first.kill();
    const again = start(["--listen", new URL(urls[0]).host, "--id", "1"], env);
    expect(await listeningAt(again, 1)).toBe(urls[0]);
    await again.printed(/^branch 1 follows /);
    const client = clientOf(urls[0]);
    expect(await client.balance(account)).toBe(5n);
    await client.transactions.deposit(request());
    const { digest } = await client.status();
    expect(digest).toBe((await clientOf(bankUrl).status()).digest);
    const ended = await again.terminate();
    expect(ended.code).toBe(0);
    expect(ended.stderr).not.toMatch(/ error /);

    await bank.close();
    const alone = start(["--listen", new URL(urls[0]).host, "--id", "1"], env);
    await listeningAt(alone, 1);
    expect(await client.balance(account, consistency("local"))).toBe(10n);
    expect((await client.status()).digest).toBe(digest);
  },
  PATIENCE_MS,
);

import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SupersededError, silentLog, startBank } from "@bank/node";
import { startFailure } from "@bank/node/app";
import { describeWithRedis } from "@bank/store/conformance";
import { type Ran, runHere, ServerClient } from "@bank/testkit";
import { describe, expect, it, onTestFinished } from "vitest";
import { program } from "./program.ts";

/** What it prints, and the code that its process would end with. */
async function run(...words: string[]): Promise<Ran> {
  const ran = await runHere(() => program().parseAsync(["node", "bank-server", ...words]));
  const exitCode = ran.exitCode ?? Number(process.exitCode ?? 0);
  process.exitCode = 0;
  return { ...ran, exitCode };
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "bank-server-store-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function start(dataDir: string, store?: string) {
  const bank = await startBank({
    dataDir,
    ...(store && { store }),
    log: silentLog,
    history: "lazy",
    witnessTimeoutMs: 100,
  });
  onTestFinished(() => bank.close());
  const client = new ServerClient(bank.url);
  onTestFinished(() => client.close());
  return { bank, client };
}

/** A bank with an account, stopped. */
async function madeBank(dataDir: string): Promise<void> {
  const { bank, client } = await start(dataDir);
  await client.accounts.openAccount({ requestId: randomUUID(), owner: "Ada", type: 1, currencyCode: "USD" });
  await client.close();
  await bank.close();
}

describe("bank-server store", () => {
  it("verify says what it has checked, as text and as a document", async () => {
    const dataDir = await newFolder();
    await madeBank(dataDir);
    const text = await run("store", "verify", "--data", dataDir);
    expect(text).toMatchObject({ exitCode: 0, stderr: "" });
    expect(text.stdout).toContain(`Whole: sqlite:${dataDir}, bank `);
    expect(text.stdout).toMatch(/accounts {7}1, with 0 transactions/);
    const { exitCode, stdout } = await run("store", "verify", "--store", `sqlite:${dataDir}`, "--json");
    expect(exitCode).toBe(0);
    const document = JSON.parse(stdout);
    expect(document).toMatchObject({ ok: true, accounts: 1, epoch: 1, damages: [], gap: null, account_rows: null });
    expect(text.stdout).toContain(document.digest);
    expect(text.stdout).toContain(document.chain_hash);
    expect(document.records).toBe(Number(document.position));
  });

  it("verify tells damage with its position and what to do, by an exit code of its own", async () => {
    const dataDir = await newFolder();
    await madeBank(dataDir);
    const database = new DatabaseSync(join(dataDir, "journal.db"));
    database.prepare("UPDATE journal SET frame = ? WHERE first_position = 3").run(new Uint8Array(40));
    database.close();
    const text = await run("store", "verify", "--data", dataDir);
    expect(text).toMatchObject({ exitCode: 7, stderr: "" });
    expect(text.stdout).toMatch(/^DAMAGED: .*\n {2}at position 3: the journal is damaged: /);
    expect(text.stdout).toContain("bank-server promote");
    const { exitCode, stdout } = await run("store", "verify", "--data", dataDir, "--json");
    expect(exitCode).toBe(7);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      position: "2",
      damages: [{ what: "journal", position: "3" }],
    });
    // What cannot even be opened is damage too.
    const again = new DatabaseSync(join(dataDir, "journal.db"));
    again.exec("DELETE FROM journal WHERE first_position = 1");
    again.close();
    expect(await run("store", "verify", "--data", dataDir)).toMatchObject({
      exitCode: 7,
      stdout: expect.stringContaining("cannot be opened: the journal has a gap"),
    });
  });

  it("verify and copy make nothing where there is nothing, and wait until the bank is stopped", async () => {
    const [dataDir, empty] = [await newFolder(), await newFolder()];
    const target = join(await newFolder(), "target");
    expect(await run("store", "verify", "--data", join(empty, "none"))).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("there is no journal"),
    });
    expect(await run("store", "copy", "--from", `sqlite:${empty}`, "--to", `sqlite:${target}`)).toMatchObject({
      exitCode: 1,
    });
    await start(dataDir);
    for (const words of [
      ["verify", "--data", dataDir],
      ["copy", "--from", `sqlite:${dataDir}`, "--to", `sqlite:${target}`],
    ])
      expect(await run("store", ...words)).toMatchObject({
        exitCode: 1,
        stdout: "",
        stderr: expect.stringMatching(/the bank has to be stopped for this: .*is in use/),
      });
    expect(await run("store", "copy", "--from", `sqlite:${dataDir}`)).toMatchObject({ exitCode: 2 });
  });

  it("copy leaves a source from which no bank starts, until somebody says that it is to", async () => {
    const dataDir = await newFolder();
    const target = `sqlite:${join(await newFolder(), "target")}`;
    await madeBank(dataDir);
    const copied = await run("store", "copy", "--from", `sqlite:${dataDir}`, "--to", target);
    expect(copied).toMatchObject({ exitCode: 0, stderr: "" });
    expect(copied.stdout).toContain(`bank-server --data DIR --store ${target}`);
    const [source, there] = [...copied.stdout.matchAll(/^ {2}(?:source|target) {2}(.*)$/gm)].map(([, end]) => end);
    expect(source).toBe(there);
    expect(source).toMatch(/^position \d+, chain hash [0-9a-f]{64}, digest [0-9a-f]{32}$/);

    const refused = await start(dataDir).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(SupersededError);
    expect(startFailure(refused)).toContain("lives elsewhere since it was copied there");
    expect((await run("store", "verify", "--data", dataDir)).stdout).toContain("No bank starts from here");

    // In the data folder that it had: the anchor there says that the copy lacks nothing.
    const { bank, client } = await start(dataDir, target);
    const { account } = await client.accounts.getAccount({ account: "1" });
    expect(account?.owner).toBe("Ada");
    expect(bank.replica.ledger.currentEpoch()?.number).toBe(2);
    await client.close();
    await bank.close();

    expect(await run("resume", "--data", dataDir, "--there-is-no-newer-bank")).toMatchObject({ exitCode: 0 });
    const json = await run(
      "store",
      "copy",
      "--from",
      target,
      "--to",
      target.replace(/target$/, "backup"),
      "--json",
      "--keep-source-usable",
    );
    expect(JSON.parse(json.stdout)).toMatchObject({ source_fenced_to: null, began_behind: "0" });
    await (await start(dataDir, target)).bank.close();
  });
});

describeWithRedis("bank-server store on Redis", (server) => {
  it("tells rows of accounts that are wrong, and writes them anew", async () => {
    const dataDir = await newFolder();
    await madeBank(dataDir);
    const url = server.newUrl();
    expect(await run("store", "copy", "--from", `sqlite:${dataDir}`, "--to", url)).toMatchObject({ exitCode: 0 });
    const key = `{${new URL(url).pathname.slice(1)}}:account:1`;
    const before = await server.hash(key);
    await server.command("HSET", key, "posted", "9999");
    const wrong = await run("store", "verify", "--store", url);
    expect(wrong.exitCode).toBe(8);
    expect(wrong.stdout).toContain("another posted");
    expect(wrong.stdout).toContain("--repair-rows");
    const repaired = await run("store", "verify", "--store", url, "--repair-rows");
    expect(repaired.exitCode).toBe(0);
    expect(repaired.stdout).toContain("were written anew");
    expect(await server.hash(key)).toEqual(before);
    expect((await run("store", "verify", "--store", url)).exitCode).toBe(0);
  });
});

import { mkdir, mkdtemp, readdir, readFile, rm, rmdir, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { joinSessions } from "@bank/client";
import { type RunningBank, type RunningBranches, silentLog, startBank, startBranch } from "@bank/node";
import { FaultProxy } from "@bank/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type CliRunOptions, cli, documentOf } from "./cli.test-util.ts";

let folder: string;
let bank: RunningBank;
/** Branch 2 hears from the bank only later. */
let way: FaultProxy;
let branches: RunningBranches[];
let near: string;
let far: string;
let account: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bank-sessions-"));
  bank = await startBank({ dataDir: join(folder, "bank"), log: silentLog });
  way = await FaultProxy.start({ target: bank.url });
  const start = (number: number, bankUrl: string) =>
    startBranch({
      branches: [{ number, port: 0 }],
      bankUrl,
      dataDir: join(folder, String(number)),
      store: "memory:",
      log: silentLog,
    });
  branches = [await start(1, bank.url), await start(2, way.url)];
  for (const branch of branches) await branch.whenFollowing(AbortSignal.timeout(20_000));
  [near, far] = branches.map((branch) => branch.branches[0]?.url) as [string, string];
});
afterAll(async () => {
  for (const branch of branches) await branch.close();
  await way.close();
  await bank.close();
  await rm(folder, { recursive: true });
});

const run = (line: string, options: CliRunOptions = {}) => cli(line.split(" "), { server: bank.url, ...options });
const json = async (line: string, options: CliRunOptions = {}) => documentOf(await run(`${line} --json`, options));
const postedOf = async (line: string) => ((await json(line)) as { posted: { amount: string } }).posted.amount;

beforeEach(async () => {
  way.heal();
  account = ((await json("account open")) as { account: { number: string } }).account.number;
  // Every branch shows it.
  for (const server of [near, far]) await run(`balance ${account} --server ${server}`);
});

describe("a session", () => {
  it("reads its writes at a branch that is behind, where a local read does not", async () => {
    way.delay("toClient", 300);
    const { session } = await json(`deposit ${account} 5 --server ${near}`);
    expect(await postedOf(`balance ${account} --server ${far} --consistency local`)).toBe("0.00");
    expect(await postedOf(`balance ${account} --server ${far} --consistency session --session ${session}`)).toBe(
      "5.00",
    );
  });

  it("that cannot be kept stops a command before anything is done, and is a warning once it is done", async () => {
    const nowhere = await run(`deposit ${account} 5 --session-file ${join(folder, "nowhere", "file")}`);
    expect(nowhere).toMatchObject({ exitCode: 2, stdout: "" });
    expect(nowhere.stderr).toMatch(/^bank: The session file "\S+" cannot be written: ENOENT/);
    expect(await postedOf(`balance ${account}`)).toBe("0.00");

    const file = join(folder, "unkept");
    // Whose turn it is can never be said.
    await mkdir(`${file}.lock`);
    await utimes(`${file}.lock`, 0, 0);
    const done = await run(`deposit ${account} 5 --session-file ${file} --json`);
    expect(done.exitCode).toBe(0);
    const { session, ok } = JSON.parse(done.stdout) as { session: string; ok: boolean };
    expect(ok).toBe(true);
    expect(done.stderr).toMatch(/^bank: The session could not be kept in "\S+": E/);
    expect(done.stderr).toContain(`Its session is ${session}`);
    const refused = await run(`withdraw ${account} 999 --session-file ${file}`);
    expect(refused).toMatchObject({ exitCode: 1, stdout: "" });
    expect(refused.stderr).toMatch(/to spend[\s\S]*could not be kept/);
    await rmdir(`${file}.lock`);
  });

  it("goes on in a file from command to command, also where they fail, and from many at a time", async () => {
    const file = join(folder, "file");
    const first = await json(`deposit ${account} 5 --server ${near} --session-file ${file}`);
    expect((await readFile(file, "utf8")).trim()).toBe(first["session"]);
    await run(`withdraw ${account} 999 --session-file ${file}`);
    const afterNo = (await readFile(file, "utf8")).trim();
    expect(afterNo).not.toBe(first["session"]);
    const runs = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        json(`deposit ${account} 1 --server ${[bank.url, near, far][i % 3]} --session-file ${file}`),
      ),
    );
    // The file holds what any of them has seen.
    const held = (await readFile(file, "utf8")).trim();
    for (const { session } of runs) expect(joinSessions(held, session as string)).toBe(held);
    expect((await run(`session --session-file ${file}`)).stdout).toBe(`${held}\n`);
    expect((await readdir(folder)).filter((name) => name.startsWith("file"))).toEqual(["file"]);
  });

  it("takes the turn of a command that was killed in the middle of it", async () => {
    const file = join(folder, "killed");
    await writeFile(`${file}.lock`, "");
    const past = new Date(Date.now() - 60_000);
    await utimes(`${file}.lock`, past, past);
    expect(await run(`balance ${account} --session-file ${file}`)).toMatchObject({ exitCode: 0 });
    expect((await readFile(file, "utf8")).trim()).toMatch(/^A/);
  });

  it("is refused where its file holds none", async () => {
    const file = join(folder, "none");
    await writeFile(file, "no token\n");
    expect(await run(`balance ${account} --session-file ${file}`)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("The session token is not one of this bank"),
    });
    expect(await readFile(file, "utf8")).toBe("no token\n");
  });

  it("is kept by a shell, which begins where it is told to", async () => {
    way.delay("toClient", 200);
    const { session } = await json(`deposit ${account} 5 --server ${near}`);
    const lines = [
      `balance ${account} --branch 2 --consistency session`,
      `deposit ${account} 1 --branch 1`,
      `balance ${account} --branch 2 --consistency session`,
      "session",
    ];
    const shell = await run(`shell --session ${session}`, { stdin: lines.join("\n") });
    expect(shell).toMatchObject({ exitCode: 0, stderr: "" });
    expect(shell.stdout.match(/posted +[0-9.]+/g)).toEqual(["posted     5.00", "posted     6.00"]);
    expect(shell.stdout.trimEnd().split("\n").at(-1)).not.toBe(session);
  });

  it("is printed on demand, also as the newest of all", async () => {
    expect((await run(`balance ${account} --print-session`)).stdout).toMatch(/\nsession {4}A[\w-]+\n$/);
    const { session } = await json("session");
    const { position } = await json(`balance ${account} --server ${far} --consistency session --session ${session}`);
    expect(Number(position)).toBeGreaterThan(0);
  });
});

describe("an answer that may be old", () => {
  it("says so, and that there is no connection", async () => {
    way.refuse();
    way.endAll("rst");
    const local = `balance ${account} --server ${far} --consistency local`;
    await expect.poll(async () => (await json(local))["connected"], { timeout: 10_000 }).toBe(false);
    expect((await run(local)).stdout).toMatch(
      /\nas of +position [0-9]+, \S+Z, at most [0-9]+ ms old, no connection to the bank\n$/,
    );
    expect((await run(`account show ${account} --server ${far} --consistency local`)).stdout).toMatch(
      /\nAs of position [0-9]+, \S+Z, at most [0-9]+ ms old, no connection to the bank\.\n$/,
    );
    const bounded = await run(`balance ${account} --server ${far} --max-staleness 0ms --timeout 0.5`);
    expect(bounded).toMatchObject({ exitCode: 3, stderr: expect.stringContaining("at most 0 were asked for") });
    way.heal();
    await expect.poll(async () => (await json(local))["connected"], { timeout: 20_000 }).toBe(true);
  });
});

describe("several servers", () => {
  it("stand in for each other", async () => {
    const servers = `127.0.0.1:1,${near}`;
    expect(await run(`deposit ${account} 5 --server ${servers}`)).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("branch       1\n"),
    });
    expect(await cli(["balance", account], { server: servers })).toMatchObject({ exitCode: 0 });
  });

  it("are all told of where none works", async () => {
    const failed = await run("deposit 1 5 --currency USD --server 127.0.0.1:1,127.0.0.1:2 --timeout 0.2");
    expect(failed).toMatchObject({ exitCode: 3, stdout: "" });
    expect(failed.stderr).toMatch(/Other servers: http:\/\/127\.0\.0\.1:[12] CONNECTION_FAILED\./);
  });

  it("are asked first where a branch is, which is said at once", async () => {
    const failed = await run("balance 1 --branch 2 --consistency local --server 127.0.0.1:1 --timeout 0.2");
    expect(failed.exitCode).toBe(3);
    const [told, , problem] = failed.stderr.split("\n");
    expect(told).toBe(
      "bank: Where branch 2 is, http://127.0.0.1:1 has to say. No connection to http://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1.",
    );
    expect(problem).toMatch(/^bank: No connection .* --server with the branch's own address needs nobody\.$/);
  });
});

describe("a batch file with several wrong lines", () => {
  it("names all of them to programs", async () => {
    const file = join(folder, "wrong.jsonl");
    await writeFile(file, '{"command": "nonsense"}\n\n{"command": "deposit"}\n');
    expect(await json(`batch ${file}`)).toMatchObject({
      ok: false,
      metadata: { line: "1", problems: "2" },
      problems: [
        { line: 1, problem: expect.stringContaining("nonsense") },
        { line: 3, problem: expect.any(String) },
      ],
    });
  });
});

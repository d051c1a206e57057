import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type RunningCluster, silentLog, startCluster } from "@bank/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CliRunOptions, cli, documentOf, TextStream } from "../cli.test-util.ts";
import { runCli } from "../cli.ts";
import { Interrupts } from "../cli-io.ts";
import { CutProxy } from "../cut-proxy.test-util.ts";
import { CALL_CHARACTERS_MAX } from "./limits.ts";

const ID = "3f0c8a52-6a1e-4c57-9d0b-6a1f6f1c2b11";

let folder: string;
let cluster: RunningCluster;
let proxy: CutProxy;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bank-batch-"));
  cluster = await startCluster({ branches: [], log: silentLog });
  proxy = await CutProxy.to(cluster.bankUrl);
});
afterAll(async () => {
  await proxy.close();
  await cluster.close();
  await rm(folder, { recursive: true });
});

const bank = (words: readonly string[], options: CliRunOptions = {}) =>
  cli(words, { server: cluster.bankUrl, ...options });

async function account(): Promise<string> {
  const { account } = documentOf(await bank(["account", "open", "--json"])) as { account: { number: string } };
  return account.number;
}

async function posted(number: string): Promise<string> {
  const { posted } = documentOf(await bank(["balance", number, "--json"])) as { posted: { amount: string } };
  return posted.amount;
}

const deposit = (number: string, amount: string, more: object = {}) =>
  JSON.stringify({ command: "deposit", account: number, amount, currency: "USD", ...more });

async function fileOf(name: string, lines: readonly string[]): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, lines.map((line) => `${line}\n`).join(""));
  return path;
}

/** The documents of `--json`, one a line. */
const documents = (stdout: string) =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe("bank batch of more than one call", () => {
  it("does all of it, once, however often it is run, and shows a person how far it is", async () => {
    const number = await account();
    const path = await fileOf("many.jsonl", Array<string>(1_001).fill(deposit(number, "0.01")));
    const clear = "\r\u001b[K";
    const first = await bank(["batch", path, "--batch-id", "many"], { stderrIsTTY: true });
    expect(first).toEqual({
      exitCode: 0,
      stdout: `Batch many: 1,001 lines of ${path}.\n  done  1,001\n`,
      stderr: `${clear}${clear}bank: 1,000 of 1,001 …${clear}${clear}`,
    });
    const again = await bank(["batch", path, "--batch-id", "many"]);
    expect(again).toEqual({
      exitCode: 0,
      stdout: `Batch many: 1,001 lines of ${path}.\n  done         0\n  done before  1,001\n`,
      stderr: "",
    });
    expect(await posted(number)).toBe("10.01");
  });

  it("without answers stops, tells how to go on, and then does nothing twice", async () => {
    const number = await account();
    // Two lines that no call carries together.
    const padded = `${deposit(number, "0.01")}${" ".repeat(CALL_CHARACTERS_MAX / 2)}`;
    const path = await fileOf("cut.jsonl", [padded, padded]);
    proxy.cutting = true;
    const cut = await bank(["batch", path, "--timeout", "1"], { server: proxy.url });
    expect(cut).toMatchObject({ exitCode: 3, stderr: "" });
    const batchId = /^Batch (\S+): 2 lines/.exec(cut.stdout)?.[1] as string;
    expect(cut.stdout).toMatch(
      /\nline 1: not known: .*\n {2}done {7}0\n {2}not known {2}1\n {2}not sent {3}1\nThe same /,
    );
    expect(cut.stdout).toContain(`\n  bank batch ${path} --timeout 1 --batch-id ${batchId}\n`);
    proxy.cutting = false;
    const rest = await bank(["batch", path, "--batch-id", batchId, "--json"], { server: proxy.url });
    const all = documents(rest.stdout);
    expect(all).toHaveLength(3);
    expect(all.at(-1)).toMatchObject({ ok: true, batch_id: batchId, lines: 2, done: 1, done_before: 1 });
    expect(await posted(number)).toBe("0.02");
  });

  it("goes on when nobody reads its report any more", async () => {
    const number = await account();
    const path = await fileOf("unread.jsonl", Array<string>(1_001).fill(deposit(number, "0.01")));
    const stdout = new TextStream();
    stdout._write = (_chunk, _encoding, done) => done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    stdout.on("error", () => undefined);
    const io = { stdin: Readable.from([]), stdout, stderr: new TextStream(), env: { BANK_SERVER: cluster.bankUrl } };
    const exitCode = await runCli(["batch", path], { ...io, interrupts: new Interrupts(), nowMs: Date.now });
    expect(exitCode).toBe(0);
    expect(await posted(number)).toBe("10.01");
  });

  it("sends nothing more once it is interrupted", async () => {
    const number = await account();
    const path = await fileOf("interrupted.jsonl", Array<string>(2_001).fill(deposit(number, "0.01")));
    const interrupts = new Interrupts();
    const stdout = new TextStream();
    // The first call is done when its lines are told.
    stdout._write = (chunk: Buffer, _encoding, done) => {
      stdout.text += chunk.toString("utf8");
      if (stdout.text.includes("line 1000:")) interrupts.raise("SIGINT");
      done();
    };
    const io = { stdin: Readable.from([]), stdout, stderr: new TextStream(), env: { BANK_SERVER: cluster.bankUrl } };
    const words = ["batch", path, "--verbose", "--batch-id", "interrupted"];
    expect(await runCli(words, { ...io, interrupts, nowMs: Date.now })).toBe(130);
    expect(stdout.text).toMatch(/\n {2}done {6}1,000\n {2}not sent {2}1,001\nThe same command /);
    expect(await posted(number)).toBe("10.00");
  });
});

describe("bank batch", () => {
  it("gives one document for each line, and counts in the end", async () => {
    const number = await account();
    const lines = [
      deposit(number, "5"),
      "",
      deposit(number, "1", { request_id: ID }),
      JSON.stringify({ command: "withdraw", account: number, amount: "9", currency: "USD" }),
      JSON.stringify({
        command: "group",
        items: [{ command: "deposit", account: number, amount: "1", currency: "USD" }],
      }),
    ];
    const run = await bank(["batch", await fileOf("four.jsonl", lines), "--json", "--batch-id", "four"]);
    expect(run).toMatchObject({ exitCode: 1, stderr: "" });
    const request = { request_id: expect.stringMatching(/^[0-9a-f-]{36}$/), replayed: false, dry_run: false };
    expect(documents(run.stdout)).toEqual([
      { line: 1, ok: true, ...request, transaction: expect.objectContaining({ kind: "deposit" }) },
      { line: 3, ok: true, ...request, request_id: ID, transaction: expect.objectContaining({ request_id: ID }) },
      {
        line: 4,
        ok: false,
        request_id: expect.any(String),
        code: "FAILED_PRECONDITION",
        reason: "INSUFFICIENT_FUNDS",
        message: `Account ${number} has 6.00 USD to spend, and 9.00 USD were asked for.`,
        metadata: expect.objectContaining({ outcome: "REJECTED" }),
      },
      {
        line: 5,
        ok: true,
        ...request,
        group: {
          position: expect.any(String),
          results: [{ transaction: expect.objectContaining({ kind: "deposit" }) }],
        },
      },
      {
        ok: false,
        batch_id: "four",
        dry_run: false,
        lines: 4,
        done: 3,
        done_before: 0,
        rejected: 1,
        not_known: 0,
        not_sent: 0,
        session: expect.any(String),
      },
    ]);
  });

  it("as one group names the line that is to blame, and can be tried again after a lost answer", async () => {
    const number = await account();
    const blamed = await fileOf("blamed.jsonl", [
      deposit(number, "5"),
      "",
      JSON.stringify({ command: "withdraw", account: number, amount: "9", currency: "USD" }),
    ]);
    const run = await bank(["batch", blamed, "--atomic", "--json"]);
    expect(run.exitCode).toBe(1);
    expect(documentOf(run)).toMatchObject({ ok: false, reason: "INSUFFICIENT_FUNDS", item: 2, line: 3 });
    const path = await fileOf("group.jsonl", [deposit(number, "5"), deposit(number, "6")]);
    proxy.cutting = true;
    const words = ["batch", path, "--atomic", "--timeout", "1"];
    const cut = await bank(words, { server: proxy.url });
    proxy.cutting = false;
    expect(cut).toMatchObject({ exitCode: 3, stdout: "" });
    const requestId = /Request id: (\S+)\n/.exec(cut.stderr)?.[1] as string;
    expect(cut.stderr).toContain(`\n        bank ${words.join(" ")} --request-id ${requestId}\n`);
    expect(documentOf(await bank([...words, "--request-id", requestId, "--json"]))).toMatchObject({
      ok: true,
      replayed: true,
      request_id: requestId,
    });
    expect(await posted(number)).toBe("11.00");
  });

  it("as one group under a batch id tells the request id that follows from it", async () => {
    const number = await account();
    const path = await fileOf("named.jsonl", [deposit(number, "5")]);
    proxy.cutting = true;
    const words = ["batch", path, "--atomic", "--batch-id", "named", "--timeout", "1"];
    const cut = await bank(words, { server: proxy.url });
    proxy.cutting = false;
    const requestId = /Request id: (\S+)\n/.exec(cut.stderr)?.[1] as string;
    // What was cut was the question whether the lines were carried out by themselves.
    for (const replayed of [false, true])
      expect(documentOf(await bank([...words, "--json"]))).toMatchObject({ replayed, request_id: requestId });
    expect(await posted(number)).toBe("5.00");
  });

  it("refuses what cannot be one group", async () => {
    const tooMany = await fileOf("too-many.jsonl", Array<string>(101).fill(deposit("1", "1")));
    expect((await bank(["batch", tooMany, "--atomic"])).stderr).toContain("at most 100 lines, and ");
    const own = await fileOf("own.jsonl", [deposit("1", "1"), deposit("1", "1", { request_id: ID })]);
    expect((await bank(["batch", own, "--atomic"])).stderr).toContain("Line 2 of ");
    const nested = await fileOf("nested.jsonl", [
      JSON.stringify({ command: "group", items: [{ command: "reverse", transaction: 1 }] }),
    ]);
    expect(await bank(["batch", nested, "--atomic"])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("a group cannot be a part of --atomic."),
    });
  });

  it("tells of no more wrong lines than fit on a screen", async () => {
    const run = await bank(["batch", await fileOf("wrong.jsonl", Array<string>(30).fill("{}"))]);
    expect(run.exitCode).toBe(2);
    expect(run.stderr.split("\n")).toHaveLength(23);
    expect(run.stderr).toMatch(/line 20: .*\n {6}and 10 more lines\n {6}Nothing was sent\.\n$/);
  });

  it("refuses a file that is not UTF-8, and the standard input of a shell", async () => {
    const path = join(folder, "latin.jsonl");
    await writeFile(path, Buffer.from([0x7b, 0xe9, 0x7d]));
    expect(await bank(["batch", path])).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("not UTF-8") });
    const run = await bank(["shell"], { stdin: "batch -\n" });
    expect(run).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("the standard input is the shell's") });
  });
});

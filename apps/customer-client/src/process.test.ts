import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningCluster, silentLog, startCluster } from "@bank/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { documentOf } from "./cli.test-util.ts";
import { BankProcess } from "./process.test-util.ts";
import { EXAMPLES } from "./scenario/scenario-cases.test-util.ts";

const PAY_DAY = join(EXAMPLES, "per-customer", "pay-day.input.json");

let folder: string;
let temporary: string;
let cluster: RunningCluster;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bank-process-"));
  // Whatever a command leaves behind is left here.
  temporary = await mkdtemp(join(folder, "tmp-"));
  cluster = await startCluster({ branches: [1], log: silentLog });
});
afterAll(async () => {
  await cluster.close();
  await rm(folder, { recursive: true });
});

const bank = (...words: string[]) => new BankProcess(words, { BANK_SERVER: cluster.bankUrl, TMPDIR: temporary });

describe("the command in a process of its own", () => {
  it("exits with its code: 0, 1, 2, 3", async () => {
    const opened = bank("account", "open", "--json");
    expect(await opened.exitCode()).toBe(0);
    expect(documentOf(opened)).toMatchObject({ ok: true, account: { number: "1" } });
    const runs = [
      bank("withdraw", "1", "5"),
      bank("withdraw", "1", "5e3"),
      bank("balance", "1", "--server", "127.0.0.1:1", "--timeout", "0.1"),
    ];
    expect(await Promise.all(runs.map((run) => run.exitCode()))).toEqual([1, 2, 3]);
    expect(runs.map(({ stdout }) => stdout)).toEqual(["", "", ""]);
  });

  it("ends quietly when nobody reads its output", async () => {
    for (const words of [
      ["account", "list", "--all"],
      ["branches", "--json"],
      ["deposit", "--help"],
    ]) {
      const run = bank(...words);
      run.child.stdout.destroy();
      expect(await run.exitCode()).toBe(0);
      expect(run.stderr).toBe("");
    }
    const failing = bank("balance", "99");
    failing.child.stderr.destroy();
    expect(await failing.exitCode()).toBe(1);
  });

  it("runs a shell's lines", async () => {
    const run = bank("shell");
    run.child.stdin.end("branches\nbalance 99\n");
    expect(await run.exitCode()).toBe(1);
    expect(run.stdout).toContain("head office");
    expect(run.stderr).toMatch(/^bank: There is no account 99/);
  });

  it("says the request id when it is interrupted in the middle of a change", async () => {
    const silent = createServer();
    const requests: string[] = [];
    silent.on("stream", (stream, headers) => {
      requests.push(String(headers[":path"]));
      stream.on("error", () => undefined);
    });
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const server = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const run = bank("deposit", "1", "5", "--currency", "USD", "--server", server);
    await expect.poll(() => requests, { timeout: 10_000 }).toEqual(["/bank.v1.TransactionService/Deposit"]);
    // As npm does, which passes on what the terminal has sent already.
    run.child.kill("SIGINT");
    run.child.kill("SIGINT");
    expect(await run.exitCode()).toBe(130);
    expect(run.stderr).toMatch(/^bank: Interrupted\.\n.* not known\.\n {6}Request id: [0-9a-f-]{36}\n/);
    await new Promise((resolve) => silent.close(resolve));
  });
});

describe("bank scenario in a process of its own", () => {
  it("runs a file, prints the output alone, and leaves nothing behind", async () => {
    const run = bank("scenario", "run", PAY_DAY);
    expect(await run.exitCode()).toBe(0);
    const expected: unknown = JSON.parse(await readFile(PAY_DAY.replace(".input.", ".output."), "utf8"));
    expect(JSON.parse(run.stdout)).toEqual(expected);
    expect(run.stderr).toBe("");
    expect(await readdir(temporary)).toEqual([]);
  });

  it("serves a file's branches until Ctrl-C, for customers from a second terminal", async () => {
    const serving = bank("scenario", "serve", PAY_DAY);
    await serving.untilPrinted("Ctrl-C stops everything");
    const url = /^Bank {6}(http:\S+)$/m.exec(serving.stdout)?.[1] as string;
    expect(serving.stdout).toMatch(/^Branch 1 {2}http:/m);
    expect(serving.stdout).toContain(`\n  bank scenario run ${PAY_DAY} --server ${url}\n`);
    const out = join(folder, "output.json");
    const [customers, listed] = [
      bank("scenario", "run", PAY_DAY, "--server", url, "--out", out),
      bank("branches", "--server", url, "--json"),
    ];
    expect(await customers.exitCode()).toBe(0);
    expect(customers.stdout).toBe("");
    expect(JSON.parse(await readFile(out, "utf8"))).toEqual(
      JSON.parse(await readFile(PAY_DAY.replace(".input.", ".output."), "utf8")),
    );
    expect(await listed.exitCode()).toBe(0);
    serving.child.kill("SIGINT");
    expect(await serving.exitCode()).toBe(0);
    expect(serving.stderr).toBe("");
    expect(await readdir(temporary)).toEqual([]);
  });

  it("leaves nothing behind when it is interrupted, and no output", async () => {
    const input = join(folder, "long.json");
    const out = join(folder, "never.json");
    const events = Array.from({ length: 20_000 }, () => ({ interface: "deposit", money: 1 }));
    await writeFile(
      input,
      JSON.stringify([
        { id: 1, type: "customer", events },
        { id: 1, type: "branch", balance: 0 },
      ]),
    );
    const run = bank("scenario", "run", input, "--out", out);
    await expect.poll(() => readdir(temporary), { timeout: 10_000 }).toHaveLength(1);
    run.child.kill("SIGINT");
    expect(await run.exitCode()).toBe(130);
    expect(run).toMatchObject({ stdout: "", stderr: "bank: Interrupted.\n" });
    expect(await readdir(temporary)).toEqual([]);
    await expect(readFile(out)).rejects.toThrow("ENOENT");
  });
});

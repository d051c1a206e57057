import { Readable } from "node:stream";
import { type RunningCluster, silentLog, startCluster } from "@bank/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli, FakeTerminal, TextStream } from "../cli.test-util.ts";
import { runCli } from "../cli.ts";
import { Interrupts } from "../cli-io.ts";

let cluster: RunningCluster;
let server: string;
beforeAll(async () => {
  cluster = await startCluster({ branches: [1, 2], log: silentLog });
  server = cluster.bankUrl;
  await cli(["account", "open", "--owner", "Ada"], { server });
});
afterAll(async () => {
  await cluster.close();
});

/** Runs lines without a terminal. */
const script = (lines: readonly string[], words: readonly string[] = []) =>
  cli(["shell", ...words], { server, stdin: lines.join("\n") });

describe("a shell without a terminal", () => {
  it("runs the lines of its input over one connection and in one session, and prints nothing else", async () => {
    const run = await script(["deposit 1 5 --branch 1", "balance 1 --branch 2 --consistency session"]);
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    expect(run.stdout).toMatch(
      /^Deposited 5\.00 USD into account 1\.\n {2}branch {7}1\n {2}transaction {2}[0-9]+\nposted {5}[0-9.]+ USD\nheld .*\navailable .*\nas of {6}position [0-9]+, \S+Z, (at most [0-9]+ ms old|of unknown age)\n$/,
    );
  });

  it("takes quotes, comments, empty lines, and the program's name", async () => {
    const run = await script(["", "# nothing", "  bank account open --owner 'Bo # 2' # a comment", "account list"]);
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    expect(run.stdout).toMatch(/ Bo # 2\n/);
  });

  it("goes on after a line that fails, and exits with the highest code", async () => {
    const run = await script(["withdraw 1 1000000", "nonsense", "balance 1"]);
    expect(run.exitCode).toBe(2);
    expect(run.stdout).toMatch(/^posted .* USD\n/);
    expect(run.stderr).toMatch(/^bank: Account 1 has .*\nbank: Unknown command 'nonsense'/);
    expect((await script(["withdraw 1 1000000", "balance 1"])).exitCode).toBe(1);
  });

  it("ends with exit, and runs nothing behind it", async () => {
    const run = await script(["balance 1", "exit", "balance 1"]);
    expect(run.stdout.match(/posted/g)).toHaveLength(1);
    expect((await script(["quit", "nonsense"])).exitCode).toBe(0);
  });

  it("says which line cannot be read", async () => {
    const run = await script(["account open --owner 'Ada"]);
    expect(run).toMatchObject({ exitCode: 2, stderr: "bank: The line cannot be read: a ' is not closed.\n" });
  });

  it("prints one document on a line for each command, with --json", async () => {
    const run = await script(["balance 1", "nonsense", "balance 'x", "help exit", "lines", "balance 999"], ["--json"]);
    expect(run).toMatchObject({ exitCode: 2, stderr: "" });
    const documents = run.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(documents.map(({ ok }) => ok)).toEqual([true, false, false, true, true, false]);
    expect(documents[4]).toEqual({
      ok: true,
      lines: ["balance 1", "nonsense", "balance 'x", "help exit", "lines"],
    });
  });

  it("takes what the shell was given, unless a line says otherwise", async () => {
    const run = await script(["deposit 1 1", "deposit 1 1 --branch 2"], ["--branch", "1"]);
    expect(run.stdout.match(/branch +[0-9]/g)).toEqual(["branch       1", "branch       2"]);
  });

  it("does no more once nobody reads its output", async () => {
    const stdout = new TextStream();
    stdout._write = (_chunk, _encoding, done) => done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    stdout.on("error", () => undefined);
    const stderr = new TextStream();
    const stdin = Readable.from(["balance 1\n", "nonsense\n"]);
    const env = { BANK_SERVER: server };
    expect(await runCli(["shell"], { stdin, stdout, stderr, env, interrupts: new Interrupts(), nowMs: Date.now })).toBe(
      0,
    );
    expect(stderr.text).toBe("");
  });

  it("refuses a request id for all of its lines", async () => {
    const run = await script(["deposit 1 1"], ["--request-id", "11111111-2222-4333-8444-555555555555"]);
    expect(run).toMatchObject({ exitCode: 2, stdout: "" });
  });

  it("has no shell inside", async () => {
    expect(await script(["shell"])).toMatchObject({ exitCode: 2 });
  });

  it("ends at once when it is interrupted, also in the middle of a command", async () => {
    const interrupts = new Interrupts();
    const running = cli(["shell"], {
      server: "127.0.0.1:1",
      stdin: "balance 1\nbalance 1\n",
      interrupts,
      stderrIsTTY: true,
    });
    // It waits for a bank that is not there.
    setImmediate(() => interrupts.raise("SIGINT"));
    const run = await running;
    expect(run.exitCode).toBe(130);
  });

  it("ends when it is interrupted while it waits for a line", async () => {
    const interrupts = new Interrupts();
    const terminal = new FakeTerminal();
    terminal.keys.isTTY = false;
    const stdout = new TextStream();
    const running = runCli(["shell"], {
      stdin: terminal.keys,
      stdout,
      stderr: new TextStream(),
      env: { BANK_SERVER: server },
      interrupts,
      nowMs: Date.now,
    });
    terminal.keys.write("balance 1\n");
    await expect.poll(() => stdout.text, { timeout: 10_000 }).toContain("USD");
    interrupts.raise("SIGTERM");
    expect(await running).toBe(143);
  });
});

describe("a shell at a terminal", () => {
  /** Starts a shell at a terminal and gives it back with its end. */
  async function start(words: readonly string[] = [], interrupts = new Interrupts()) {
    const terminal = new FakeTerminal();
    const stderr = new TextStream();
    const env = { BANK_SERVER: server };
    const ended = runCli(["shell", ...words], {
      stdin: terminal.keys,
      stdout: terminal.screen,
      stderr,
      env,
      interrupts,
      nowMs: Date.now,
    });
    await expect.poll(() => terminal.screen.text, { timeout: 10_000 }).toContain("bank");
    return { terminal, stderr, ended, interrupts };
  }

  it("prompts, completes, remembers, and is left by exit", async () => {
    const { terminal, ended } = await start();
    await terminal.type("bal\t1\r", /posted +[0-9.]+ USD\n/);
    await terminal.type("dep\t1 1\r", "Deposited 1.00 USD");
    // Arrow up twice: the balance again.
    await terminal.type("\u001b[A\u001b[A\r", /[0-9.]+ USD\n/);
    await terminal.type("lines\r", "2  deposit 1 1\n3  balance 1");
    await terminal.type("help\r", "lines");
    terminal.keys.write("exit\r");
    expect(await ended).toBe(0);
  });

  it("completes account numbers", async () => {
    const { terminal, ended } = await start();
    await terminal.type("balance \t\t", /1\s+2/);
    terminal.keys.write("\u0015exit\r");
    expect(await ended).toBe(0);
  });

  it("is left by Ctrl-D, without a failure", async () => {
    const { terminal, stderr, ended } = await start(["--branch", "1"]);
    expect(terminal.screen.text).toContain("bank(1)> ");
    terminal.keys.write("nonsense\r");
    await expect.poll(() => stderr.text, { timeout: 10_000 }).toContain("Unknown command");
    terminal.keys.write("\u0004");
    expect(await ended).toBe(0);
  });

  it("clears its line at Ctrl-C, and says how to leave when it is empty", async () => {
    const { terminal, ended } = await start();
    await terminal.type("balance 99", "balance 99");
    await terminal.type("\u0003", "^C");
    await terminal.type("\u0003", "`exit` or Ctrl-D leaves.");
    await terminal.type("balance 1\r", /[0-9.]+ USD\n/);
    terminal.keys.write("\u0004");
    expect(await ended).toBe(0);
  });

  it("ends a command at Ctrl-C and goes on", async () => {
    const { terminal, stderr, ended } = await start(["--server", "127.0.0.1:1"]);
    terminal.keys.write("balance 1\r");
    await expect.poll(() => terminal.screen.text, { timeout: 10_000 }).toContain("balance 1");
    await new Promise((resolve) => setImmediate(resolve));
    terminal.keys.write("\u0003");
    await expect.poll(() => stderr.text, { timeout: 10_000 }).toContain("bank: Interrupted.\n");
    await terminal.type("lines\r", "1  balance 1");
    terminal.keys.write("exit\r");
    expect(await ended).toBe(0);
  });

  it("ends as a whole at another signal", async () => {
    const interrupts = new Interrupts();
    const { ended } = await start([], interrupts);
    interrupts.raise("SIGHUP");
    expect(await ended).toBe(129);
  });
});

import { describe, expect, it } from "vitest";
import { cli, documentOf } from "./cli.test-util.ts";

// Nobody listens here: what is wrong usage is said before anybody is asked.
const server = "127.0.0.1:1";
const run = (words: readonly string[]) => cli(words, { server });

describe("wrong usage", () => {
  it.each<[string[], string]>([
    [["deposit", "1", "1e3"], '"1e3" is not an amount. Write 12 or 12.34'],
    [["deposit", "1", "-5"], '"-5" is not an amount.'],
    [["deposit", "1", "1,000"], '"1,000" is not an amount.'],
    [["deposit", "1", ""], '"" is not an amount.'],
    [["deposit", "1", "+1"], '"+1" is not an amount.'],
    [["deposit", "1", "0"], "The amount must be more than zero."],
    [["deposit", "1", "1.234", "--currency", "USD"], '"1.234" has too many decimals: amounts in USD have at most 2'],
    [["deposit", "1", "12.34.56"], "is not an amount"],
    [["withdraw", "1", "x"], '"x" is not an amount.'],
    [["transfer", "1", "2", "1e3"], '"1e3" is not an amount.'],
    [["deposit", "1", "5", "--currency", "XXX"], '"XXX" is not an ISO 4217 currency code'],
    [["account", "open", "--currency", "dollars"], '"DOLLARS" is not an ISO 4217 currency code'],
    [["account", "open", "--type", "gold"], "Allowed choices are savings, checking."],
    [["account", "list", "--limit", "0"], '--limit "0" is not a whole number from 1.'],
    [["balance", "1", "--mode", "newest"], "Allowed choices are linearizable, session, local."],
    [["balance", "1", "--mode", "session"], "needs the session of an earlier command"],
    [["balance", "1", "--mode", "session", "--session", "mine"], "The session token is not one of this bank"],
    [["balance", "1", "--mode", "local", "--session", "x"], "A local read looks at no session"],
    [["balance", "1", "--branch", "x"], '"x" is no branch number.'],
    [["balance", "1", "--branch", "65536"], '"65536" is no branch number.'],
    [["balance", "1", "--branch", "-1"], '"-1" is no branch number.'],
    [["balance", "1", "--timeout", "0"], '--timeout "0" is not a number of seconds from 0.001 to 300.'],
    [["balance", "1", "--timeout", "301"], "--timeout"],
    [["balance", "1", "--timeout", "1e1"], "--timeout"],
    [["balance", "1", "--server", "http://a/b"], '--server "http://a/b" is no address.'],
    [["deposit", "1", "5", "--request-id", "mine"], '--request-id "mine" is no UUID.'],
    [["balance"], "Missing required argument 'account'."],
    [["balance", "1", "2"], "Too many arguments for 'balance'"],
    [["balance", "1", "--limitless"], "Unknown option '--limitless'."],
    [["balance", "1", "--jsn"], "Unknown option '--jsn' (Did you mean --json?)"],
    [["balanse", "1"], "Unknown command 'balanse' (Did you mean balance?)"],
    [["account", "close"], "Unknown command 'close'"],
    [["balance", "1", "--branch"], "Option '--branch <n>' argument missing."],
    [["scenario", "run", "in.json", "--branch", "1"], "--branch means nothing here"],
    [
      ["scenario", "run", "in.json", "--request-id", "11111111-2222-4333-8444-555555555555"],
      "--request-id means nothing",
    ],
    [["scenario", "serve", "in.json", "--port", "x"], '--port "x" is not a port from 0 to 65535.'],
    [["history"], "Unknown command 'history'"],
  ])("of %j is exit code 2 and one message", async (words, message) => {
    const told = await run(words);
    expect(told).toMatchObject({ exitCode: 2, stdout: "" });
    expect(told.stderr).toContain(message);
    expect(told.stderr).toMatch(/^bank: [A-Z"-]/);
    const printed = await run(["--json", ...words]);
    expect(printed).toMatchObject({ exitCode: 2, stderr: "" });
    const document = documentOf(printed);
    expect(document).toMatchObject({ ok: false, code: "INVALID_ARGUMENT", metadata: expect.any(Object) });
    expect(document["message"]).toContain(message);
  });

  it("prints a document also when the word that asks for it was taken for a value", async () => {
    const printed = await run(["balance", "1", "--branch", "--json"]);
    expect(documentOf(printed)).toMatchObject({ ok: false, message: expect.stringContaining('"--json" is no branch') });
  });

  it("of the environment names it", async () => {
    const told = await cli(["balance", "1"], { server: "not an address" });
    expect(told).toMatchObject({ exitCode: 2 });
    expect(told.stderr).toBe(
      'bank: BANK_SERVER "not an address" is no address. Write HOST:PORT or http://HOST:PORT.\n',
    );
  });

  it("says which command's help shows the right one", async () => {
    expect((await run(["account", "show"])).stderr).toContain("`bank account show --help` shows how to use it.\n");
  });

  it.each([[[]], [["account"]], [["scenario"]]])("of no command shows help: %j", async (words) => {
    const told = await run(words);
    expect(told).toMatchObject({ exitCode: 2, stdout: "" });
    expect(told.stderr).toMatch(/^Usage: bank/);
    const printed = await run([...words, "--json"]);
    expect(documentOf(printed)).toMatchObject({ ok: false, reason: "USAGE", message: "A command is missing." });
  });
});

describe("help", () => {
  it.each([
    [[], "Exit codes:"],
    [["account", "open"], "bank account open --owner Ada"],
    [["account", "show"], "--session <token>"],
    [["account", "list"], "--page-token <token>"],
    [["deposit"], "bank deposit 1 12.34 --branch 2"],
    [["withdraw"], "bank withdraw 1 5"],
    [["transfer"], "bank transfer 1 2 7.50"],
    [["balance"], "bank balance 1 --branch 2 --mode local"],
    [["branches"], "bank branches --status"],
    [["shell"], "exits with the highest"],
    [["scenario", "run"], "bank scenario run input.json --out output.json"],
    [["scenario", "serve"], "from a second terminal"],
  ])("of %j goes to standard output, with examples", async (words, text) => {
    const help = await run([...words, "--help"]);
    expect(help).toMatchObject({ exitCode: 0, stderr: "" });
    expect(help.stdout).toContain(text);
    for (const option of ["--server", "--branch", "--request-id", "--timeout", "--json"])
      expect(help.stdout).toContain(option);
    expect(documentOf(await run([...words, "--help", "--json"]))).toMatchObject({ ok: true, help: help.stdout });
  });

  it("is also a command", async () => {
    expect((await run(["help", "deposit"])).stdout).toBe((await run(["deposit", "--help"])).stdout);
  });

  it("keeps to 120 columns", async () => {
    const { stdout } = await run(["shell", "--help"]);
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(120);
  });

  it("tells the version", async () => {
    expect((await run(["--version"])).stdout).toMatch(/^[0-9]+\.[0-9]+\.[0-9]+\n$/);
    expect(documentOf(await run(["--version", "--json"]))).toEqual({ ok: true, version: expect.any(String) });
  });
});

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
    [["balance", "1", "--consistency", "newest"], "Allowed choices are linearizable, session, bounded, local."],
    [["balance", "1", "--consistency", "session"], "needs the session of an earlier command"],
    [["balance", "1", "--consistency", "session", "--session", "mine"], "The session token is not one of this bank"],
    [["balance", "1", "--consistency", "local", "--session", "x"], "A local read looks at no session"],
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
    [["account", "shut", "1"], "Unknown command 'shut'"],
    [["balance", "1", "--branch"], "Option '--branch <n>' argument missing."],
    [["scenario", "run", "in.json", "--branch", "1"], "--branch means nothing here"],
    [
      ["scenario", "run", "in.json", "--request-id", "11111111-2222-4333-8444-555555555555"],
      "--request-id means nothing here: it names one change, and `scenario run` is none.",
    ],
    [["scenario", "serve", "in.json", "--port", "x"], '--port "x" is not a port from 0 to 65535.'],
    [["lines"], "Unknown command 'lines'"],
    [["history"], "Missing required argument 'account'."],
    [["history", "1", "--from", "yesterday"], '--from "yesterday" is not a time as in RFC 3339'],
    [["history", "1", "--before", "2026-02-30"], '--before "2026-02-30" is not a time'],
    [
      ["history", "1", "--kind", "theft"],
      "Allowed choices are deposit, withdrawal, transfer, reversal, interest, capture.",
    ],
    [["history", "1", "--min", "a lot"], '"a lot" is not an amount.'],
    [["history", "1", "--max", "0.001", "--currency", "USD"], "too many decimals"],
    [["history", "1", "--min", "5", "--max", "1"], "--min is more than --max."],
    [["history", "1", "--min", "5.01", "--max", "5"], "--min is more than --max."],
    [["history", "1", "--from", "2026-02-01", "--before", "2026-02-01"], "--from is no earlier than --before."],
    [["history", "1", "--limit", "-1"], '--limit "-1" is not a whole number from 1.'],
    [["hold", "list", "1", "--limit", "1.5"], '--limit "1.5" is not a whole number from 1.'],
    [["hold", "place", "1", "-5"], '"-5" is not an amount.'],
    [["hold", "place", "1", "5", "--expires-in", "soon"], '--expires-in "soon" is not a length of time'],
    [["hold", "place", "1", "5", "--expires-at", "soon"], '--expires-at "soon" is not a time'],
    [["hold", "place", "1", "5", "--expires-in", "7d", "--expires-at", "2026-12-31"], "cannot be used with option"],
    [
      ["hold", "place", "1", "5", "--expires-in", "7d", "--request-id", "11111111-2222-4333-8444-555555555555"],
      "write the moment, with --expires-at.",
    ],
    [["hold", "capture", "nine"], '"nine" is no hold number.'],
    [["hold", "capture", "9", "0"], "The amount must be more than zero."],
    [["hold", "capture", "9", "1.234", "--currency", "USD"], "too many decimals"],
    [["hold", "release", "0"], '"0" is no hold number.'],
    [["hold", "extend", "9"], "Until when? --expires-in or --expires-at says it."],
    [["hold", "show", "9007199254740992"], '"9007199254740992" is no hold number.'],
    [["reverse", "last"], '"last" is no transaction number.'],
    [["transaction", "show", "-1"], '"-1" is no transaction number.'],
    [["interest", "apply", "1", "2,5"], '"2,5" is no rate. Write 2.5 or 2.5%'],
    [["interest", "apply", "1", "100.000001"], '"100.000001" is no rate.'],
    [["interest", "apply", "1", "0.0000001%"], '"0.0000001%" is no rate.'],
    [["interest", "apply", "1", "-1"], '"-1" is no rate.'],
    [["balance", "1", "--consistency", "bounded"], "How old may it be? --max-staleness says it"],
    [["balance", "1", "--consistency", "local", "--max-staleness", "5s"], "this one is to be local"],
    [["balance", "1", "--max-staleness", "soon"], '--max-staleness "soon" is not a length of time'],
    [["balance", "1", "--at-position", "3", "--consistency", "local"], "cannot be used with option"],
    [["balance", "1", "--session", "x", "--session-file", "y"], "give one of them"],
    [["balance", "1", "--session-file", "/dev/null/mine"], "The session file"],
    [["balance", "1", "--request-id", "11111111-2222-4333-8444-555555555555"], "`balance` is none."],
    [["account", "list", "--request-id", "11111111-2222-4333-8444-555555555555"], "`account list` is none."],
    [["balance", "1", "--server", "a:1,b c"], '--server "b c" is no address.'],
    [["deposit", "1", "5", "--propagation", "everywhere"], "is not bank, quorum=N or all-branches."],
    [["deposit", "1", "5", "--propagation", "quorum=0"], "is not bank, quorum=N or all-branches."],
    [["durability", "set", "--copies", "0", "--branches", "1"], "leave --branches out."],
    [["branches", "foo"], "Unknown command 'foo': `bank branches` has list, rename, drain, activate, retire."],
    [["branches", "foo", "--status"], "Unknown command 'foo'"],
    [["durability", "foo"], "Unknown command 'foo': `bank durability` has show, set."],
    [["branches", "list", "foo"], `Too many arguments for 'list': "foo".`],
    [["branches", "drain", "1", "foo"], "Too many arguments for 'drain'"],
    [["branches", "drain", "north"], '"north" is no branch number.'],
    [["durability", "set"], "How many disks? --copies says it"],
    [["durability", "set", "--copies", "2", "--branches", "1"], "--copies 2 is more than --branches names: 1."],
    [["check", "nowhere.jsonl"], '"nowhere.jsonl" cannot be read: ENOENT'],
    [["scenario", "run", "in.json", "--session-file", "x"], "A session means nothing here"],
    [["balance", "1", "--at-position", "0"], '"0" is no position.'],
    [["balance", "1", "--at-time", "noon"], '--at-time "noon" is not a time'],
    [["balance", "1", "--at-position", "5", "--at-time", "2026-01-01"], "cannot be used with option"],
    [["account", "open", "--overdraft", "100"], "Only a checking account can have an overdraft"],
    [["account", "open", "--type", "checking", "--overdraft", "-100"], '"-100" is not an amount.'],
    [["account", "open", "--ceiling", "0"], "The amount must be more than zero."],
    [["account", "open", "--metadata", "colour"], '--metadata "colour" is not KEY=VALUE.'],
    [["account", "open", "--metadata", "=red"], '--metadata "=red" is not KEY=VALUE.'],
    [["account", "open", "--metadata", "a=1", "--metadata", "a=2"], '--metadata names "a" twice.'],
    [["account", "open", "--alias", "cash/0/USD"], "alias has 1 to 64 letters, digits and . _ : @ + -"],
    [["account", "open", "--metadata", `${"k".repeat(65)}=1`], "metadata"],
    [["account", "update", "1", "--name", "n".repeat(129)], "longer than 128"],
    [["account", "update", "1"], "Nothing to change"],
    [["account", "update", "1", "--floor", "low"], '"low" is not an amount.'],
    [["account", "update", "1", "--ceiling", "0"], "The amount must be more than zero."],
    [["account", "update", "1", "--ceiling", "-5"], '"-5" is not an amount.'],
    [["account", "update", "1", "--metadata", "a=1", "--clear-metadata"], "cannot be used with option"],
    [["account", "freeze", "1", "--expect-version", "new"], '"new" is no version of an account.'],
    [["deposit", "1", "5", "--expect-version", "0"], '"0" is no version of an account.'],
    [["outcome", "mine"], '"mine" is no request id: it is a UUID.'],
    [["cancel", "mine"], '"mine" is no request id: it is a UUID.'],
    [["batch", "nowhere.jsonl"], '"nowhere.jsonl" cannot be read: ENOENT'],
    [["batch", "-"], '"-" holds no commands.'],
    [["batch", "-", "--currency", "dollars"], '"DOLLARS" is not an ISO 4217 currency code'],
    [["batch", "-", "--request-id", "11111111-2222-4333-8444-555555555555"], "a batch has --batch-id"],
    [["batch", "-", "--batch-id", ""], "--batch-id is 1 to 64 letters"],
    [["batch", "-", "--batch-id", "two\nlines"], "--batch-id is 1 to 64 letters"],
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

  it.each([[[]], [["account"]], [["hold"]], [["interest"]], [["transaction"]], [["scenario"]]])(
    "of no command shows help: %j",
    async (words) => {
      const told = await run(words);
      expect(told).toMatchObject({ exitCode: 2, stdout: "" });
      expect(told.stderr).toMatch(/^Usage: bank/);
      const printed = await run([...words, "--json"]);
      expect(documentOf(printed)).toMatchObject({ ok: false, reason: "USAGE", message: "A command is missing." });
    },
  );
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
    [["balance"], "bank balance 1 --branch 2 --consistency local"],
    [["branches", "list"], "bank branches --status"],
    [["branches", "rename"], "bank branches rename 2 'Harbour Street'"],
    [["branches", "drain"], "bank branches drain 2"],
    [["branches", "activate"], "bank branches activate 2"],
    [["branches", "retire"], "bank branches retire 2"],
    [["durability", "show"], "bank durability"],
    [["durability", "set"], "bank durability set --copies 1 --branches 1,2"],
    [["session"], "bank session --session-file mine"],
    [["check"], "bank check history.jsonl"],
    [["account", "open"], "bank account open --owner Ada --alias ada"],
    [["account", "update"], "bank account update 1 --floor -100.00"],
    [["account", "freeze"], "bank account freeze 1"],
    [["account", "unfreeze"], "bank account unfreeze 1"],
    [["account", "close"], "bank account close 1"],
    [["hold", "place"], "bank hold place 1 30 --expires-in 7d"],
    [["hold", "capture"], "bank hold capture 9 --to 2"],
    [["hold", "release"], "bank hold release 9"],
    [["hold", "extend"], "bank hold extend 9 --expires-in 7d"],
    [["hold", "show"], "bank hold show 9"],
    [["hold", "list"], "bank hold list 1"],
    [["reverse"], "bank reverse 12"],
    [["interest", "apply"], "bank interest apply 1 2.5%"],
    [["history"], "bank history 1 --from 2026-01-01 --before 2026-02-01 --all"],
    [["transaction", "show"], "bank transaction show 12"],
    [["outcome"], "bank outcome 3f0c8a52"],
    [["cancel"], "bank cancel 3f0c8a52"],
    [["batch"], "bank batch pay-day.jsonl --batch-id pay-day-2026-01"],
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
    expect((await run(["help", "hold", "capture"])).stdout).toBe((await run(["hold", "capture", "--help"])).stdout);
  });

  it("keeps to 120 columns", async () => {
    for (const words of [
      ["shell"],
      ["account", "open"],
      ["account", "update"],
      ["batch"],
      ["history"],
      ["hold", "place"],
    ]) {
      const { stdout } = await run([...words, "--help"]);
      for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(120);
    }
  });

  it("tells the version", async () => {
    expect((await run(["--version"])).stdout).toMatch(/^[0-9]+\.[0-9]+\.[0-9]+\n$/);
    expect(documentOf(await run(["--version", "--json"]))).toEqual({ ok: true, version: expect.any(String) });
  });
});

import { type RunningCluster, silentLog, startCluster } from "@bank/node";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type CliRunOptions, cli, documentOf } from "./cli.test-util.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const TIME = /^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$/;
const POSITION = /^[1-9][0-9]*$/;

let cluster: RunningCluster;
beforeAll(async () => {
  cluster = await startCluster({ branches: [1, 2], log: silentLog });
  // A branch that follows calls itself connected a moment later, once the bank has heard how far it is.
  const isConnected = async (number: number) =>
    documentOf(await cli(["branches", "--consistency", "local", "--json"], { server: cluster.branchUrl(number) }))[
      "connected"
    ];
  await vi.waitUntil(async () => (await isConnected(1)) === true && (await isConnected(2)) === true);
});
afterAll(async () => {
  await cluster.close();
});

/** Runs a line, whose words are separated by single spaces, against the cluster. */
const bank = (line: string, options: CliRunOptions = {}) =>
  cli(line.split(" "), { server: cluster.bankUrl, ...options });
const json = async (line: string) => documentOf(await bank(`${line} --json`));

/** Opens an account with so much in it, and gives its number. */
async function account(balance?: string, options = ""): Promise<string> {
  const opened = (await json(`account open${options}`)) as { account: { number: string } };
  if (balance !== undefined) await bank(`deposit ${opened.account.number} ${balance}`);
  return opened.account.number;
}

describe("bank account", () => {
  it("opens an account, and says so to people and to programs", async () => {
    const told = await cli(["account", "open", "--owner", "Ada Lovelace", "--branch", "2"], {
      server: cluster.bankUrl,
    });
    expect(told).toMatchObject({ exitCode: 0, stderr: "" });
    expect(told.stdout).toMatch(
      /^Opened account [1-9][0-9]*\.\n {2}type {6}savings\n {2}owner {5}Ada Lovelace\n {2}currency {2}USD\n {2}branch {4}2\n {2}opened {4}2/,
    );
    const document = await json(
      "account open --type checking --owner Bo --name rent --currency jpy --branch 1 --alias bo --metadata a=b=c --overdraft 50 --ceiling 900",
    );
    expect(document).toEqual({
      ok: true,
      account: {
        number: expect.stringMatching(POSITION),
        alias: "bo",
        type: "checking",
        state: "open",
        owner: "Bo",
        name: "rent",
        metadata: { a: "b=c" },
        currency: "JPY",
        branch: 1,
        posted: { amount: "0", currency: "JPY" },
        held: { amount: "0", currency: "JPY" },
        available: { amount: "0", currency: "JPY" },
        floor: { amount: "-50", currency: "JPY" },
        ceiling: { amount: "900", currency: "JPY" },
        version: "1",
        opened_at: expect.stringMatching(TIME),
        opened_position: expect.stringMatching(POSITION),
      },
      request_id: expect.stringMatching(UUID),
      replayed: false,
      dry_run: false,
      position: expect.stringMatching(POSITION),
      time: (document["account"] as { opened_at: string }).opened_at,
      connected: true,
      epoch: 1,
      session: expect.any(String),
    });
  });

  it("opens an account once for a request id", async () => {
    const line = "account open --request-id 11111111-2222-4333-8444-555555555555";
    const first = await json(line);
    expect(await json(line)).toMatchObject({
      replayed: true,
      account: { number: (first["account"] as { number: string }).number },
    });
    expect((await bank(line)).stdout).toContain("  This request id was answered before; nothing was done now.\n");
    expect(await bank(`${line} --owner Eve`)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/already|was used/),
    });
  });

  it("shows an account", async () => {
    const number = await account("12.34");
    expect((await bank(`account show ${number}`)).stdout).toContain(
      `Account ${number}\n  type       savings\n  state      open\n  posted     12.34 USD\n`,
    );
    expect(await json(`account show ${number}`)).toMatchObject({
      ok: true,
      account: { number, posted: { amount: "12.34", currency: "USD" } },
      position: expect.stringMatching(POSITION),
      staleness_ms: expect.any(Number),
    });
    expect((await bank("account show cash/0/USD")).stdout).toContain("type       cash\n");
  });

  it("lists accounts, as many as are asked for", async () => {
    await account();
    await account();
    const first = (await json("account list --limit 1")) as { accounts: { number: string }[]; next_page_token: string };
    expect(first.accounts.map(({ number }) => number)).toEqual(["1"]);
    const next = (await json(`account list --limit 1 --page-token ${first.next_page_token}`)) as typeof first;
    expect(next.accounts.map(({ number }) => number)).toEqual(["2"]);
    const all = (await json("account list --all --internal")) as typeof first;
    expect(all.accounts.length).toBeGreaterThan(2);
    expect(all.accounts.map(({ number }) => number)).toContain("cash/0/USD");
    expect(all.next_page_token).toBeNull();
    const text = await bank("account list --limit 2");
    expect(text.stdout).toMatch(/^ACCOUNT {2}ALIAS .*POSTED {2}AVAILABLE .*BRANCH {2}OWNER/);
    expect(text.stdout).toMatch(/\nThere are more: --all lists them, --page-token \S+ the next\.\n$/);
  });
});

describe("bank deposit, withdraw and transfer", () => {
  it("move money, and say what was booked where", async () => {
    const [from, to] = [await account("100"), await account()];
    expect(await bank(`deposit ${from} 12.34 --branch 1`)).toEqual({
      exitCode: 0,
      stdout: expect.stringMatching(
        new RegExp(`^Deposited 12.34 USD into account ${from}\\.\n {2}branch {7}1\n {2}transaction {2}[0-9]+\n$`),
      ),
      stderr: "",
    });
    expect((await bank(`withdraw ${from} 2.34`)).stdout).toContain(`Withdrew 2.34 USD from account ${from}.\n`);
    expect((await bank(`transfer ${from} ${to} 10`)).stdout).toContain(
      `Transferred 10.00 USD from account ${from} to account ${to}.\n  branch       0 (head office)\n`,
    );
    expect((await bank(`balance ${from}`)).stdout).toMatch(/^posted +100\.00 USD\n/);
    expect((await bank(`balance ${to}`)).stdout).toMatch(/^posted +10\.00 USD\n/);
  });

  it("print one document", async () => {
    const number = await account();
    const document = await json(`deposit ${number} 5 --branch 2`);
    expect(document).toEqual({
      ok: true,
      transaction: {
        position: expect.stringMatching(POSITION),
        kind: "deposit",
        debit_account: "cash/2/USD",
        credit_account: number,
        amount: { amount: "5.00", currency: "USD" },
        branch: 2,
        time: expect.stringMatching(TIME),
        request_id: expect.stringMatching(UUID),
      },
      request_id: expect.stringMatching(UUID),
      replayed: false,
      dry_run: false,
      position: expect.stringMatching(POSITION),
      time: (document["transaction"] as { time: string }).time,
      connected: true,
      epoch: 1,
      session: expect.any(String),
    });
  });

  it("take the currency of the account, or the one that is said", async () => {
    const yen = await account(undefined, " --currency JPY");
    expect((await bank(`deposit ${yen} 500`)).stdout).toContain("Deposited 500 JPY");
    expect(await bank(`deposit ${yen} 1.5`)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(/amounts in JPY have no decimals/),
    });
    expect(await bank(`deposit ${yen} 1.50 --currency usd`)).toMatchObject({
      exitCode: 1,
      stderr: `bank: Account ${yen} holds JPY, and the amount is in USD.\n`,
    });
  });

  it("are done once for a request id, and say that they were", async () => {
    const number = await account();
    const line = `deposit ${number} 5 --request-id 22222222-2222-4333-8444-555555555555`;
    await bank(line);
    expect((await bank(line)).stdout).toContain("This request id was answered before; nothing was done now.\n");
    expect(await json(line)).toMatchObject({ ok: true, replayed: true });
    expect((await bank(`balance ${number}`)).stdout).toMatch(/^posted +5\.00 USD\n/);
    expect(await json(`deposit ${number} 6 --request-id 22222222-2222-4333-8444-555555555555`)).toMatchObject({
      ok: false,
      code: "ALREADY_EXISTS",
      reason: "REQUEST_ID_REUSED",
    });
  });
});

describe("bank balance", () => {
  it("reads at a branch, as current as is asked", async () => {
    const number = await account("7");
    expect((await bank(`balance ${number} --branch 1`)).stdout).toMatch(
      /^posted +7\.00 USD\nheld +0\.00 USD\navailable +7\.00 USD\nas of +position [0-9]+, [^ ,]+Z\n$/,
    );
    expect((await bank(`balance ${number} --branch 1 --consistency local`)).stdout).toMatch(
      /\nas of +position [0-9]+, \S+Z, at most [0-9]+ ms old\n$/,
    );
    expect(await json(`balance ${number}`)).toEqual({
      ok: true,
      account: { number },
      posted: { amount: "7.00", currency: "USD" },
      held: { amount: "0.00", currency: "USD" },
      available: { amount: "7.00", currency: "USD" },
      version: "2",
      position: expect.stringMatching(POSITION),
      time: expect.stringMatching(TIME),
      read_position: expect.stringMatching(POSITION),
      staleness_ms: expect.any(Number),
      connected: true,
      epoch: 1,
      session: expect.any(String),
    });
  });

  it("goes on from the session of an earlier command, at another branch", async () => {
    const number = await account();
    const { session } = await json(`deposit ${number} 5 --branch 1`);
    expect((await bank(`balance ${number} --branch 2 --consistency session --session ${session}`)).stdout).toMatch(
      /^posted +5\.00 USD\n/,
    );
  });
});

describe("bank branches", () => {
  it("lists them, with what the bank knows of each", async () => {
    const text = (await bank("branches")).stdout;
    expect(text).toMatch(
      /^BRANCH {2}NAME +STATE +LINK +POSITION +BEHIND +AGE +DIGEST .* ADDRESS\n {5}0 {2}head office +active +up /,
    );
    expect(await json("branches")).toMatchObject({
      ok: true,
      branches: [
        { number: 0, address: cluster.bankUrl, name: "head office", state: "active", status: { connected: true } },
        { number: 1, address: cluster.branchUrl(1), name: "branch 1", state: "active" },
        { number: 2, address: cluster.branchUrl(2), name: "branch 2", state: "active" },
      ],
      connected: true,
      epoch: 1,
    });
  });

  it("asks each of them how current it is", async () => {
    const status = {
      applied_position: expect.stringMatching(POSITION),
      durable_position: expect.stringMatching(POSITION),
      history_position: expect.stringMatching(POSITION),
      digest: expect.stringMatching(/^[0-9a-f]+$/),
      connected: true,
    };
    // A history that is kept in memory begins when it is first asked.
    const number = await account();
    for (const branch of [0, 1, 2]) await bank(`history ${number} --branch ${branch}`);
    const { branches } = (await json("branches --status")) as { branches: { status: unknown }[] };
    expect(branches.map((branch) => branch.status)).toMatchObject([status, status, status]);
    expect((await bank("branches --status")).stdout).toMatch(
      /\n {5}2 {2}branch 2 +active +up +[0-9]+ +0 .* [0-9a-f]{8} = /,
    );
  });
});

describe("the options that every command has", () => {
  it("stand before the command and behind it, and the last one counts", async () => {
    const number = await account("1");
    expect(documentOf(await bank(`--json --branch 1 balance ${number}`))).toMatchObject({ ok: true });
    expect(documentOf(await bank(`--branch 9 balance ${number} --json --branch 1`))).toMatchObject({ ok: true });
    expect(documentOf(await bank("account --json list --limit 1"))).toMatchObject({ ok: true });
    expect(await cli(["balance", number, "--server", cluster.bankUrl, "--timeout", "5.5"])).toMatchObject({
      exitCode: 0,
    });
    expect(await cli(["--server", cluster.branchUrl(1), "balance", number], { server: "127.0.0.1:1" })).toMatchObject({
      exitCode: 0,
    });
  });

  it("find a branch that the server knows", async () => {
    expect(await bank("balance 1 --branch 7")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/^bank: There is no branch 7/),
    });
    expect(await json("balance 1 --branch 7")).toMatchObject({
      ok: false,
      code: "NOT_FOUND",
      reason: "READ_BRANCH_NOT_FOUND",
      metadata: { branch: "7" },
    });
  });
});

describe("a rejection", () => {
  it("is exit code 1, on standard error for people, and a document for programs", async () => {
    const number = await account("12.34");
    expect(await bank(`withdraw ${number} 99`)).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: `bank: Account ${number} has 12.34 USD to spend, and 99.00 USD were asked for.\n`,
    });
    const run = await bank(`withdraw ${number} 99 --json`);
    expect(run).toMatchObject({ exitCode: 1, stderr: "" });
    expect(documentOf(run)).toEqual({
      ok: false,
      code: "FAILED_PRECONDITION",
      reason: "INSUFFICIENT_FUNDS",
      message: `Account ${number} has 12.34 USD to spend, and 99.00 USD were asked for.`,
      metadata: {
        account: number,
        available: "12.34",
        currency: "USD",
        requested: "99.00",
        outcome: "REJECTED",
        request_id: expect.stringMatching(UUID),
      },
    });
  });

  it.each(["balance 999999", "account show 999999", "deposit 999999 1", "withdraw 999999 1 --currency USD"])(
    "of what is not there is exit code 1: %s",
    async (line) => {
      expect(await bank(line)).toMatchObject({
        exitCode: 1,
        stderr: expect.stringMatching(/^bank: There is no account 999999/),
      });
      expect(await json(line)).toMatchObject({ ok: false, code: "NOT_FOUND" });
    },
  );
});

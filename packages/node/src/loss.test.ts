import { mkdtemp, readdir, readFile, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BankClient, BankError, connectBank } from "@bank/client";
import { toHex } from "@bank/core";
import { type BankProcess, startBankProcess } from "@bank/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AnchorFile } from "./anchor-file.ts";
import { silentLog } from "./log.ts";
import { acceptLoss, healFrom } from "./recover-loss.ts";
import { type RunningBranches, startBranch } from "./start-branch.ts";

const DEPOSIT = { currency: "USD", minor: 100n };
/** Deposits that the disk forgets, and the record of the epoch in which they were made. */
const LOST_DEPOSITS = 4;
const LOST_RECORDS = LOST_DEPOSITS + 1;

describe("a bank whose disk has gone back in time", { timeout: 30_000 }, () => {
  let folder: string;
  let bank: BankProcess;
  let branch: RunningBranches;
  let clients: BankClient[];
  let session: string | undefined;
  /** Where the journal ends after the loss. */
  let keptPosition: number;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "bank-loss-"));
    clients = [];
    bank = await startBank(0);
    branch = await startReplica(0);
    await branch.whenFollowing(AbortSignal.timeout(20_000));
    const first = connect(bank.url);
    await first.openAccount({ owner: "alice" });
    keptPosition = (await first.deposit("1", DEPOSIT)).transaction.position;
    // A clean stop leaves nothing in the write-ahead log; what comes after it is all that the log holds.
    expect(await bank.stop()).toBe(0);
    bank = await startBank(bank.port);
    const second = connect(bank.url);
    for (let i = 0; i < LOST_DEPOSITS; i++) await second.deposit("1", DEPOSIT);
    session = second.session;
    const end = keptPosition + LOST_RECORDS;
    await branch.replica().whenApplied(end);
    await branchHasSaved(end);
    await anchorIsAt(end);
    await bank.kill();
    await truncate(join(bankFolder(), "journal.db-wal"), 0);
  });

  afterEach(async () => {
    for (const client of clients) client.close();
    await branch.close();
    await bank.kill();
    await rm(folder, { recursive: true, force: true });
  });

  it("is found out by the anchor file alone, and says what is missing and the ways on", async () => {
    await branch.close();
    const problem = await startBank(bank.port).catch((error: Error) => error.message);
    expect(problem).toContain("exit code 4");
    expect(problem).toContain("anchor.json holds position");
    expect(problem).toContain(`(${keptPosition + 1} to ${keptPosition + LOST_RECORDS})`);
    expect(problem).toContain("bank-server heal --from URL");
    expect(problem).toContain("bank-server accept-loss");
  });

  it("is found out by a branch alone", async () => {
    await rm(join(bankFolder(), "anchor.json"));
    const problem = await startBank(bank.port).catch((error: Error) => error.message);
    expect(problem).toContain(`branch 1 at ${branchUrl()} holds position ${keptPosition + LOST_RECORDS}`);
  });

  it("is healed from a branch, to the same state", async () => {
    const before = await branch.replica().read({ mode: "local" }, (ledger) => toHex(ledger.digestBytes()));
    const healed = await healFrom(branchUrl(), { dataDir: bankFolder(), log: silentLog });
    expect(healed).toEqual({ from: keptPosition, to: keptPosition + LOST_RECORDS });
    const { position, value } = await branch.replica().read({ mode: "local" }, (ledger) => toHex(ledger.digestBytes()));
    expect({ position, value }).toEqual({ position: before.position, value: before.value });
    bank = await startBank(bank.port);
    const client = connect(bank.url, session);
    expect((await client.balance("1")).balance.minor).toBe(500n);
    await client.deposit("1", DEPOSIT);
    expect((await connect(branchUrl()).balance("1")).balance.minor).toBe(600n);
  });

  it("goes on without the records when an operator gives them up, and destroys no evidence", async () => {
    const given = await acceptLoss({ dataDir: bankFolder(), log: silentLog, witnessTimeoutMs: 2_000 });
    expect(given.position).toBe(keptPosition);
    expect(given.exportedRecords).toBe(LOST_RECORDS);
    const exported = (await readFile(given.exportFile ?? "", "utf8")).trimEnd().split("\n");
    expect(exported.map((line) => (JSON.parse(line) as { position: string }).position)).toEqual(
      Array.from({ length: LOST_RECORDS }, (_, i) => String(keptPosition + 1 + i)),
    );

    bank = await startBank(bank.port);
    const client = connect(bank.url);
    expect((await client.balance("1")).balance.minor).toBe(100n);
    const { position } = await client.balance("1");
    // The branch puts its copy aside and begins a new one, by itself.
    const fresh = connect(branchUrl());
    expect((await fresh.balance("1")).balance.minor).toBe(100n);
    expect((await fresh.balance("1")).position).toBeGreaterThanOrEqual(position);
    const kept = (await readdir(join(folder, "branch"))).filter((name) => name.startsWith("journal.aside-"));
    expect(kept).toHaveLength(1);
    expect((await stat(join(folder, "branch", kept[0] ?? "", "journal.db"))).size).toBeGreaterThan(0);

    const lost = await connect(bank.url, session)
      .balance("1")
      .catch((error: unknown) => error);
    expect(lost).toBeInstanceOf(BankError);
    expect(lost).toMatchObject({ reason: "SESSION_LOST" });
    // A second start finds nothing missing any more.
    expect(await bank.stop()).toBe(0);
    bank = await startBank(bank.port);
  });

  it("stops writing when a branch shows up that has more than it", async () => {
    await rm(join(bankFolder(), "anchor.json"));
    const port = Number(new URL(branchUrl()).port);
    await branch.close();
    // Nobody is there to testify: the bank starts, and begins another history.
    bank = await startBank(bank.port);
    const client = connect(bank.url);
    await client.deposit("1", DEPOSIT);
    branch = await startReplica(port);
    const refused = await depositUntilRefused(client);
    expect(refused).toMatchObject({ reason: "LOSS_DETECTED" });
    expect(refused.message).toContain("branch 1");
    expect((await client.balance("1")).balance.minor).toBeGreaterThan(0n);
    expect(branch.replica().state).toBe("diverged");
    expect(branch.replica().savedPosition).toBe(keptPosition + LOST_RECORDS);
  });

  function bankFolder(): string {
    return join(folder, "bank");
  }

  function branchUrl(): string {
    return branch.branches[0]?.url ?? "";
  }

  function startBank(port: number): Promise<BankProcess> {
    return startBankProcess({ dataDir: bankFolder(), port, flags: ["--witness-timeout", "300"] });
  }

  function startReplica(port: number): Promise<RunningBranches> {
    const dataDir = join(folder, "branch");
    return startBranch({ branches: [{ number: 1, port }], bankUrl: bank.url, dataDir, log: silentLog });
  }

  function connect(server: string, token?: string): BankClient {
    const client = connectBank({ server, timeoutMs: 20_000, session: token });
    clients.push(client);
    return client;
  }

  async function anchorIsAt(position: number): Promise<void> {
    const anchor = new AnchorFile(bankFolder(), silentLog);
    while ((await anchor.read())?.position !== position);
  }

  async function branchHasSaved(position: number): Promise<void> {
    const client = connect(branchUrl());
    while ((await client.thisBranch()).branch.status?.durablePosition !== position);
  }

  async function depositUntilRefused(client: BankClient): Promise<BankError> {
    for (;;) {
      try {
        await client.deposit("1", DEPOSIT);
      } catch (error) {
        if (error instanceof BankError) return error;
        throw error;
      }
    }
  }
});

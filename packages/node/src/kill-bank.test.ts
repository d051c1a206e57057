import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectBank } from "@bank/client";
import { formatRequestId, isMovement, RecordKind, toHex } from "@bank/core";
import { type BankProcess, Random, seeds, startBankProcess, type WholeJournal, withSeed } from "@bank/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Answer, Customers, checkMoney, readJournal } from "./customers.test-util.ts";
import { silentLog } from "./log.ts";
import { type RunningBranches, startBranch } from "./start-branch.ts";

const FILE = "packages/node/src/kill-bank.test.ts";
const KILLS = 5;
const ACCOUNTS = ["1", "2", "3", "4"];
const CUSTOMERS_PER_SERVER = 3;
/** Answers between two kills, at least and at most. */
const ANSWERS_MIN = 15;
const ANSWERS_SPREAD = 60;

describe("a bank that is killed while customers write", () => {
  let folder: string;
  let bank: BankProcess;
  let branches: RunningBranches[];
  let customers: Customers;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "bank-kill-"));
    bank = await startBankProcess({ dataDir: join(folder, "bank") });
    branches = await Promise.all([1, 2].map((number) => startReplica(number)));
    customers = new Customers();
  });

  afterEach(async () => {
    customers.stop();
    customers.close();
    for (const branch of branches) await branch.close();
    await bank.kill();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(seeds(0))("keeps every acknowledged write, once, on every replica (seed %i)", { timeout: 60_000 }, (seed) =>
    withSeed(seed, FILE, async (random) => {
      await openAccounts();
      const servers = [bank.url, ...branches.map((branch) => branchUrl(branch))];
      const running = servers.flatMap((server) =>
        Array.from({ length: CUSTOMERS_PER_SERVER }, () => customers.run(server, ACCOUNTS, new Random(random.word()))),
      );
      for (let kill = 0; kill < KILLS; kill++) {
        const wanted = customers.answered + ANSWERS_MIN + random.below(ANSWERS_SPREAD);
        await customers.whenAnswered(wanted);
        await bank.kill();
        bank = await startBankProcess({ dataDir: join(folder, "bank"), port: bank.port });
      }
      await customers.whenAnswered(customers.answered + ANSWERS_MIN);
      customers.stop();
      await Promise.all(running);

      await expectSameAnswersAgain(servers, random);
      await expectCaughtUp();
      for (const branch of branches) await branch.close();
      expect(await bank.stop()).toBe(0);
      const journal = await readJournal(join(folder, "bank"));
      expectEveryAnswerOnce(journal);
      checkMoney(journal);
      for (const number of [1, 2]) {
        const copy = await readJournal(join(folder, `branch-${number}`, "journal"));
        for (const [position, digest] of copy.digests) expect(digest).toBe(journal.digests.get(position));
        expect(copy.replay.ledger.position).toBeGreaterThan(journal.replay.ledger.position / 2);
      }
    }),
  );

  function startReplica(number: number): Promise<RunningBranches> {
    return startBranch({
      branches: [{ number, port: 0 }],
      bankUrl: bank.url,
      dataDir: join(folder, `branch-${number}`),
      log: silentLog,
    });
  }

  function branchUrl(branch: RunningBranches): string {
    const [only] = branch.branches;
    if (only === undefined) throw new Error("the branch listens");
    return only.url;
  }

  async function openAccounts(): Promise<void> {
    const client = connectBank({ server: bank.url });
    try {
      for (const account of ACCOUNTS) {
        expect((await client.openAccount({ owner: account })).account.number).toBe(account);
        await client.deposit(account, { currency: "USD", minor: 100_000n });
      }
    } finally {
      client.close();
    }
  }

  /** Some of what was answered, asked for again at any server: the same answer, and marked. */
  async function expectSameAnswersAgain(servers: readonly string[], random: Random): Promise<void> {
    const all = [...customers.answers.values()];
    const chosen = Array.from({ length: 20 }, () => random.pick(all));
    for (const { asked, answer } of chosen) {
      const again = await customers.askAgain(asked, random.pick(servers));
      if ("transaction" in again) {
        expect(again.replayed).toBe(true);
        expect({ kind: "booked", transaction: again.transaction }).toEqual(answer);
      } else {
        expect(again.outcome).toBe("REJECTED");
        expect({ kind: "rejected", reason: again.reason } satisfies Answer).toEqual(answer);
      }
    }
  }

  async function expectCaughtUp(): Promise<void> {
    const client = connectBank({ server: bank.url });
    try {
      const { branch } = await client.thisBranch();
      for (const replica of branches) {
        const read = await replica.replica().read({ mode: "linearizable" }, (ledger) => toHex(ledger.digestBytes()));
        expect(read.position).toBe(branch.status?.appliedPosition);
        expect(read.value).toBe(branch.status?.digest);
      }
    } finally {
      client.close();
    }
  }

  function expectEveryAnswerOnce({ records }: WholeJournal): void {
    const answers = new Map<string, (typeof records)[number]>();
    for (const entry of records) {
      const { request } = entry.record;
      if (request === undefined) continue;
      const id = formatRequestId(request.id);
      expect(answers.has(id), `request ${id} is answered once`).toBe(false);
      answers.set(id, entry);
    }
    for (const [id, { answer }] of customers.answers) {
      const entry = answers.get(id);
      if (entry === undefined) throw new Error(`request ${id} was acknowledged and is not in the journal`);
      const { record, position } = entry;
      if (answer.kind === "booked") {
        if (!isMovement(record)) throw new Error(`request ${id} was acknowledged as booked`);
        expect({ position, minor: record.amount }).toEqual({
          position: answer.transaction.position,
          minor: answer.transaction.amount.minor,
        });
      } else {
        if (record.kind !== RecordKind.REJECTED) throw new Error(`request ${id} was acknowledged as rejected`);
        expect(record.rejection.reason).toBe(answer.reason);
      }
    }
  }
});

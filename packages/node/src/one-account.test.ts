import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BankClient, BankError, connectBank } from "@bank/client";
import { Random, seeds, withSeed } from "@bank/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkMoney, readJournal } from "./customers.test-util.ts";
import { silentLog } from "./log.ts";
import { type RunningCluster, startCluster } from "./start-cluster.ts";

const FILE = "packages/node/src/one-account.test.ts";
const CUSTOMERS = 32;
const MOVES_EACH = 12;
const OPENING_MINOR = 5_000n;

describe("one account, many customers at several branches", () => {
  let folder: string;
  let cluster: RunningCluster;
  let clients: BankClient[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "bank-one-account-"));
    cluster = await startCluster({ branches: [1, 2, 3], dataDir: folder, log: silentLog });
    clients = [];
  });

  afterEach(async () => {
    for (const client of clients) client.close();
    await cluster.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(seeds(0))("is never overdrawn, and sums up exactly (seed %i)", { timeout: 60_000 }, (seed) =>
    withSeed(seed, FILE, async (random) => {
      const owner = connect(cluster.bankUrl);
      const { number } = (await owner.openAccount({ owner: "everybody" })).account;
      await owner.deposit(number, { currency: "USD", minor: OPENING_MINOR });
      const results = await Promise.all(
        Array.from({ length: CUSTOMERS }, (_, i) => customer(number, (i % 3) + 1, new Random(random.word()))),
      );
      const moved = results.reduce((sum, { net }) => sum + net, 0n);
      const rejected = results.reduce((sum, result) => sum + result.rejected, 0);
      expect(rejected, "some withdrawals were more than there was").toBeGreaterThan(0);
      for (const branch of [1, 2, 3]) {
        const { balance } = await connect(cluster.branchUrl(branch)).balance(number);
        expect(balance.minor).toBe(OPENING_MINOR + moved);
      }
      await cluster.close();
      const journal = await readJournal(join(folder, "bank"));
      expect(checkMoney(journal).get(number)).toBe(OPENING_MINOR + moved);
      const movements = results.reduce((sum, { booked }) => sum + booked, 1);
      expect(journal.records.filter(({ record }) => "debit" in record)).toHaveLength(movements);
    }),
  );

  function connect(server: string): BankClient {
    const client = connectBank({ server, timeoutMs: 30_000 });
    clients.push(client);
    return client;
  }

  /** Moves money at random, and checks that each read shows no less than what this customer has seen before. */
  async function customer(
    account: string,
    branch: number,
    random: Random,
  ): Promise<{ net: bigint; booked: number; rejected: number }> {
    const client = connect(cluster.branchUrl(branch));
    let net = 0n;
    let booked = 0;
    let rejected = 0;
    let lastPosition = 0;
    for (let move = 0; move < MOVES_EACH; move++) {
      const minor = BigInt(1 + random.below(3_000));
      const isDeposit = random.chance(40);
      try {
        const done = await client[isDeposit ? "deposit" : "withdraw"](account, { currency: "USD", minor });
        net += isDeposit ? minor : -minor;
        booked++;
        expect(done.transaction.position).toBeGreaterThan(lastPosition);
        lastPosition = done.transaction.position;
      } catch (error) {
        if (!(error instanceof BankError) || error.reason !== "INSUFFICIENT_FUNDS") throw error;
        rejected++;
      }
      const read = await client.balance(account);
      expect(read.balance.minor).toBeGreaterThanOrEqual(0n);
      expect(read.position, "a read sees what its customer did before").toBeGreaterThanOrEqual(lastPosition);
      lastPosition = read.position;
    }
    return { net, booked, rejected };
  }
});

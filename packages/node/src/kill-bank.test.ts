import { join } from "node:path";
import { connectBank } from "@bank/client";
import { followJournal, type Random, type ServerClient, type ServerProcess, seeds, withSeed } from "@bank/testkit";
import { ConnectError } from "@connectrpc/connect";
import { expect, it } from "vitest";
import {
  type Answered,
  checkBooks,
  deposit,
  give,
  giveBySdk,
  giveTogether,
  type Order,
  openAccount,
  type Reply,
  randomOrder,
} from "./books.test-util.ts";
import { clientOf, startFollowing, startProcess, type TestBranches, temporaryFolder } from "./servers.test-util.ts";

const KILLS = 5;
/** Answers between two kills at the most. */
const ANSWERS_MAX = 60;

it.each(seeds(0))("loses nothing and does nothing twice when the bank is killed in the middle of writes", (seed) =>
  withSeed(seed, "packages/node/src/kill-bank.test.ts", async (random) => {
    const bank = new KilledBank(join(await temporaryFolder(), "bank"));
    const url = await bank.start();
    const branches = [await startFollowing(url, [1]), await startFollowing(url, [2])];
    const accounts = await Promise.all([1, 2, 3].map(() => openAccount(clientOf(url))));
    const answered: Answered[] = [];
    const clients = [0, 1, 2].map((branch) =>
      clientOf(branch === 0 ? url : (branches[branch - 1] as TestBranches).url),
    );

    const customers = clients.flatMap((client, branch) =>
      [1, 2].map(() => new Customer({ client, branch, random, accounts, answered, bank, branches })),
    );
    const sdkCustomers = clients.map((_, branch) => {
      const server = branch === 0 ? url : (branches[branch - 1] as TestBranches).url;
      return new SdkCustomer({ server, branch, random, accounts, answered, bank });
    });
    const everybody = [...customers, ...sdkCustomers];
    const done = Promise.all(everybody.map((customer) => customer.run()));
    for (let kills = 0; kills < KILLS; kills++) {
      // Every customer has its way to the bank again: the kill meets writes on all of them.
      for (const branch of branches) await branch.whenFollowing(AbortSignal.timeout(20_000));
      await bank.answers(answered.length + 1 + random.below(ANSWERS_MAX));
      await bank.kill();
      await bank.start();
    }
    await bank.answers(answered.length + 30);
    for (const customer of everybody) customer.stop();
    await done;
    // The process was killed with orders on their way, or this has shown nothing.
    expect(customers.reduce((sum, { repeats }) => sum + repeats, 0)).toBeGreaterThan(0);

    await checkReplays(clients, answered, random);
    for (const branch of branches) await branch.whenFollowing(AbortSignal.timeout(10_000));
    const last = await clients[0]?.status();
    const end = Number(last?.appliedPosition);
    for (const branch of branches) await branch.replica().whenApplied(end, AbortSignal.timeout(10_000));
    await checkEqual(clients, end, answered);
    for (const { log, fatal } of branches) {
      expect(log.lines.filter(({ level }) => level === "error")).toEqual([]);
      expect(fatal).toEqual([]);
    }
    expect(bank.recoveries.some((line) => line.includes("the snapshot at"))).toBe(true);
    expect((await bank.stop()).code).toBe(0);
  }),
);

/** The same journal at the bank and at the branches, which says what the customers were told. */
async function checkEqual(clients: readonly ServerClient[], end: number, answered: readonly Answered[]): Promise<void> {
  const digests = new Set<string>();
  for (const client of clients) {
    const journal = await followJournal(client, end);
    checkBooks(journal, answered);
    const { appliedPosition, digest } = await client.status();
    expect(journal.digests.get(Number(appliedPosition))).toBe(digest);
    digests.add(JSON.stringify([...journal.digests]));
  }
  expect(digests.size, "the digests at equal positions are equal everywhere").toBe(1);
}

/** An order that is given again, anywhere, gets its first answer; another under its id is refused. */
async function checkReplays(clients: readonly ServerClient[], answered: readonly Answered[], random: Random) {
  for (let i = 0; i < 60; i++) {
    const { order, reply } = random.pick(answered);
    const again = await give(random.pick(clients), order);
    if (reply.done) {
      expect(again).toEqual({ ...reply, replayed: true });
    } else {
      expect(again).toMatchObject({ done: false, reason: reply.reason });
      expect([again.position, undefined]).toContain(reply.position);
    }
    const other = { ...deposit(0, "1", order.minor + 1n), requestId: order.requestId };
    await expect(give(random.pick(clients), other)).rejects.toThrow("was used at position");
  }
}

interface CustomerOptions {
  readonly client: ServerClient;
  readonly branch: number;
  readonly random: Random;
  readonly accounts: readonly string[];
  readonly answered: Answered[];
  readonly bank: KilledBank;
  readonly branches: readonly TestBranches[];
}

/** Gives one order after the other, each until it has an answer for ever. */
class Customer {
  /** Orders that were given more than once. */
  repeats = 0;
  private readonly options: CustomerOptions;
  private stopped = false;

  constructor(options: CustomerOptions) {
    this.options = options;
  }

  stop(): void {
    this.stopped = true;
  }

  async run(): Promise<void> {
    const { random, branch, accounts, answered, bank } = this.options;
    while (!this.stopped) {
      const count = random.chance(20) ? 2 + random.below(6) : 1;
      const orders = Array.from({ length: count }, () => randomOrder(random, branch, accounts));
      const replies = await this.giveUntilAnswered(orders);
      orders.forEach((order, i) => {
        answered.push({ order, reply: replies[i] as Reply });
      });
      bank.notice(answered.length);
    }
  }

  private async giveUntilAnswered(orders: readonly Order[]): Promise<readonly Reply[]> {
    const { client } = this.options;
    const replies: (Reply | undefined)[] = [];
    for (;;) {
      const open = orders.filter((_, i) => replies[i] === undefined);
      try {
        const given = orders.length === 1 ? [await give(client, orders[0] as Order)] : await giveTogether(client, open);
        open.forEach((order, i) => {
          replies[orders.indexOf(order)] = given[i];
        });
        if (orders.every((_, i) => replies[i] !== undefined)) return replies as Reply[];
      } catch (error) {
        if (!(error instanceof ConnectError)) throw error;
      }
      this.repeats++;
      await this.whenReachable();
    }
  }

  private async whenReachable(): Promise<void> {
    const { branch, branches, bank } = this.options;
    await bank.whenUp();
    await branches[branch - 1]?.whenFollowing(AbortSignal.timeout(20_000));
  }
}

/** Leaves it to the SDK to get an answer for ever. */
class SdkCustomer {
  private readonly options: Omit<CustomerOptions, "client" | "branches"> & { readonly server: string };
  private stopped = false;

  constructor(options: SdkCustomer["options"]) {
    this.options = options;
  }

  stop(): void {
    this.stopped = true;
  }

  async run(): Promise<void> {
    const { server, random, branch, accounts, answered, bank } = this.options;
    const client = connectBank({ server, timeoutMs: 30_000 });
    try {
      while (!this.stopped) {
        // Several at once: those that go together go over a stream.
        const orders = Array.from({ length: 4 }, () => randomOrder(random, branch, accounts));
        await Promise.all(
          orders.map(async (order) => {
            answered.push({ order, reply: await giveBySdk(client, order) });
            bank.notice(answered.length);
          }),
        );
      }
    } finally {
      client.close();
    }
  }
}

/** The bank in a process of its own: killed, and started again at the same port with the same data. */
class KilledBank {
  readonly recoveries: string[] = [];
  private readonly dataDir: string;
  private port = 0;
  private process: ServerProcess | undefined;
  private up = Promise.withResolvers<void>();
  private wanted: { readonly count: number; readonly reached: () => void } | undefined;

  constructor(dataDir: string) {
    this.dataDir = dataDir;
  }

  async start(): Promise<string> {
    const listen = `127.0.0.1:${this.port}`;
    const args = ["--listen", listen, "--data", this.dataDir, "--snapshot-every", "20"];
    this.process = startProcess({ app: "bank-server", args });
    const url = await this.process.url();
    this.port = Number(new URL(url).port);
    this.recoveries.push((await this.process.logged(/recovered to position .*/))[0]);
    this.up.resolve();
    return url;
  }

  async kill(): Promise<void> {
    this.up = Promise.withResolvers();
    await this.process?.kill();
  }

  stop() {
    if (this.process === undefined) throw new Error("the bank was started");
    return this.process.terminate();
  }

  whenUp(): Promise<void> {
    return this.up.promise;
  }

  /** Resolves once there are so many answers. */
  answers(count: number): Promise<void> {
    return new Promise((reached) => {
      this.wanted = { count, reached };
    });
  }

  /** Called with each answer: how many there are. */
  notice(count: number): void {
    if (this.wanted !== undefined && count >= this.wanted.count) this.wanted.reached();
  }
}

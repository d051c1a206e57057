import type { Position } from "@bank/core";
import { followJournal, type Random, type ServerClient, seeds, withSeed } from "@bank/testkit";
import { expect, it } from "vitest";
import { type Answered, checkBooks, deposit, give, openAccount, withdrawal } from "./books.test-util.ts";
import { clientOf, slowStreams, startFollowing, startTestBank } from "./servers.test-util.ts";

const CUSTOMERS = 36;
const ORDERS_EACH = 10;

/** A linearizable read, with the newest position that anybody had heard of when it began: in an answer or a read. */
interface Read {
  readonly heardOf: Position;
  readonly position: Position;
  readonly balance: bigint;
}

it.each(seeds(0))("many customers share one account through different branches", (seed) =>
  withSeed(seed, "packages/node/src/one-account.test.ts", async (random) => {
    const bank = await startTestBank();
    slowStreams(bank, () => random.below(40));
    const servers = await Promise.all([1, 2, 3].map((number) => startFollowing(bank.url, [number])));
    // A connection for every few customers, as processes of their own would have.
    const tellers = [bank, ...servers].flatMap(({ url }, branch) =>
      [1, 2, 3].map(() => ({ branch, client: clientOf(url) })),
    );
    const account = await openAccount(clientOf(bank.url));
    const answered: Answered[] = [];

    const reads: Read[] = [];
    const known = { position: 0 };

    await Promise.all(
      Array.from({ length: CUSTOMERS }, (_, i) => {
        const { branch, client } = tellers[i % tellers.length] as (typeof tellers)[0];
        const others = tellers.map((teller) => teller.client);
        return customer({ random, branch, client, others, account, answered, reads, known });
      }),
    );

    expect(answered).toHaveLength(CUSTOMERS * ORDERS_EACH);
    expect(answered.filter(({ reply }) => !reply.done).length, "some were refused for want of money").toBeGreaterThan(
      0,
    );
    const sum = answered.reduce((total, { order, reply }) => total + (reply.done ? signed(order) : 0n), 0n);
    const journal = await followJournal(clientOf(bank.url), bank.replica.committedPosition);
    const balancesAt = checkBooks(journal, answered);
    expect(balancesAt(journal.records.length).get(account)).toBe(sum);
    for (const { client } of tellers) expect(await client.balance(account)).toBe(sum);
    expect(reads.length).toBeGreaterThan(CUSTOMERS);
    for (const { heardOf, position, balance } of reads) {
      expect(position, "a read misses nothing that was known before it").toBeGreaterThanOrEqual(heardOf);
      expect(balance, `the balance at position ${position}`).toBe(balancesAt(position).get(account));
    }
    // Otherwise nothing of this ran at the same time.
    expect(Math.max(...journal.batchSizes)).toBeGreaterThan(1);
  }),
);

interface CustomerOptions {
  readonly random: Random;
  readonly branch: number;
  readonly client: ServerClient;
  /** Where it reads. */
  readonly others: readonly ServerClient[];
  readonly account: string;
  readonly answered: Answered[];
  readonly reads: Read[];
  /** The newest position that anybody has heard of. */
  readonly known: { position: Position };
}

async function customer(options: CustomerOptions): Promise<void> {
  const { random, branch, client, others, account, answered, reads, known } = options;
  for (let i = 0; i < ORDERS_EACH; i++) {
    // More is asked for than is paid in, so that the account is empty again and again.
    const isDeposit = random.chance(50);
    const minor = BigInt(1 + random.below(isDeposit ? 100 : 300));
    const order = isDeposit ? deposit(branch, account, minor) : withdrawal(branch, account, minor);
    const reply = await give(client, order);
    answered.push({ order, reply });
    known.position = Math.max(known.position, reply.position ?? 0);
    if (!random.chance(40)) continue;
    const heardOf = known.position;
    const { posted, readInfo } = await random.pick(others).accounts.getBalance({ account });
    const position = Number(readInfo?.position);
    reads.push({ heardOf, position, balance: posted?.amountMinor ?? -1n });
    known.position = Math.max(known.position, position);
  }
}

function signed({ kind, minor }: Answered["order"]): bigint {
  return kind === "deposit" ? minor : -minor;
}

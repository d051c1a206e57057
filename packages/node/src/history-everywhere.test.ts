import type { AccountIndex, Position } from "@bank/core";
import { type ServerClient, seeds, withSeed } from "@bank/testkit";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, it } from "vitest";
import { openAccount } from "./books.test-util.ts";
import {
  listAll,
  naiveHistoryOf,
  plain,
  plainBalance,
  plainNaive,
  RandomMovements,
  reasonOf,
} from "./history-calls.test-util.ts";
import { clientOf, startFollowing, startTestBank, type TestBranches } from "./servers.test-util.ts";

const FILE = "packages/node/src/history-everywhere.test.ts";
const ROUNDS = 40;

it.each(seeds(1))(
  "is the same on the bank and on every branch, at every position and time, with seed %i",
  (seed) =>
    withSeed(seed, FILE, async (random) => {
      const bank = await startTestBank({ history: "eager" });
      const one = await startFollowing(bank.url, [1], { history: "eager" });
      const two = await startFollowing(bank.url, [2, 3]);
      const urls = [bank.url, one.url, ...two.branches.map(({ url }) => url)];
      const clients = urls.map(clientOf);
      const accounts: string[] = [];
      for (let i = 0; i < 4; i++) accounts.push(await openAccount(random.pick(clients)));
      const movements = new RandomMovements(random, accounts);
      for (let round = 0; round < ROUNDS; round++) await movements.give(random.pick(clients), 1 + random.below(12));

      const end = bank.replica.committedPosition;
      const { naive, ledger } = await naiveHistoryOf(clients[0] as ServerClient, end);
      const references = [...accounts, "cash/0/USD", "cash/1/USD", "interest/0/USD", "fees/0/USD"];
      const known = references.filter((reference) => ledger.findAccount(reference) !== undefined);
      const indexOf = (reference: string) => ledger.findAccount(reference) as AccountIndex;
      for (let position: Position = 1; position <= end; position++) {
        const account = random.pick(known);
        const index = indexOf(account);
        // A moment between two batches now and then; and the position or the time of it.
        const { timeMs } = naive.balance(index, position);
        const moment = timeMs + (random.chance(20) ? 1 : 0);
        const asked = random.chance(50) ? position : undefined;
        const asOf =
          asked === undefined
            ? { case: "time" as const, value: timestampFromMs(moment) }
            : { case: "position" as const, value: BigInt(asked) };
        const wanted = asked ?? naive.positionAt(moment);
        const balances = await Promise.all(
          clients.map(async (client) => {
            const call = client.accounts.getBalance({ account, asOf });
            if (ledger.viewAccount(index).openedPosition > wanted) return reasonOf(call);
            return plainBalance(await call);
          }),
        );
        const { posted, held, timeMs: atMs } = naive.balance(index, wanted);
        const right = { posted, held, available: posted - held, position: wanted, timeMs: atMs };
        const expected = ledger.viewAccount(index).openedPosition > wanted ? "READ_ACCOUNT_NOT_FOUND" : right;
        for (const balance of balances) expect(balance, `${account} at ${position}`).toEqual(expected);
      }
      for (const account of known) {
        const index = indexOf(account);
        for (const oldestFirst of [false, true]) {
          const pageSize = 1 + random.below(20);
          const lists = await Promise.all(clients.map((client) => listAll(client, { account, oldestFirst, pageSize })));
          const list = { account: index, upper: naive.position, oldestFirst, filter: {} };
          const expected = naive.list(list).map((entry) => plainNaive(ledger, index, entry));
          // Ticks may have been written meanwhile, but nothing that moves money.
          for (const transactions of lists) expect(transactions.map(plain)).toEqual(expected);
        }
      }
      await expectKept([bank, one, two], clients, end);
    }),
  120_000,
);

/** Every server says how far its history is, and it is no stub: it has come to the end. */
async function expectKept(
  [bank, ...branches]: readonly [Awaited<ReturnType<typeof startTestBank>>, ...TestBranches[]],
  clients: readonly ServerClient[],
  end: Position,
): Promise<void> {
  for (const client of clients) {
    const { historyPosition } = await client.status();
    expect(Number(historyPosition)).toBeGreaterThanOrEqual(end);
  }
  for (const { log } of [bank, ...branches]) expect(log.about("history")).toEqual([]);
}

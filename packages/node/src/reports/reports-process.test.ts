import { connectBank } from "@bank/client";
import { describeWithPostgres } from "@bank/store/conformance";
import type { PostgresPlace } from "@bank/store/postgres";
import { expect, it, onTestFinished } from "vitest";
import { startProcess, startTestBank } from "../servers.test-util.ts";
import { reportsPlace } from "./place.ts";
import { expectSameAsLedger, query, reached } from "./reports.test-util.ts";

const ACCOUNTS = 20;
const KILLS = Number(process.env["BANK_TEST_RUNS"] ?? 1);

/** How far tables are; 0 while there are none. */
async function positionIn(place: PostgresPlace): Promise<number> {
  const found = await query(place, "SELECT coalesce((SELECT max(position) FROM $.progress), 0)").catch(() => [["0"]]);
  return Number(found[0]?.[0]);
}

describeWithPostgres("bank-server reports follow", (server) => {
  it("goes on where the tables end when it was killed, while the bank works", async () => {
    const into = server().url("reports_killed");
    const place = reportsPlace(into);
    const bank = await startTestBank();
    const client = connectBank({ servers: [bank.url] });
    onTestFinished(() => client.close());
    for (let i = 0; i < ACCOUNTS; i++) await client.openAccount({});
    const usd = (minor: number) => ({ currency: "USD", minor: BigInt(minor) });
    let isOver = false;
    const working = Array.from({ length: 32 }, async (_, i) => {
      for (let n = i; !isOver; n++) {
        const [one, other] = [1 + (n % ACCOUNTS), 1 + ((n + 7) % ACCOUNTS)];
        await client.deposit(String(one), usd(500));
        await client.transfer(String(one), String(other), usd(1 + (n % 300)));
      }
    });
    const start = () =>
      startProcess({ app: "bank-server", args: ["reports", "follow", "--upstream", bank.url, "--into", into] });

    for (let kill = 0; kill < KILLS; kill++) {
      const process = start();
      const before = await positionIn(place);
      await reached(async () => (await positionIn(place)) > before + 200);
      await process.kill();
      expect(await positionIn(place)).toBeLessThanOrEqual(bank.replica.ledger.position);
    }
    const last = start();
    isOver = true;
    await Promise.all(working);
    const { position } = bank.replica.ledger;
    await reached(async () => (await positionIn(place)) === position);
    await expectSameAsLedger(place, bank.replica.ledger);
    const uneven = "SELECT currency FROM $.postings GROUP BY currency HAVING sum(amount_minor) <> 0";
    expect(await query(place, uneven)).toEqual([]);
    const moved = "SELECT count(*), 2 * count(*) = (SELECT count(*) FROM $.postings) FROM $.transactions";
    const [[transactions, isWhole] = []] = await query(place, moved);
    expect([Number(transactions) > 100, isWhole]).toEqual([true, "t"]);
    expect((await last.terminate()).code).toBe(0);
    // It is no copy of the journal that anybody waits for.
    expect(bank.log.lines.filter(({ level }) => level === "error")).toEqual([]);
  }, 120_000);
});

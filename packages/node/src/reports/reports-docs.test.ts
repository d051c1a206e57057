import { readFileSync } from "node:fs";
import type { AccountIndex } from "@bank/core";
import { describeWithPostgres } from "@bank/store/conformance";
import type { Row } from "@bank/store/postgres";
import { Random } from "@bank/testkit";
import { expect, it } from "vitest";
import { REPORTS_SCHEMA_DEFAULT, reportsPlace } from "./place.ts";
import { RandomBank } from "./random-bank.test-util.ts";
import { followTo, query, testReporter } from "./reports.test-util.ts";

const PAGE = readFileSync(new URL("../../../../docs/reference/reports.md", import.meta.url), "utf8");
/** The statements of the page, by the sentence above each. */
const STATEMENTS = new Map(
  [...PAGE.matchAll(/^([^\n]+):\n\n```sql\n(.*?)```/gms)].map(([, title = "", sql = ""]) => [title, sql]),
);

/** Money in every currency, some of it held. */
function hasMuchToTell({ ledger }: RandomBank): boolean {
  const views = Array.from({ length: ledger.accounts.count }, (_, i) => ledger.viewAccount(i as AccountIndex));
  const currencies = new Set(views.filter(({ posted }) => posted > 0n).map(({ currency }) => currency));
  return currencies.size === 3 && views.some(({ held }) => held > 0n);
}

describeWithPostgres("the page about reports", (server) => {
  it("has statements that run, and say what the ledger says", async () => {
    const bank = new RandomBank(new Random(11));
    for (let i = 0; i < 50 && !hasMuchToTell(bank); i++) bank.work(20);
    const place = reportsPlace(server().url(REPORTS_SCHEMA_DEFAULT));
    await followTo(testReporter(bank, place), bank.position);
    await query(place, "CREATE ROLE analyst");
    const answers = new Map<string, readonly Row[]>();
    for (const [title, sql] of STATEMENTS)
      for (const statement of sql.split(/;\s*$/m).filter((text) => text.trim() !== ""))
        answers.set(title, await query(place, statement));
    const answer = (begin: string) => {
      const found = [...answers].find(([title]) => title.startsWith(begin));
      expect(found, begin).toBeDefined();
      return found?.[1] ?? [];
    };
    expect(answers.size).toBe((PAGE.match(/```sql/g) ?? []).length);

    const { ledger } = bank;
    const { posted } = ledger.viewAccount(ledger.findAccount("1")!);
    expect(Number(answer("The statement")[0]?.[3])).toBe(Number(posted) / 100);
    const totals = answer("The trial balance").filter(([, kind]) => kind === "total");
    expect(totals.map(([currency]) => currency)).toEqual(ledger.currencies.map(({ code }) => code).sort());
    for (const [, , , debit, credit] of totals) expect(debit).toBe(credit);
    expect(totals.every(([, , , debit]) => Number(debit) > 0)).toBe(true);
    const moved = answer("Daily turnover").reduce((sum, row) => sum + Number(row[3]), 0);
    expect(await query(place, "SELECT count(*) FROM $.transactions")).toEqual([[String(moved)]]);
    for (const [account, , balance] of answer("The balances of all customers"))
      expect(ledger.viewAccount(ledger.findAccount(String(account))!).posted).toBe(BigInt(String(balance)));
    expect(answer("Money that is held").length).toBeGreaterThan(0);
    expect(answer("Why requests were rejected").length).toBeGreaterThan(0);
    expect(answer("How far").map((row) => row.slice(0, 2))).toEqual([[String(bank.position), "0"]]);
    expect(answer("Whether the tables agree")).toEqual([]);
    await query(place, "UPDATE $.balances SET posted_minor = posted_minor + 1 WHERE account_id = 0");
    const check = [...STATEMENTS].find(([title]) => title.startsWith("Whether the tables"))?.[1] ?? "";
    expect(await query(place, check.replace(/;\s*$/, ""))).toHaveLength(1);
    const right = `SELECT has_table_privilege('analyst', '${place.schema}.balances', 'SELECT')`;
    expect(await query(place, right)).toEqual([["t"]]);
  });

  it("names every table, view and column that there is", async () => {
    const place = reportsPlace(server().url("another_schema"));
    const bank = new RandomBank(new Random(1));
    await followTo(testReporter(bank, place), bank.position);
    const columns = await query(
      place,
      `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = '${place.schema}'`,
    );
    expect(columns.length).toBeGreaterThan(60);
    const tables = new Set(columns.map(([table]) => String(table)));
    tables.delete("reports_layout");
    for (const table of tables) expect(PAGE, table).toContain(`\`${table}\``);
    const described = ["accounts", "balances", "transactions", "postings", "holds", "rejections"];
    for (const [table, column] of columns)
      if (described.includes(String(table))) expect(PAGE, `${table}.${column}`).toContain(`\`${column}\``);
  });
});

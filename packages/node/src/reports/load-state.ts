import type { AccountIndex, CurrencyIndex } from "@bank/core";
import type { Connection, PostgresPlace, Row, Value } from "@bank/store/postgres";
import { DamagedReportsError } from "./errors.ts";
import { inSchema } from "./place.ts";
import { ProjectedState, type ReportsHead } from "./projected-state.ts";

/** Rows that one read gives. */
const PAGE_ROWS = 20_000;

/**
 * What is written already, as far as writing more needs it. Nobody else may write meanwhile.
 * Rejects with: `DamagedReportsError`; what `query` rejects with.
 */
export async function loadState(
  connection: Connection,
  place: PostgresPlace,
  head: ReportsHead,
): Promise<ProjectedState> {
  const state = new ProjectedState(head);
  const currencies = await connection.query({
    name: "",
    text: inSchema(place, "SELECT currency_id::text, currency FROM $.currencies ORDER BY currency_id"),
  });
  for (const [id, code] of currencies) {
    if (numberOf(id) !== state.currencies.length || typeof code !== "string")
      throw new DamagedReportsError("the tables lack a currency");
    state.currencies.push(code);
  }
  const accounts = `
    SELECT a.account_id::text, c.currency_id::text, b.posted_minor::text, b.held_minor::text, b.version::text
    FROM $.accounts a JOIN $.balances b ON b.account_id = a.account_id JOIN $.currencies c ON c.currency = a.currency
    WHERE a.account_id >= $1::int4 ORDER BY a.account_id LIMIT ${PAGE_ROWS}`;
  await inPages(connection, { name: "reports_load_accounts", text: inSchema(place, accounts) }, (row) => {
    const [account, currency, posted, held, version] = row;
    const [index, ...numbers] = [account, currency, version].map(numberOf) as [number, number, number];
    state.addAccount(index, {
      currency: numbers[0] as CurrencyIndex,
      posted: bigintOf(posted),
      held: bigintOf(held),
      version: numbers[1],
    });
    return index;
  });
  const holds = `
    SELECT position::text, account_id::text, amount_minor::text, captured_minor::text,
      (extract(epoch FROM placed_at) * 1000)::int8::text, (extract(epoch FROM expires_at) * 1000)::int8::text
    FROM $.holds WHERE state = 'open' AND position >= $1::int8 ORDER BY position LIMIT ${PAGE_ROWS}`;
  await inPages(connection, { name: "reports_load_holds", text: inSchema(place, holds) }, (row) => {
    const [position, account, held, captured, placed, expires] = row;
    const index = numberOf(account);
    state.requireAccount(index);
    state.holds.set(numberOf(position), {
      account: index as AccountIndex,
      held: bigintOf(held),
      captured: bigintOf(captured),
      placedMs: numberOf(placed),
      expiresMs: expires === null ? 0 : numberOf(expires),
    });
    return numberOf(position);
  });
  return state;
}

/** @param take gives the key of the row, from which the next page goes on. */
async function inPages(
  connection: Connection,
  statement: { readonly name: string; readonly text: string },
  take: (row: Row) => number,
): Promise<void> {
  for (let from = 0; ; ) {
    const rows = await connection.query(statement, [from]);
    for (const row of rows) from = take(row) + 1;
    if (rows.length < PAGE_ROWS) return;
  }
}

export function numberOf(value: Value): number {
  const number = typeof value === "string" ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw new DamagedReportsError("a number in the tables is none, or out of range");
  return number;
}

function bigintOf(value: Value): bigint {
  if (typeof value !== "string" || !/^-?[0-9]+$/.test(value))
    throw new DamagedReportsError("an amount in the tables is no number");
  return BigInt(value);
}

import type { Ledger } from "@bank/core";
import type { AccountRow, JournalStore } from "@bank/store";
import { rowOf } from "./account-rows.ts";
import type { Turns } from "./turns.ts";

/** What was found of the rows of accounts that a store shows beside its journal. */
export interface CheckedRows {
  readonly rows: number;
  /** undefined where they are those of the ledger. */
  readonly problem: string | undefined;
}

/** Compares the rows of accounts with the ledger at the end of the journal. Gives undefined where a store keeps none. */
export async function checkRows(store: JournalStore, ledger: Ledger, turns: Turns): Promise<CheckedRows | undefined> {
  if (store.accountsPosition === undefined || store.shownAccounts === undefined) return undefined;
  const { position } = ledger;
  const shown = await store.accountsPosition();
  if (shown !== position)
    return { rows: 0, problem: `they show position ${shown ?? "unknown"}, and the journal ends at ${position}` };
  const seen = new Uint8Array(ledger.accounts.count);
  let rows = 0;
  for await (const { number, fields } of store.shownAccounts()) {
    await turns.breathe();
    const account = ledger.findAccount(number);
    // By an alias an account is found too: what is under that name is no row of it.
    if (account === undefined || ledger.referenceOf(account) !== number)
      return { rows, problem: `there is a row of an account ${number}, and no such account` };
    const wrong = differing(fields, textsOf(rowOf(ledger, account)));
    if (wrong !== undefined)
      return { rows, problem: `the row of account ${number} has another ${wrong} than the ledger` };
    // A store that is gone through while others use it may tell of one twice.
    if (seen[account] === 0) rows++;
    seen[account] = 1;
  }
  const missing = seen.indexOf(0);
  if (missing < 0) return { rows, problem: undefined };
  return { rows, problem: `account ${ledger.referenceOf(missing as Parameters<Ledger["referenceOf"]>[0])} has no row` };
}

function textsOf({ terms, posted, held, version }: AccountRow): Readonly<Record<string, string>> {
  return { ...terms, posted: String(posted), held: String(held), version: String(version) };
}

function differing(
  found: Readonly<Record<string, string>>,
  expected: Readonly<Record<string, string>>,
): string | undefined {
  return [...new Set([...Object.keys(expected), ...Object.keys(found)])].find((name) => found[name] !== expected[name]);
}

import type { Connection, Parameter, PostgresPlace, Statement } from "@bank/store/postgres";
import { ArrayColumn } from "./array-column.ts";
import type { PendingRows } from "./pending-rows.ts";
import { inSchema } from "./place.ts";
import type { ProjectedState } from "./projected-state.ts";
import { RowSet } from "./row-set.ts";

/** One statement with its arrays, which were filled before: the state goes on while they are written. */
export interface Prepared {
  readonly statement: Statement;
  readonly values: readonly Parameter[];
}

/**
 * The statements that write rows, in the order in which they have to run; they belong into one transaction. They hold copies of
 * all that they need: rows and state may change before they have run.
 */
export function statementsFor(place: PostgresPlace, state: ProjectedState, rows: PendingRows): Prepared[] {
  const prepared: Prepared[] = [];
  const add = (name: string, text: string, values: readonly Parameter[]) => {
    prepared.push({ statement: { name: `reports_${name}`, text: inSchema(place, text) }, values });
  };
  const insert = (table: string, added: RowSet<string>, columns: string, values = columns, conflict = "") => {
    if (added.length === 0) return;
    add(
      table,
      `INSERT INTO $.${table} (${columns}) SELECT ${values} FROM ${added.source()} ${conflict}`,
      added.parameters(),
    );
  };
  insert("currencies", rows.currencies, "currency, currency_id, decimals, defined_position");
  const opened =
    "account_id, account, kind, currency, state, owner, display_name, alias, home_branch, floor_minor, ceiling_minor, " +
    "opened_position, opened_at";
  insert(
    "accounts",
    rows.accountsOpened,
    `${opened}, metadata, changed_position`,
    `${opened}, metadata::jsonb, opened_position`,
  );
  updateAccounts(rows, add);
  insert("epochs", rows.epochs, "first_position, epoch, epoch_id, began_at, loss_accepted");
  const rejected = "position, occurred_at, reason, group_item, branch, principal, request_id";
  insert("rejections", rows.rejections, `${rejected}, details`, `${rejected}, details::jsonb`);
  const holds = holdRows(rows);
  const hold =
    "position, account_id, currency, state, amount_minor, captured_minor, remaining_minor, placed_at, expires_at, changed_position";
  insert("holds", holds, hold, hold, onConflict("position", hold));
  const branches = branchRows(rows);
  insert(
    "branches",
    branches,
    "branch, name, address, state, changed_position",
    "branch, coalesce(name, ''), coalesce(address, ''), coalesce(state, 'active'), changed_position",
    // What the record did not say stays as it is; whoever changes a state was registered before.
    "ON CONFLICT (branch) DO UPDATE SET changed_position = excluded.changed_position",
  );
  if (branches.length > 0)
    add(
      "branch_terms",
      `UPDATE $.branches AS b SET name = coalesce(added.name, b.name), address = coalesce(added.address, b.address),
        state = coalesce(added.state, b.state) FROM ${branches.source()} WHERE b.branch = added.branch`,
      branches.parameters(),
    );
  if (rows.transactions.length > 0) add("move", MOVE, rows.transactions.parameters());
  if (rows.transactionDetails.length > 0)
    add(
      "details",
      `UPDATE $.transactions AS t SET reverses = added.reverses, hold = added.hold,
        interest_rate = round(added.interest_rate_millionths::numeric / 1000000, 6), interest_on_minor = added.interest_on_minor
        FROM ${rows.transactionDetails.source()} WHERE t.position = added.position`,
      rows.transactionDetails.parameters(),
    );
  if (rows.reversed.length > 0)
    add(
      "reversed",
      `UPDATE $.transactions AS t SET reversed_by = added.reversed_by
        FROM ${rows.reversed.source()} WHERE t.position = added.position`,
      rows.reversed.parameters(),
    );
  writeBalances(state, rows, add);
  return prepared;
}

type Add = (name: string, text: string, values: readonly Parameter[]) => void;

const MOVE = `
  WITH moved AS (
    SELECT * FROM unnest($1::int8[], $2::int2[], $3::timestamptz[], $4::int8[], $5::int4[], $6::int4[], $7::int4[], $8::uuid[],
      $9::int8[], $10::int4[], $11::int4[], $12::int8[], $13::int8[])
    AS moved (position, kind, occurred_at, amount, currency, branch, principal, request_id, group_position, debit, credit,
      debit_after, credit_after)
  ), booked AS (
    INSERT INTO $.transactions
      (position, kind, occurred_at, amount_minor, currency, branch, principal, request_id, group_position)
    SELECT position, ($16::text[])[kind], occurred_at, amount, ($14::text[])[currency], branch, ($15::text[])[principal],
      request_id, group_position
    FROM moved
  )
  INSERT INTO $.postings (position, line, account_id, amount_minor, balance_after_minor, currency)
  SELECT position, line, CASE line WHEN 1 THEN debit ELSE credit END, CASE line WHEN 1 THEN -amount ELSE amount END,
    CASE line WHEN 1 THEN debit_after ELSE credit_after END, ($14::text[])[currency]
  FROM moved CROSS JOIN (VALUES (1::int2), (2::int2)) AS lines (line)`;

function onConflict(key: string, columns: string): string {
  const names = columns.split(", ").filter((name) => name !== key);
  return `ON CONFLICT (${key}) DO UPDATE SET ${names.map((name) => `${name} = excluded.${name}`).join(", ")}`;
}

function updateAccounts({ accountsUpdated, statesChanged }: PendingRows, add: Add): void {
  if (accountsUpdated.size > 0) {
    const updated = new RowSet({
      account_id: "int4",
      display_name: "text",
      floor_minor: "int8",
      ceiling_minor: "int8",
      metadata: "text",
      position: "int8",
    });
    for (const [account, { displayName, floor, ceiling, metadata, position }] of accountsUpdated)
      updated.add({
        account_id: account,
        display_name: displayName,
        floor_minor: floor,
        ceiling_minor: ceiling,
        metadata,
        position,
      });
    add(
      "account_terms",
      `UPDATE $.accounts AS a SET display_name = added.display_name, floor_minor = added.floor_minor,
        ceiling_minor = added.ceiling_minor, metadata = added.metadata::jsonb,
        changed_position = greatest(a.changed_position, added.position)
        FROM ${updated.source()} WHERE a.account_id = added.account_id`,
      updated.parameters(),
    );
  }
  if (statesChanged.size === 0) return;
  const changed = new RowSet({ account_id: "int4", state: "text", position: "int8" });
  for (const [account, { state, position }] of statesChanged) changed.add({ account_id: account, state, position });
  add(
    "account_states",
    `UPDATE $.accounts AS a SET state = added.state, changed_position = greatest(a.changed_position, added.position)
      FROM ${changed.source()} WHERE a.account_id = added.account_id`,
    changed.parameters(),
  );
}

function holdRows({ holds }: PendingRows): RowSet<string> {
  const rows = new RowSet({
    position: "int8",
    account_id: "int4",
    currency: "text",
    state: "text",
    amount_minor: "int8",
    captured_minor: "int8",
    remaining_minor: "int8",
    placed_at: "timestamptz",
    expires_at: "timestamptz",
    changed_position: "int8",
  });
  for (const [position, { account, currency, state, held, captured, placedMs, expiresMs, ...changed }] of holds)
    rows.add({
      position,
      account_id: account,
      currency,
      state,
      amount_minor: held,
      captured_minor: captured,
      remaining_minor: state === "open" ? held - captured : 0n,
      placed_at: placedMs,
      expires_at: expiresMs === 0 ? undefined : expiresMs,
      changed_position: changed.position,
    });
  return rows as RowSet<string>;
}

function branchRows({ branches }: PendingRows): RowSet<string> {
  const rows = new RowSet({ branch: "int4", name: "text", address: "text", state: "text", changed_position: "int8" });
  for (const [branch, { name, address, state, position }] of branches)
    rows.add({ branch, name, address, state, changed_position: position });
  return rows as RowSet<string>;
}

/** As they are behind the last record. Those of accounts that were opened here are new rows. */
function writeBalances(state: ProjectedState, { touched }: PendingRows, add: Add): void {
  if (touched.size === 0) return;
  const ids = new ArrayColumn("int4");
  const currencies = new ArrayColumn("int4");
  const posted = new ArrayColumn("int8");
  const held = new ArrayColumn("int8");
  const versions = new ArrayColumn("int8");
  const positions = new ArrayColumn("int8");
  const codes = new ArrayColumn("text");
  for (const code of state.currencies) codes.text(code);
  // In order, so that neighbouring rows are written together.
  for (const account of [...touched.keys()].sort((a, b) => a - b)) {
    ids.int4(account);
    currencies.int4((state.currencyOf[account] as number) + 1);
    posted.int8(state.posted[account] as bigint);
    held.int8(state.held[account] as bigint);
    versions.position(state.versions[account] as number);
    positions.position(touched.get(account) as number);
  }
  const text = `
    INSERT INTO $.balances (account_id, currency, posted_minor, held_minor, version, position)
    SELECT account_id, ($7::text[])[currency], posted_minor, held_minor, version, position
    FROM unnest($1::int4[], $2::int4[], $3::int8[], $4::int8[], $5::int8[], $6::int8[])
      AS added (account_id, currency, posted_minor, held_minor, version, position)
    ON CONFLICT (account_id) DO UPDATE SET posted_minor = excluded.posted_minor, held_minor = excluded.held_minor,
      version = excluded.version, position = excluded.position`;
  add(
    "balances",
    text,
    [ids, currencies, posted, held, versions, positions, codes].map((column) => column.parameter()),
  );
}

/** Runs them one behind the other. Rejects with: what `query` rejects with. */
export async function runAll(connection: Connection, prepared: readonly Prepared[]): Promise<void> {
  for (const { statement, values } of prepared) await connection.query(statement, values);
}

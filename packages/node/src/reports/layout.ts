import { VIEWS } from "./layout-views.ts";

/**
 * Each entry is what leads from the layout before it to the next, and is never changed once it was released. `$` stands for the
 * schema. There are no foreign keys: a projection writes what a ledger has checked, and looking each of them up would double the work.
 */
export const MIGRATIONS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE $.progress (
      id int2 PRIMARY KEY CHECK (id = 1),
      bank_id text,
      position int8 NOT NULL,
      chain_hash text NOT NULL,
      epoch int8 NOT NULL,
      epoch_id text NOT NULL,
      journal_time timestamptz,
      journal_position int8 NOT NULL,
      written_at timestamptz NOT NULL,
      writer uuid NOT NULL
    )`,
    `CREATE TABLE $.currencies (
      currency text PRIMARY KEY,
      currency_id int2 NOT NULL UNIQUE,
      decimals int2 NOT NULL,
      defined_position int8 NOT NULL
    )`,
    `CREATE TABLE $.accounts (
      account_id int4 PRIMARY KEY,
      account text NOT NULL UNIQUE,
      kind text NOT NULL,
      currency text NOT NULL,
      state text NOT NULL,
      owner text NOT NULL,
      display_name text NOT NULL,
      alias text,
      home_branch int4 NOT NULL,
      floor_minor int8,
      ceiling_minor int8,
      metadata jsonb NOT NULL,
      opened_position int8 NOT NULL,
      opened_at timestamptz NOT NULL,
      changed_position int8 NOT NULL
    )`,
    "CREATE INDEX accounts_owner ON $.accounts (owner)",
    `CREATE TABLE $.balances (
      account_id int4 PRIMARY KEY,
      currency text NOT NULL,
      posted_minor int8 NOT NULL,
      held_minor int8 NOT NULL,
      available_minor int8 NOT NULL GENERATED ALWAYS AS (posted_minor - held_minor) STORED,
      version int8 NOT NULL,
      position int8 NOT NULL
    )`,
    `CREATE TABLE $.transactions (
      position int8 PRIMARY KEY,
      kind text NOT NULL,
      occurred_at timestamptz NOT NULL,
      amount_minor int8 NOT NULL,
      currency text NOT NULL,
      branch int4 NOT NULL,
      principal text NOT NULL,
      request_id uuid,
      group_position int8,
      reverses int8,
      reversed_by int8,
      hold int8,
      interest_rate numeric,
      interest_on_minor int8
    )`,
    "CREATE INDEX transactions_occurred_at ON $.transactions (occurred_at)",
    `CREATE TABLE $.postings (
      position int8 NOT NULL,
      line int2 NOT NULL,
      account_id int4 NOT NULL,
      amount_minor int8 NOT NULL,
      balance_after_minor int8 NOT NULL,
      currency text NOT NULL,
      direction text NOT NULL GENERATED ALWAYS AS (CASE WHEN amount_minor < 0 THEN 'debit' ELSE 'credit' END) STORED,
      PRIMARY KEY (position, line)
    )`,
    "CREATE INDEX postings_account ON $.postings (account_id, position)",
    `CREATE TABLE $.holds (
      position int8 PRIMARY KEY,
      account_id int4 NOT NULL,
      currency text NOT NULL,
      state text NOT NULL,
      amount_minor int8 NOT NULL,
      captured_minor int8 NOT NULL,
      remaining_minor int8 NOT NULL,
      placed_at timestamptz NOT NULL,
      expires_at timestamptz,
      changed_position int8 NOT NULL
    )`,
    "CREATE INDEX holds_account ON $.holds (account_id)",
    "CREATE INDEX holds_state ON $.holds (state, position)",
    `CREATE TABLE $.rejections (
      position int8 PRIMARY KEY,
      occurred_at timestamptz NOT NULL,
      reason text NOT NULL,
      details jsonb NOT NULL,
      group_item int4,
      branch int4 NOT NULL,
      principal text NOT NULL,
      request_id uuid
    )`,
    "CREATE INDEX rejections_occurred_at ON $.rejections (occurred_at)",
    `CREATE TABLE $.branches (
      branch int4 PRIMARY KEY,
      name text NOT NULL,
      address text NOT NULL,
      state text NOT NULL,
      changed_position int8 NOT NULL
    )`,
    `CREATE TABLE $.epochs (
      first_position int8 PRIMARY KEY,
      epoch int8 NOT NULL,
      epoch_id text NOT NULL,
      began_at timestamptz NOT NULL,
      loss_accepted boolean NOT NULL
    )`,
    ...VIEWS,
  ],
  ["ALTER TABLE $.progress ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now()"],
];

/** What is emptied for a rebuild. */
export const TABLES = [
  "progress",
  "currencies",
  "accounts",
  "balances",
  "transactions",
  "postings",
  "holds",
  "rejections",
  "branches",
  "epochs",
] as const;

/** For whoever looks at the tables with a tool. Not every server takes them. */
export const COMMENTS: readonly string[] = [
  "TABLE $.progress IS 'One row: up to which position of the journal the tables go. Written in the same transaction as they.'",
  "COLUMN $.progress.chain_hash IS 'The proof: bank-server store verify prints the same for this position.'",
  "COLUMN $.progress.journal_position IS 'How far the journal was known to be committed at seen_at.'",
  "COLUMN $.progress.seen_at IS 'When the writer last said that it follows the journal: every few seconds.'",
  "COLUMN $.progress.writer IS 'Which process writes. Another one replaces it, and the one before is refused from then on.'",
  "TABLE $.currencies IS 'Currencies in the order of their first use. 10 ^ decimals minor units are one of the currency.'",
  "TABLE $.accounts IS 'Accounts of customers (savings, checking) and of the bank itself (cash, interest, fees).'",
  "COLUMN $.accounts.account_id IS 'Number within these tables, from 0 in the order of opening. Never changes.'",
  "COLUMN $.accounts.account IS 'What people call it: 17, or cash/1/USD.'",
  "COLUMN $.accounts.floor_minor IS 'posted - held never goes below this; negative for an overdraft, NULL for no floor.'",
  "COLUMN $.accounts.ceiling_minor IS 'posted never goes above this; NULL for no ceiling.'",
  "TABLE $.balances IS 'One row for each account, as of the position in progress. In minor units: cents.'",
  "COLUMN $.balances.posted_minor IS 'Credits less debits: the sum of the postings of the account.'",
  "COLUMN $.balances.held_minor IS 'What open holds keep back.'",
  "COLUMN $.balances.version IS 'Counts the changes of the account.'",
  "COLUMN $.balances.position IS 'The last change of the balance, or of what is held.'",
  "TABLE $.transactions IS 'What moved money. Each has two postings, of the same amount.'",
  "COLUMN $.transactions.occurred_at IS 'Journal time: never runs backwards, to the millisecond.'",
  "COLUMN $.transactions.request_id IS 'Of the request that asked for it, or for the group it is in. NULL where nobody did.'",
  "COLUMN $.transactions.group_position IS 'The record of the group that it was carried out with; NULL for none.'",
  "COLUMN $.transactions.reverses IS 'Position of the transaction whose money this took back.'",
  "COLUMN $.transactions.reversed_by IS 'Position of the transaction that took the money of this one back.'",
  "COLUMN $.transactions.hold IS 'Position of the hold that it was captured from.'",
  "COLUMN $.transactions.interest_rate IS 'Percent.'",
  "COLUMN $.transactions.interest_on_minor IS 'The balance that interest_rate is a percentage of.'",
  "TABLE $.postings IS 'Line 1 of each transaction is the account that paid, line 2 the one that received.'",
  "COLUMN $.postings.amount_minor IS 'Negative for a debit. All postings of a currency add up to zero.'",
  "COLUMN $.postings.balance_after_minor IS 'The posted balance of the account behind this transaction.'",
  "TABLE $.holds IS 'Money that was kept back for a later capture. The position is that of the placing.'",
  "TABLE $.rejections IS 'Requests that were decided against. They moved nothing.'",
  "TABLE $.epochs IS 'Each start or take-over of the bank begins one.'",
];

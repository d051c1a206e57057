/** Minor units as units of the currency, with as many decimals as it has. Exact. */
function major(minor: string): string {
  return `round(${minor}::numeric / 10::numeric ^ c.decimals, c.decimals)`;
}

/** The views of layout 1: the same in units of the currency, and under the names that people know. `$` stands for the schema. */
export const VIEWS: readonly string[] = [
  `CREATE VIEW $.account_balances AS
    SELECT a.account, a.kind, a.state, a.owner, a.display_name, a.home_branch, b.currency,
      ${major("b.posted_minor")} AS posted, ${major("b.held_minor")} AS held, ${major("b.available_minor")} AS available,
      b.version, b.position
    FROM $.balances b JOIN $.accounts a ON a.account_id = b.account_id JOIN $.currencies c ON c.currency = b.currency`,
  `CREATE VIEW $.statement_lines AS
    SELECT a.account, p.position, p.line, t.occurred_at, t.kind, ${major("p.amount_minor")} AS amount, p.currency,
      ${major("p.balance_after_minor")} AS balance_after, o.account AS counterparty, t.branch, t.request_id,
      t.reverses, t.reversed_by, t.hold
    FROM $.postings p JOIN $.accounts a ON a.account_id = p.account_id
      JOIN $.transactions t ON t.position = p.position
      JOIN $.postings q ON q.position = p.position AND q.line = 3 - p.line
      JOIN $.accounts o ON o.account_id = q.account_id
      JOIN $.currencies c ON c.currency = p.currency`,
  `CREATE VIEW $.trial_balance AS
    SELECT b.currency, a.kind, count(*) AS accounts,
      ${major("sum(CASE WHEN b.posted_minor < 0 THEN -b.posted_minor::numeric ELSE 0 END)")} AS debit,
      ${major("sum(CASE WHEN b.posted_minor > 0 THEN b.posted_minor::numeric ELSE 0 END)")} AS credit
    FROM $.balances b JOIN $.accounts a ON a.account_id = b.account_id JOIN $.currencies c ON c.currency = b.currency
    GROUP BY b.currency, a.kind, c.decimals`,
  `CREATE VIEW $.daily_turnover AS
    SELECT (t.occurred_at AT TIME ZONE 'UTC')::date AS day, t.currency, t.kind, count(*) AS transactions,
      ${major("sum(t.amount_minor)")} AS turnover
    FROM $.transactions t JOIN $.currencies c ON c.currency = t.currency
    GROUP BY 1, t.currency, t.kind, c.decimals`,
];

import type { Findings } from "../findings.ts";
import type { ReadOperation } from "../history.ts";
import type { NaiveModel } from "./naive-model.ts";

/** Holds a read against the model as it stands at the read's position. */
export function checkRead(read: ReadOperation, model: NaiveModel, findings: Findings): void {
  const { accounts, outcome } = read;
  if (outcome.status !== "ok") return;
  const { balances, position } = outcome;
  let wrong: { account: string; shown: bigint | undefined; true: bigint | undefined } | undefined;
  for (const [n, account] of accounts.entries()) {
    const truth = model.balanceOf(account);
    if (truth !== balances[n]) wrong ??= { account, shown: balances[n], true: truth };
  }
  if (wrong === undefined) return;
  const { account, shown, true: truth } = wrong;
  const say = truth === undefined ? "does not exist" : `holds ${truth}`;
  findings.add(
    "read-as-of-position",
    () => `at position ${position} account ${account} ${say}, and the read shows ${shown}`,
    [read],
  );
  if (read.kind === "total") checkTotal(read, balances, model, findings);
}

/** Several balances that add up to something else than they should tell of money that was made or lost on the way. */
function checkTotal(read: ReadOperation, balances: readonly bigint[], model: NaiveModel, findings: Findings): void {
  const missing = new Map<string, bigint>();
  for (const [n, account] of read.accounts.entries()) {
    const currency = model.currencyOf(account) ?? "?";
    const difference = (balances[n] ?? 0n) - (model.balanceOf(account) ?? 0n);
    missing.set(currency, (missing.get(currency) ?? 0n) + difference);
  }
  for (const [currency, difference] of missing)
    if (difference !== 0n)
      findings.add("constant-total", () => `a read of several accounts is ${difference} off in ${currency}`, [read]);
}

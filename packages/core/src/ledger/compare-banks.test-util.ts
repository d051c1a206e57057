import { AccountState, AccountType } from "../account.ts";
import { HoldState, remainingOf } from "../hold.ts";
import type { AccountIndex } from "../identifiers.ts";
import type { LedgerRecord } from "../record.ts";
import { apply, beginBatch } from "./apply.ts";
import type { BranchEntry } from "./entries.ts";
import type { Ledger } from "./ledger.ts";
import { type Batch, BRANCH_STATES } from "./ledger-bank.test-util.ts";
import type { NaiveAccount, NaiveBooks, NaiveChange } from "./naive-books.test-util.ts";
import { sortedJson } from "./told.test-util.ts";

const STATES = { open: AccountState.OPEN, frozen: AccountState.FROZEN, closed: AccountState.CLOSED } as const;
const HOLD_STATES = {
  open: HoldState.OPEN,
  captured: HoldState.CAPTURED,
  released: HoldState.RELEASED,
  expired: HoldState.EXPIRED,
} as const;
const TYPES = {
  savings: AccountType.SAVINGS,
  checking: AccountType.CHECKING,
  cash: AccountType.CASH,
  interest: AccountType.INTEREST,
  fees: AccountType.FEES,
} as const;

/** Throws: with what is not as it should be. */
function demand(holds: boolean, what: () => string): void {
  if (!holds) throw new Error(what());
}

/**
 * Throws unless balances, what is held, versions and states are the twin's, of every account, and the rules hold that
 * no balance may ever break; of the accounts that changed, also everything else.
 */
export function compareStep(ledger: Ledger, books: NaiveBooks, changesFrom: number): void {
  demand(ledger.position === books.position, () => `at position ${ledger.position}, the twin at ${books.position}`);
  compareBalances(ledger, [...books.accounts.values()]);
  checkRules(ledger);
  const changed = new Set(books.history.slice(changesFrom).map(({ account }) => account.name));
  for (const name of changed) {
    const index = ledger.findAccount(name);
    if (index === undefined) throw new Error(`there is no account ${name}`);
    compareAccount(ledger, index, books.account(name));
  }
}

/** Throws unless the twin has nothing else than the ledger: accounts, names, holds, reversals, branches, currencies. */
export function compareEverything(ledger: Ledger, books: NaiveBooks): void {
  for (const [index, account] of [...books.accounts.values()].entries())
    compareAccount(ledger, index as AccountIndex, account);
  for (const [alias, number] of books.aliases)
    demand(ledger.findCustomerAccount(alias) === ledger.findAccount(number), () => `alias ${alias} is not ${number}`);
  demand(
    ledger.holds.count === books.holds.size,
    () => `${ledger.holds.count} holds, the twin has ${books.holds.size}`,
  );
  for (let index = 0; index < ledger.holds.count; index++) {
    const view = ledger.holds.viewAt(index);
    const hold = books.holds.get(view.hold);
    const left = hold?.state === "open" ? hold.amount - hold.captured : 0n;
    demand(remainingOf(view) === left, () => `hold ${view.hold} has ${remainingOf(view)} left, the twin's ${left}`);
    const expected = hold && {
      hold: hold.position,
      account: ledger.findAccount(hold.account),
      held: hold.amount,
      captured: hold.captured,
      expiresMs: hold.expiresMs,
      state: HOLD_STATES[hold.state],
    };
    demand(
      sortedJson(view) === sortedJson(expected),
      () => `hold ${sortedJson(view)}, the twin's ${sortedJson(expected)}`,
    );
  }
  const open = [...books.openHolds.values()].map(({ expiresMs }) => expiresMs).filter((expiresMs) => expiresMs !== 0);
  const next = open.length === 0 ? undefined : Math.min(...open);
  demand(ledger.nextExpiryMs() === next, () => `the next hold ends at ${ledger.nextExpiryMs()}, the twin's at ${next}`);
  const reversed = [...books.transactions.values()].filter(({ reversedBy }) => reversedBy !== undefined);
  demand(ledger.reversals.size === reversed.length, () => `${ledger.reversals.size} of ${reversed.length} reversals`);
  for (const { position, reversedBy } of reversed)
    demand(ledger.reversalOf(position) === reversedBy, () => `${position} is not reversed by ${reversedBy}`);
  const branches = [...books.branches].sort(([a], [b]) => a - b);
  const known = ledger.branchNumbers().map((number) => {
    const { name, address, state } = ledger.branches.get(number) as BranchEntry;
    return [number, { name, address, state: BRANCH_STATES[state] }];
  });
  demand(sortedJson(known) === sortedJson(branches), () => `branches ${sortedJson(known)}`);
  const durability = books.durability.get("it") ?? { copies: 0, members: [], position: 0 };
  demand(sortedJson(ledger.durability) === sortedJson(durability), () => `durable ${sortedJson(ledger.durability)}`);
  const currencies = ledger.currencies.map(({ code }) => code);
  demand(sortedJson(currencies) === sortedJson([...books.currencies]), () => `currencies ${currencies}`);
}

/**
 * Applies a whole journal to an empty ledger, and throws unless at every position on the way the balances are those
 * that the twin remembers of it.
 *
 * @param onRecord is told of each record that was applied.
 */
export function replayAndCompare(
  ledger: Ledger,
  batches: Iterable<Batch>,
  history: readonly NaiveChange[],
  onRecord: (record: LedgerRecord) => void = () => undefined,
): void {
  const accounts = new Map<string, NaiveAccount>();
  let next = 0;
  for (const { records, timeMs } of batches) {
    beginBatch(ledger, timeMs);
    for (const record of records) {
      apply(ledger, record);
      for (; history[next]?.position === ledger.position; next++) {
        const { account } = history[next] as NaiveChange;
        accounts.set(account.name, account);
      }
      compareBalances(ledger, [...accounts.values()]);
      onRecord(record);
    }
    ledger.forgetUndo(ledger.position);
  }
  demand(next === history.length, () => "the twin remembers changes that are not in the journal");
}

/** Every account as it was right after the record at a position, in the order of opening. */
export function balancesOf(history: readonly NaiveChange[], position: number): readonly NaiveAccount[] {
  const accounts = new Map<string, NaiveAccount>();
  for (const change of history) if (change.position <= position) accounts.set(change.account.name, change.account);
  return [...accounts.values()];
}

/** Throws unless each account has the balance, what is held, the version and the state that the twin's has. */
export function compareBalances(ledger: Ledger, accounts: readonly NaiveAccount[]): void {
  const { count, held, posted, states, versions } = ledger.accounts;
  demand(count === accounts.length, () => `${count} accounts, the twin has ${accounts.length}`);
  for (let index = 0; index < count; index++) {
    const account = accounts[index] as NaiveAccount;
    if (
      posted[index] !== account.posted ||
      held[index] !== account.held ||
      versions[index] !== account.version ||
      states[index] !== STATES[account.state]
    )
      throw new Error(
        `account ${account.name} has ${posted[index]}, held ${held[index]}, version ${versions[index]}, state ` +
          `${states[index]}; the twin's ${sortedJson(account)}`,
      );
  }
}

/** Double entry; floors and ceilings; what is held is what open holds keep back. Read in the ledger alone. */
function checkRules(ledger: Ledger): void {
  const { accounts } = ledger;
  const sums = ledger.currencies.map(() => 0n);
  for (let index = 0; index < accounts.count; index++) {
    const posted = accounts.posted[index] as bigint;
    const held = accounts.held[index] as bigint;
    sums[accounts.currencies[index] as number] = (sums[accounts.currencies[index] as number] as bigint) + posted;
    if (!ledger.isCustomerAccount(index as AccountIndex)) continue;
    // The floor rises only to what there is: so not even a rise leaves a balance below it.
    if (posted - held < (accounts.floors[index] as bigint)) throw new Error(`account ${index} is below its floor`);
    if (posted > (accounts.ceilings[index] as bigint)) throw new Error(`account ${index} is above its ceiling`);
    if (held < 0n) throw new Error(`account ${index} holds back less than nothing`);
  }
  for (const [currency, sum] of sums.entries())
    if (sum !== 0n) throw new Error(`${ledger.currencies[currency]?.code} adds up to ${sum}`);
}

function compareAccount(ledger: Ledger, index: AccountIndex, account: NaiveAccount): void {
  const view = ledger.viewAccount(index);
  const expected = {
    reference: account.name,
    alias: account.alias,
    state: STATES[account.state],
    type: TYPES[account.type],
    owner: account.owner,
    displayName: account.displayName,
    metadata: account.metadata,
    currency: account.currency,
    homeBranch: account.branch,
    posted: account.posted,
    held: account.held,
    ceiling: account.ceiling,
    version: account.version,
  };
  const { index: _, number, currencyIndex, decimals, floor, openedPosition, openedTimeMs, ...seen } = view;
  demand(
    sortedJson(seen) === sortedJson(expected),
    () => `account ${sortedJson(seen)}, the twin's ${sortedJson(expected)}`,
  );
  demand(account.floor === undefined || floor === account.floor, () => `account ${account.name} has floor ${floor}`);
  let held = 0n;
  for (const position of ledger.openHoldsOf(index)) {
    const hold = ledger.viewHold(position);
    if (hold?.account !== index || hold.state !== HoldState.OPEN) throw new Error(`hold ${position} is not open there`);
    demand(hold.captured >= 0n && hold.captured < hold.held, () => `hold ${position} is captured beyond itself`);
    held += remainingOf(hold);
  }
  demand(held === view.held, () => `account ${account.name} holds ${view.held} back, and its open holds ${held}`);
}

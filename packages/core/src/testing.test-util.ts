/**
 * `@bank/core/testing`: the ledger in step with its naive twin, for the tests of packages that keep, move or replay what
 * the ledger decides. It is there in the sources only; nothing of it is built or published.
 */

export { balancesOf, compareBalances, replayAndCompare } from "./ledger/compare-banks.test-util.ts";
export { epochBegun, stateRoot } from "./ledger/ledger.test-util.ts";
export { formatLevelRaised, lineOf } from "./ledger/ledger-bank.test-util.ts";
export { checkSums, observe } from "./ledger/observe.test-util.ts";
export { CURRENCIES, RandomRequests } from "./ledger/random-requests.test-util.ts";
export { toldAt } from "./ledger/told.test-util.ts";
export { Twins } from "./ledger/twins.test-util.ts";
export { Random, SEED } from "./random.test-util.ts";

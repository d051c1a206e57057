import { AccountState, type AccountType, type Command, type Ledger } from "@bank/core";
import { openAccount, type Random, randomId, request } from "@bank/testkit";
import type { BankReplica } from "./bank-replica.ts";
import { freeze } from "./commands.test-util.ts";
import { RandomRequests } from "./random-requests.test-util.ts";

/** Requests of every kind that touches an account, some at once, so that they share batches. */
export async function liveRandomly(bank: BankReplica, random: Random, steps: number): Promise<void> {
  const requests = new RandomRequests(random);
  for (let step = 0; step < steps; step++) {
    const made = Array.from({ length: 1 + random.below(4) }, () =>
      random.chance(25) ? request(randomId(random), rare(random)) : requests.next(bank.ledger),
    );
    const outcomes = await Promise.all(made.map((one) => bank.submit([one])));
    for (const [outcome] of outcomes) if (outcome?.kind === "answered") requests.told(outcome);
  }
}

/** What rows have to say, told by the ledger alone. */
export function rowsByLedger(ledger: Ledger): ReadonlyMap<string, Record<string, string>> {
  const rows = new Map<string, Record<string, string>>();
  const types: Readonly<Record<AccountType, string>> = {
    1: "savings",
    2: "checking",
    3: "cash",
    4: "interest",
    5: "fees",
  };
  for (let index = 0; index < ledger.accounts.count; index++) {
    const view = ledger.viewAccount(index as Parameters<Ledger["viewAccount"]>[0]);
    rows.set(view.reference, {
      type: types[view.type],
      status: view.state === AccountState.OPEN ? "open" : view.state === AccountState.FROZEN ? "frozen" : "closed",
      currency: view.currency,
      decimals: `${view.decimals}`,
      owner: view.owner,
      name: view.displayName,
      alias: view.alias,
      branch: `${view.homeBranch}`,
      floor: `${view.floor}`,
      ceiling: `${view.ceiling ?? ""}`,
      metadata: JSON.stringify(view.metadata),
      opened: new Date(view.openedTimeMs).toISOString(),
      posted: `${view.posted}`,
      held: `${view.held}`,
      version: `${view.version}`,
    });
  }
  return rows;
}

/** What `RandomRequests` does not ask for. */
function rare(random: Random): Command {
  const account = String(1 + random.below(5));
  const commands: readonly Command[] = [
    freeze(account),
    { kind: "unfreezeAccount", account, expectedVersion: undefined },
    { kind: "closeAccount", account, expectedVersion: undefined },
    { kind: "applyInterest", account, rate: 1_000_000 + random.below(9_000_000) },
    {
      kind: "updateAccount",
      account,
      displayName: `name ${random.below(9)}`,
      ceiling: random.chance(50) ? null : 900n,
    },
    { kind: "updateAccount", account, metadata: { "a key": `☃ ${random.below(9)}` } },
    {
      ...openAccount("Zoë"),
      ...{ alias: `alias-${random.below(5)}`, floor: -50n, ceiling: 5_000n, metadata: { x: "1" } },
    },
  ];
  return random.pick(commands);
}

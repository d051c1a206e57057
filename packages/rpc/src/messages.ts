import {
  type AccountIndex,
  type AccountView,
  assert,
  type DurabilityEntry,
  type HoldView,
  type Ledger,
  type Metadata,
  remainingOf,
} from "@bank/core";
import {
  type Account,
  AccountSchema,
  type Durability,
  DurabilitySchema,
  type Hold,
  HoldSchema,
  type Money,
} from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { timestampMessage } from "./time.ts";

/** An account as the API shows it. */
export function accountMessage(view: AccountView): Account {
  const { currency, posted, held, floor, ceiling } = view;
  return create(AccountSchema, {
    number: view.reference,
    type: view.type,
    owner: view.owner,
    displayName: view.displayName,
    currencyCode: currency,
    homeBranch: view.homeBranch,
    posted: moneyMessage(currency, posted),
    version: BigInt(view.version),
    openedAt: timestampMessage(view.openedTimeMs),
    openedPosition: BigInt(view.openedPosition),
    alias: view.alias,
    state: view.state,
    metadata: metadataMessage(view.metadata),
    held: moneyMessage(currency, held),
    available: moneyMessage(currency, posted - held),
    floor: moneyMessage(currency, floor),
    ...(ceiling === undefined ? {} : { ceiling: moneyMessage(currency, ceiling) }),
  });
}

/** A hold as the API shows it. */
export function holdMessage(ledger: Ledger, view: HoldView): Hold {
  const currency = currencyOf(ledger, view.account);
  return create(HoldSchema, {
    hold: BigInt(view.hold),
    account: ledger.referenceOf(view.account),
    amount: moneyMessage(currency, view.held),
    captured: moneyMessage(currency, view.captured),
    remaining: moneyMessage(currency, remainingOf(view)),
    state: view.state,
    ...(view.expiresMs === 0 ? {} : { expiresAt: timestampMessage(view.expiresMs) }),
  });
}

/** In one order, whichever way it came here: equal answers have equal bytes. */
export function metadataMessage(metadata: Metadata): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Code of an account's currency. */
export function currencyOf(ledger: Ledger, account: AccountIndex): string {
  return currencyCode(ledger, ledger.accounts.currencies[account] as number);
}

export function currencyCode(ledger: Ledger, index: number): string {
  const entry = ledger.currencies[index];
  assert(entry !== undefined, `currency ${index} is defined`);
  return entry.code;
}

// Literals where messages come in great numbers: `create` takes ten times as long, and gives the same.
export function moneyMessage(currency: string, minor: bigint): Money {
  return { $typeName: "bank.v1.Money", currencyCode: currency, amountMinor: minor };
}

/** What a write must reach before it counts as committed. */
export function durabilityMessage({ copies, members, position }: DurabilityEntry): Durability {
  const branches = members.map(({ branch }) => branch);
  return create(DurabilitySchema, { copies, branches, position: BigInt(position) });
}

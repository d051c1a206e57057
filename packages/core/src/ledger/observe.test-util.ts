import { AccountState, AccountType, internalAccountName, isCustomerType } from "../account.ts";
import { BranchState } from "../branch.ts";
import type { AccountIndex, CurrencyIndex } from "../identifiers.ts";
import { bytesEqual, toHex } from "../identifiers.ts";
import { AMOUNT_MAX } from "../limits.ts";
import { IS_SPECIAL } from "./account-table.ts";
import { totals } from "./apply.ts";
import type { Ledger } from "./ledger.ts";
import type { RequestEntry } from "./request-table.ts";
import { TermHasher } from "./term-hasher.ts";

/** What is asked of a ledger in `observe`, whether it is there or not. */
export interface Probes {
  readonly currencies: readonly string[];
  readonly branches: readonly number[];
  readonly accountsUpTo: number;
}

const NO_PROBES: Probes = { currencies: [], branches: [], accountsUpTo: 0 };

/** The bank's own accounts. */
const INTERNAL = [AccountType.CASH, AccountType.INTEREST, AccountType.FEES] as const;

/** Everything that can be seen of a ledger, in an order that does not depend on how it came about. */
export function observe(ledger: Ledger, probes: Probes = NO_PROBES): unknown {
  const accounts = Array.from({ length: ledger.accounts.count }, (_, index) => seen(ledger, index as AccountIndex));
  const holds = Array.from({ length: ledger.holds.count }, (_, index) => {
    const view = ledger.holds.viewAt(index);
    return { ...view, found: ledger.viewHold(view.hold) };
  });
  const requests: (RequestEntry & { found: number; cancelled: boolean })[] = [];
  for (let entry = 0; entry < ledger.requests.count; entry++) {
    const view = ledger.requests.entryAt(entry);
    const found = ledger.findRequest(ledger.principals[view.principal] as string, view.id);
    requests.push({ ...view, found, cancelled: ledger.requests.isCancelled(entry) });
  }
  const internal = INTERNAL.flatMap((type) => probes.branches.map((number) => ({ type, number })));
  const names = internal.flatMap(({ type, number }) =>
    probes.currencies.map((code) => internalAccountName(type, number, code)),
  );
  const numbers = Array.from({ length: probes.accountsUpTo }, (_, i) => String(i + 1));
  return {
    position: ledger.position,
    timeMs: ledger.timeMs,
    nextAccountNumber: ledger.nextAccountNumber,
    formatLevel: ledger.formatLevel,
    digest: toHex(ledger.digestBytes()),
    root: ledger.root && { position: ledger.root.position, root: toHex(ledger.root.root) },
    accounts,
    holds,
    nextExpiryMs: ledger.nextExpiryMs(),
    // A map keeps the order in which it was filled, and a snapshot has another.
    reversals: [...ledger.reversals].sort(([a], [b]) => a - b),
    requests,
    currencies: ledger.currencies.map((entry) => ({ ...entry, found: ledger.currencyIndex(entry.code) })),
    branches: ledger.branchNumbers().map((number) => [number, { ...ledger.branches.get(number) }]),
    durability: ledger.durability,
    epochs: ledger.epochs.map(({ promotedFrom, ...entry }) => ({
      ...entry,
      id: toHex(entry.id),
      promotedFrom: promotedFrom && toHex(promotedFrom),
    })),
    principals: [...ledger.principals],
    totals: [...totals(ledger)],
    probed: {
      accounts: [...numbers, ...names].map((reference) => ledger.findAccount(reference)),
      currencies: probes.currencies.map((code) => ledger.currencyIndex(code)),
      internal: internal.map(({ type, number }) =>
        probes.currencies.map((_, currency) => ledger.findInternalAccount(type, number, currency as CurrencyIndex)),
      ),
      branches: probes.branches.map((number) => [
        ledger.hasBranch(number),
        ledger.isRetired(number),
        ledger.isCounted(number),
      ]),
    },
  };
}

function seen(ledger: Ledger, index: AccountIndex): unknown {
  const view = ledger.viewAccount(index);
  const { alias, currencyIndex, homeBranch, reference, type } = view;
  return {
    ...view,
    byReference: ledger.findAccount(reference),
    ofCustomer: ledger.findCustomerAccount(reference),
    byAlias: alias === "" ? undefined : ledger.findCustomerAccount(alias),
    internal: isCustomerType(type) ? undefined : ledger.findInternalAccount(type, homeBranch, currencyIndex),
    openHolds: ledger.openHoldsOf(index),
  };
}

/**
 * The digest of a ledger made anew from its contents: the words of every entry, written down a second time as the
 * format has them, and added up as whole numbers.
 */
export function recomputeDigest(ledger: Ledger): Uint8Array {
  const sums = [0n, 0n, 0n, 0n] as [bigint, bigint, bigint, bigint];
  const add = (term: TermHasher) => {
    const { a, b, c, d } = term.finish();
    for (const [lane, value] of [a, b, c, d].entries()) sums[lane as 0 | 1 | 2 | 3] += BigInt(value);
  };
  const term = (kind: number) => new TermHasher().begin(kind);

  for (let index = 0; index < ledger.accounts.count; index++) {
    const view = ledger.viewAccount(index as AccountIndex);
    const fixed = term(1).word(index).word(view.type).word(view.currencyIndex).word(view.homeBranch);
    fixed.integer(view.number).int64(view.floor).integer(view.openedPosition).integer(view.openedTimeMs);
    const name = view.number === 0 ? view.reference : "";
    add(fixed.text(name).text(view.owner).text(view.displayName));
    add(term(2).word(index).int64(view.posted).integer(view.version));
    // What came later is in the digest only where it is used.
    const entries = Object.entries(view.metadata).sort(([a], [b]) => (a < b ? -1 : 1));
    const isPlain = view.state === AccountState.OPEN && view.ceiling === undefined && view.alias === "";
    if (!isPlain || entries.length > 0) {
      const extras = term(9)
        .word(index)
        .word(view.state)
        .int64(view.ceiling ?? AMOUNT_MAX)
        .text(view.alias);
      extras.word(entries.length);
      for (const [key, value] of entries) extras.text(key).text(value);
      add(extras);
    }
    if (view.held !== 0n) add(term(10).word(index).int64(view.held));
  }
  for (let index = 0; index < ledger.holds.count; index++) {
    const { hold, account, held, captured, expiresMs, state } = ledger.holds.viewAt(index);
    add(term(11).integer(hold).word(account).int64(held).int64(captured).integer(expiresMs).word(state));
  }
  for (const [original, reversal] of ledger.reversals) add(term(12).integer(original).integer(reversal));
  for (let entry = 0; entry < ledger.requests.count; entry++) {
    const { principal, id, position, hashLow, hashHigh } = ledger.requests.entryAt(entry);
    add(term(3).word(principal).bytes(id).integer(position).word(hashLow).word(hashHigh));
  }
  for (const [index, name] of ledger.principals.entries()) add(term(4).word(index).text(name));
  for (const [index, entry] of ledger.currencies.entries())
    add(term(5).word(index).text(entry.code).word(entry.decimals));
  for (const [number, entry] of ledger.branches) {
    add(term(6).word(number).text(entry.name).text(entry.address));
    if (entry.state !== BranchState.ACTIVE) add(term(13).word(number).word(entry.state));
  }
  const { copies, members, position } = ledger.durability;
  if (position > 0) {
    const durability = term(14).word(copies).word(members.length);
    for (const { branch, copyId } of members) durability.word(branch).bytes(copyId);
    add(durability.integer(position));
  }
  for (const entry of ledger.epochs) {
    const epoch = term(7).integer(entry.number).bytes(entry.id).integer(entry.firstPosition);
    add(epoch.word(entry.lossAccepted ? 1 : 0));
    if (entry.promotedFrom !== undefined) add(term(15).integer(entry.number).bytes(entry.promotedFrom));
  }
  const counters = term(8).integer(ledger.position).integer(ledger.timeMs).integer(ledger.nextAccountNumber);
  counters.integer(ledger.root?.position ?? 0);
  if (ledger.root !== undefined) counters.bytes(ledger.root.root);
  if (ledger.formatLevel > 1) counters.word(ledger.formatLevel);
  add(counters);

  return new Uint8Array(Uint32Array.from(sums, (sum) => Number(BigInt.asUintN(32, sum))).buffer);
}

/** Throws unless the digest is the sum of what is in the ledger, every currency adds up to zero, and no guard is missing. */
export function checkSums(ledger: Ledger): void {
  if (!bytesEqual(recomputeDigest(ledger), ledger.digestBytes()))
    throw new Error("the digest is not that of the contents");
  for (let index = 0; index < ledger.accounts.count; index++) {
    const { state, floor, ceiling, held, currencyIndex } = ledger.viewAccount(index as AccountIndex);
    const isPlain = state === AccountState.OPEN && floor === 0n && ceiling === undefined && held === 0n;
    if (ledger.accounts.guards[index] !== currencyIndex + (isPlain ? 0 : IS_SPECIAL))
      throw new Error(`the guard of account ${index} is wrong`);
  }
  for (const [code, total] of totals(ledger)) if (total !== 0n) throw new Error(`${code} adds up to ${total}`);
}

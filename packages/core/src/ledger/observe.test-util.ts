import type { AccountView } from "../account.ts";
import { cashAccountName } from "../account.ts";
import type { AccountIndex, CurrencyIndex } from "../identifiers.ts";
import { bytesEqual, toHex } from "../identifiers.ts";
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

/** Everything that can be seen of a ledger, in an order that does not depend on how it came about. */
export function observe(ledger: Ledger, probes: Probes = NO_PROBES): unknown {
  const accounts: (AccountView & { found: readonly unknown[] })[] = [];
  for (let index = 0; index < ledger.accounts.count; index++) {
    const view = ledger.viewAccount(index as AccountIndex);
    const found = [ledger.findAccount(view.reference), ledger.findCustomerAccount(view.reference)];
    accounts.push({ ...view, found: [...found, ledger.findCashAccount(view.homeBranch, view.currencyIndex)] });
  }
  const requests: (RequestEntry & { found: number })[] = [];
  for (let entry = 0; entry < ledger.requests.count; entry++) {
    const view = ledger.requests.entryAt(entry);
    requests.push({ ...view, found: ledger.findRequest(ledger.principals[view.principal] as string, view.id) });
  }
  const cashNames = probes.branches.flatMap((number) => probes.currencies.map((code) => cashAccountName(number, code)));
  const numbers = Array.from({ length: probes.accountsUpTo }, (_, i) => String(i + 1));
  return {
    position: ledger.position,
    timeMs: ledger.timeMs,
    nextAccountNumber: ledger.nextAccountNumber,
    digest: toHex(ledger.digestBytes()),
    root: ledger.root && { position: ledger.root.position, root: toHex(ledger.root.root) },
    accounts,
    requests,
    currencies: ledger.currencies.map((entry) => ({ ...entry, found: ledger.currencyIndex(entry.code) })),
    branches: ledger.branchNumbers().map((number) => [number, { ...ledger.branches.get(number) }]),
    epochs: ledger.epochs.map((entry) => ({ ...entry, id: toHex(entry.id) })),
    principals: [...ledger.principals],
    totals: [...totals(ledger)],
    probed: {
      accounts: [...numbers, ...cashNames].map((reference) => ledger.findAccount(reference)),
      currencies: probes.currencies.map((code) => ledger.currencyIndex(code)),
      cash: probes.branches.map((number) =>
        probes.currencies.map((_, currency) => ledger.findCashAccount(number, currency as CurrencyIndex)),
      ),
      branches: probes.branches.map((number) => ledger.hasBranch(number)),
    },
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
  }
  for (let entry = 0; entry < ledger.requests.count; entry++) {
    const { principal, id, position, hashLow, hashHigh } = ledger.requests.entryAt(entry);
    add(term(3).word(principal).bytes(id).integer(position).word(hashLow).word(hashHigh));
  }
  for (const [index, name] of ledger.principals.entries()) add(term(4).word(index).text(name));
  for (const [index, entry] of ledger.currencies.entries())
    add(term(5).word(index).text(entry.code).word(entry.decimals));
  for (const [number, entry] of ledger.branches) add(term(6).word(number).text(entry.name).text(entry.address));
  for (const entry of ledger.epochs) {
    const epoch = term(7).integer(entry.number).bytes(entry.id).integer(entry.firstPosition);
    add(epoch.word(entry.lossAccepted ? 1 : 0));
  }
  const counters = term(8).integer(ledger.position).integer(ledger.timeMs).integer(ledger.nextAccountNumber);
  counters.integer(ledger.root?.position ?? 0);
  add(ledger.root === undefined ? counters : counters.bytes(ledger.root.root));

  return new Uint8Array(Uint32Array.from(sums, (sum) => Number(BigInt.asUintN(32, sum))).buffer);
}

/** Throws unless the digest is the sum of what is in the ledger, and every currency adds up to zero. */
export function checkSums(ledger: Ledger): void {
  if (!bytesEqual(recomputeDigest(ledger), ledger.digestBytes()))
    throw new Error("the digest is not that of the contents");
  for (const [code, total] of totals(ledger)) if (total !== 0n) throw new Error(`${code} adds up to ${total}`);
}

import { type AccountIndex, AccountType, apply, beginBatch, type CurrencyIndex, Ledger, RecordKind } from "@bank/core";
import { usedBytes } from "./used-bytes.ts";

/** What an account takes in a ledger in memory, in bytes: arrays and everything on the heap. */
export function accountBytes(accounts: number): number {
  const before = usedBytes();
  const ledger = new Ledger({ hashSeed: 0x5eed });
  beginBatch(ledger, 1_700_000_000_000);
  const own = { principal: "", branch: 0, request: undefined } as const;
  apply(ledger, { ...own, kind: RecordKind.CURRENCY_DEFINED, currency: 0 as CurrencyIndex, code: "USD", decimals: 2 });
  for (let i = 0; i < accounts; i++) {
    apply(ledger, {
      ...own,
      kind: RecordKind.ACCOUNT_OPENED,
      account: i as AccountIndex,
      type: AccountType.SAVINGS,
      number: i + 1,
      name: "",
      currency: 0 as CurrencyIndex,
      homeBranch: 0,
      owner: "",
      displayName: "",
      floor: 0n,
    });
    ledger.forgetUndo(ledger.position);
  }
  const bytes = usedBytes() - before;
  if (ledger.accounts.count !== accounts) throw new Error("every account was opened");
  return bytes / accounts;
}

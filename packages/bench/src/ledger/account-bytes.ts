import { ledgerWithAccounts } from "./columns-load.ts";
import { usedBytes } from "./used-bytes.ts";

/** What an account takes in a ledger in memory, in bytes: arrays and everything on the heap. */
export function accountBytes(accounts: number): number {
  const before = usedBytes();
  const ledger = ledgerWithAccounts(accounts);
  const bytes = usedBytes() - before;
  if (ledger.accounts.count !== accounts) throw new Error("every account was opened");
  return bytes / accounts;
}

import type { Ledger } from "@bank/core";
import { ACCOUNTS_MAX, ALIASES_MAX } from "@bank/core";
import type { TablesPage } from "@bank/proto";
import { BranchEntrySchema, CurrencyEntrySchema, EpochEntrySchema, TablesPageSchema } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { checkLevel } from "./check-record.ts";
import { copyBytes, safeInteger } from "./decode.ts";
import { JournalFormatError } from "./errors.ts";

/** Everything small. */
export function encodeTables(ledger: Ledger): TablesPage {
  return create(TablesPageSchema, {
    timeMs: BigInt(ledger.timeMs),
    nextAccountNumber: BigInt(ledger.nextAccountNumber),
    principals: [...ledger.principals],
    currencies: ledger.currencies.map(({ code, decimals }) => create(CurrencyEntrySchema, { code, decimals })),
    branches: ledger.branchNumbers().map((branch) => {
      const { name, address } = ledger.branches.get(branch) ?? { name: "", address: "" };
      return create(BranchEntrySchema, { branch, name, address });
    }),
    epochs: ledger.epochs.map(({ number, id, firstPosition, lossAccepted }) =>
      create(EpochEntrySchema, { number: BigInt(number), id, firstPosition: BigInt(firstPosition), lossAccepted }),
    ),
    rootPosition: BigInt(ledger.root?.position ?? 0),
    root: ledger.root?.root ?? new Uint8Array(0),
    formatLevel: ledger.formatLevel > 1 ? ledger.formatLevel : 0,
  });
}

/** Throws: `JournalFormatError`. */
export function loadTables(ledger: Ledger, tables: TablesPage): void {
  if (tables.formatLevel !== 0) {
    checkLevel(tables.formatLevel);
    ledger.formatLevel = tables.formatLevel;
  }
  ledger.timeMs = safeInteger(tables.timeMs, "time_ms");
  ledger.nextAccountNumber = safeInteger(tables.nextAccountNumber, "next_account_number");
  // Memory is taken for as many accounts as there are numbers.
  if (ledger.nextAccountNumber < 1 || ledger.nextAccountNumber > ACCOUNTS_MAX + ALIASES_MAX + 1)
    throw new JournalFormatError(`${tables.nextAccountNumber} is not the number of a next account`);
  for (const principal of tables.principals) ledger.internPrincipal(principal);
  if (ledger.principals.length !== tables.principals.length)
    throw new JournalFormatError("the snapshot lists a principal twice");
  let lastBranch = 0;
  for (const { code, decimals } of tables.currencies) ledger.addCurrency({ code, decimals });
  for (const { branch, name, address } of tables.branches) {
    if (branch <= lastBranch) throw new JournalFormatError("the branches of the snapshot do not ascend");
    ledger.setBranch(branch, { name, address });
    lastBranch = branch;
  }
  for (const { number, id, firstPosition, lossAccepted } of tables.epochs) {
    if (id.length !== 16) throw new JournalFormatError("an epoch id has 16 bytes");
    ledger.addEpoch({
      number: safeInteger(number, "epoch"),
      id: copyBytes(id),
      firstPosition: safeInteger(firstPosition, "first_position"),
      lossAccepted,
    });
  }
  const position = safeInteger(tables.rootPosition, "root_position");
  if (tables.root.length !== (position > 0 ? 32 : 0)) throw new JournalFormatError("a root has 32 bytes");
  if (position > 0) ledger.root = { position, root: copyBytes(tables.root) };
}

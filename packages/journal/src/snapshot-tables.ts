import type { BranchEntry, Ledger } from "@bank/core";
import { ACCOUNTS_MAX, ALIASES_MAX, BranchState, isBranchState } from "@bank/core";
import type { DurabilityEntry, TablesPage } from "@bank/proto";
import {
  BranchEntrySchema,
  CurrencyEntrySchema,
  DurabilityEntrySchema,
  DurabilityMemberSchema,
  EpochEntrySchema,
  TablesPageSchema,
} from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { checkDurability, checkLevel } from "./check-record.ts";
import { copyBytes, safeInteger } from "./decode.ts";
import { durabilityMember } from "./decode-entries.ts";
import { JournalFormatError } from "./errors.ts";

/** Everything small. */
export function encodeTables(ledger: Ledger): TablesPage {
  return create(TablesPageSchema, {
    timeMs: BigInt(ledger.timeMs),
    nextAccountNumber: BigInt(ledger.nextAccountNumber),
    principals: [...ledger.principals],
    currencies: ledger.currencies.map(({ code, decimals }) => create(CurrencyEntrySchema, { code, decimals })),
    branches: ledger.branchNumbers().map((branch) => {
      const { name, address, state } = ledger.branches.get(branch) as BranchEntry;
      return create(BranchEntrySchema, { branch, name, address, state: state === BranchState.ACTIVE ? 0 : state });
    }),
    epochs: ledger.epochs.map(({ number, id, firstPosition, lossAccepted, promotedFrom = new Uint8Array(0) }) =>
      create(EpochEntrySchema, {
        number: BigInt(number),
        id,
        firstPosition: BigInt(firstPosition),
        lossAccepted,
        promotedFrom,
      }),
    ),
    rootPosition: BigInt(ledger.root?.position ?? 0),
    root: ledger.root?.root ?? new Uint8Array(0),
    formatLevel: ledger.formatLevel > 1 ? ledger.formatLevel : 0,
    ...(ledger.durability.position === 0 ? {} : { durability: encodeDurability(ledger.durability) }),
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
  for (const { branch, name, address, state } of tables.branches) {
    if (branch <= lastBranch) throw new JournalFormatError("the branches of the snapshot do not ascend");
    if (state !== 0) requireLevel3(ledger, "states of branches");
    ledger.setBranch(branch, { name, address, state: branchState(state) });
    lastBranch = branch;
  }
  if (tables.durability !== undefined) loadDurability(ledger, tables.durability);
  for (const { number, id, firstPosition, lossAccepted, promotedFrom } of tables.epochs) {
    if (id.length !== 16) throw new JournalFormatError("an epoch id has 16 bytes");
    const isPromotion = promotedFrom.length > 0;
    if (isPromotion) requireLevel3(ledger, "promotions");
    if (isPromotion && promotedFrom.length !== 16) throw new JournalFormatError("a copy id has 16 bytes");
    ledger.addEpoch({
      number: safeInteger(number, "epoch"),
      id: copyBytes(id),
      firstPosition: safeInteger(firstPosition, "first_position"),
      lossAccepted,
      ...(isPromotion ? { promotedFrom: copyBytes(promotedFrom) } : {}),
    });
  }
  const position = safeInteger(tables.rootPosition, "root_position");
  if (tables.root.length !== (position > 0 ? 32 : 0)) throw new JournalFormatError("a root has 32 bytes");
  if (position > 0) ledger.root = { position, root: copyBytes(tables.root) };
}

function encodeDurability({ copies, members, position }: Ledger["durability"]): DurabilityEntry {
  return create(DurabilityEntrySchema, {
    copies,
    members: members.map(({ branch, copyId }) => create(DurabilityMemberSchema, { branch, copyId })),
    position: BigInt(position),
  });
}

function loadDurability(ledger: Ledger, entry: DurabilityEntry): void {
  requireLevel3(ledger, "copies that count");
  const position = safeInteger(entry.position, "position of the copies that count");
  if (position === 0) throw new JournalFormatError("the copies that count were chosen by a record");
  const { copies } = entry;
  const members = entry.members.map(durabilityMember);
  checkDurability({ copies, members });
  for (const { branch } of members)
    if (!ledger.branches.has(branch) || ledger.isRetired(branch))
      throw new JournalFormatError(`branch ${branch} counts, and is none that may`);
  ledger.setDurability({ copies, members, position });
}

/** What a branch has that is at its default is left out. */
function branchState(state: number): BranchState {
  if (state === 0) return BranchState.ACTIVE;
  if (state === BranchState.ACTIVE) throw new JournalFormatError("that a branch is active is left out");
  if (isBranchState(state)) return state;
  throw new JournalFormatError(`branch state ${state} is unknown: use a newer program`);
}

function requireLevel3(ledger: Ledger, what: string): void {
  if (ledger.formatLevel < 3)
    throw new JournalFormatError(`a snapshot of format level ${ledger.formatLevel} has no ${what}`);
}

import { AccountState, AccountType } from "../account.ts";
import { BranchState } from "../branch.ts";
import { checkCommand } from "../check-command.ts";
import type { Request } from "../command.ts";
import { hashCommand } from "../command-hash.ts";
import { formatRequestId, type Position } from "../identifiers.ts";
import { BALANCE_MIN } from "../limits.ts";
import { RefusalError } from "../reasons.ts";
import { type LedgerRecord, RecordKind, SYSTEM_PRINCIPAL } from "../record.ts";
import { apply, beginBatch } from "./apply.ts";
import { type Mark, mark, rollback } from "./apply-all.ts";
import { decide, dueHolds, originalsOf } from "./decide.ts";
import type { Ledger } from "./ledger.ts";
import { preview } from "./preview.ts";
import { type ToldHold, told, toldAt } from "./told.test-util.ts";

const TYPES: Readonly<Record<AccountType, string>> = {
  [AccountType.SAVINGS]: "savings",
  [AccountType.CHECKING]: "checking",
  [AccountType.CASH]: "cash",
  [AccountType.INTEREST]: "interest",
  [AccountType.FEES]: "fees",
};
const STATES = {
  [AccountState.OPEN]: "open",
  [AccountState.FROZEN]: "frozen",
  [AccountState.CLOSED]: "closed",
} as const;
export const BRANCH_STATES = {
  [BranchState.ACTIVE]: "active",
  [BranchState.DRAINING]: "draining",
  [BranchState.RETIRED]: "retired",
} as const;
const MOVEMENTS = {
  [RecordKind.DEPOSIT]: "deposit",
  [RecordKind.WITHDRAWAL]: "withdrawal",
  [RecordKind.TRANSFER]: "transfer",
} as const;

/** One batch: its time, and its records by their positions. */
export interface Batch {
  readonly timeMs: number;
  readonly records: readonly LedgerRecord[];
}

/**
 * The ledger in the hands of a sequencer, reduced to what one is: time and what is due first, then each request, its id
 * before anything else. It says what happens in the words that the naive twin uses.
 */
export class LedgerBank {
  readonly ledger: Ledger;
  /** Every record by its position less one. */
  readonly journal: LedgerRecord[] = [];
  readonly batches: Batch[] = [];
  private start: Mark;

  constructor(ledger: Ledger) {
    this.ledger = ledger;
    this.start = mark(ledger);
  }

  /** Begins a batch. Gives the lines of what was due. */
  passTime(timeMs: number): readonly string[] {
    this.start = mark(this.ledger);
    return this.continueAt(timeMs);
  }

  /** Lets time pass as the next batch would, without an end of this one: what follows is taken back with it. */
  continueAt(timeMs: number): readonly string[] {
    const { ledger } = this;
    const before = this.journal.length;
    beginBatch(ledger, timeMs);
    for (let due = dueHolds(ledger); due !== undefined; due = dueHolds(ledger)) this.run([due]);
    return this.linesSince(before);
  }

  /** A record of the bank's own. */
  own(record: LedgerRecord): void {
    this.run([record]);
  }

  /** What the caller is told: the lines of its records, or one line of a refusal or of an answer given before. */
  submit(request: Request): readonly string[] {
    const { journal, ledger } = this;
    const { command } = request;
    const refusal = checkCommand(command);
    // The problem of a malformed command is said in words that the twin need not find.
    if (refusal !== undefined) return [told.refused(refusal.reason, {}, refusal.item)];
    const hash = hashCommand(command);
    const entry = ledger.findRequest(request.principal, request.id);
    if (entry !== -1) {
      const position = ledger.requests.positionOf(entry);
      const same = ledger.requests.hasHash(entry, hash.low, hash.high);
      if (same || command.kind === "cancelRequest" || ledger.requests.isCancelled(entry))
        return [`again: ${toldAt(position, lineOf(ledger, position, journal[position - 1] as LedgerRecord))}`];
      const metadata = { position: `${position}`, request_id: formatRequestId(request.id) };
      return [told.refused("REQUEST_ID_REUSED", metadata, undefined)];
    }
    const before = journal.length;
    try {
      this.run(decide(ledger, request, hash, this.lookupFor(request)));
    } catch (error) {
      return [refusalLine(error)];
    }
    return this.linesSince(before);
  }

  /** What `submit` would say of a request whose id is new, without what would be due before. */
  preview(timeMs: number, request: Request): readonly string[] {
    const { ledger } = this;
    try {
      return preview(ledger, timeMs, request, this.lookupFor(request), (records, firstPosition) =>
        records.map((record, n) => toldAt(firstPosition + n, lineOf(ledger, firstPosition + n, record))),
      );
    } catch (error) {
      return [refusalLine(error)];
    }
  }

  /** The batch is kept. */
  endBatch(): void {
    this.batches.push({ timeMs: this.ledger.timeMs, records: this.journal.slice(this.start.position) });
  }

  /** The batch is refused, and with it everything since it began. */
  refuseBatch(): void {
    rollback(this.ledger, this.start, this.journal.splice(this.start.position));
  }

  private run(records: readonly LedgerRecord[]): void {
    for (const record of records) {
      apply(this.ledger, record);
      this.journal.push(record);
      if (this.ledger.position !== this.journal.length)
        throw new Error(`position ${this.ledger.position} leaves a gap`);
    }
  }

  /** Exactly what a store is asked for: a command that looks up anything else finds nothing. */
  private lookupFor({ command }: Request): (position: Position) => LedgerRecord | undefined {
    const originals = originalsOf(command);
    return (position) => (originals.includes(position) ? this.journal[position - 1] : undefined);
  }

  private linesSince(before: number): readonly string[] {
    return this.journal
      .slice(before)
      .map((record, n) => toldAt(before + n + 1, lineOf(this.ledger, before + n + 1, record)));
  }
}

function refusalLine(error: unknown): string {
  if (!(error instanceof RefusalError)) throw error;
  const { item, metadata, reason } = error.refusal;
  return told.refused(reason, metadata, item);
}

/** The bank's record of a new format level. */
export function formatLevelRaised(level: number): LedgerRecord {
  const own = { principal: SYSTEM_PRINCIPAL, branch: 0, request: undefined } as const;
  return { ...own, kind: RecordKind.FORMAT_LEVEL_RAISED, level };
}

/** A record in words. The accounts that it names must be in the ledger. */
export function lineOf(ledger: Ledger, position: Position, record: LedgerRecord): string {
  const name = (account: Parameters<Ledger["referenceOf"]>[0] | undefined): string =>
    account === undefined ? "nowhere" : ledger.referenceOf(account);
  const holdOf = (
    hold: Position,
    { account, ...rest }: Omit<ToldHold, "hold" | "account"> & { account: Parameters<typeof name>[0] },
  ) => ({
    ...rest,
    hold,
    account: name(account),
  });
  switch (record.kind) {
    case RecordKind.CURRENCY_DEFINED:
      return told.currency(record.code, record.decimals);
    case RecordKind.BRANCH_REGISTERED:
      return told.branch(record.number, record.name, record.address);
    case RecordKind.BRANCH_STATE_CHANGED:
      return told.branchState(record.target, BRANCH_STATES[record.state]);
    case RecordKind.DURABILITY_SET:
      return told.durability(record.copies, record.members);
    case RecordKind.ACCOUNT_OPENED: {
      const { alias = "", ceiling, displayName, floor, homeBranch: branch, metadata = {}, owner, type } = record;
      const currency = ledger.currencies[record.currency]?.code ?? "?";
      const opened = { type: TYPES[type], owner, currency, branch, alias, displayName, ceiling, metadata };
      return told.opened({ ...opened, name: name(record.account), floor: floorOf(floor, type) });
    }
    case RecordKind.ACCOUNT_UPDATED:
      return told.updated({ ...record, name: name(record.account) });
    case RecordKind.ACCOUNT_STATE_CHANGED:
      return told.state(name(record.account), STATES[record.state]);
    case RecordKind.DEPOSIT:
    case RecordKind.WITHDRAWAL:
    case RecordKind.TRANSFER:
      return told.moved(MOVEMENTS[record.kind], name(record.debit), name(record.credit), record.amount);
    case RecordKind.REVERSAL:
      return told.reversed(record.original, name(record.debit), name(record.credit), record.amount);
    case RecordKind.INTEREST_APPLIED:
      return told.interest(name(record.account), record.rate, record.balance, record.amount, name(record.paidFrom));
    case RecordKind.HOLD_PLACED:
      return told.hold("placed", holdOf(position, record));
    case RecordKind.HOLD_RELEASED:
      return told.hold("released", holdOf(record.hold, record));
    case RecordKind.HOLD_EXTENDED:
      return told.hold("extended", holdOf(record.hold, record));
    case RecordKind.HOLD_CAPTURED:
      return told.captured(holdOf(record.hold, record), name(record.credit), record.amount);
    case RecordKind.HOLDS_EXPIRED:
      return told.expired(record.holds);
    case RecordKind.GROUP_COMMITTED:
      return told.group(record.records);
    case RecordKind.REJECTED:
      return told.rejected(record.rejection.reason, record.rejection.metadata, record.rejection.item);
    default:
      return `the bank's own record of kind ${record.kind}`;
  }
}

/** An internal account may go as low as there is. */
function floorOf(floor: bigint, type: AccountType): bigint | undefined {
  return floor === BALANCE_MIN && type !== AccountType.CHECKING ? undefined : floor;
}

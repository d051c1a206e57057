import {
  AccountState,
  ANONYMOUS_PRINCIPAL,
  assert,
  formatRequestId,
  type LedgerRecord,
  type Position,
  postingOf,
  RecordKind,
  type RequestId,
} from "@bank/core";
import type { AccountLife, WitnessKind, WitnessRecord } from "./history.ts";

const KINDS: Readonly<Partial<Record<RecordKind, WitnessKind>>> = {
  [RecordKind.DEPOSIT]: "deposit",
  [RecordKind.WITHDRAWAL]: "withdrawal",
  [RecordKind.TRANSFER]: "transfer",
  [RecordKind.REVERSAL]: "reversal",
  [RecordKind.INTEREST_APPLIED]: "interest",
  [RecordKind.ACCOUNT_OPENED]: "accountOpened",
  [RecordKind.ACCOUNT_UPDATED]: "accountUpdated",
  [RecordKind.ACCOUNT_STATE_CHANGED]: "accountState",
  [RecordKind.HOLD_PLACED]: "hold",
  [RecordKind.HOLD_CAPTURED]: "capture",
  [RecordKind.HOLD_RELEASED]: "hold",
  [RecordKind.HOLD_EXTENDED]: "hold",
  [RecordKind.HOLDS_EXPIRED]: "holdsExpired",
  [RecordKind.GROUP_COMMITTED]: "group",
  [RecordKind.REJECTED]: "rejected",
};
const LIVES: Readonly<Record<AccountState, AccountLife>> = {
  [AccountState.OPEN]: "open",
  [AccountState.FROZEN]: "frozen",
  [AccountState.CLOSED]: "closed",
};

/**
 * Tells the records of a journal, from its first one on, in the words of a history: accounts by their names instead of
 * their indices.
 */
export class RecordTranslator {
  private readonly accounts: string[] = [];
  private readonly currencies: string[] = [];

  /** @param timeMs journal time of its batch, Unix milliseconds. */
  translate(position: Position, timeMs: number, record: LedgerRecord): WitnessRecord {
    const request = record.request && requestName(record.principal, record.request.id);
    const common = { position, kind: KINDS[record.kind] ?? "other", request, timeMs } as const;
    const movement = this.movementOf(record);
    switch (record.kind) {
      case RecordKind.CURRENCY_DEFINED:
        this.currencies[record.currency] = record.code;
        return common;
      case RecordKind.ACCOUNT_OPENED: {
        const account = record.number === 0 ? record.name : String(record.number);
        this.accounts[record.account] = account;
        const currency = this.currencies[record.currency];
        assert(currency !== undefined, `the currency of account ${account} is defined before it`);
        return { ...common, account, currency, floor: record.floor, ceiling: record.ceiling };
      }
      case RecordKind.ACCOUNT_UPDATED:
        return { ...common, account: this.nameOf(record.account), floor: record.floor, ceiling: record.ceiling };
      case RecordKind.ACCOUNT_STATE_CHANGED:
        return { ...common, account: this.nameOf(record.account), state: LIVES[record.state] };
      case RecordKind.HOLD_PLACED:
        return { ...common, account: this.nameOf(record.account), hold: position, held: record.held - record.captured };
      case RecordKind.HOLD_RELEASED:
        return { ...common, account: this.nameOf(record.account), hold: record.hold, held: 0n };
      case RecordKind.HOLD_EXTENDED: {
        const { account, hold } = record;
        return { ...common, account: this.nameOf(account), hold, held: record.held - record.captured };
      }
      case RecordKind.HOLD_CAPTURED:
        return { ...common, ...movement, hold: record.hold, held: record.held - record.captured };
      case RecordKind.HOLDS_EXPIRED:
        return { ...common, holds: record.holds };
      case RecordKind.GROUP_COMMITTED:
        return { ...common, records: record.records };
      case RecordKind.REJECTED:
        return { ...common, reason: record.rejection.reason };
      default:
        return { ...common, ...movement };
    }
  }

  private movementOf(record: LedgerRecord): Pick<WitnessRecord, "debit" | "credit" | "amount"> {
    const posting = postingOf(record);
    if (posting === undefined) return {};
    return { debit: this.nameOf(posting.debit), credit: this.nameOf(posting.credit), amount: posting.amount };
  }

  private nameOf(index: number): string {
    const name = this.accounts[index];
    assert(name !== undefined, `account ${index} is opened before it is used`);
    return name;
  }
}

/** How a history names a request: by its id, and by who made it where callers have names. */
export function requestName(principal: string, id: RequestId): string {
  const text = formatRequestId(id);
  return principal === ANONYMOUS_PRINCIPAL ? text : `${principal}/${text}`;
}

import type { AccountState } from "../account.ts";
import { BranchState } from "../branch.ts";
import { HoldState } from "../hold.ts";
import type { AccountIndex, Position } from "../identifiers.ts";
import type { AccountOpenedRecord, AccountUpdatedRecord, Posting } from "../record.ts";
import { postingOf, RecordKind } from "../record.ts";
import type { OtherRecord } from "./check-record.ts";
import type { AccountDetails, BranchEntry } from "./entries.ts";
import type { Ledger } from "./ledger.ts";

/**
 * Carries out a record that was checked. Each step is followed by how to take it back, and is done as a whole or not at
 * all, so that whatever goes wrong in the middle leaves nothing behind.
 */
export function applyRecord(ledger: Ledger, record: OtherRecord): void {
  switch (record.kind) {
    case RecordKind.REJECTED:
    case RecordKind.GROUP_COMMITTED:
    case RecordKind.TIME_TICKED:
      return;
    case RecordKind.ACCOUNT_OPENED:
      openAccount(ledger, record);
      return;
    case RecordKind.EPOCH_BEGUN: {
      const { number, id, lossAccepted, promotedFrom } = record;
      ledger.addEpoch({ number, id, firstPosition: ledger.position, lossAccepted, promotedFrom });
      ledger.undo(() => ledger.removeNewestEpoch());
      return;
    }
    case RecordKind.CURRENCY_DEFINED:
      ledger.addCurrency({ code: record.code, decimals: record.decimals });
      ledger.undo(() => ledger.removeNewestCurrency());
      return;
    case RecordKind.BRANCH_REGISTERED: {
      const previous = ledger.branches.get(record.number);
      const { name, address } = record;
      ledger.setBranch(record.number, { name, address, state: previous?.state ?? BranchState.ACTIVE });
      ledger.undo(() => ledger.setBranch(record.number, previous));
      return;
    }
    case RecordKind.BRANCH_STATE_CHANGED: {
      const previous = ledger.branches.get(record.target) as BranchEntry;
      ledger.setBranch(record.target, { ...previous, state: record.state });
      ledger.undo(() => ledger.setBranch(record.target, previous));
      return;
    }
    case RecordKind.DURABILITY_SET: {
      const previous = ledger.durability;
      const { copies, members } = record;
      ledger.setDurability({ copies, members, position: ledger.position });
      ledger.undo(() => ledger.setDurability(previous));
      return;
    }
    case RecordKind.STATE_ROOT: {
      const previous = ledger.root;
      ledger.root = { position: record.position, root: record.root };
      ledger.undo(() => {
        ledger.root = previous;
      });
      return;
    }
    case RecordKind.FORMAT_LEVEL_RAISED: {
      const previous = ledger.formatLevel;
      ledger.formatLevel = record.level;
      ledger.undo(() => {
        ledger.formatLevel = previous;
      });
      return;
    }
    case RecordKind.ACCOUNT_UPDATED:
      updateAccount(ledger, record);
      return;
    case RecordKind.ACCOUNT_STATE_CHANGED:
      changeState(ledger, record.account, record.state);
      return;
    case RecordKind.REVERSAL: {
      const { original } = record;
      post(ledger, record);
      ledger.addReversal(original, ledger.position);
      ledger.undo(() => ledger.removeReversal(original));
      return;
    }
    case RecordKind.INTEREST_APPLIED: {
      const posting = postingOf(record);
      if (posting !== undefined) post(ledger, posting);
      return;
    }
    case RecordKind.HOLD_PLACED: {
      const { account, held, captured, expiresMs } = record;
      ledger.addHold({ hold: ledger.position, account, held, captured, expiresMs, state: HoldState.OPEN });
      ledger.undo(() => ledger.removeNewestHold());
      keepBack(ledger, account, held);
      return;
    }
    case RecordKind.HOLD_CAPTURED: {
      const { hold, account: debit, credit, amount, captured, expiresMs, held } = record;
      const state = captured === held ? HoldState.CAPTURED : HoldState.OPEN;
      changeHold(ledger, hold, { captured, expiresMs, state });
      ledger.keepBack(debit, -amount);
      ledger.undo(() => ledger.keepBack(debit, amount));
      post(ledger, { debit, credit, amount });
      return;
    }
    case RecordKind.HOLD_RELEASED: {
      const { hold, account, captured, expiresMs, held } = record;
      changeHold(ledger, hold, { captured, expiresMs, state: HoldState.RELEASED });
      keepBack(ledger, account, captured - held);
      return;
    }
    case RecordKind.HOLD_EXTENDED: {
      const { hold, account, captured, expiresMs } = record;
      changeHold(ledger, hold, { captured, expiresMs, state: HoldState.OPEN });
      keepBack(ledger, account, 0n);
      return;
    }
    case RecordKind.HOLDS_EXPIRED:
      for (const hold of record.holds) expire(ledger, hold);
      return;
  }
}

function openAccount(ledger: Ledger, record: AccountOpenedRecord): void {
  const previous = ledger.nextAccountNumber;
  ledger.addAccount({ ...record, openedPosition: ledger.position, openedTimeMs: ledger.timeMs });
  ledger.undo(() => {
    ledger.nextAccountNumber = previous;
    ledger.removeNewestAccount();
  });
  if (record.number === 0) return;
  let next = previous;
  while (ledger.findCustomerAccount(String(next)) !== undefined) next++;
  ledger.nextAccountNumber = next;
}

function updateAccount(ledger: Ledger, record: AccountUpdatedRecord): void {
  const { account } = record;
  const { displayName, metadata, floor, ceiling } = ledger.viewAccount(account);
  const previous: AccountDetails = { displayName, metadata, floor, ceiling };
  ledger.setDetails(account, record);
  ledger.undo(() => ledger.setDetails(account, previous));
  keepBack(ledger, account, 0n);
}

function changeState(ledger: Ledger, account: AccountIndex, state: AccountState): void {
  const previous = ledger.accounts.states[account] as AccountState;
  ledger.setState(account, state);
  ledger.undo(() => ledger.setState(account, previous));
  keepBack(ledger, account, 0n);
}

function expire(ledger: Ledger, position: Position): void {
  const hold = ledger.holds.viewAt(ledger.holds.find(position));
  changeHold(ledger, position, { ...hold, state: HoldState.EXPIRED });
  keepBack(ledger, hold.account, hold.captured - hold.held);
}

function changeHold(ledger: Ledger, hold: Position, to: Parameters<Ledger["changeHold"]>[1]): void {
  const index = ledger.holds.find(hold);
  const previous = ledger.holds.viewAt(index);
  ledger.changeHold(index, to);
  ledger.undo(() => ledger.changeHold(index, previous));
}

/** Adds to what is held on an account, which counts as a change of it even when it adds nothing. */
function keepBack(ledger: Ledger, account: AccountIndex, delta: bigint): void {
  ledger.keepBack(account, delta);
  ledger.undo(() => ledger.keepBack(account, -delta));
  add(ledger, account, 0n);
}

function post(ledger: Ledger, { debit, credit, amount }: Posting): void {
  add(ledger, debit, -amount);
  add(ledger, credit, amount);
}

function add(ledger: Ledger, account: AccountIndex, delta: bigint): void {
  ledger.post(account, delta, 1);
  ledger.undo(() => ledger.post(account, -delta, -1));
}

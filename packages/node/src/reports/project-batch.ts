import {
  ACCOUNT_STATE_WORDS,
  ACCOUNT_TYPE_WORDS,
  type AccountIndex,
  type AccountOpenedRecord,
  AccountState,
  type Actor,
  BALANCE_MIN,
  BRANCH_STATE_WORDS,
  type HoldsExpiredRecord,
  type LedgerRecord,
  type Position,
  type Posting,
  postingOf,
  RecordKind,
  type RecordList,
  toHex,
} from "@bank/core";
import type { Batch } from "@bank/journal";
import { postgresTime } from "./array-column.ts";
import { type Group, groupsOf } from "./groups.ts";
import type { HoldRow, PendingRows } from "./pending-rows.ts";
import { plainJson } from "./plain-text.ts";
import type { OpenHold, ProjectedState } from "./projected-state.ts";

/** The floor that no balance can be below is none. */
function floorOf(floor: bigint): bigint | undefined {
  return floor === BALANCE_MIN ? undefined : floor;
}

type HoldRecord = Extract<LedgerRecord, { readonly hold: Position } | { readonly kind: typeof RecordKind.HOLD_PLACED }>;

/**
 * Turns the records of the next batch into rows, and brings the state up to them: what `apply` does to a ledger, as far as tables
 * show it.
 * Throws: `DamagedReportsError` where the state is not what the records were decided on. Then neither may be used any more.
 */
export function projectBatch(state: ProjectedState, rows: PendingRows, batch: Batch): void {
  new BatchProjection(state, rows, batch).run();
}

class BatchProjection {
  private readonly state: ProjectedState;
  private readonly rows: PendingRows;
  private readonly records: RecordList;
  /** Of all records, 16 bytes each. */
  private readonly requestIds: Uint8Array;
  private readonly firstPosition: Position;
  private readonly timeMs: number;
  private readonly time: bigint;
  /** The group that each record is in, by index: undefined where there is no group. */
  private readonly groups: ReadonlyMap<number, Group> | undefined;

  constructor(state: ProjectedState, rows: PendingRows, { header, records }: Batch) {
    this.state = state;
    this.rows = rows;
    this.records = records;
    this.requestIds = new Uint8Array(records.requestIds.buffer, records.requestIds.byteOffset);
    this.firstPosition = header.firstPosition;
    this.timeMs = header.timeMs;
    this.time = postgresTime(header.timeMs);
    this.groups = groupsOf(records, header.firstPosition);
  }

  run(): void {
    const { records, rows } = this;
    for (let i = 0; i < records.length; i++) {
      if ((records.kinds[i] as number) <= RecordKind.TRANSFER) {
        const [debit, credit] = [records.debits[i] as AccountIndex, records.credits[i] as AccountIndex];
        this.post(i, records.kinds[i] as number, { debit, credit, amount: records.amounts[i] as bigint });
      } else this.project(i, records.others.get(i) as LedgerRecord);
    }
    rows.records += records.length;
  }

  private project(i: number, record: LedgerRecord): void {
    const { state, rows, timeMs } = this;
    const position = this.firstPosition + i;
    const posting = postingOf(record);
    if (posting !== undefined) this.post(i, record.kind, posting);
    switch (record.kind) {
      case RecordKind.CURRENCY_DEFINED: {
        const { currency, code, decimals } = record;
        state.currencies[currency] = code;
        rows.currencies.add({ currency: code, currency_id: currency, decimals, defined_position: position });
        return;
      }
      case RecordKind.ACCOUNT_OPENED:
        this.open(position, record);
        return;
      case RecordKind.ACCOUNT_UPDATED: {
        const { account, ceiling } = record;
        const [displayName, metadata] = [record.displayName, plainJson(record.metadata)];
        const floor = floorOf(record.floor);
        rows.accountsUpdated.set(account, { displayName, floor, ceiling, metadata, position });
        this.touch(account, position);
        return;
      }
      case RecordKind.ACCOUNT_STATE_CHANGED:
        rows.statesChanged.set(record.account, { state: ACCOUNT_STATE_WORDS[record.state], position });
        this.touch(record.account, position);
        return;
      case RecordKind.REVERSAL: {
        const { original } = record;
        rows.reversed.add({ position: original, reversed_by: position });
        this.addDetails({ position, reverses: original });
        return;
      }
      case RecordKind.INTEREST_APPLIED:
        if (posting !== undefined)
          this.addDetails({ position, interest_rate_millionths: record.rate, interest_on_minor: record.balance });
        return;
      case RecordKind.HOLD_PLACED:
      case RecordKind.HOLD_RELEASED:
      case RecordKind.HOLD_EXTENDED:
      case RecordKind.HOLD_CAPTURED:
        this.changeHold(position, record);
        return;
      case RecordKind.HOLDS_EXPIRED:
        this.expire(position, record);
        return;
      case RecordKind.REJECTED: {
        const { reason, metadata, item } = record.rejection;
        const { branch, principal, request } = record;
        rows.rejections.add({
          position,
          occurred_at: timeMs,
          reason,
          details: plainJson(metadata),
          group_item: item,
          branch,
          principal,
          request_id: request?.id,
        });
        return;
      }
      case RecordKind.EPOCH_BEGUN: {
        const { number: epoch, id, lossAccepted } = record;
        rows.epochs.add({
          first_position: position,
          epoch,
          epoch_id: toHex(id),
          began_at: timeMs,
          loss_accepted: lossAccepted,
        });
        return;
      }
      case RecordKind.BRANCH_REGISTERED: {
        const { name, address, number } = record;
        const before = rows.branches.get(number);
        rows.branches.set(number, { name, address, state: before?.state, position });
        return;
      }
      case RecordKind.BRANCH_STATE_CHANGED: {
        const before = rows.branches.get(record.target);
        const branchState = BRANCH_STATE_WORDS[record.state];
        rows.branches.set(record.target, {
          name: before?.name,
          address: before?.address,
          state: branchState,
          position,
        });
        return;
      }
      case RecordKind.GROUP_COMMITTED:
      case RecordKind.TIME_TICKED:
      case RecordKind.STATE_ROOT:
      case RecordKind.FORMAT_LEVEL_RAISED:
      case RecordKind.DURABILITY_SET:
        return;
    }
  }

  /** One transaction with its postings. */
  private post(i: number, kind: number, { debit, credit, amount }: Posting): void {
    const { state, records, rows } = this;
    const position = this.firstPosition + i;
    const { transactions: to, touched } = rows;
    state.requireAccount(debit);
    state.requireAccount(credit);
    const { posted, versions } = state;
    const debitAfter = (posted[debit] as bigint) - amount;
    const creditAfter = (posted[credit] as bigint) + amount;
    posted[debit] = debitAfter;
    posted[credit] = creditAfter;
    versions[debit] = (versions[debit] as number) + 1;
    versions[credit] = (versions[credit] as number) + 1;
    touched.set(debit, position);
    touched.set(credit, position);
    const { principal, branch } = records.actors[records.actorIndexes[i] as number] as Actor;
    const group = this.groups?.get(i);
    to.positions.position(position);
    to.kinds.int2(kind);
    to.times.timestamptz(this.time);
    to.amounts.int8(amount);
    to.currencies.int4(to.currencyCodes.indexOf(state.codeOf(state.currencyOf[debit] as number)));
    to.branches.int4(branch);
    to.principals.int4(to.principalNames.indexOf(principal));
    if (records.answers[i] === 1) to.requestIds.uuid(this.requestIds, 16 * i);
    else if (group?.requestId !== undefined) to.requestIds.uuid(group.requestId);
    else to.requestIds.null();
    if (group === undefined) to.groups.null();
    else to.groups.position(group.position);
    to.debits.int4(debit);
    to.credits.int4(credit);
    to.debitsAfter.int8(debitAfter);
    to.creditsAfter.int8(creditAfter);
  }

  private addDetails(details: {
    readonly position: Position;
    readonly reverses?: Position;
    readonly hold?: Position;
    readonly interest_rate_millionths?: number;
    readonly interest_on_minor?: bigint;
  }): void {
    const none = { reverses: undefined, hold: undefined, interest_rate_millionths: undefined };
    this.rows.transactionDetails.add({ ...none, interest_on_minor: undefined, ...details });
  }

  private open(position: Position, record: AccountOpenedRecord): void {
    const { account, currency, type, number, name, floor, ceiling } = record;
    this.state.addAccount(account, { currency, posted: 0n, held: 0n, version: 1 });
    this.rows.touched.set(account, position);
    this.rows.accountsOpened.add({
      account_id: account,
      account: number === 0 ? name : String(number),
      kind: ACCOUNT_TYPE_WORDS[type],
      currency: this.state.codeOf(currency),
      state: ACCOUNT_STATE_WORDS[AccountState.OPEN],
      owner: record.owner,
      display_name: record.displayName,
      alias: record.alias,
      home_branch: record.homeBranch,
      floor_minor: floorOf(floor),
      ceiling_minor: ceiling,
      metadata: plainJson(record.metadata ?? {}),
      opened_position: position,
      opened_at: this.timeMs,
    });
  }

  /** Whatever a record does to one hold, besides moving its money. */
  private changeHold(position: Position, record: HoldRecord): void {
    const { account, held, captured, expiresMs } = record;
    const isPlaced = record.kind === RecordKind.HOLD_PLACED;
    const hold = isPlaced ? position : record.hold;
    const placedMs = isPlaced ? this.timeMs : this.state.requireHold(hold).placedMs;
    const after = { account, held, captured, expiresMs, placedMs };
    switch (record.kind) {
      case RecordKind.HOLD_PLACED:
        this.keepBack(account, held, position);
        this.setHold(hold, after, "open", position);
        return;
      case RecordKind.HOLD_EXTENDED:
        this.keepBack(account, 0n, position);
        this.setHold(hold, after, "open", position);
        return;
      case RecordKind.HOLD_RELEASED:
        this.keepBack(account, captured - held, position);
        this.setHold(hold, after, "released", position);
        return;
      case RecordKind.HOLD_CAPTURED:
        // The posting counts as the change of the account.
        this.state.held[account] = (this.state.held[account] as bigint) - record.amount;
        this.addDetails({ position, hold });
        this.setHold(hold, after, captured === held ? "captured" : "open", position);
        return;
    }
  }

  private expire(position: Position, { holds }: HoldsExpiredRecord): void {
    for (const hold of holds) {
      const open = this.state.requireHold(hold);
      this.keepBack(open.account, open.captured - open.held, position);
      this.setHold(hold, open, "expired", position);
    }
  }

  private setHold(hold: Position, after: OpenHold, state: HoldRow["state"], position: Position): void {
    if (state === "open") this.state.holds.set(hold, after);
    else this.state.holds.delete(hold);
    const currency = this.state.codeOf(this.state.currencyOf[after.account] as number);
    this.rows.holds.set(hold, { ...after, currency, state, position });
  }

  /** Adds to what is held on an account, which counts as a change of it even when it adds nothing. */
  private keepBack(account: AccountIndex, delta: bigint, position: Position): void {
    this.state.requireAccount(account);
    this.state.held[account] = (this.state.held[account] as bigint) + delta;
    this.touch(account, position);
  }

  private touch(account: AccountIndex, position: Position): void {
    this.state.requireAccount(account);
    this.state.versions[account] = (this.state.versions[account] as number) + 1;
    this.rows.touched.set(account, position);
  }
}

import type { AccountIndex, LedgerRecord, RequestKey } from "@bank/core";
import { AMOUNT_MAX, RecordKind, requestIdFromBytes } from "@bank/core";
import type { BatchPayload } from "@bank/proto";
import { copyBytes, safeInteger } from "./decode.ts";
import {
  accountOpened,
  accountStateChanged,
  accountUpdated,
  branchStateChanged,
  currencyDefined,
  durabilitySet,
  epochBegun,
  holdCaptured,
  holdKept,
  holdPlaced,
  interestApplied,
  rejected,
  reversal,
  stateRoot,
} from "./decode-entries.ts";
import { JournalFormatError } from "./errors.ts";
import { ANSWERS_REQUEST, KIND_MASK } from "./record-kinds.ts";

/**
 * Reads `count` records out of their columns. They keep no part of the payload.
 * Throws: `JournalFormatError` when a kind is unknown, a column has too few or too many values, or a dictionary is not
 * the one that the records need.
 */
export function decodeRecords(payload: BatchPayload, count: number): LedgerRecord[] {
  if (payload.kinds.length !== count)
    throw new JournalFormatError(`the batch has ${payload.kinds.length} kinds for ${count} records`);
  if (payload.requestIds.length !== payload.requestHashes.length * 2)
    throw new JournalFormatError("the columns of request ids and hashes differ in length");
  checkActors(payload, count);
  const columns = new RecordColumns(payload);
  const records: LedgerRecord[] = [];
  for (let i = 0; i < count; i++) records.push(columns.next());
  columns.assertFinished();
  return records;
}

/** The dictionary holds each actor once, in the order of first use, and there is a column only where it says something. */
function checkActors({ actors, actor }: BatchPayload, count: number): void {
  if (actor.length !== (actors.length === 1 ? 0 : count))
    throw new JournalFormatError("the column of actors does not fit the records");
  let used = actors.length === 1 ? 1 : 0;
  for (const index of actor) {
    if (index > used) throw new JournalFormatError("the actors are not listed in the order of their first use");
    if (index === used) used++;
  }
  const different = new Set(actors.map(({ principal, branch }) => `${branch} ${principal}`));
  if (used !== actors.length || different.size !== actors.length)
    throw new JournalFormatError("the batch does not list exactly the actors that its records name");
}

/** The columns whose values belong to one record each, apart from movements. */
export type EntryColumn = keyof RecordColumns["used"];

/** Takes the values out of the columns, record by record. */
export class RecordColumns {
  private readonly payload: BatchPayload;
  /** One copy, which the ids of all records share. */
  private readonly requestIds: ArrayBuffer;
  private readonly hashes: DataView;
  private record = 0;
  private request = 0;
  private movement = 0;
  readonly used = {
    accountsOpened: 0,
    rejections: 0,
    epochsBegun: 0,
    currenciesDefined: 0,
    branchesRegistered: 0,
    stateRoots: 0,
    formatLevelsRaised: 0,
    accountsUpdated: 0,
    accountStatesChanged: 0,
    reversals: 0,
    interestsApplied: 0,
    holdsChanged: 0,
    holdsExpired: 0,
    groupsCommitted: 0,
    branchStatesChanged: 0,
    durabilitiesSet: 0,
  };

  constructor(payload: BatchPayload) {
    this.payload = payload;
    this.requestIds = copyBytes(payload.requestIds).buffer;
    const { buffer, byteOffset, byteLength } = payload.requestHashes;
    this.hashes = new DataView(buffer, byteOffset, byteLength);
  }

  /** The next record. Throws: `JournalFormatError` where the columns do not have it. */
  next(): LedgerRecord {
    const { payload } = this;
    const kindByte = payload.kinds[this.record] as number;
    const actor = payload.actors[payload.actor[this.record] ?? 0];
    if (actor === undefined) throw new JournalFormatError("a record names an actor that the batch does not list");
    this.record++;
    const { principal, branch } = actor;
    const request = (kindByte & ANSWERS_REQUEST) === 0 ? undefined : this.nextRequest();
    const kind = kindByte & KIND_MASK;
    switch (kind) {
      case RecordKind.DEPOSIT:
      case RecordKind.WITHDRAWAL:
      case RecordKind.TRANSFER: {
        const debit = payload.debit[this.movement] as AccountIndex | undefined;
        const credit = payload.credit[this.movement] as AccountIndex | undefined;
        const amount = payload.amount[this.movement];
        this.movement++;
        if (debit === undefined || credit === undefined || amount === undefined)
          throw new JournalFormatError("a column of movements ends too early");
        if (amount > AMOUNT_MAX) throw new JournalFormatError("an amount has 63 bits");
        return { kind, principal, branch, request, debit, credit, amount };
      }
      case RecordKind.ACCOUNT_OPENED:
        return { kind, principal, branch, request, ...accountOpened(this.take("accountsOpened")) };
      case RecordKind.REJECTED:
        return { kind, principal, branch, request, ...rejected(this.take("rejections")) };
      case RecordKind.EPOCH_BEGUN:
        return { kind, principal, branch, request, ...epochBegun(this.take("epochsBegun")) };
      case RecordKind.CURRENCY_DEFINED:
        return { kind, principal, branch, request, ...currencyDefined(this.take("currenciesDefined")) };
      case RecordKind.BRANCH_REGISTERED: {
        const { branch: number, name, address } = this.take("branchesRegistered");
        return { kind, principal, branch, request, number, name, address };
      }
      case RecordKind.STATE_ROOT:
        return { kind, principal, branch, request, ...stateRoot(this.take("stateRoots")) };
      case RecordKind.FORMAT_LEVEL_RAISED:
        return { kind, principal, branch, request, level: this.take("formatLevelsRaised").level };
      case RecordKind.ACCOUNT_UPDATED:
        return { kind, principal, branch, request, ...accountUpdated(this.take("accountsUpdated")) };
      case RecordKind.ACCOUNT_STATE_CHANGED:
        return { kind, principal, branch, request, ...accountStateChanged(this.take("accountStatesChanged")) };
      case RecordKind.REVERSAL:
        return { kind, principal, branch, request, ...reversal(this.take("reversals")) };
      case RecordKind.INTEREST_APPLIED:
        return { kind, principal, branch, request, ...interestApplied(this.take("interestsApplied")) };
      case RecordKind.HOLD_PLACED:
        return { kind, principal, branch, request, ...holdPlaced(this.take("holdsChanged")) };
      case RecordKind.HOLD_CAPTURED:
        return { kind, principal, branch, request, ...holdCaptured(this.take("holdsChanged")) };
      case RecordKind.HOLD_RELEASED:
      case RecordKind.HOLD_EXTENDED:
        return { kind, principal, branch, request, ...holdKept(this.take("holdsChanged")) };
      case RecordKind.HOLDS_EXPIRED: {
        const holds = this.take("holdsExpired").holds.map((hold) => safeInteger(hold, "position of a hold"));
        return { kind, principal, branch, request, holds };
      }
      case RecordKind.GROUP_COMMITTED:
        return { kind, principal, branch, request, records: this.take("groupsCommitted") };
      case RecordKind.TIME_TICKED:
        return { kind, principal, branch, request };
      case RecordKind.BRANCH_STATE_CHANGED:
        return { kind, principal, branch, request, ...branchStateChanged(this.take("branchStatesChanged")) };
      case RecordKind.DURABILITY_SET:
        return { kind, principal, branch, request, ...durabilitySet(this.take("durabilitiesSet")) };
      default:
        throw new JournalFormatError(`record kind ${kind} is unknown: use a newer program`);
    }
  }

  /** Every value of every column belongs to a record. */
  assertFinished(): void {
    const { payload, movement } = this;
    const finished =
      this.request * 16 === payload.requestIds.length &&
      [payload.debit, payload.credit, payload.amount].every((column) => column.length === movement) &&
      (Object.keys(this.used) as EntryColumn[]).every((name) => payload[name].length === this.used[name]);
    if (!finished) throw new JournalFormatError("a column has more values than the records use");
  }

  private nextRequest(): RequestKey {
    const at = this.request++;
    if (16 * at + 16 > this.requestIds.byteLength)
      throw new JournalFormatError("the column of request ids ends too early");
    return {
      id: requestIdFromBytes(new Uint8Array(this.requestIds, 16 * at, 16)),
      hashLow: this.hashes.getInt32(8 * at, true),
      hashHigh: this.hashes.getInt32(8 * at + 4, true),
    };
  }

  private take<Name extends EntryColumn>(name: Name): BatchPayload[Name][number] {
    const value = this.payload[name][this.used[name]++];
    if (value === undefined) throw new JournalFormatError(`the column ${name} ends too early`);
    return value;
  }
}

import type { AccountIndex, CurrencyIndex, LedgerRecord, RequestKey } from "@bank/core";
import { isAccountType, isMovement, REJECTIONS, RecordKind, rejectionByNumber, requestIdFromBytes } from "@bank/core";
import type { BatchPayload } from "@bank/proto";
import {
  AccountOpenedSchema,
  ActorSchema,
  BatchPayloadSchema,
  BranchRegisteredSchema,
  CurrencyDefinedSchema,
  EpochBegunSchema,
  RejectedSchema,
  StateRootSchema,
} from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { safeInteger } from "./decode.ts";
import { JournalFormatError } from "./errors.ts";

const ANSWERS_REQUEST = 0x80;
const KIND_MASK = 0x7f;

/** An upper bound on what a record adds to a frame. UTF-8 takes at most three bytes for a UTF-16 code unit. */
export function estimateBytes(record: LedgerRecord): number {
  if (isMovement(record)) return 48;
  switch (record.kind) {
    case RecordKind.ACCOUNT_OPENED:
      return 128 + 3 * (record.name.length + record.owner.length + record.displayName.length);
    case RecordKind.BRANCH_REGISTERED:
      return 96 + 3 * (record.name.length + record.address.length);
    case RecordKind.REJECTED: {
      let bytes = 64;
      for (const [key, value] of Object.entries(record.rejection.metadata))
        bytes += 8 + 3 * (key.length + value.length);
      return bytes;
    }
    default:
      return 160;
  }
}

/** Puts records into columns. */
export function encodeRecords(records: readonly LedgerRecord[]): BatchPayload {
  const payload = create(BatchPayloadSchema);
  payload.kinds = new Uint8Array(records.length);
  const requests = records.reduce((count, record) => count + (record.request === undefined ? 0 : 1), 0);
  payload.requestIds = new Uint8Array(16 * requests);
  payload.requestHashes = new Uint8Array(8 * requests);
  const hashes = new DataView(payload.requestHashes.buffer);
  const actors = new ActorColumn(payload);
  let request = 0;
  for (let i = 0; i < records.length; i++) {
    const record = records[i] as LedgerRecord;
    actors.push(record.principal, record.branch);
    payload.kinds[i] = record.request === undefined ? record.kind : record.kind | ANSWERS_REQUEST;
    if (record.request !== undefined) {
      payload.requestIds.set(record.request.id, 16 * request);
      hashes.setInt32(8 * request, record.request.hashLow, true);
      hashes.setInt32(8 * request + 4, record.request.hashHigh, true);
      request++;
    }
    if (isMovement(record)) {
      payload.debit.push(record.debit);
      payload.credit.push(record.credit);
      payload.amount.push(record.amount);
    } else {
      encodeOther(payload, record);
    }
  }
  actors.finish();
  return payload;
}

/** The small dictionary of (principal, branch), and the column that points into it. */
class ActorColumn {
  private readonly payload: BatchPayload;
  private readonly indexes = new Map<string, number>();
  private lastPrincipal: string | undefined;
  private lastBranch = -1;
  private last = 0;

  constructor(payload: BatchPayload) {
    this.payload = payload;
  }

  push(principal: string, branch: number): void {
    // Neighbours mostly have the same actor: most records need no look-up.
    if (principal !== this.lastPrincipal || branch !== this.lastBranch) this.lookUp(principal, branch);
    this.payload.actor.push(this.last);
  }

  /** With a single actor the column says nothing. */
  finish(): void {
    if (this.payload.actors.length === 1) this.payload.actor = [];
  }

  private lookUp(principal: string, branch: number): void {
    const key = `${branch} ${principal}`;
    let index = this.indexes.get(key);
    if (index === undefined) {
      index = this.payload.actors.push(create(ActorSchema, { principal, branch })) - 1;
      this.indexes.set(key, index);
    }
    this.lastPrincipal = principal;
    this.lastBranch = branch;
    this.last = index;
  }
}

type OtherRecord = Exclude<LedgerRecord, { readonly kind: 1 | 2 | 3 }>;

function encodeOther(payload: BatchPayload, record: OtherRecord): void {
  switch (record.kind) {
    case RecordKind.ACCOUNT_OPENED: {
      const { account, type, name, currency, homeBranch, owner, displayName, floor } = record;
      const number = BigInt(record.number);
      payload.accountsOpened.push(
        create(AccountOpenedSchema, { account, type, number, name, currency, homeBranch, owner, displayName, floor }),
      );
      return;
    }
    case RecordKind.REJECTED: {
      const { reason, metadata } = record.rejection;
      const keys = Object.keys(metadata).sort();
      const values = keys.map((key) => metadata[key] as string);
      payload.rejections.push(create(RejectedSchema, { reason: REJECTIONS[reason].number, keys, values }));
      return;
    }
    case RecordKind.EPOCH_BEGUN: {
      const { id, bankId, lossAccepted } = record;
      payload.epochsBegun.push(create(EpochBegunSchema, { number: BigInt(record.number), id, bankId, lossAccepted }));
      return;
    }
    case RecordKind.CURRENCY_DEFINED: {
      const { currency, code, decimals } = record;
      payload.currenciesDefined.push(create(CurrencyDefinedSchema, { currency, code, decimals }));
      return;
    }
    case RecordKind.BRANCH_REGISTERED: {
      const { number: branch, name, address } = record;
      payload.branchesRegistered.push(create(BranchRegisteredSchema, { branch, name, address }));
      return;
    }
    case RecordKind.STATE_ROOT:
      payload.stateRoots.push(create(StateRootSchema, { position: BigInt(record.position), root: record.root }));
      return;
  }
}

/**
 * Reads `count` records out of their columns.
 * Throws: `JournalFormatError` when a kind is unknown or a column has too few or too many values.
 */
export function decodeRecords(payload: BatchPayload, count: number): LedgerRecord[] {
  if (payload.kinds.length !== count)
    throw new JournalFormatError(`the batch has ${payload.kinds.length} kinds for ${count} records`);
  if (payload.requestIds.length * 8 !== payload.requestHashes.length * 16)
    throw new JournalFormatError("the columns of request ids and hashes differ in length");
  if (payload.actor.length !== (payload.actors.length === 1 ? 0 : count))
    throw new JournalFormatError("the column of actors does not fit the records");
  const columns = new ColumnReader(payload);
  const records: LedgerRecord[] = [];
  for (let i = 0; i < count; i++) records.push(columns.next());
  columns.assertFinished();
  return records;
}

/** Takes the values out of the columns, record by record. */
class ColumnReader {
  private readonly payload: BatchPayload;
  private readonly hashes: DataView;
  private record = 0;
  private request = 0;
  private movement = 0;
  private readonly used = {
    accountsOpened: 0,
    rejections: 0,
    epochsBegun: 0,
    currenciesDefined: 0,
    branchesRegistered: 0,
    stateRoots: 0,
  };

  constructor(payload: BatchPayload) {
    this.payload = payload;
    const { buffer, byteOffset, byteLength } = payload.requestHashes;
    this.hashes = new DataView(buffer, byteOffset, byteLength);
  }

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
        return { kind, principal, branch, request, debit, credit, amount };
      }
      case RecordKind.ACCOUNT_OPENED: {
        const { account, type, number, name, currency, homeBranch, owner, displayName, floor } =
          this.take("accountsOpened");
        if (!isAccountType(type)) throw new JournalFormatError(`account type ${type} is unknown: use a newer program`);
        return {
          kind,
          principal,
          branch,
          request,
          account: account as AccountIndex,
          type,
          number: safeInteger(number, "account number"),
          name,
          currency: currency as CurrencyIndex,
          homeBranch,
          owner,
          displayName,
          floor,
        };
      }
      case RecordKind.REJECTED: {
        const { reason: number, keys, values } = this.take("rejections");
        const reason = rejectionByNumber(number);
        if (reason === undefined) throw new JournalFormatError(`rejection ${number} is unknown: use a newer program`);
        if (keys.length !== values.length) throw new JournalFormatError("a rejection has keys without values");
        const metadata = Object.fromEntries(keys.map((key, i) => [key, values[i] as string]));
        return { kind, principal, branch, request, rejection: { reason, metadata } };
      }
      case RecordKind.EPOCH_BEGUN: {
        const { number, id, bankId, lossAccepted } = this.take("epochsBegun");
        if (id.length !== 16 || bankId.length !== 16) throw new JournalFormatError("epoch and bank ids have 16 bytes");
        return { kind, principal, branch, request, number: safeInteger(number, "epoch"), id, bankId, lossAccepted };
      }
      case RecordKind.CURRENCY_DEFINED: {
        const { currency, code, decimals } = this.take("currenciesDefined");
        return { kind, principal, branch, request, currency: currency as CurrencyIndex, code, decimals };
      }
      case RecordKind.BRANCH_REGISTERED: {
        const { branch: number, name, address } = this.take("branchesRegistered");
        return { kind, principal, branch, request, number, name, address };
      }
      case RecordKind.STATE_ROOT: {
        const { position, root } = this.take("stateRoots");
        if (root.length !== 32) throw new JournalFormatError("a root has 32 bytes");
        return { kind, principal, branch, request, position: safeInteger(position, "root position"), root };
      }
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
      (Object.keys(this.used) as (keyof typeof this.used)[]).every((name) => payload[name].length === this.used[name]);
    if (!finished) throw new JournalFormatError("a column has more values than the records use");
  }

  private nextRequest(): RequestKey {
    const at = this.request++;
    const id = this.payload.requestIds.slice(16 * at, 16 * at + 16);
    if (id.length !== 16) throw new JournalFormatError("the column of request ids ends too early");
    return {
      id: requestIdFromBytes(id),
      hashLow: this.hashes.getInt32(8 * at, true),
      hashHigh: this.hashes.getInt32(8 * at + 4, true),
    };
  }

  private take<Name extends keyof ColumnReader["used"]>(name: Name): BatchPayload[Name][number] {
    const value = this.payload[name][this.used[name]++];
    if (value === undefined) throw new JournalFormatError(`the column ${name} ends too early`);
    return value;
  }
}

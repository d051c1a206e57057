import type { AccountIndex, LedgerRecord, MovementRecord, Position, RequestKey } from "@bank/core";
import { RecordKind, requestIdFromBytes } from "@bank/core";
import { type BatchPayload, BatchPayloadSchema } from "@bank/proto";
import { type DescField, type DescMessage, fromBinary, type Message } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { copyBytes } from "./decode.ts";
import { decodeEntry, type EntryColumn, type TakeEntry, unknownKind } from "./decode-entry.ts";
import { JournalFormatError } from "./errors.ts";
import { type BatchHeader, splitFrame } from "./frame.ts";
import { ANSWERS_REQUEST, KIND_MASK } from "./record-kinds.ts";

const NO_BYTES = new Uint8Array(0);

/** Of three columns each: what a movement takes. */
const MOVEMENT = "movement";

/** Where the values of a kind of records stand, beside those that all records have. */
const COLUMN_OF: Record<RecordKind, EntryColumn | typeof MOVEMENT | undefined> = {
  [RecordKind.DEPOSIT]: MOVEMENT,
  [RecordKind.WITHDRAWAL]: MOVEMENT,
  [RecordKind.TRANSFER]: MOVEMENT,
  [RecordKind.ACCOUNT_OPENED]: "accountsOpened",
  [RecordKind.REJECTED]: "rejections",
  [RecordKind.EPOCH_BEGUN]: "epochsBegun",
  [RecordKind.CURRENCY_DEFINED]: "currenciesDefined",
  [RecordKind.BRANCH_REGISTERED]: "branchesRegistered",
  [RecordKind.STATE_ROOT]: "stateRoots",
  [RecordKind.FORMAT_LEVEL_RAISED]: "formatLevelsRaised",
  [RecordKind.ACCOUNT_UPDATED]: "accountsUpdated",
  [RecordKind.ACCOUNT_STATE_CHANGED]: "accountStatesChanged",
  [RecordKind.REVERSAL]: "reversals",
  [RecordKind.INTEREST_APPLIED]: "interestsApplied",
  [RecordKind.HOLD_PLACED]: "holdsChanged",
  [RecordKind.HOLD_CAPTURED]: "holdsChanged",
  [RecordKind.HOLD_RELEASED]: "holdsChanged",
  [RecordKind.HOLD_EXTENDED]: "holdsChanged",
  [RecordKind.HOLDS_EXPIRED]: "holdsExpired",
  [RecordKind.GROUP_COMMITTED]: "groupsCommitted",
  [RecordKind.TIME_TICKED]: undefined,
  [RecordKind.BRANCH_STATE_CHANGED]: "branchStatesChanged",
  [RecordKind.DURABILITY_SET]: "durabilitiesSet",
};

/** Fields of a payload by number. */
const FIELDS = new Map<number, DescField>(BatchPayloadSchema.fields.map((field) => [field.number, field]));

/**
 * Reads single records of a frame, for little more than what these take: the rest of the frame is passed over. For
 * frames out of one's own store, whose chain was checked: unlike `decodeFrame` it does not look whether the frame is
 * encoded in the one way, nor whether its records contradict each other.
 *
 * Keeps the frame; the records that it gives do not.
 */
export class FrameReader {
  readonly header: BatchHeader;
  /** The values of each column that has them one by one, not decoded. */
  private readonly entries = new Map<string, Uint8Array[]>();
  /** Each other column in one piece, by the name of its field. */
  private readonly columns = new Map<string, Uint8Array>();
  /** Of each record: how many before it have values in the same column. */
  private readonly rows: Uint32Array;
  /** Of each record: how many before it answer a request. */
  private readonly requestRows: Uint32Array;
  private readonly actors: BatchPayload["actors"];
  private readonly actor: readonly number[];
  private readonly groups: readonly number[];

  /** Throws: `JournalFormatError` for what is no frame. */
  constructor(frame: Uint8Array) {
    const { header, payload } = splitFrame(frame);
    this.header = header;
    this.rows = new Uint32Array(header.count);
    this.requestRows = new Uint32Array(header.count);
    try {
      this.findColumns(payload);
      // These say what others mean, and are short: all of them.
      const { actors, actor, groupsCommitted } = this.decodeColumns();
      this.actors = actors;
      this.actor = actor;
      this.groups = groupsCommitted;
    } catch (cause) {
      throw asFormatError(cause);
    }
    this.countRows();
  }

  /**
   * The records at these positions, in the order given. All of them are in the batch.
   * Throws: `RangeError` for a position that is not; `JournalFormatError` for what cannot be decoded.
   */
  recordsAt(positions: readonly Position[]): LedgerRecord[] {
    const { firstPosition, count } = this.header;
    const indexes = positions.map((position) => position - firstPosition);
    for (const index of indexes)
      if (!(index >= 0 && index < count)) throw new RangeError(`the batch has no position ${firstPosition + index}`);
    try {
      return indexes.map((index) => this.recordAt(index));
    } catch (cause) {
      throw asFormatError(cause);
    }
  }

  /** Where the batch has records of this kind, ascending. */
  positionsOf(kind: RecordKind): Position[] {
    const kinds = this.column("kinds");
    const found: Position[] = [];
    for (let i = 0; i < kinds.length; i++)
      if (((kinds[i] as number) & KIND_MASK) === kind) found.push(this.header.firstPosition + i);
    return found;
  }

  private findColumns(payload: Uint8Array): void {
    const reader = new BinaryReader(payload);
    while (reader.pos < reader.len) {
      const [number] = reader.tag();
      const field = FIELDS.get(number);
      if (field === undefined) throw new JournalFormatError(`the payload has field ${number}: use a newer program`);
      // Every field of a payload is a run of bytes: a text, a packed column, or a message.
      const value = reader.bytes();
      if (field.fieldKind !== "list" || field.packed) {
        this.columns.set(field.localName, value);
        continue;
      }
      const values = this.entries.get(field.localName);
      if (values === undefined) this.entries.set(field.localName, [value]);
      else values.push(value);
    }
    if (this.column("kinds").length !== this.header.count)
      throw new JournalFormatError(
        `the batch has ${this.column("kinds").length} kinds for ${this.header.count} records`,
      );
  }

  private decodeColumns(): Pick<BatchPayload, "actors" | "actor" | "groupsCommitted"> {
    const actors = (this.entries.get("actors") ?? []).map((bytes) =>
      entryOf("actors", bytes),
    ) as BatchPayload["actors"];
    return { actors, actor: varints(this.column("actor")), groupsCommitted: varints(this.column("groupsCommitted")) };
  }

  private countRows(): void {
    const kinds = this.column("kinds");
    const counts = new Map<string | undefined, number>();
    let requests = 0;
    // Neighbours are mostly of one kind: what it counts in is looked up only where it changes.
    let kind = -1;
    let column: string | undefined;
    let row = 0;
    for (let i = 0; i < kinds.length; i++) {
      const byte = kinds[i] as number;
      if ((byte & KIND_MASK) !== kind) {
        if (kind >= 0) counts.set(column, row);
        kind = byte & KIND_MASK;
        if (!(kind in COLUMN_OF)) throw unknownKind(kind);
        column = COLUMN_OF[kind as RecordKind];
        row = counts.get(column) ?? 0;
      }
      this.rows[i] = row++;
      this.requestRows[i] = requests;
      if ((byte & ANSWERS_REQUEST) !== 0) requests++;
    }
  }

  private recordAt(index: number): LedgerRecord {
    const byte = this.column("kinds")[index] as number;
    const actor = this.actors[this.actor.length === 0 ? 0 : (this.actor[index] ?? this.actors.length)];
    if (actor === undefined) throw new JournalFormatError("a record names an actor that the batch does not list");
    const { principal, branch } = actor;
    const request = (byte & ANSWERS_REQUEST) === 0 ? undefined : this.requestAt(this.requestRows[index] as number);
    const kind = (byte & KIND_MASK) as RecordKind;
    const row = this.rows[index] as number;
    if (kind > RecordKind.TRANSFER) {
      const take: TakeEntry = (name) => this.entry(name, row) as never;
      return decodeEntry(kind, { principal, branch, request }, take);
    }
    const debit = this.view("debit", row, 4).getUint32(0, true) as AccountIndex;
    const credit = this.view("credit", row, 4).getUint32(0, true) as AccountIndex;
    const amount = this.view("amount", row, 8).getBigInt64(0, true);
    return { kind: kind as MovementRecord["kind"], principal, branch, request, debit, credit, amount };
  }

  private requestAt(row: number): RequestKey {
    const { buffer, byteOffset } = this.view("requestIds", row, 16);
    const hash = this.view("requestHashes", row, 8);
    return {
      id: requestIdFromBytes(copyBytes(new Uint8Array(buffer, byteOffset, 16))),
      hashLow: hash.getInt32(0, true),
      hashHigh: hash.getInt32(4, true),
    };
  }

  private entry(column: EntryColumn, row: number): unknown {
    const value = column === "groupsCommitted" ? this.groups[row] : this.entries.get(column)?.[row];
    if (value === undefined) throw new JournalFormatError(`the column ${column} ends too early`);
    return typeof value === "number" ? value : entryOf(column, value);
  }

  private column(name: string): Uint8Array {
    return this.columns.get(name) ?? NO_BYTES;
  }

  /** One value of a column of fixed width. */
  private view(name: string, row: number, width: number): DataView {
    const { buffer, byteOffset, length } = this.column(name);
    if ((row + 1) * width > length) throw new JournalFormatError("a column ends too early");
    return new DataView(buffer, byteOffset + row * width, width);
  }
}

const SCHEMAS = new Map<string, DescMessage>(
  BatchPayloadSchema.fields.flatMap((field) =>
    field.fieldKind === "list" && field.message !== undefined ? [[field.localName, field.message] as const] : [],
  ),
);

function entryOf(column: string, bytes: Uint8Array): Message {
  return fromBinary(SCHEMAS.get(column) as DescMessage, bytes);
}

function varints(bytes: Uint8Array): number[] {
  const reader = new BinaryReader(bytes);
  const values: number[] = [];
  while (reader.pos < reader.len) values.push(reader.uint32());
  return values;
}

function asFormatError(cause: unknown): JournalFormatError {
  return cause instanceof JournalFormatError ? cause : new JournalFormatError("a payload cannot be decoded", { cause });
}

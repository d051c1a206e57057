import type { Actor, RecordList } from "@bank/core";
import { RecordKind } from "@bank/core";
import type { BatchPayload } from "@bank/proto";
import { ActorSchema, BatchPayloadSchema } from "@bank/proto";
import { create, toBinary } from "@bufbuild/protobuf";
import { encodeEntry } from "./encode-entries.ts";
import { JournalFormatError } from "./errors.ts";
import { ANSWERS_REQUEST } from "./record-kinds.ts";
import { wellFormed } from "./texts.ts";
import type { WireWriter } from "./wire-writer.ts";

const FIELD = BatchPayloadSchema.field;

/**
 * Writes records, as `checkBatch` passed them, in columns: a `BatchPayload`. What the records have in columns is copied as
 * it stands there: nothing is made for a movement by itself.
 * Throws: `JournalFormatError` for a text that has no UTF-8, which its readers would see otherwise.
 */
export function encodeRecords(records: RecordList, writer: WireWriter): void {
  const { kinds, actorRows, actors, requestRows, movementRows, entries } = new RecordScan(records);
  column(writer, FIELD.kinds, kinds);
  for (const { principal, branch } of actors) {
    const actor = create(ActorSchema, { principal: wellFormed(principal), branch });
    // An actor whose principal and branch are the defaults has no bytes, and is one all the same.
    writer.field(FIELD.actors.number, toBinary(ActorSchema, actor));
  }
  // With a single actor the column says nothing.
  if (actors.length > 1) column(writer, FIELD.actor, varints(actorRows));
  column(writer, FIELD.requestIds, bytesOf(records.requestIds, 4, requestRows, records.length));
  column(writer, FIELD.requestHashes, bytesOf(records.requestHashes, 2, requestRows, records.length));
  column(writer, FIELD.debit, bytesOf(records.debits, 1, movementRows, records.length));
  column(writer, FIELD.credit, bytesOf(records.credits, 1, movementRows, records.length));
  column(writer, FIELD.amount, bytesOf(records.amountWords, 2, movementRows, records.length));
  if (entries !== undefined) writer.raw(toBinary(BatchPayloadSchema, entries));
}

/** What has to be known of the records before their columns can be written. */
class RecordScan {
  readonly kinds: Uint8Array;
  /** In the order of their first use: those of a list may have been noted for a record that then did not come to be. */
  readonly actors: Actor[] = [];
  readonly actorRows: Uint16Array;
  /** The records that answer a request. */
  readonly requestRows: Rows;
  readonly movementRows: Rows;
  /** What is no movement; undefined where there are only movements. */
  readonly entries: BatchPayload | undefined;

  constructor(records: RecordList) {
    const { length } = records;
    this.kinds = new Uint8Array(length);
    this.actorRows = new Uint16Array(length);
    this.requestRows = new Rows(length);
    this.movementRows = new Rows(length);
    this.scanActors(records);
    for (let i = 0; i < length; i++) {
      const kind = records.kinds[i] as number;
      const answers = records.answers[i] === 1;
      this.kinds[i] = answers ? kind | ANSWERS_REQUEST : kind;
      if (answers) this.requestRows.push(i);
      if (kind <= RecordKind.TRANSFER) {
        this.movementRows.push(i);
      } else {
        this.entries ??= create(BatchPayloadSchema);
        encodeEntry(this.entries, records.others.get(i) as Parameters<typeof encodeEntry>[1]);
      }
    }
  }

  private scanActors({ actors, actorIndexes, length }: RecordList): void {
    const indexes = new Int32Array(actors.length).fill(-1);
    let last = -1;
    let index = 0;
    for (let i = 0; i < length; i++) {
      const own = actorIndexes[i] as number;
      if (own !== last) {
        last = own;
        const known = indexes[own];
        if (known === undefined) throw new JournalFormatError("a record names an actor that its list does not have");
        index = known >= 0 ? known : this.actors.push(actors[own] as Actor) - 1;
        indexes[own] = index;
      }
      this.actorRows[i] = index;
    }
  }
}

/** Some of the records, by ascending index. */
class Rows {
  count = 0;
  private readonly indexes: Uint16Array;

  constructor(capacity: number) {
    this.indexes = new Uint16Array(capacity);
  }

  push(index: number): void {
    this.indexes[this.count++] = index;
  }

  at(row: number): number {
    return this.indexes[row] as number;
  }
}

function column(writer: WireWriter, { number }: { readonly number: number }, bytes: Uint8Array): void {
  if (bytes.length > 0) writer.field(number, bytes);
}

/** The values of those rows in a column of so many words each: where these are all rows, the memory itself. */
function bytesOf(words: Int32Array | Uint32Array, width: 1 | 2 | 4, rows: Rows, length: number): Uint8Array {
  const { count } = rows;
  if (count === length) return new Uint8Array(words.buffer, words.byteOffset, 4 * width * count);
  const chosen = new Int32Array(width * count);
  for (let row = 0; row < count; row++) {
    const from = width * rows.at(row);
    for (let word = 0; word < width; word++) chosen[width * row + word] = words[from + word] as number;
  }
  return new Uint8Array(chosen.buffer);
}

/** Integers of up to 16 bits, seven in each byte. */
function varints(values: Uint16Array): Uint8Array {
  const bytes = new Uint8Array(3 * values.length);
  let at = 0;
  for (let i = 0; i < values.length; i++) {
    let value = values[i] as number;
    for (; value > 0x7f; value >>>= 7) bytes[at++] = (value & 0x7f) | 0x80;
    bytes[at++] = value;
  }
  return bytes.subarray(0, at);
}

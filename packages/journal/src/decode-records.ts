import type { Actor, LedgerRecord, RequestKey } from "@bank/core";
import { RecordKind, RecordList, requestIdFromBytes } from "@bank/core";
import { ActorSchema, type BatchPayload, BatchPayloadSchema } from "@bank/proto";
import { copyBytes, decodeStrictly } from "./decode.ts";
import { decodeEntry, type EntryColumn, type TakeEntry, unknownKind } from "./decode-entry.ts";
import { JournalFormatError } from "./errors.ts";
import { findColumns, type PayloadColumns } from "./payload-columns.ts";
import { ANSWERS_REQUEST, KIND_MASK } from "./record-kinds.ts";
import { WireCursor } from "./wire-cursor.ts";

/**
 * Reads `count` records out of a payload, columns into columns: nothing is made for a movement by itself. Refuses
 * everything that this program does not know, and every other encoding of what it knows than its own. The records keep no
 * part of the payload.
 * Throws: `JournalFormatError`, besides for that, when a column has too few or too many values, or a dictionary is not the
 * one that the records need.
 */
export function decodeRecords(payload: Uint8Array, count: number): RecordList {
  const columns = findColumns(payload);
  if (columns.kinds.length !== count)
    throw new JournalFormatError(`the batch has ${columns.kinds.length} kinds for ${count} records`);
  const records = new RecordList(count);
  const { requests, movements } = readKinds(records, columns.kinds);
  readActors(records, columns);
  const { requestIds, requestHashes, debit, credit, amount } = columns;
  if (requestIds.length !== requestHashes.length * 2)
    throw new JournalFormatError("the columns of request ids and hashes differ in length");
  const requestRows = { count: requests, flags: records.answers, flagMax: 1 };
  readWords(records, records.requestIds, { bytes: requestIds, width: 4, name: "request ids" }, requestRows);
  readWords(records, records.requestHashes, { bytes: requestHashes, width: 2, name: "request hashes" }, requestRows);
  const movementRows = { count: movements, flags: records.kinds, flagMax: RecordKind.TRANSFER };
  readWords(records, records.debits, { bytes: debit, width: 1, name: "movements" }, movementRows);
  readWords(records, records.credits, { bytes: credit, width: 1, name: "movements" }, movementRows);
  readWords(records, records.amountWords, { bytes: amount, width: 2, name: "movements" }, movementRows);
  if (movements < count || columns.entries.length > 0)
    readEntries(records, decodeStrictly(BatchPayloadSchema, columns.entries));
  return records;
}

const IS_KNOWN = new Uint8Array(KIND_MASK + 1);
for (const kind of Object.values(RecordKind)) IS_KNOWN[kind] = 1;

function readKinds(records: RecordList, kinds: Uint8Array): { requests: number; movements: number } {
  let requests = 0;
  let movements = 0;
  for (let i = 0; i < kinds.length; i++) {
    const byte = kinds[i] as number;
    const kind = byte & KIND_MASK;
    if (IS_KNOWN[kind] === 0) throw unknownKind(kind);
    const at = records.extend();
    records.kinds[at] = kind;
    if (kind <= RecordKind.TRANSFER) movements++;
    if ((byte & ANSWERS_REQUEST) !== 0) {
      records.answers[at] = 1;
      requests++;
    }
  }
  return { requests, movements };
}

/** The dictionary holds each actor once, in the order of first use, and there is a column only where it says something. */
function readActors(records: RecordList, { actors: encoded, actor: column }: PayloadColumns): void {
  const actors = encoded.map((bytes) => decodeStrictly(ActorSchema, bytes));
  const { length, actorIndexes } = records;
  let used = actors.length === 1 ? 1 : 0;
  let values = 0;
  const cursor = new WireCursor(column);
  while (cursor.at < column.length) {
    const index = cursor.varint(32, column.length);
    if (index > used) throw new JournalFormatError("the actors are not listed in the order of their first use");
    if (index === used) used++;
    if (values < length) actorIndexes[values] = index;
    values++;
  }
  if (values !== (actors.length === 1 ? 0 : length))
    throw new JournalFormatError("the column of actors does not fit the records");
  const isEachOnce =
    actors.length === 1 ||
    new Set(actors.map(({ principal, branch }) => `${branch} ${principal}`)).size === actors.length;
  if (used !== actors.length || !isEachOnce)
    throw new JournalFormatError("the batch does not list exactly the actors that its records name");
  for (const { principal, branch } of actors) records.actors.push({ principal, branch });
}

/** The records that have a value in a column: those whose flag is neither 0 nor above the greatest. */
interface Rows {
  readonly count: number;
  readonly flags: Uint8Array;
  readonly flagMax: number;
}

interface Column {
  readonly bytes: Uint8Array;
  /** Words of a value. */
  readonly width: 1 | 2 | 4;
  readonly name: string;
}

function readWords(
  { length }: RecordList,
  words: Int32Array | Uint32Array,
  { bytes, width, name }: Column,
  { count, flags, flagMax }: Rows,
): void {
  if (bytes.length < 4 * width * count) throw new JournalFormatError(`the column of ${name} ends too early`);
  if (bytes.length > 4 * width * count) throw tooMany();
  if (count === 0) return;
  if (count === length) {
    new Uint8Array(words.buffer, words.byteOffset, bytes.length).set(bytes);
    return;
  }
  // A copy that begins where words may begin.
  const values = new Int32Array(copyBytes(bytes).buffer);
  for (let i = 0, from = 0; i < length; i++) {
    const flag = flags[i] as number;
    if (flag === 0 || flag > flagMax) continue;
    for (let word = 0; word < width; word++) words[width * i + word] = values[from++] as number;
  }
}

function readEntries(records: RecordList, payload: BatchPayload): void {
  const used = new Map<EntryColumn, number>();
  const take: TakeEntry = (name) => {
    const row = used.get(name) ?? 0;
    used.set(name, row + 1);
    const value = payload[name][row];
    if (value === undefined) throw new JournalFormatError(`the column ${name} ends too early`);
    return value;
  };
  const others = new Map<number, LedgerRecord>();
  for (let i = 0; i < records.length; i++) {
    const kind = records.kinds[i] as number;
    if (kind <= RecordKind.TRANSFER) continue;
    const { principal, branch } = records.actors[records.actorIndexes[i] as number] as Actor;
    others.set(i, decodeEntry(kind, { principal, branch, request: requestAt(records, i) }, take));
  }
  records.others = others;
  for (const name of ENTRY_COLUMNS) if (payload[name].length !== (used.get(name) ?? 0)) throw tooMany();
}

/** Every column behind those that `findColumns` knows by itself. */
const ENTRY_COLUMNS = BatchPayloadSchema.fields
  .filter(({ number }) => number > BatchPayloadSchema.field.amount.number)
  .map(({ localName }) => localName as EntryColumn);

function requestAt({ answers, requestIds, requestHashes }: RecordList, index: number): RequestKey | undefined {
  if (answers[index] === 0) return undefined;
  const id = copyBytes(new Uint8Array(requestIds.buffer, requestIds.byteOffset + 16 * index, 16));
  const hashLow = requestHashes[2 * index] as number;
  return { id: requestIdFromBytes(id), hashLow, hashHigh: requestHashes[2 * index + 1] as number };
}

function tooMany(): JournalFormatError {
  return new JournalFormatError("a column has more values than the records use");
}

import type { AccountIndex, LedgerRecord, MovementRecord } from "@bank/core";
import { AMOUNT_MAX, isMovement, RecordKind, requestIdFromBytes } from "@bank/core";
import { ActorSchema, BatchPayloadSchema } from "@bank/proto";
import { create, toBinary } from "@bufbuild/protobuf";
import { decodeStrictly } from "./decode.ts";
import { decodeEntry, type EntryColumn, type TakeEntry } from "./decode-entry.ts";
import { encodeEntry } from "./encode-entries.ts";
import { JournalFormatError } from "./errors.ts";
import { ANSWERS_REQUEST, KIND_MASK } from "./record-kinds.ts";

// The slow twin of the codec of records: one record after the other, through a message that a general encoder writes and
// a general decoder reads.

/** The payload of some records. */
export function encodePlainly(records: readonly LedgerRecord[]): Uint8Array {
  const payload = create(BatchPayloadSchema, { kinds: new Uint8Array(records.length) });
  const actor: number[] = [];
  const ids: number[] = [];
  const hashes: number[] = [];
  records.forEach((record, i) => {
    const { kind, principal, branch, request } = record;
    payload.kinds[i] = request === undefined ? kind : kind | ANSWERS_REQUEST;
    let index = payload.actors.findIndex((known) => known.principal === principal && known.branch === branch);
    if (index < 0) index = payload.actors.push(create(ActorSchema, { principal, branch })) - 1;
    actor.push(index);
    if (request !== undefined) {
      ids.push(...request.id);
      hashes.push(...new Uint8Array(Int32Array.of(request.hashLow, request.hashHigh).buffer));
    }
    if (isMovement(record)) {
      payload.debit.push(record.debit);
      payload.credit.push(record.credit);
      payload.amount.push(record.amount);
    } else {
      encodeEntry(payload, record);
    }
  });
  if (payload.actors.length > 1) payload.actor = actor;
  payload.requestIds = Uint8Array.from(ids);
  payload.requestHashes = Uint8Array.from(hashes);
  return toBinary(BatchPayloadSchema, payload);
}

/** The records of a payload. Throws: `JournalFormatError` for whatever is not its one encoding, or not `count` records. */
export function decodePlainly(bytes: Uint8Array, count: number): LedgerRecord[] {
  const payload = decodeStrictly(BatchPayloadSchema, bytes);
  const { kinds, actors, actor, requestIds, requestHashes } = payload;
  const used = new Map<string, number>();
  const next = (name: string) => {
    const row = used.get(name) ?? 0;
    used.set(name, row + 1);
    return row;
  };
  const take: TakeEntry = (name) => required(payload[name][next(name)]);
  const indexes = actors.length === 1 ? Array.from(kinds, () => 0) : actor;
  need(kinds.length === count && indexes.length === count && (actors.length !== 1 || actor.length === 0));
  need(actors.every((_, i) => indexes.includes(i)) && indexes.every((index) => index < actors.length));
  const firsts = actors.map((_, i) => indexes.indexOf(i));
  need(firsts.every((first, i) => i === 0 || first > required(firsts[i - 1])));
  need(new Set(actors.map(({ principal, branch }) => JSON.stringify([principal, branch]))).size === actors.length);
  const records = Array.from(kinds, (byte, i): LedgerRecord => {
    const { principal, branch } = required(actors[required(indexes[i])]);
    let request: LedgerRecord["request"];
    if ((byte & ANSWERS_REQUEST) !== 0) {
      const at = next("requests");
      need(requestIds.length >= 16 * at + 16 && requestHashes.length >= 8 * at + 8);
      const hash = new DataView(Uint8Array.from(requestHashes.subarray(8 * at, 8 * at + 8)).buffer);
      const id = requestIdFromBytes(Uint8Array.from(requestIds.subarray(16 * at, 16 * at + 16)));
      request = { id, hashLow: hash.getInt32(0, true), hashHigh: hash.getInt32(4, true) };
    }
    const kind = byte & KIND_MASK;
    need(kind > 0);
    if (kind > RecordKind.TRANSFER) return decodeEntry(kind, { principal, branch, request }, take);
    const at = next("movements");
    const amount = required(payload.amount[at]);
    need(amount <= AMOUNT_MAX);
    const debit = required(payload.debit[at]) as AccountIndex;
    const credit = required(payload.credit[at]) as AccountIndex;
    return { kind: kind as MovementRecord["kind"], principal, branch, request, debit, credit, amount };
  });
  need(requestIds.length === 16 * next("requests") && requestHashes.length * 2 === requestIds.length);
  const movements = next("movements");
  for (const column of [payload.debit, payload.credit, payload.amount]) need(column.length === movements);
  for (const { localName, number } of BatchPayloadSchema.fields)
    if (number > BatchPayloadSchema.field.amount.number)
      need(payload[localName as EntryColumn].length === (used.get(localName) ?? 0));
  return records;
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new JournalFormatError("a column ends too early");
  return value;
}

function need(condition: boolean): void {
  if (!condition) throw new JournalFormatError("the columns do not fit each other");
}

import type { LedgerRecord, MovementRecord, RequestKey } from "@bank/core";
import { isMovement } from "@bank/core";
import type { BatchPayload } from "@bank/proto";
import { ActorSchema, BatchPayloadSchema } from "@bank/proto";
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { encodeEntry } from "./encode-entries.ts";
import { JournalFormatError } from "./errors.ts";
import { ANSWERS_REQUEST } from "./record-kinds.ts";
import { wellFormed } from "./texts.ts";

/**
 * Puts records into columns: the bytes of a `BatchPayload`.
 * Throws: `JournalFormatError` for what its readers would see otherwise: a text that has no UTF-8, numbers that are too
 * large for their columns.
 */
export function encodeRecords(records: readonly LedgerRecord[]): Uint8Array {
  // Two halves of one message: between them come the columns of movements, which are most of a large batch.
  const front = create(BatchPayloadSchema, { kinds: new Uint8Array(records.length) });
  const back = create(BatchPayloadSchema);
  const actors = new ActorColumn(front);
  const requests = new RequestColumns(records.reduce((sum, { request }) => sum + (request === undefined ? 0 : 1), 0));
  const movements = new MovementColumns(records.reduce((sum, record) => sum + (isMovement(record) ? 1 : 0), 0));
  for (let i = 0; i < records.length; i++) {
    const record = records[i] as LedgerRecord;
    actors.push(i, record.principal, record.branch);
    front.kinds[i] = record.request === undefined ? record.kind : record.kind | ANSWERS_REQUEST;
    if (record.request !== undefined) requests.push(record.request);
    if (isMovement(record)) movements.push(record);
    else encodeEntry(back, record);
  }
  front.requestIds = requests.ids;
  front.requestHashes = requests.hashes;
  const writer = new BinaryWriter().raw(toBinary(BatchPayloadSchema, front));
  movements.write(writer);
  return writer.raw(toBinary(BatchPayloadSchema, back)).finish();
}

/** The small dictionary of (principal, branch) in the order of first use, and the column that points into it. */
class ActorColumn {
  private readonly payload: BatchPayload;
  private readonly indexes = new Map<string, Map<number, number>>();
  private branches = new Map<number, number>();
  private lastPrincipal: string | undefined;
  private lastBranch = -1;
  private last = 0;

  constructor(payload: BatchPayload) {
    this.payload = payload;
  }

  push(record: number, principal: string, branch: number): void {
    // Neighbours mostly have the same actor: most records need no look-up.
    if (principal !== this.lastPrincipal || branch !== this.lastBranch) this.lookUp(record, principal, branch);
    // With a single actor the column says nothing.
    if (this.payload.actors.length > 1) this.payload.actor.push(this.last);
  }

  private lookUp(record: number, principal: string, branch: number): void {
    if (principal !== this.lastPrincipal) {
      this.branches = this.indexes.get(principal) ?? new Map<number, number>();
      this.indexes.set(principal, this.branches);
    }
    this.last = this.branches.get(branch) ?? this.add(record, principal, branch);
    this.lastPrincipal = principal;
    this.lastBranch = branch;
  }

  private add(record: number, principal: string, branch: number): number {
    const index = this.payload.actors.push(create(ActorSchema, { principal: wellFormed(principal), branch })) - 1;
    this.branches.set(branch, index);
    if (index === 1) this.payload.actor = new Array<number>(record).fill(0);
    return index;
  }
}

/** Id and hash of the requests that are answered. */
class RequestColumns {
  readonly ids: Uint8Array<ArrayBuffer>;
  readonly hashes: Uint8Array<ArrayBuffer>;
  private readonly view: DataView;
  private count = 0;

  constructor(count: number) {
    this.ids = new Uint8Array(16 * count);
    this.hashes = new Uint8Array(8 * count);
    this.view = new DataView(this.hashes.buffer);
  }

  push({ id, hashLow, hashHigh }: RequestKey): void {
    const at = this.count++;
    this.ids.set(id, 16 * at);
    this.view.setInt32(8 * at, hashLow, true);
    this.view.setInt32(8 * at + 4, hashHigh, true);
  }
}

/** Who paid whom how much. Written here, since a packed column of fixed width is a plain run of bytes. */
class MovementColumns {
  private readonly debit: DataView<ArrayBuffer>;
  private readonly credit: DataView<ArrayBuffer>;
  private readonly amount: DataView<ArrayBuffer>;
  private count = 0;

  constructor(count: number) {
    this.debit = new DataView(new ArrayBuffer(4 * count));
    this.credit = new DataView(new ArrayBuffer(4 * count));
    this.amount = new DataView(new ArrayBuffer(8 * count));
  }

  push({ debit, credit, amount }: MovementRecord): void {
    // A `DataView` would quietly cut off what does not fit.
    if (debit >>> 0 !== debit || credit >>> 0 !== credit || BigInt.asUintN(63, amount) !== amount)
      throw new JournalFormatError(`a movement of ${amount} from ${debit} to ${credit} does not fit into its columns`);
    const at = this.count++;
    this.debit.setUint32(4 * at, debit, true);
    this.credit.setUint32(4 * at, credit, true);
    this.amount.setBigUint64(8 * at, amount, true);
  }

  write(writer: BinaryWriter): void {
    if (this.count === 0) return;
    const { debit, credit, amount } = BatchPayloadSchema.field;
    writer.tag(debit.number, WireType.LengthDelimited).bytes(new Uint8Array(this.debit.buffer));
    writer.tag(credit.number, WireType.LengthDelimited).bytes(new Uint8Array(this.credit.buffer));
    writer.tag(amount.number, WireType.LengthDelimited).bytes(new Uint8Array(this.amount.buffer));
  }
}

import type { AccountIndex, BranchNumber } from "./identifiers.ts";
import type { LedgerRecord, MovementRecord } from "./record.ts";
import { isMovement, RecordKind } from "./record.ts";
import { idOfWords, writeIdWords } from "./request-id-words.ts";

/** Records by index: what a `RecordList` and an array have in common. */
export interface Records extends Iterable<LedgerRecord> {
  readonly length: number;
  at(index: number): LedgerRecord | undefined;
  slice(from?: number, to?: number): readonly LedgerRecord[];
}

/** Who acted, and where. */
export interface Actor {
  readonly principal: string;
  readonly branch: BranchNumber;
}

const CAPACITY_MIN = 16;
/** More actors than these are looked up in a map. */
const ACTORS_COMPARED_MAX = 16;
const NO_RECORDS: ReadonlyMap<number, LedgerRecord> = new Map();

/**
 * Records in the order of their positions, as a batch has them. Movements of money, which are nearly all of a large batch,
 * stand in columns of numbers and are no objects: those who go through them touch nothing but the columns. Every other
 * record is kept as it is. `at` and iterating give each record as an object, made anew for a movement.
 *
 * The columns have an entry for each record; those of a record that is no movement (`debits`, `credits`, `amounts`), or that
 * answers no request (`requestIds`, `requestHashes`), are zero. They are only valid up to `length`, and are replaced when
 * the list grows: whoever keeps a column across a `push` keeps an old one.
 */
export class RecordList implements Records {
  /** A `RecordKind` each. */
  kinds: Uint8Array;
  /** 1 where the record answers a request, else 0. */
  answers: Uint8Array;
  /** Index into `actors`. */
  actorIndexes: Uint16Array;
  debits: Uint32Array;
  credits: Uint32Array;
  /** Minor units, at least 1. */
  amounts: BigInt64Array;
  /** The same, as two words each: low and high half. */
  amountWords: Int32Array;
  /** Four words each: the bytes of the request id, little-endian. */
  requestIds: Int32Array;
  /** Two words each: low and high half. */
  requestHashes: Int32Array;
  /** In the order of their first use. */
  readonly actors: Actor[] = [];
  /** What is no movement, by index. */
  others: ReadonlyMap<number, LedgerRecord> = NO_RECORDS;
  private count = 0;
  /** Index of each actor by branch and principal, up to `mappedActors` of them; undefined where they are few. */
  private actorMap: Map<BranchNumber, Map<string, number>> | undefined;
  private mappedActors = 0;

  /** @param capacity how many records are expected. */
  constructor(capacity = CAPACITY_MIN) {
    const size = Math.max(capacity, CAPACITY_MIN);
    this.kinds = new Uint8Array(size);
    this.answers = new Uint8Array(size);
    this.actorIndexes = new Uint16Array(size);
    this.debits = new Uint32Array(size);
    this.credits = new Uint32Array(size);
    this.amounts = new BigInt64Array(size);
    this.amountWords = new Int32Array(this.amounts.buffer);
    this.requestIds = new Int32Array(4 * size);
    this.requestHashes = new Int32Array(2 * size);
  }

  static of(records: Records): RecordList {
    const list = new RecordList(records.length);
    for (const record of records) list.push(record);
    return list;
  }

  get length(): number {
    return this.count;
  }

  push(record: LedgerRecord): void {
    const index = this.extend();
    const { kind, principal, branch, request } = record;
    this.kinds[index] = kind;
    this.actorIndexes[index] = this.actorIndex(principal, branch);
    if (request !== undefined) {
      this.answers[index] = 1;
      writeIdWords(request.id, this.requestIds, 4 * index);
      this.requestHashes[2 * index] = request.hashLow;
      this.requestHashes[2 * index + 1] = request.hashHigh;
    }
    if (isMovement(record)) {
      this.debits[index] = record.debit;
      this.credits[index] = record.credit;
      this.amounts[index] = record.amount;
    } else {
      if (this.others === NO_RECORDS) this.others = new Map();
      (this.others as Map<number, LedgerRecord>).set(index, record);
    }
  }

  /** The record at an index from 0; undefined where there is none. A movement is made anew for each call. */
  at(index: number): LedgerRecord | undefined {
    if (!(index >= 0 && index < this.count)) return undefined;
    return (this.kinds[index] as number) <= RecordKind.TRANSFER ? this.movementAt(index) : this.others.get(index);
  }

  /** Records from `from` to before `to`, as objects. */
  slice(from = 0, to = this.count): LedgerRecord[] {
    const records: LedgerRecord[] = [];
    for (let i = from; i < Math.min(to, this.count); i++) records.push(this.at(i) as LedgerRecord);
    return records;
  }

  *[Symbol.iterator](): Iterator<LedgerRecord> {
    for (let i = 0; i < this.count; i++) yield this.at(i) as LedgerRecord;
  }

  /** Index of an actor in `actors`, added if need be. */
  actorIndex(principal: string, branch: BranchNumber): number {
    const { actors } = this;
    // Neighbours mostly have the same actor, and a batch mostly few.
    for (let i = actors.length - 1; i >= Math.max(0, actors.length - ACTORS_COMPARED_MAX); i--) {
      const actor = actors[i] as Actor;
      if (actor.branch === branch && actor.principal === principal) return i;
    }
    const known = actors.length > ACTORS_COMPARED_MAX ? this.mappedActor(principal, branch) : undefined;
    return known ?? actors.push({ principal, branch }) - 1;
  }

  private mappedActor(principal: string, branch: BranchNumber): number | undefined {
    this.actorMap ??= new Map();
    // Whoever decodes a list fills in all actors by itself.
    for (; this.mappedActors < this.actors.length; this.mappedActors++) {
      const actor = this.actors[this.mappedActors] as Actor;
      const ofBranch = this.actorMap.get(actor.branch);
      if (ofBranch === undefined) this.actorMap.set(actor.branch, new Map([[actor.principal, this.mappedActors]]));
      else ofBranch.set(actor.principal, this.mappedActors);
    }
    return this.actorMap.get(branch)?.get(principal);
  }

  /** Makes room for so many more records at once: until they are there, no column is replaced. */
  reserve(more: number): void {
    if (this.count + more > this.kinds.length) this.grow(Math.max(this.count + more, 2 * this.count));
  }

  /** Makes room for one more record, counts it, and gives its index: its columns are zero. */
  extend(): number {
    if (this.count === this.kinds.length) this.grow(2 * this.count);
    return this.count++;
  }

  private movementAt(index: number): MovementRecord {
    const { principal, branch } = this.actors[this.actorIndexes[index] as number] as Actor;
    const hashLow = this.requestHashes[2 * index] as number;
    const hashHigh = this.requestHashes[2 * index + 1] as number;
    const request =
      this.answers[index] === 1 ? { id: idOfWords(this.requestIds, 4 * index), hashLow, hashHigh } : undefined;
    return {
      kind: this.kinds[index] as MovementRecord["kind"],
      principal,
      branch,
      request,
      debit: this.debits[index] as AccountIndex,
      credit: this.credits[index] as AccountIndex,
      amount: this.amounts[index] as bigint,
    };
  }

  private grow(capacity: number): void {
    this.kinds = enlarged(this.kinds, new Uint8Array(capacity));
    this.answers = enlarged(this.answers, new Uint8Array(capacity));
    this.actorIndexes = enlarged(this.actorIndexes, new Uint16Array(capacity));
    this.debits = enlarged(this.debits, new Uint32Array(capacity));
    this.credits = enlarged(this.credits, new Uint32Array(capacity));
    this.amounts = enlarged(this.amounts, new BigInt64Array(capacity));
    this.amountWords = new Int32Array(this.amounts.buffer);
    this.requestIds = enlarged(this.requestIds, new Int32Array(4 * capacity));
    this.requestHashes = enlarged(this.requestHashes, new Int32Array(2 * capacity));
  }
}

function enlarged<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}

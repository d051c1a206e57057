import { BatchPayloadSchema } from "@bank/proto";
import { WireType } from "@bufbuild/protobuf/wire";
import { JournalFormatError } from "./errors.ts";
import { WireCursor } from "./wire-cursor.ts";

/**
 * The columns that every record or every movement has a value in, as their bytes stand in the payload; empty where there
 * is none. What is left is messages: the actors before them, and the entries of all other records behind them.
 */
export interface PayloadColumns {
  readonly kinds: Uint8Array;
  /** Each by itself. */
  readonly actors: readonly Uint8Array[];
  readonly actor: Uint8Array;
  readonly requestIds: Uint8Array;
  readonly requestHashes: Uint8Array;
  readonly debit: Uint8Array;
  readonly credit: Uint8Array;
  readonly amount: Uint8Array;
  /** The fields behind `amount`, as they would stand in a payload that has nothing else. */
  readonly entries: Uint8Array;
}

const FIELD = BatchPayloadSchema.field;

/**
 * Finds the columns of a payload, as strict about them as `checkWire`: a batch of thousands of movements is nearly nothing
 * else, and a decoder that makes a value of each of their values takes longer than everything that is done with them. Of
 * `actors` and `entries` nothing is checked but where they stand.
 * Throws: `JournalFormatError`.
 */
export function findColumns(payload: Uint8Array): PayloadColumns {
  const walk = new ColumnWalk(payload);
  return {
    kinds: walk.column(FIELD.kinds.number, 1),
    actors: walk.messages(FIELD.actors.number),
    actor: walk.column(FIELD.actor.number, 1),
    requestIds: walk.column(FIELD.requestIds.number, 1),
    requestHashes: walk.column(FIELD.requestHashes.number, 1),
    debit: walk.column(FIELD.debit.number, 4),
    credit: walk.column(FIELD.credit.number, 4),
    amount: walk.column(FIELD.amount.number, 8),
    entries: walk.rest(FIELD.amount.number),
  };
}

class ColumnWalk extends WireCursor {
  /** A column of values of so many bytes, if it comes next. */
  column(number: number, width: number): Uint8Array {
    if (!this.takes(number)) return this.bytes.subarray(this.at, this.at);
    const column = this.value(number);
    if (column.length === 0) throw malformed(number, "is written out though empty");
    if (column.length % width !== 0) throw malformed(number, "ends inside a value");
    return column;
  }

  /** All messages of a field, if they come next. */
  messages(number: number): Uint8Array[] {
    const messages: Uint8Array[] = [];
    while (this.takes(number)) messages.push(this.value(number));
    return messages;
  }

  /** What is left: fields behind `last`. */
  rest(last: number): Uint8Array {
    const rest = this.bytes.subarray(this.at);
    if (rest.length > 0) {
      const number = this.tag() >>> 3;
      if (number <= last) throw malformed(number, "is out of place");
    }
    return rest;
  }

  /** Passes over the tag of a field, if that comes next. */
  private takes(number: number): boolean {
    const begin = this.at;
    if (begin === this.bytes.length) return false;
    const tag = this.tag();
    if (tag >>> 3 !== number) {
      this.at = begin;
      return false;
    }
    // Each of these fields is a run of bytes: a text, a packed column, or a message.
    if ((tag & 7) !== WireType.LengthDelimited) throw malformed(number, "has another wire type");
    return true;
  }

  private tag(): number {
    return this.varint(32, this.bytes.length);
  }

  private value(number: number): Uint8Array {
    const length = this.varint(32, this.bytes.length);
    const begin = this.at;
    if (begin + length > this.bytes.length) throw malformed(number, "reaches too far");
    this.at = begin + length;
    return this.bytes.subarray(begin, this.at);
  }
}

function malformed(number: number, problem: string): JournalFormatError {
  return new JournalFormatError(`field ${number} of ${BatchPayloadSchema.typeName} ${problem}`);
}

import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { fromBinary } from "@bufbuild/protobuf";
import { JournalFormatError } from "./errors.ts";
import { checkWire } from "./wire-check.ts";

/** A 64-bit value as a number. Throws: `JournalFormatError` beyond 2^53. */
export function safeInteger(value: bigint, field: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new JournalFormatError(`${field} is ${value}, beyond every real journal`);
  return number;
}

/** Bytes in memory of their own: what a decoder gives are views into what it read. `slice` of a Node `Buffer` is too. */
export function copyBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/**
 * Decodes a message and refuses everything that this program does not know, and every other encoding of what it knows
 * than its own. `bytes` fields of the result are views.
 * Throws: `JournalFormatError`.
 */
export function decodeStrictly<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  checkWire(schema, bytes);
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw new JournalFormatError(`${schema.typeName} cannot be decoded`, { cause });
  }
}

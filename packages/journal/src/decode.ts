import type { DescMessage, Message, MessageShape } from "@bufbuild/protobuf";
import { fromBinary } from "@bufbuild/protobuf";
import { JournalFormatError } from "./errors.ts";

/** A 64-bit value as a number. Throws: `JournalFormatError` beyond 2^53. */
export function safeInteger(value: bigint, field: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new JournalFormatError(`${field} is ${value}, beyond every real journal`);
  return number;
}

/** Decodes a message and refuses fields that this program does not know, at every depth. Throws: `JournalFormatError`. */
export function decodeStrictly<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  let message: MessageShape<Desc>;
  try {
    message = fromBinary(schema, bytes);
  } catch (cause) {
    throw new JournalFormatError(`${schema.typeName} cannot be decoded`, { cause });
  }
  refuseUnknownFields(message);
  return message;
}

function refuseUnknownFields(message: Message): void {
  const unknown = message.$unknown?.[0];
  if (unknown !== undefined)
    throw new JournalFormatError(
      `${message.$typeName} has field ${unknown.no}, which this program does not know: use a newer program`,
    );
  for (const value of Object.values(message) as unknown[]) {
    if (isMessage(value)) refuseUnknownFields(value);
    // Columns of numbers are arrays too; their first element tells them from repeated messages.
    else if (Array.isArray(value) && isMessage(value[0])) value.filter(isMessage).forEach(refuseUnknownFields);
    else if (isOneof(value)) refuseUnknownFields(value.value);
  }
}

function isMessage(value: unknown): value is Message {
  return typeof value === "object" && value !== null && "$typeName" in value;
}

function isOneof(value: unknown): value is { readonly value: Message } {
  return typeof value === "object" && value !== null && "case" in value && "value" in value && isMessage(value.value);
}

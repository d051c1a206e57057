import type { LedgerRecord } from "@bank/core";
import type { BatchHeader, BatchPayload } from "@bank/proto";
import { BatchHeaderSchema, BatchPayloadSchema } from "@bank/proto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Batch, decodeFrame } from "./frame.ts";

/** What a frame says, with each record as an object: to be compared. */
export function contents(frame: Uint8Array): { header: Batch["header"]; records: LedgerRecord[] } {
  const { header, records } = decodeFrame(frame);
  return { header, records: records.slice() };
}

/** The two messages of a frame, as a lenient decoder sees them: to be changed and put together again. */
export function takeApart(frame: Uint8Array): { header: BatchHeader; payload: BatchPayload } {
  const headerEnd = 4 + new DataView(frame.buffer, frame.byteOffset).getUint32(0, true);
  return {
    header: fromBinary(BatchHeaderSchema, frame.subarray(4, headerEnd)),
    payload: fromBinary(BatchPayloadSchema, frame.subarray(headerEnd)),
  };
}

/** A frame of any two messages, checked by nobody. */
export function putTogether(
  header: MessageInitShape<typeof BatchHeaderSchema>,
  payload: MessageInitShape<typeof BatchPayloadSchema>,
): Uint8Array {
  return frameOfBytes(
    toBinary(BatchHeaderSchema, create(BatchHeaderSchema, header)),
    toBinary(BatchPayloadSchema, create(BatchPayloadSchema, payload)),
  );
}

/** A frame of any bytes. */
export function frameOfBytes(header: Uint8Array, payload: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, header.length, true);
  return concatenate(length, header, payload);
}

export function concatenate(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export interface Changes {
  readonly header?: Partial<BatchHeader>;
  readonly payload?: Partial<BatchPayload>;
}

/** The frame with changes to its messages, which may hang on what they were. */
export function altered(frame: Uint8Array, changes: Changes | ((payload: BatchPayload) => Changes)): Uint8Array {
  const { header, payload } = takeApart(frame);
  const change = typeof changes === "function" ? changes(payload) : changes;
  return putTogether({ ...header, ...change.header }, { ...payload, ...change.payload });
}

/** The bytes with the bits of one byte turned. */
export function flipped(bytes: Uint8Array, at: number, mask: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  copy[at] = (copy[at] as number) ^ mask;
  return copy;
}

import type { Position, RecordList, Records } from "@bank/core";
import { FRAME_BYTES_MAX } from "@bank/core";
import { BatchHeaderSchema } from "@bank/proto";
import { create, toBinary } from "@bufbuild/protobuf";
import { JOURNAL_FORMAT } from "./chain.ts";
import { checkBatch, checkHeader, inColumns } from "./check-batch.ts";
import { copyBytes, decodeStrictly, safeInteger } from "./decode.ts";
import { decodeRecords } from "./decode-records.ts";
import { encodeRecords } from "./encode-records.ts";
import { JournalFormatError } from "./errors.ts";
import { WireWriter } from "./wire-writer.ts";

/** What a batch says about itself. */
export interface BatchHeader {
  /** 16 bytes: the epoch under which it was written. */
  readonly epochId: Uint8Array;
  readonly firstPosition: Position;
  /** Number of records, 1 to `BATCH_RECORDS_MAX`. */
  readonly count: number;
  /** Journal time, Unix milliseconds. */
  readonly timeMs: number;
  /** 16 bytes: digest of the state after it. */
  readonly digestAfter: Uint8Array;
  /** The highest position known to be committed when it was encoded. */
  readonly committedPosition: Position;
}

/** A decoded frame. */
export interface Batch {
  readonly header: BatchHeader;
  readonly records: RecordList;
}

/**
 * Encodes a batch, once: these bytes are stored, hashed and sent.
 * Throws: `JournalFormatError` for what `decodeFrame` would refuse to read: no records or more than
 * `BATCH_RECORDS_MAX`, a frame larger than `FRAME_BYTES_MAX`, an epoch that begins inside the batch, a header that
 * contradicts itself.
 */
export function encodeFrame(header: Omit<BatchHeader, "count">, records: Records): Uint8Array {
  const list = inColumns(records);
  checkBatch({ header: { ...header, count: list.length }, records: list });
  const head = toBinary(
    BatchHeaderSchema,
    create(BatchHeaderSchema, {
      format: JOURNAL_FORMAT,
      epochId: header.epochId,
      firstPosition: BigInt(header.firstPosition),
      count: records.length,
      timeMs: BigInt(header.timeMs),
      digestAfter: header.digestAfter,
      committedPosition: BigInt(header.committedPosition),
    }),
  );
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, head.length, true);
  const writer = new WireWriter().raw(length).raw(head);
  encodeRecords(list, writer);
  const frame = writer.finish();
  if (frame.length > FRAME_BYTES_MAX)
    throw new JournalFormatError(`a frame of ${frame.length} bytes is over the limit of ${FRAME_BYTES_MAX}`);
  return frame;
}

/** Reads only the header. Throws: `JournalFormatError`. */
export function decodeHeader(frame: Uint8Array): BatchHeader {
  return splitFrame(frame).header;
}

/**
 * Reads a frame. Everything that this program does not know is an error, never skipped, and so is every other encoding
 * than its own: `encodeFrame` of the result gives the same bytes. The result keeps no part of the frame.
 * Throws: `JournalFormatError`.
 */
export function decodeFrame(frame: Uint8Array): Batch {
  const { header, payload } = splitFrame(frame);
  const batch = { header, records: decodeRecords(payload, header.count) };
  checkBatch(batch);
  return batch;
}

/** Reads the header, and finds the payload. Throws: `JournalFormatError`. */
export function splitFrame(frame: Uint8Array): { header: BatchHeader; payload: Uint8Array } {
  if (frame.length < 4 || frame.length > FRAME_BYTES_MAX)
    throw new JournalFormatError(`a frame has 4 to ${FRAME_BYTES_MAX} bytes, not ${frame.length}`);
  const headerEnd = 4 + new DataView(frame.buffer, frame.byteOffset, 4).getUint32(0, true);
  if (headerEnd > frame.length) throw new JournalFormatError("the frame ends inside its header");
  const message = decodeStrictly(BatchHeaderSchema, frame.subarray(4, headerEnd));
  if (message.format !== JOURNAL_FORMAT)
    throw new JournalFormatError(
      `the journal has format ${message.format}, and this program reads format ${JOURNAL_FORMAT}: use a newer program`,
    );
  const header: BatchHeader = {
    epochId: copyBytes(message.epochId),
    firstPosition: safeInteger(message.firstPosition, "first_position"),
    count: message.count,
    timeMs: safeInteger(message.timeMs, "time_ms"),
    digestAfter: copyBytes(message.digestAfter),
    committedPosition: safeInteger(message.committedPosition, "committed_position"),
  };
  checkHeader(header);
  return { header, payload: frame.subarray(headerEnd) };
}

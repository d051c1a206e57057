import {
  type ExecuteMovementsRequest,
  ExecuteMovementsRequestSchema,
  type ExecuteMovementsResponse,
  ExecuteMovementsResponseSchema,
  MovementOutcomeSchema,
  ReadInfoSchema,
  TransactionService,
} from "@bank/proto";
import { callCodec, unaryCodec } from "@bank/quick-unary";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type FixedColumn, takeColumns, wireShape, withColumns } from "./fixed-columns.ts";

type Columns<Message, Names extends keyof Message> = Omit<Message, Names> & { readonly [Name in Names]: FixedColumn };

/** Columns of an `ExecuteMovementsRequest`. */
type RequestColumn = "debitAccounts" | "creditAccounts" | "amountsMinor" | "requestIdsHigh" | "requestIdsLow";

/** An `ExecuteMovementsRequest` as its own codec or protobuf-es reads it: the columns are of either kind. */
export type MovementColumns = Columns<ExecuteMovementsRequest, RequestColumn>;

/** An `ExecuteMovementsResponse` likewise. */
export type MovementsReply = Columns<ExecuteMovementsResponse, "positions">;

const REQUEST_COLUMNS: readonly (readonly [RequestColumn, number])[] = (
  ["debitAccounts", "creditAccounts", "amountsMinor", "requestIdsHigh", "requestIdsLow"] as const
).map((name) => [name, ExecuteMovementsRequestSchema.field[name].number]);
const REQUEST_SHAPE = wireShape(ExecuteMovementsRequestSchema);
const REPLY_SHAPE = wireShape(ExecuteMovementsResponseSchema);
const REPLY = ExecuteMovementsResponseSchema.field;

/** What a message was read from: it is passed on without being written again. */
const bytesRead = new WeakMap<object, Uint8Array>();

/**
 * Reads an `ExecuteMovementsRequest` as protobuf-es does, but for its columns, which need no object for each entry.
 * Throws: what protobuf-es throws.
 */
export function decodeMovements(bytes: Uint8Array): MovementColumns {
  const taken = takeColumns(bytes, REQUEST_SHAPE);
  const message: MovementColumns = fromBinary(ExecuteMovementsRequestSchema, taken?.rest ?? bytes);
  if (taken !== undefined)
    for (const [name, number] of REQUEST_COLUMNS) {
      (message as { -readonly [Name in RequestColumn]: FixedColumn })[name] = taken.columns.get(
        number,
      ) as BigUint64Array;
    }
  bytesRead.set(message, bytes);
  return message;
}

/** An `ExecuteMovementsRequest` as bytes: those that it was read from, if it was. */
export function encodeMovements(message: MovementColumns): Uint8Array {
  const read = bytesRead.get(message);
  if (read !== undefined) return read;
  const { currencyCode, baseRequestId, $unknown } = message;
  const rest = create(ExecuteMovementsRequestSchema, { currencyCode, baseRequestId });
  if ($unknown !== undefined) rest.$unknown = $unknown;
  return withColumns(
    REQUEST_COLUMNS.map(([name, number]) => [number, message[name]] as const),
    toBinary(ExecuteMovementsRequestSchema, rest),
  );
}

/** An `ExecuteMovementsRequest` as protobuf-es would have read it. */
export function plainColumns(message: MovementColumns): ExecuteMovementsRequest {
  const plain = { ...message };
  for (const [name] of REQUEST_COLUMNS) plain[name] = Array.from(message[name]);
  return plain as ExecuteMovementsRequest;
}

/** An `ExecuteMovementsResponse` as protobuf-es writes it. */
export function encodeMovementsReply(reply: MovementsReply): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter();
  const { positions, times, others, branch, readInfo } = reply;
  for (const { row, timeMs } of times) {
    writer.tag(REPLY.times.number, WireType.LengthDelimited).fork();
    if (row !== 0) writer.tag(1, WireType.Varint).uint32(row);
    if (timeMs !== 0n) writer.tag(2, WireType.Varint).uint64(timeMs);
    writer.join();
  }
  for (const other of others)
    writer.tag(REPLY.others.number, WireType.LengthDelimited).bytes(toBinary(MovementOutcomeSchema, other));
  if (branch !== 0) writer.tag(REPLY.branch.number, WireType.Varint).uint32(branch);
  if (readInfo !== undefined)
    writer.tag(REPLY.readInfo.number, WireType.LengthDelimited).bytes(toBinary(ReadInfoSchema, readInfo));
  return withColumns([[REPLY.positions.number, positions]], writer.finish());
}

/**
 * Reads an `ExecuteMovementsResponse` as protobuf-es does, but for its column.
 * Throws: what protobuf-es throws.
 */
export function decodeMovementsReply(bytes: Uint8Array): MovementsReply {
  const taken = takeColumns(bytes, REPLY_SHAPE);
  const reply = fromBinary(ExecuteMovementsResponseSchema, taken?.rest ?? bytes);
  const positions = taken?.columns.get(REPLY.positions.number);
  return positions === undefined ? reply : Object.assign(reply, { positions } as const);
}

/**
 * For servers: where calls come by the short way, `ExecuteMovements` gets columns that are typed arrays, and answers with
 * such. It says so by `debitAccounts`.
 */
export const movementsCodec = unaryCodec(TransactionService.method.executeMovements, {
  // Whoever takes these messages knows that their columns are of either kind.
  decode: (bytes) => decodeMovements(bytes) as ExecuteMovementsRequest,
  encode: encodeMovementsReply,
});

/** For clients: the columns of what is sent may be typed arrays, and those of the answer are. */
export const movementCallsCodec = callCodec(TransactionService.method.executeMovements, {
  encode: encodeMovements,
  // As above.
  decode: (bytes) => decodeMovementsReply(bytes) as ExecuteMovementsResponse,
});

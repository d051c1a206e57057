import {
  type PipelinedCall,
  PipelinedCallSchema,
  type PipelinedReply,
  PipelinedReplySchema,
  type PipelineRequest,
  PipelineRequestSchema,
  type PipelineResponse,
  PipelineResponseSchema,
} from "@bank/proto";
import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { BackWriter, NOT_PLAIN, NotPlainError, requirePlain } from "./back-writer.ts";
import { varintLength, writeVarint } from "./fixed-columns.ts";
import { writeBalance, writeTransaction } from "./plain-codec.ts";

/** Of `PipelineResponse.replies`, and of `PipelineRequest.calls`. Its tag takes one byte. */
const REPLIES = 1;
const CALLS = REPLIES;
const TAG_BYTES = 1;

const SCRATCH_BYTES_AT_FIRST = 65_536;

const writer = new BackWriter();
/** What is being written for the message of the moment: bytes of its own for each answer would be many small ones to collect. */
let scratch = new Uint8Array(SCRATCH_BYTES_AT_FIRST);

/**
 * A message with these answers, of which those that come in great numbers are written already: movements and balances.
 * protobuf-es writes fields that it does not know as they are, which is how a stream of Connect can be given bytes. So the
 * message has the same meaning in binary, but not in JSON.
 */
export function writtenReplies(replies: readonly PipelinedReply[]): PipelineResponse {
  const response = create(PipelineResponseSchema);
  const [only, second] = replies;
  if (only?.reply.case === "movements" && second === undefined) {
    // By far the longest, and mostly alone.
    const { reply, ...rest } = only;
    const data = prefixed(PipelinedReplySchema, { ...rest, reply: { case: undefined } }, MOVEMENTS_TOLD, reply.value);
    response.$unknown = [{ no: REPLIES, wireType: WireType.LengthDelimited, data }];
    return response;
  }
  let end = 0;
  for (const reply of replies) {
    if (isOften(reply) && write(reply)) end = append(end);
    else response.replies.push(reply);
  }
  // The tag of the first is written for it; the others bring theirs.
  const data = scratch.slice(TAG_BYTES, end);
  if (end > 0) response.$unknown = [{ no: REPLIES, wireType: WireType.LengthDelimited, data }];
  return response;
}

/**
 * A message with these calls; likewise, one that has columns and is alone is written already. Its meaning is the same in binary,
 * and no other is spoken by those who ask like this.
 */
export function writtenCalls(calls: PipelinedCall[]): PipelineRequest {
  const [only, second] = calls;
  if (only?.call.case !== "movements" || second !== undefined) return create(PipelineRequestSchema, { calls });
  const { call, ...rest } = only;
  const request = create(PipelineRequestSchema);
  const data = prefixed(PipelinedCallSchema, { ...rest, call: { case: undefined } }, MOVEMENTS_ASKED, call.value);
  request.$unknown = [{ no: CALLS, wireType: WireType.LengthDelimited, data }];
  return request;
}

const MOVEMENTS_ASKED = PipelinedCallSchema.field.movements.number;
const MOVEMENTS_TOLD = PipelinedReplySchema.field.movements.number;

/** The length of a message, and the message: what protobuf-es writes of it, and a field of bytes, copied once. */
function prefixed<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  field: number,
  bytes: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const rest = toBinary(schema, message);
  const tag = 8 * field + WireType.LengthDelimited;
  const length = rest.length + varintLength(tag) + varintLength(bytes.length) + bytes.length;
  const all = new Uint8Array(varintLength(length) + length);
  let at = writeVarint(all, 0, length);
  all.set(rest, at);
  at = writeVarint(all, writeVarint(all, at + rest.length, tag), bytes.length);
  all.set(bytes, at);
  return all;
}

/** Puts what was written behind what is there. */
function append(end: number): number {
  const { length } = writer;
  if (end + length > scratch.length) {
    const larger = new Uint8Array(2 * scratch.length);
    larger.set(scratch);
    scratch = larger;
  }
  writer.copyTo(scratch, end);
  return end + length;
}

function isOften({ reply }: PipelinedReply): boolean {
  return reply.case === "getBalance" || (reply.case === "result" && reply.value.result.case === "transaction");
}

/** Writes it as a field of the message; false for one that is left to protobuf-es. */
function write(message: PipelinedReply): boolean {
  try {
    writer.begin();
    const { mark } = writer;
    writeReply(writer, message);
    writer.message(REPLIES, mark);
    return true;
  } catch (error) {
    if (error instanceof NotPlainError) return false;
    throw error;
  }
}

function writeReply(to: BackWriter, message: PipelinedReply): void {
  requirePlain(message);
  const { id, reply, readInfo } = message;
  to.readInfo(15, readInfo);
  const { mark } = to;
  if (reply.case === "getBalance") {
    requirePlain(reply.value);
    writeBalance(to, reply.value);
    to.message(6, mark);
  } else {
    if (reply.case !== "result" || reply.value.result.case !== "transaction") throw NOT_PLAIN;
    requirePlain(reply.value);
    to.flag(3, reply.value.replayed);
    const inside = to.mark;
    writeTransaction(to, reply.value.result.value);
    to.message(1, inside);
    to.message(3, mark);
  }
  to.bigint(1, id);
}

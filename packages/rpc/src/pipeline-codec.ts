import { type PipelinedReply, type PipelineResponse, PipelineResponseSchema } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { BackWriter, NOT_PLAIN, NotPlainError, requirePlain } from "./back-writer.ts";
import { writeBalance, writeTransaction } from "./plain-codec.ts";

/** Of `PipelineResponse.replies`. Its tag takes one byte. */
const REPLIES = 1;
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

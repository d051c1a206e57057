import { type PipelinedReply, type PipelineResponse, PipelineResponseSchema } from "@bank/proto";
import { create, type UnknownField } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { BackWriter, NOT_PLAIN, NotPlainError, requirePlain } from "./back-writer.ts";
import { writeBalance, writeTransaction } from "./plain-codec.ts";

/** Of `PipelineResponse.replies`. Its tag takes one byte. */
const REPLIES = 1;
const TAG_BYTES = 1;

const writer = new BackWriter();

/**
 * A message with these answers, of which those that come in great numbers are written already: movements and balances.
 * protobuf-es writes fields that it does not know as they are, which is how a stream of Connect can be given bytes. So the
 * message has the same meaning in binary, but not in JSON.
 */
export function writtenReplies(replies: readonly PipelinedReply[]): PipelineResponse {
  const response = create(PipelineResponseSchema);
  const written: UnknownField[] = [];
  for (const reply of replies) {
    const data = isOften(reply) ? write(reply) : undefined;
    if (data === undefined) response.replies.push(reply);
    else written.push({ no: REPLIES, wireType: WireType.LengthDelimited, data });
  }
  if (written.length > 0) response.$unknown = written;
  return response;
}

function isOften({ reply }: PipelinedReply): boolean {
  return reply.case === "getBalance" || (reply.case === "result" && reply.value.result.case === "transaction");
}

/** Its length and its bytes; undefined for one that is left to protobuf-es. */
function write(message: PipelinedReply): Uint8Array | undefined {
  try {
    writer.begin();
    const { mark } = writer;
    writeReply(writer, message);
    writer.message(REPLIES, mark);
    return writer.finish().subarray(TAG_BYTES);
  } catch (error) {
    if (error instanceof NotPlainError) return undefined;
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

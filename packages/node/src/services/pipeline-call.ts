import { type FieldViolation, RefusalError } from "@bank/core";
import {
  BatchItemSchema,
  type Failure,
  FailureSchema,
  type PipelinedCall,
  PipelinedCallSchema,
  type PipelinedReply,
  type ReadInfo,
} from "@bank/proto";
import {
  commandCount,
  commandOfBatchItem,
  failureFromConnectError,
  failureFromRefusal,
  malformed,
  OUTCOME_KEY,
  requireValid,
  type VisibleError,
} from "@bank/rpc";
import { create, type DescMessage, type DescOneof } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";

/** What a call asks for. */
export type Operation = Exclude<PipelinedCall["call"], { case: undefined }>;

/** How a call ends. */
export type Reply = Pick<PipelinedReply, "reply"> & { readonly readInfo?: ReadInfo };

/** A call of a stream that is under way. */
export interface CallUnderWay {
  readonly call: PipelinedCall;
  /** How many commands it is, those inside a group counted; 1 for a read. Of movements, what they count as. */
  readonly weight: number;
  /** Its first answer counts; it has no second one. */
  answer(reply: Reply): void;
}

/** A call that asks for something, and may be asked. */
export type AskingCall = CallUnderWay & { readonly call: { readonly call: Operation } };

/** No call may ask for a longer deadline, by itself or here. */
const TIMEOUT_MAX_MS = 5 * 60_000;
/** What stands in for a header is no longer than any that can be right. Of a session its reader says so, as of a header. */
const HEADER_LENGTH_MAX: Readonly<Record<(typeof HEADERS)[number], number>> = {
  consistency: 1_024,
  session: Number.POSITIVE_INFINITY,
  propagation: 1_024,
};

/** So many bytes of movements in columns take as much of what may be under way as a command: a handful of rows. */
const MOVEMENT_BYTES_PER_COMMAND = 256;

/** How much of what may be under way a call takes: a group takes as much as its items by themselves. */
export function weightOf({ call }: PipelinedCall): number {
  if (call.case === "movements") return 1 + Math.floor(call.value.length / MOVEMENT_BYTES_PER_COMMAND);
  if (call.case !== "item" || call.value.command.case === undefined) return 1;
  return Math.max(1, commandCount(call.value.command));
}

/**
 * Holds what a call asks for against the rules of the call by itself, so that it is told the same.
 * Throws: `RefusalError` INVALID_REQUEST.
 */
export function requireWellFormed(call: PipelinedCall): asserts call is PipelinedCall & { readonly call: Operation } {
  const violations = headViolations(call);
  if (violations.length > 0) throw malformed(violations);
  const asked = call.call;
  if (asked.case === undefined) throw new Error("a call asks for something");
  // What the bytes say is looked at by whoever reads them.
  if (asked.case === "movements") return;
  if (asked.case !== "item") return requireValid(messageOf(CALLS, asked.case), asked.value);
  const command = commandOfBatchItem(asked.value);
  requireValid(messageOf(COMMANDS, command.case), command.value);
}

/** The failure of a call that asks for what this server does not know, or for nothing. */
export function unknownOperation(): Failure {
  const { refusal, message } = new RefusalError("INVALID_REQUEST", {
    problem: "the call asks for nothing that this server knows",
  });
  const { reason, metadata } = refusal;
  const said = { ...metadata, [OUTCOME_KEY]: refusal.outcome };
  return create(FailureSchema, { code: Code.Unimplemented, reason, message, metadata: said });
}

/** What a call by itself would have ended with. */
export function failureOf(error: unknown, visible: VisibleError): Failure {
  if (error instanceof RefusalError) return failureFromRefusal(error);
  const shown = visible(error);
  return failureFromConnectError(shown) ?? unsaid(shown);
}

/** An error that Connect made by itself says nothing about the effect of the call. */
function unsaid({ code, rawMessage: message }: ConnectError): Failure {
  return create(FailureSchema, { code, message, metadata: { [OUTCOME_KEY]: "OUTCOME_UNKNOWN" } });
}

const CALLS = messagesOf(PipelinedCallSchema.oneofs[0]);
const COMMANDS = messagesOf(BatchItemSchema.oneofs[0]);

function messagesOf(oneof: DescOneof | undefined): ReadonlyMap<string, DescMessage> {
  return new Map(
    oneof?.fields.flatMap(({ localName, message }) => (message === undefined ? [] : [[localName, message]])),
  );
}

function messageOf(messages: ReadonlyMap<string, DescMessage>, name: string): DescMessage {
  const message = messages.get(name);
  if (message === undefined) throw new Error(`${name} has a message`);
  return message;
}

const HEADERS = ["consistency", "session", "propagation"] as const;

function headViolations(call: PipelinedCall): readonly FieldViolation[] {
  const violations: FieldViolation[] = [];
  if (call.timeoutMs > TIMEOUT_MAX_MS)
    violations.push({ field: "timeout_ms", description: `must be at most ${TIMEOUT_MAX_MS}` });
  for (const field of HEADERS) {
    const text = call[field];
    const lengthMax = HEADER_LENGTH_MAX[field];
    if (text === "" || (text.length <= lengthMax && /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text))) continue;
    const description = `must be as in a header: printable ASCII, at most ${lengthMax} characters`;
    violations.push({ field, description });
  }
  return violations;
}

import {
  AccountService,
  BatchItemSchema,
  HoldService,
  PipelinedCallSchema,
  RequestService,
  TransactionService,
} from "@bank/proto";
import { create, type DescMessage, type DescMethodUnary, type Message, type MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport, type UnaryResponse } from "@connectrpc/connect";
import { UnexpectedReplyError } from "./attempt-failure.ts";
import type { PipelinedAnswer, PipelinedOperation, PipelinedSending } from "./pipeline-entry.ts";
import type { ServerPipeline } from "./pipeline-server.ts";

/** Without a deadline of its own, a call waits no longer than a server does. */
const TIMEOUT_DEFAULT_MS = 30_000;

/**
 * Sends the single operations of the services over the pipeline, and everything else, and everything to a server that does
 * not know pipelines, by the other transport. The same calls have the same answers and errors either way; what they say in
 * headers besides consistency, session, propagation and epoch is not sent, and answers have no headers.
 */
export function pipelineTransport(pipeline: ServerPipeline, other: Transport): Transport {
  return {
    stream: other.stream.bind(other),
    unary: async (method, signal, timeoutMs, header, input, contextValues) => {
      const name = operationOf(method);
      if (name === undefined || pipeline.isUnsupported)
        return other.unary(method, signal, timeoutMs, header, input, contextValues);
      const operation = asked(name, create(method.input, input));
      const sending: PipelinedSending = {
        headers: plainHeaders(header),
        timeoutMs: timeoutMs ?? TIMEOUT_DEFAULT_MS,
        signal,
      };
      try {
        return response(method, replyOf(method, await pipeline.call(operation, sending)));
      } catch (error) {
        // Nothing was sent; where something was, over an earlier stream, the error is another.
        if (!pipeline.isUnsupported || ConnectError.from(error).code !== Code.Unimplemented) throw error;
        return other.unary(method, signal, timeoutMs, header, input, contextValues);
      }
    },
  };
}

/** What a method is on a stream: a command of a batch, or a call by its own name. */
interface OperationName {
  readonly isItem: boolean;
  readonly case: string;
}

/** Methods that have another name among the commands of a batch. */
const OTHER_NAMES: Readonly<Record<string, string>> = { reverseTransaction: "reverse", executeGroup: "group" };

const OPERATIONS: ReadonlyMap<unknown, OperationName> = new Map(
  [AccountService, HoldService, TransactionService, RequestService].flatMap(({ methods }) =>
    methods.flatMap((method): [unknown, OperationName][] => {
      const name = OTHER_NAMES[method.localName] ?? method.localName;
      const has = (schema: DescMessage) =>
        schema.oneofs[0]?.fields.some(({ localName }) => localName === name) === true;
      if (has(BatchItemSchema)) return [[method, { isItem: true, case: name }]];
      return has(PipelinedCallSchema) ? [[method, { isItem: false, case: name }]] : [];
    }),
  ),
);

function operationOf(method: DescMethodUnary): OperationName | undefined {
  return OPERATIONS.get(method);
}

function asked(name: OperationName, value: Message): PipelinedOperation {
  // The schemas say that the message is the one of that case.
  const named = { case: name.case, value };
  if (!name.isItem) return named as PipelinedOperation;
  const command = named as MessageShape<typeof BatchItemSchema>["command"];
  return { case: "item", value: create(BatchItemSchema, { command }) };
}

/** The reply of the call by itself. */
function replyOf<O extends DescMessage>(
  { output }: DescMethodUnary<DescMessage, O>,
  { reply, readInfo }: PipelinedAnswer,
): MessageShape<O> {
  if (reply.case !== "result") return reply.value as MessageShape<O>;
  const { result, replayed } = reply.value;
  // What was done is the first field of every reply to a command.
  const done = output.fields.find(({ number }) => number === 1);
  if (done?.message === undefined || result.value?.$typeName !== done.message.typeName)
    throw new UnexpectedReplyError(`it gave ${result.case ?? "nothing"} where ${output.typeName} was asked for`);
  return create(
    output as DescMessage,
    { [done.localName]: result.value, replayed, readInfo } as Record<string, unknown>,
  ) as MessageShape<O>;
}

function response<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  message: MessageShape<O>,
): UnaryResponse<I, O> {
  return { stream: false, service: method.parent, method, header: new Headers(), trailer: new Headers(), message };
}

function plainHeaders(header: Parameters<Transport["unary"]>[3]): Readonly<Record<string, string>> {
  if (header === undefined) return NO_HEADERS;
  const isPlain = !(header instanceof Headers) && !Array.isArray(header);
  return isPlain ? (header as Record<string, string>) : Object.fromEntries(new Headers(header));
}

const NO_HEADERS: Readonly<Record<string, string>> = {};

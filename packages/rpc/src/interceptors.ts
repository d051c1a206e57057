import { randomBytes } from "node:crypto";
import { RefusalError } from "@bank/core";
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { ConnectError, createContextKey, type Interceptor } from "@connectrpc/connect";
import { connectErrorFromRefusal } from "./failure.ts";
import { malformed } from "./malformed.ts";
import { wronglyCounted } from "./message-counts.ts";
import { MessageRules } from "./message-rules.ts";

/** Told of every failure that is nobody's request's fault. */
export type ReportIncident = (incident: {
  readonly id: string;
  readonly method: string;
  readonly error: unknown;
}) => void;

/** What callers may see of an error. */
export type VisibleError = (error: unknown) => ConnectError;

/** For handlers of streams that tell of errors inside their messages: what these would have ended a call with. */
export const visibleErrorKey = createContextKey<VisibleError>((error) => ConnectError.from(error));

/**
 * Turns whatever a handler throws into what callers may see: refusals by the catalogue, and everything unexpected into
 * INTERNAL with the id of an incident, never its cause. In streams too, whose handlers throw while they are read.
 */
export function errorInterceptor(report: ReportIncident): Interceptor {
  return (next) => async (request) => {
    const visible = (error: unknown): ConnectError => {
      if (error instanceof RefusalError) return connectErrorFromRefusal(error);
      if (error instanceof ConnectError) return error;
      const id = randomBytes(8).toString("hex");
      report({ id, method: `${request.service.typeName}/${request.method.name}`, error });
      return connectErrorFromRefusal(new RefusalError("INTERNAL", { incident: id }, "OUTCOME_UNKNOWN"));
    };
    try {
      if (request.stream) request.contextValues.set(visibleErrorKey, visible);
      const response = await next(request);
      return response.stream ? { ...response, message: withVisibleErrors(response.message, visible) } : response;
    } catch (error) {
      throw visible(error);
    }
  };
}

/**
 * Calls whose handler checks every command by itself: the branches that make them have validated the messages, or one that
 * is wrong must not end the others. How many there are is checked here.
 */
const CHECKED_BY_HANDLER: ReadonlySet<string> = new Set([
  "bank.journal.v1.ReplicationService.Submit",
  "bank.journal.v1.ReplicationService.SubmitMovements",
  "bank.v1.SessionService.Pipeline",
]);

const rules = new MessageRules();

/** Holds a message against the rules that it carries. Throws: `RefusalError` INVALID_REQUEST. */
export function requireValid(type: DescMessage, message: Message): void {
  const violations = rules.violations(type, message);
  if (violations.length > 0) throw malformed(violations);
}

/** Holds only the lists of a message itself against their lengths. Throws: `RefusalError` INVALID_REQUEST. */
function requireCounts(type: DescMessage, message: Message): void {
  const violations = wronglyCounted(type, message);
  if (violations.length > 0) throw malformed(violations);
}

/** Holds every request against the rules that its message carries. */
export function validationInterceptor(): Interceptor {
  return (next) => async (request) => {
    const { input } = request.method;
    const isLeft = CHECKED_BY_HANDLER.has(`${request.service.typeName}.${request.method.name}`);
    const check = isLeft ? requireCounts : requireValid;
    if (request.stream) return next({ ...request, message: checkedEach(request.message, (one) => check(input, one)) });
    check(input, request.message);
    return next(request);
  };
}

async function* withVisibleErrors<T>(messages: AsyncIterable<T>, visible: (error: unknown) => ConnectError) {
  try {
    yield* messages;
  } catch (error) {
    throw visible(error);
  }
}

async function* checkedEach<T>(messages: AsyncIterable<T>, check: (message: T) => void) {
  for await (const message of messages) {
    check(message);
    yield message;
  }
}

import { randomBytes } from "node:crypto";
import { RefusalError } from "@bank/core";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { ConnectError, type Interceptor } from "@connectrpc/connect";
import { connectErrorFromRefusal } from "./failure.ts";

/** Told of every failure that is nobody's request's fault. */
export type ReportIncident = (incident: {
  readonly id: string;
  readonly method: string;
  readonly error: unknown;
}) => void;

/**
 * Turns whatever a handler throws into what callers may see: refusals by the catalogue, and everything unexpected into
 * INTERNAL with the id of an incident, never its cause.
 */
export function errorInterceptor(report: ReportIncident): Interceptor {
  return (next) => async (request) => {
    try {
      return await next(request);
    } catch (error) {
      if (error instanceof RefusalError) throw connectErrorFromRefusal(error);
      if (error instanceof ConnectError) throw error;
      const id = randomBytes(8).toString("hex");
      report({ id, method: `${request.service.typeName}/${request.method.name}`, error });
      throw connectErrorFromRefusal(new RefusalError("INTERNAL", { incident: id }, "OUTCOME_UNKNOWN"));
    }
  };
}

/** Calls whose handler checks every command by itself: the branches that make them have validated the messages. */
const CHECKED_BY_HANDLER: ReadonlySet<string> = new Set(["bank.journal.v1.ReplicationService.Submit"]);

/** Holds every unary request against the rules that its message carries. */
export function validationInterceptor(): Interceptor {
  const validator = createValidator();
  return (next) => async (request) => {
    if (!request.stream && !CHECKED_BY_HANDLER.has(`${request.service.typeName}.${request.method.name}`)) {
      const result = validator.validate(request.method.input, request.message);
      if (result.kind === "error") throw result.error;
      if (result.kind === "invalid") {
        const problem = result.violations.map(({ field, message }) => `${pathToString(field)}: ${message}`).join("; ");
        throw new RefusalError("INVALID_REQUEST", { problem });
      }
    }
    return await next(request);
  };
}

import type { StatusName } from "@bank/core";
import { Code } from "@connectrpc/connect";

/** Name of a gRPC status. The bank itself uses those of `StatusName`; the others come from whatever stands between. */
export type ErrorCode = StatusName | "CANCELED" | "UNKNOWN" | "PERMISSION_DENIED" | "UNIMPLEMENTED" | "UNAUTHENTICATED";

const NAMES: Readonly<Record<Code, ErrorCode>> = {
  [Code.Canceled]: "CANCELED",
  [Code.Unknown]: "UNKNOWN",
  [Code.InvalidArgument]: "INVALID_ARGUMENT",
  [Code.DeadlineExceeded]: "DEADLINE_EXCEEDED",
  [Code.NotFound]: "NOT_FOUND",
  [Code.AlreadyExists]: "ALREADY_EXISTS",
  [Code.PermissionDenied]: "PERMISSION_DENIED",
  [Code.ResourceExhausted]: "RESOURCE_EXHAUSTED",
  [Code.FailedPrecondition]: "FAILED_PRECONDITION",
  [Code.Aborted]: "ABORTED",
  [Code.OutOfRange]: "OUT_OF_RANGE",
  [Code.Unimplemented]: "UNIMPLEMENTED",
  [Code.Internal]: "INTERNAL",
  [Code.Unavailable]: "UNAVAILABLE",
  [Code.DataLoss]: "DATA_LOSS",
  [Code.Unauthenticated]: "UNAUTHENTICATED",
};

/** The name of a status number; a number that gRPC does not have is `UNKNOWN`. */
export function errorCodeOf(status: number): ErrorCode {
  return NAMES[status as Code] ?? "UNKNOWN";
}

/**
 * `@bank/rpc`: the seam between the wire and the ledger: codecs, error mapping, headers, serving and connecting.
 * Everything exported here is public; other files are internal.
 */
export { type CommandCase, commandOfBatchItem, forwardedCommand, requestFromForwarded } from "./command-codec.ts";
export {
  connectErrorFromFailure,
  connectErrorFromRefusal,
  ERROR_DOMAIN,
  failureFromConnectError,
  failureFromRefusal,
  OUTCOME_KEY,
  outcomeOf,
} from "./failure.ts";
export {
  CONSISTENCY_HEADER,
  CONSISTENCY_MODES,
  type ConsistencyHeaders,
  type ConsistencyMode,
  LOSS_ACCEPTED_HEADER,
  readConsistency,
  SESSION_HEADER,
} from "./headers.ts";
export type { ReportIncident } from "./interceptors.ts";
export { accountMessage, outcomeFromFailure, outcomeFromRecord } from "./outcome-codec.ts";
export {
  MESSAGE_BYTES_MAX,
  REQUEST_BYTES_MAX,
  type ServeOptions,
  type Serving,
  SUBMIT_BYTES_MAX,
  serve,
} from "./serve.ts";
export { decodeSession, encodeSession } from "./session-token.ts";
export { connectToServer, type ServerConnection, serverUrl } from "./transport.ts";

/**
 * `@bank/rpc`: the seam between the wire and the ledger: codecs, error mapping, headers, serving and connecting.
 * Everything exported here is public; other files are internal.
 */
export { Bag, type Bagged, type CallCodec, callCodec, type UnaryCodec, unaryCodec } from "@bank/quick-unary";
export {
  type Asked,
  type CommandCase,
  type CopiesOf,
  commandCount,
  commandOfBatchItem,
  commandOfForwarded,
  forwardedCommand,
  type ItemCase,
  isLone,
  requestFromCommand,
  requestFromForwarded,
} from "./command-codec.ts";
export { type EpochTold, epochInterceptor, epochTeller, formatEpoch, readEpoch } from "./epoch-header.ts";
export {
  connectErrorFromFailure,
  connectErrorFromRefusal,
  ERROR_DOMAIN,
  failureFromConnectError,
  failureFromRefusal,
  groupFailureFromConnectError,
  OUTCOME_KEY,
  outcomeOf,
} from "./failure.ts";
export { columnOf, type FixedColumn, halvesOf } from "./fixed-columns.ts";
export {
  CONSISTENCY_HEADER,
  CONSISTENCY_MODES,
  type ConsistencyHeaders,
  type ConsistencyMode,
  EPOCH_HEADER,
  formatConsistency,
  formatPropagation,
  LOSS_ACCEPTED_HEADER,
  PROPAGATION_HEADER,
  parseConsistency,
  type ReadConsistency,
  readConsistency,
  readPropagation,
  SESSION_HEADER,
  type WritePropagation,
} from "./headers.ts";
export { type ReportIncident, requireValid, type VisibleError, visibleErrorKey } from "./interceptors.ts";
export { type ItemOptions, itemFromCommand } from "./item-messages.ts";
export { malformed } from "./malformed.ts";
export { accountMessage, durabilityMessage, holdMessage, moneyMessage } from "./messages.ts";
export {
  decodeMovements,
  decodeMovementsReply,
  encodeMovements,
  encodeMovementsReply,
  type MovementColumns,
  type MovementsReply,
  movementCallsCodec,
  movementsCodec,
} from "./movement-codec.ts";
export { hasRequestId } from "./movement-ids.ts";
export { ordersOf, requireOrders } from "./movement-orders.ts";
export {
  type AnsweringRecord,
  outcomeFromFailure,
  outcomeFromRecord,
  resultFromPreview,
  resultFromRecord,
} from "./outcome-codec.ts";
export { writtenCalls, writtenReplies } from "./pipeline-codec.ts";
export { plainCodecs } from "./plain-codec.ts";
export {
  REPLY_BYTES_MAX,
  REQUEST_BYTES_MAX,
  type ServeOptions,
  type Serving,
  SUBMIT_BYTES_MAX,
  serve,
} from "./serve.ts";
export { isSilence } from "./server-connection.ts";
export { decodeSession, encodeSession } from "./session-token.ts";
export { submitCalls } from "./submit-calls.ts";
export { timestampMessage, unixMs, unixMsDown, unixMsUp } from "./time.ts";
export {
  type ConnectOptions,
  connectToServer,
  type ServerConnection,
  serverUrl,
  WATCHFUL_LIMITS,
} from "./transport.ts";

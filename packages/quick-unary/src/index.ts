/**
 * `@bank/quick-unary`: serves unary gRPC and Connect calls, and streams of answers in gRPC, over HTTP/2 at a tenth of what Connect's own adapter for Node
 * costs, with the same routes, interceptors and answers. Everything exported here is public; other files are internal.
 */
export { Bag, type Bagged } from "./bag.ts";
export { type CallCodec, callCodec, type UnaryCodec, unaryCodec } from "./codec.ts";
export { quickStreamCalls } from "./quick-streams.ts";
export { type QuickTransportOptions, quickUnaryCalls } from "./quick-transport.ts";
export { type QuickUnaryOptions, quickUnary, type ReportUnsent, type TakesStream, takeStreams } from "./quick-unary.ts";
export { type RecordedRoutes, type RouteOptions, recordRoutes } from "./record-routes.ts";
export { type StreamCodec, streamCodec } from "./stream-codec.ts";

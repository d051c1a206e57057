/**
 * `@bank/replica`: sequencer, follower, read gate, sessions and witnesses. Logic without I/O of its own: stores, links,
 * clocks and randomness come in, so that the bank, the branches and the simulator run the same code. Everything
 * exported here is public; other files are internal.
 */
export { abortable } from "./abortable.ts";
export { catchUpRows } from "./account-rows.ts";
export { mayPass } from "./appender.ts";
export { BackFill, type BackFillOptions } from "./back-fill.ts";
export { Backoff } from "./backoff.ts";
export { type BankOptions, BankReplica } from "./bank-replica.ts";
export type { BankLink, BranchOptions } from "./branch-options.ts";
export { BranchReplica } from "./branch-replica.ts";
export type { CallLimit } from "./branch-writes.ts";
export { closeStore } from "./close-store.ts";
export type { Consistency, ReadResult } from "./consistency.ts";
export { type Copied, type CopyEnd, copyStore, isSuperseded } from "./copy-store.ts";
export type { FollowedBatch, FollowerState, OpenJournal } from "./follower.ts";
export { type FollowerHead, JournalFeed } from "./journal-feed.ts";
export { epochAt, epochNumberAt, type JournalHead } from "./journal-head.ts";
export { LINK_TICK_MS } from "./link-watch.ts";
export { lostSession } from "./lost-session.ts";
export type { MemberReport, Propagation, PropagationAsked } from "./member.ts";
export { CONNECTED_MS, canReplaceBank, DROPPED_MS, type Member, Members } from "./members.ts";
export type { MovementsAnswer, MovementsCall } from "./movements-call.ts";
export { needsWholeJournal, notHereYet } from "./not-here-yet.ts";
export type { OrdersOutcome } from "./orders-outcome.ts";
export {
  type Answered,
  type CommittedRecord,
  isRejected,
  type Outcome,
  type Preview,
  type Previewed,
  type Refused,
  type RequestStatus,
} from "./outcome.ts";
export { errorText, type Log, type Platform } from "./platform.ts";
export { PositionWatch } from "./position-watch.ts";
export type { RenderPreview } from "./preview.ts";
export type { ReadIndex } from "./read-gate.ts";
export { type Recovered, recover } from "./recover.ts";
export { notLeader } from "./refusals.ts";
export type { SavedEnd } from "./saved-end.ts";
export {
  FalseSnapshotError,
  SEED_COSTS,
  type SeedCosts,
  type Seeded,
  type SeedFrom,
  type SeedSource,
  type SnapshotPart,
  seed,
} from "./seed.ts";
export { type Damage, type Verified, type VerifiedSnapshot, verifyStore } from "./verify-store.ts";
export { WarmCopy, type WarmCopyOptions, type WarmSource } from "./warm-copy.ts";
export { findLosses, type Loss, LossDetectedError, type Witness } from "./witness.ts";

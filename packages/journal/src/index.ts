/**
 * `@bank/journal`: format 1 of the journal and of its snapshots, and the replay that turns them into a ledger. Pure: a
 * hash function comes in as an argument. Everything exported here is public; other files are internal.
 */
export { genesisHash, JOURNAL_FORMAT, nextHash } from "./chain.ts";
export { DigestMismatchError, JournalChainError, JournalFormatError } from "./errors.ts";
export { estimateBytes } from "./estimate.ts";
export { type Batch, type BatchHeader, decodeFrame, decodeHeader, encodeFrame } from "./frame.ts";
export { FrameReader } from "./frame-reader.ts";
export { applyBatch, applyFrame, type ReceivedFrame, type Replay } from "./replay.ts";
export type { Sha256 } from "./sha256.ts";
export {
  type BegunSnapshot,
  beginSnapshot,
  type CheckedPage,
  loadSnapshot,
  type SharedPage,
  type Snapshot,
  SnapshotLoader,
  takeSnapshot,
} from "./snapshot.ts";
